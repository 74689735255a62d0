//! What a request carries: its body as JSON or as a form with files, and its credentials. Other options are `options.rs`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use mlua::Value;

use crate::api::pairs::plain;
use crate::net::body::{Part, multipart};
use crate::script::ApiError;
use crate::script::fields::Fields;
use crate::script::loader::find_data;
use crate::script::raw::{Kind, Stack};

use super::options::Reader;
use super::request::secret_header;

const AUTH_FORMS: &str = "`auth` is `{ basic = { user, password } }` or `{ bearer = token }`";

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
        let text = json.bytes(stack, value);
        let text = text.map_err(|error| self.error(format!("`json`: {error}")))?;
        let body = Bytes::copy_from_slice(text);
        self.body("json", body, Some(HeaderValue::from_static("application/json")))
    }

    pub(super) fn auth(&mut self, value: &Value) -> Result<(), ApiError> {
        let owner = format!("{}: `auth`", self.owner);
        let Some(fields) = Fields::new(&owner, Vec::new(), value, &["basic", "bearer"])? else {
            return Ok(());
        };
        let text = match (fields.get("basic"), fields.get("bearer")) {
            (Value::Table(basic), Value::Nil) => match (basic.raw_get(1)?, basic.raw_get(2)?) {
                (Value::String(user), Value::String(password)) => {
                    let pair = [&user.as_bytes()[..], b":", &password.as_bytes()].concat();
                    format!("Basic {}", STANDARD.encode(pair))
                }
                _ => return Err(self.error(AUTH_FORMS)),
            },
            (Value::Nil, Value::String(token)) => format!("Bearer {}", token.to_string_lossy()),
            (Value::Nil, Value::Function(token)) => {
                self.options.token = Some(token);
                return Ok(());
            }
            _ => return Err(self.error(AUTH_FORMS)),
        };
        let value = secret_header(self.owner, text)?;
        self.options.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    pub(super) fn multipart(&mut self, stack: &mut Stack<'_>, index: i32) -> Result<(), ApiError> {
        if stack.kind(index) != Kind::Table {
            return Err(self.wrong("multipart", "a table of fields", &stack.value(index)?));
        }
        let (top, mut at) = (stack.top(), 0);
        let mut parts = Vec::new();
        while let Some(next) = stack.next(index, at) {
            let (name, value) = (top + 1, top + 2);
            let Some(name) = stack.lossy(name).map(Cow::into_owned) else {
                return Err(self.wrong("multipart", "a table with names as keys", &stack.value(name)?));
            };
            let part = match stack.kind(value) {
                Kind::Table => self.file(name, &stack.value(value)?)?,
                _ => {
                    let data = plain(stack, value)?;
                    let wrong = |got| self.error(format!("`multipart.{name}` must be a string, got {got}"));
                    let data = data.map_err(wrong)?.into_bytes().into();
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

    fn file(&self, name: String, value: &Value) -> Result<Part, ApiError> {
        let owner = format!("{}: `multipart.{name}`", self.owner);
        let known = ["path", "content", "filename", "content_type"];
        let Some(file) = Fields::new(&owner, Vec::new(), value, &known)? else {
            return Ok(Part::default());
        };
        let path = file.string("path")?;
        let data: Bytes = match (&path, file.get("content")) {
            (Some(path), Value::Nil) => {
                let found = find_data(path, &self.vu.host.session.script);
                let found = found.map_err(|reason| ApiError::Text(format!("{owner}: {reason}")))?;
                let read = std::fs::read(found).map_err(|error| ApiError::Text(format!("{owner}: {error}")))?;
                read.into()
            }
            (None, Value::String(content)) => content.as_bytes().to_vec().into(),
            _ => {
                return Err(ApiError::Text(format!(
                    "{owner} is a string, or {{ path = … }} or {{ content = …, filename = … }}"
                )));
            }
        };
        let last = path.as_deref().and_then(|path| path.rsplit('/').next());
        Ok(Part {
            filename: file.string("filename")?.or(last.map(str::to_owned)),
            content_type: file.string("content_type")?,
            name,
            data,
        })
    }
}
