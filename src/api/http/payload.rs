//! What a request carries: its body as JSON or as a form with files, and its credentials. Other options are `options.rs`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};

use crate::api::pairs::bytes;
use crate::net::body::{Part, multipart};
use crate::script::ApiError;
use crate::script::loader::find_data;
use crate::script::options::Options;
use crate::script::raw::{Kind, Stack};
use crate::script::value::Style;

use super::options::Reader;
use super::request::secret_header;

const AUTH_FORMS: &str = "`auth` is `{ basic = { user, password } }` or `{ bearer = token }`";

static JSON: HeaderValue = HeaderValue::from_static("application/json");

impl Reader<'_> {
    pub(super) fn body(
        &mut self,
        kind: &'static str,
        body: Bytes,
        content_type: Option<HeaderValue>,
    ) -> Result<(), ApiError> {
        if let Some((other, ..)) = &self.options.body {
            return Err(self.error(format!(
                "`{other}` and `{kind}` cannot go together: a request has one body"
            )));
        }
        self.options.body = Some((kind, body, content_type));
        Ok(())
    }

    pub(super) fn json(&mut self, stack: &mut Stack<'_>, value: i32) -> Result<(), ApiError> {
        let mut json = self.vu.host.json.borrow_mut();
        let text = json.bytes(stack, value, Style::Plain);
        let text = text.map_err(|error| self.error(format!("`json`: {error}")))?;
        let body = Bytes::copy_from_slice(text);
        self.body("json", body, Some(JSON.clone()))
    }

    pub(super) fn auth(&mut self, stack: &mut Stack<'_>, index: i32) -> Result<(), ApiError> {
        let owner = format!("{}: `auth`", self.owner);
        let given = Options::read(&owner, stack, index, &["basic", "bearer"])?;
        let text = match (given.place("basic"), given.place("bearer")) {
            (Some(basic), None) if stack.list_len(basic) >= 2 => {
                let user = stack.top() + 1;
                stack.push_item(basic, 1);
                stack.push_item(basic, 2);
                match (stack.bytes(user), stack.bytes(user + 1)) {
                    (Some(user), Some(password)) => {
                        format!("Basic {}", STANDARD.encode([user, b":", password].concat())).into_bytes()
                    }
                    _ => return Err(self.error(AUTH_FORMS)),
                }
            }
            (None, Some(bearer)) if stack.kind(bearer) == Kind::Function => {
                self.options.token = stack.value(bearer)?.as_function().cloned();
                return Ok(());
            }
            (None, Some(bearer)) => match stack.bytes(bearer) {
                Some(token) => [b"Bearer ", token].concat(),
                None => return Err(self.error(AUTH_FORMS)),
            },
            _ => return Err(self.error(AUTH_FORMS)),
        };
        let value = secret_header(self.owner, text)?;
        self.options.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    pub(super) fn multipart(&mut self, stack: &mut Stack<'_>, index: i32) -> Result<(), ApiError> {
        if stack.kind(index) != Kind::Table {
            return Err(self.wrong("multipart", "a table of fields", stack, index));
        }
        let (top, mut at) = (stack.top(), 0);
        let mut parts = Vec::new();
        while let Some(next) = stack.next(index, at) {
            let (name, value) = (top + 1, top + 2);
            let Some(name) = stack.lossy(name).map(Cow::into_owned) else {
                return Err(self.wrong("multipart", "a table with names as keys", stack, name));
            };
            let part = match stack.kind(value) {
                Kind::Table => self.file(name, stack, value)?,
                _ => {
                    let wrong = |got| self.error(format!("`multipart.{name}` must be a string, got {got}"));
                    let data = bytes(stack, value).map_err(wrong)?.into();
                    Part {
                        name,
                        data,
                        ..Part::default()
                    }
                }
            };
            parts.push(part);
            stack.truncate(top);
            at = next;
        }
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        let encoded = multipart(&parts, rand::RngExt::random(&mut *self.vu.rng.borrow_mut()));
        let content_type = HeaderValue::try_from(encoded.content_type).map_err(|error| self.error(error))?;
        self.body("multipart", encoded.body, Some(content_type))
    }

    fn file(&self, name: String, stack: &Stack<'_>, index: i32) -> Result<Part, ApiError> {
        let owner = format!("{}: `multipart.{name}`", self.owner);
        let file = Options::read(&owner, stack, index, &["path", "content", "filename", "content_type"])?;
        let path = file.text("path")?;
        let content = file.place("content").map(|place| stack.bytes(place));
        let data: Bytes = match (&path, content) {
            (Some(path), None) => {
                let found = find_data(path, &self.vu.host.session.script);
                let found = found.map_err(|reason| ApiError::Text(format!("{owner}: {reason}")))?;
                let read = std::fs::read(found).map_err(|error| ApiError::Text(format!("{owner}: {error}")))?;
                read.into()
            }
            (None, Some(Some(content))) => Bytes::copy_from_slice(content),
            _ => {
                return Err(ApiError::Text(format!(
                    "{owner} is a string, or {{ path = … }} or {{ content = …, filename = … }}"
                )));
            }
        };
        let last = path.as_deref().and_then(|path| path.rsplit('/').next());
        let filename = file.text("filename")?.map(Cow::into_owned);
        Ok(Part {
            filename: filename.or_else(|| last.map(str::to_owned)),
            content_type: file.text("content_type")?.map(Cow::into_owned),
            name,
            data,
        })
    }
}
