//! Reads the arguments of a request: URL, options, body, what is expected. Nothing is sent here.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use mlua::{Table, Value};
use url::Url;

use crate::api::args::{Args, number, tags};
use crate::clock;
use crate::net::body::{Codec, FORM_CONTENT_TYPE, Part, compress, form, multipart};
use crate::net::{ErrorKind, Exchange, NetError, Request, Timings};
use crate::script::fields::{describe, suggest, to_duration};
use crate::script::loader::find_data;
use crate::script::value::AsJson;
use crate::script::{ApiError, VuContext};

/// A request that is ready to be sent, or the failed exchange of one that cannot be.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) request: Result<Request, Box<Exchange>>,
    pub(super) name: String,
    pub(super) tags: Vec<(String, String)>,
    pub(super) expect: Expect,
}

/// Which statuses are a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expect {
    /// 200 to 399.
    Default,
    /// Any of these ranges, both ends included.
    Ranges(Vec<(u16, u16)>),
}

impl Expect {
    pub(super) fn holds(&self, status: u16) -> bool {
        match self {
            Self::Default => (200..400).contains(&status),
            Self::Ranges(ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&status)),
        }
    }
}

const OPTIONS: [&str; 15] = [
    "json",
    "body",
    "form",
    "multipart",
    "query",
    "headers",
    "auth",
    "cookies",
    "name",
    "tags",
    "timeout",
    "redirects",
    "expect",
    "discard_body",
    "compress",
];

/// What an options table says, before the request is put together.
#[derive(Debug, Default)]
struct Options {
    name: Option<String>,
    tags: Vec<(String, String)>,
    expect: Option<Expect>,
    headers: HeaderMap,
    query: Vec<(String, String)>,
    cookies: Vec<(String, String)>,
    body: Option<(&'static str, Bytes, Option<String>)>,
    timeout: Option<std::time::Duration>,
    redirects: Option<u32>,
    discard_body: Option<bool>,
    compress: Option<Codec>,
}

/// Reads a method's name.
pub(super) fn method(args: &Args, value: &Value) -> Result<http::Method, ApiError> {
    let Value::String(text) = value else {
        return Err(args.wrong("method", "a string", value));
    };
    let text = text.to_string_lossy().to_ascii_uppercase();
    http::Method::from_bytes(text.as_bytes()).map_err(|_| args.error(format!("`{text}` is no HTTP method")))
}

/// Puts a request together. Misuse is an error; a URL that cannot be parsed is a failed request, because it may come from
/// data.
pub(super) fn prepare(
    vu: &Rc<VuContext>,
    owner: &'static str,
    method: http::Method,
    url: &Value,
    options: &Value,
) -> Result<Prepared, ApiError> {
    let Value::String(text) = url else {
        return Err(ApiError::Text(format!(
            "{owner}: `url` must be a string, got {}",
            describe(url)
        )));
    };
    let text = text.to_string_lossy();
    let mut reader = Reader {
        vu,
        owner,
        options: Options::default(),
    };
    match options {
        Value::Nil => {}
        Value::Table(table) => reader.read(table)?,
        other => {
            return Err(ApiError::Text(format!(
                "{owner}: `options` must be a table, got {}",
                describe(other)
            )));
        }
    }
    let options = reader.options;
    let plan = vu.host.http_plan();
    let mut parsed = absolute(plan.and_then(|plan| plan.base_url.as_ref()), &text);
    if let Ok(url) = &mut parsed
        && !options.query.is_empty()
    {
        url.query_pairs_mut().extend_pairs(&options.query);
    }
    let name = match (&options.name, &parsed) {
        (Some(name), _) => name.clone(),
        (None, Ok(url)) => vu.host.session.automatic_name(without_query(url.as_str())).to_owned(),
        (None, Err(_)) => "(bad URL)".to_owned(),
    };
    let expect = options.expect.clone().unwrap_or(Expect::Default);
    let tags = options.tags.clone();
    let request = match parsed {
        Ok(url) => Ok(build(vu, owner, method, url, options)?),
        Err(message) => Err(Box::new(unsendable(method, message))),
    };
    Ok(Prepared {
        request,
        name,
        tags,
        expect,
    })
}

fn without_query(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

fn absolute(base: Option<&Url>, text: &str) -> Result<Url, String> {
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(url::ParseError::RelativeUrlWithoutBase) => match base {
            Some(base) => base
                .join(text)
                .map_err(|error| format!("`{text}` is no URL: {error}"))?,
            None => {
                return Err(format!(
                    "`{text}` is relative, and the plan has no `http = {{ base_url = … }}`"
                ));
            }
        },
        Err(error) => return Err(format!("`{text}` is no URL: {error}")),
    };
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(format!("`{text}` is no http:// or https:// URL"))
    }
}

fn unsendable(method: http::Method, message: String) -> Exchange {
    let now = clock::now();
    Exchange {
        url: Url::parse("http://invalid.invalid/").expect("a constant URL parses"),
        method,
        outcome: Err(NetError::new(ErrorKind::BadRequest, message)),
        timings: Timings::default(),
        sent: 0,
        received: 0,
        remote_addr: None,
        reused: false,
        retried: false,
        started_at: now,
        finished_at: now,
    }
}

fn build(vu: &VuContext, owner: &str, method: http::Method, url: Url, options: Options) -> Result<Request, ApiError> {
    let mut request = Request::new(method, url);
    request.headers = options.headers;
    if let Some((_, body, content_type)) = options.body {
        if let Some(kind) = content_type
            && !request.headers.contains_key(CONTENT_TYPE)
        {
            let value = HeaderValue::from_str(&kind).map_err(|error| ApiError::Text(format!("{owner}: {error}")))?;
            request.headers.insert(CONTENT_TYPE, value);
        }
        request.body = match options.compress {
            None => body,
            Some(codec) => {
                request
                    .headers
                    .insert(CONTENT_ENCODING, HeaderValue::from_static(codec.name()));
                compress(codec, &body).map_err(|error| ApiError::Text(format!("{owner}: {error}")))?
            }
        };
    }
    request.cookies = options.cookies;
    request.timeout = options.timeout;
    if let Some(plan) = vu.host.http_plan() {
        request.redirects = options.redirects.unwrap_or(plan.config.max_redirects);
        request.discard_body = options.discard_body.unwrap_or(plan.config.discard_body);
        for (name, value) in &plan.headers {
            let (name, value) = header(owner, name, value)?;
            if !request.headers.contains_key(&name) {
                request.headers.insert(name, value);
            }
        }
    }
    Ok(request)
}

fn header(owner: &str, name: &str, value: &str) -> Result<(HeaderName, HeaderValue), ApiError> {
    let name =
        HeaderName::try_from(name).map_err(|_| ApiError::Text(format!("{owner}: `{name}` is no header name")))?;
    let value = HeaderValue::try_from(value).map_err(|_| {
        ApiError::Text(format!(
            "{owner}: the value of header `{name}` holds a character that headers cannot carry"
        ))
    })?;
    Ok((name, value))
}

/// Reads one options table, key by key.
struct Reader<'a> {
    vu: &'a Rc<VuContext>,
    owner: &'static str,
    options: Options,
}

impl Reader<'_> {
    fn read(&mut self, table: &Table) -> Result<(), ApiError> {
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair?;
            let Value::String(key) = &key else {
                return Err(self.error(format!("{} is not an option name", describe(&key))));
            };
            self.option(&key.to_string_lossy(), &value)?;
        }
        Ok(())
    }

    fn option(&mut self, key: &str, value: &Value) -> Result<(), ApiError> {
        match key {
            "json" => self.json(value)?,
            "body" => {
                let bytes = self.string(key, value)?.as_bytes().to_vec();
                self.body("body", bytes.into(), None)?;
            }
            "form" => {
                let pairs = self.pairs(key, value)?;
                self.body("form", form(pairs), Some(FORM_CONTENT_TYPE.to_owned()))?;
            }
            "multipart" => self.multipart(value)?,
            "query" => self.options.query = self.pairs(key, value)?,
            "cookies" => self.options.cookies = self.pairs(key, value)?,
            "headers" => {
                for (name, value) in self.pairs(key, value)? {
                    let (name, value) = header(self.owner, &name, &value)?;
                    self.options.headers.append(name, value);
                }
            }
            "auth" => self.auth(value)?,
            "name" => self.options.name = Some(self.string(key, value)?.to_string_lossy()),
            "tags" => match value {
                Value::Table(table) => self.options.tags = tags(self.owner, table)?,
                other => return Err(self.wrong(key, "a table of strings", other)),
            },
            "timeout" => {
                let timeout =
                    to_duration(value).map_err(|reason| self.error(format!("`timeout` is wrong: {reason}")))?;
                self.options.timeout = Some(timeout);
            }
            "redirects" => self.options.redirects = Some(self.redirects(value)?),
            "expect" => self.options.expect = Some(self.expect(value)?),
            "discard_body" => match value {
                Value::Boolean(discard) => self.options.discard_body = Some(*discard),
                other => return Err(self.wrong(key, "true or false", other)),
            },
            "compress" => {
                let name = self.string(key, value)?.to_string_lossy();
                self.options.compress = Some(
                    name.parse()
                        .map_err(|error| self.error(format!("`compress`: {error}")))?,
                );
            }
            unknown => {
                let hint = match suggest(unknown, OPTIONS) {
                    hint if hint.is_empty() => format!("; known are {}", OPTIONS.join(", ")),
                    hint => hint,
                };
                return Err(self.error(format!("unknown option `{unknown}`{hint}")));
            }
        }
        Ok(())
    }

    fn error(&self, text: impl std::fmt::Display) -> ApiError {
        ApiError::Text(format!("{}: {text}", self.owner))
    }

    fn wrong(&self, key: &str, wanted: &str, got: &Value) -> ApiError {
        self.error(format!("`{key}` must be {wanted}, got {}", describe(got)))
    }

    fn string(&self, key: &str, value: &Value) -> Result<mlua::LuaString, ApiError> {
        match value {
            Value::String(text) => Ok(text.clone()),
            other => Err(self.wrong(key, "a string", other)),
        }
    }

    /// Names and values; a list under a name repeats it. Sorted by name, so that a request is the same every time.
    fn pairs(&self, key: &str, value: &Value) -> Result<Vec<(String, String)>, ApiError> {
        let Value::Table(table) = value else {
            return Err(self.wrong(key, "a table of strings", value));
        };
        let mut pairs = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (name, value) = pair?;
            let Value::String(name) = &name else {
                return Err(self.wrong(key, "a table with names as keys", &name));
            };
            let name = name.to_string_lossy();
            match &value {
                Value::Table(list) => {
                    for value in list.sequence_values::<Value>() {
                        pairs.push((name.clone(), self.plain(key, &name, &value?)?));
                    }
                }
                value => pairs.push((name.clone(), self.plain(key, &name, value)?)),
            }
        }
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(pairs)
    }

    fn plain(&self, key: &str, name: &str, value: &Value) -> Result<String, ApiError> {
        match value {
            Value::String(text) => Ok(text.to_string_lossy()),
            Value::Integer(_) | Value::Number(_) | Value::Boolean(_) => Ok(describe(value)),
            other => Err(self.wrong(&format!("{key}.{name}"), "a string", other)),
        }
    }

    fn body(&mut self, kind: &'static str, body: Bytes, content_type: Option<String>) -> Result<(), ApiError> {
        if let Some((other, ..)) = &self.options.body {
            return Err(self.error(format!(
                "`{other}` and `{kind}` cannot go together: a request has one body"
            )));
        }
        self.options.body = Some((kind, body, content_type));
        Ok(())
    }

    fn json(&mut self, value: &Value) -> Result<(), ApiError> {
        let bytes = serde_json::to_vec(&AsJson::new(value)).map_err(|error| self.error(format!("`json`: {error}")))?;
        self.body("json", bytes.into(), Some("application/json".to_owned()))
    }

    fn auth(&mut self, value: &Value) -> Result<(), ApiError> {
        let Value::Table(table) = value else {
            return Err(self.wrong("auth", "a table", value));
        };
        let text = match (table.raw_get::<Value>("basic")?, table.raw_get::<Value>("bearer")?) {
            (Value::Table(basic), Value::Nil) => {
                let user: String = basic.raw_get(1)?;
                let password: String = basic.raw_get::<Option<String>>(2)?.unwrap_or_default();
                use base64::Engine as _;
                let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                format!("Basic {text}")
            }
            (Value::Nil, Value::String(token)) => format!("Bearer {}", token.to_string_lossy()),
            (Value::Nil, Value::Function(token)) => {
                let token: mlua::LuaString = token
                    .call(())
                    .map_err(|error| self.error(format!("`auth.bearer`: {error}")))?;
                format!("Bearer {}", token.to_string_lossy())
            }
            _ => return Err(self.error("`auth` is `{ basic = { user, password } }` or `{ bearer = token }`")),
        };
        let mut value = HeaderValue::try_from(text)
            .map_err(|_| self.error("`auth` holds a character that headers cannot carry"))?;
        value.set_sensitive(true);
        self.options.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    fn redirects(&self, value: &Value) -> Result<u32, ApiError> {
        match (value, number(value)) {
            (Value::Boolean(false), _) => Ok(0),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be a whole number up to 100"
            )]
            (_, Some(count)) if count.fract() == 0.0 && (0.0..=100.0).contains(&count) => Ok(count as u32),
            _ => Err(self.wrong("redirects", "a number from 0 to 100, or false", value)),
        }
    }

    fn expect(&self, value: &Value) -> Result<Expect, ApiError> {
        let values = match value {
            Value::Table(list) => list.sequence_values::<Value>().collect::<mlua::Result<Vec<_>>>()?,
            one => vec![one.clone()],
        };
        let range = |value: &Value| -> Option<(u16, u16)> {
            if let Some(status) = number(value) {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "checked to be a whole number of three digits"
                )]
                return (status.fract() == 0.0 && (100.0..=999.0).contains(&status))
                    .then_some((status as u16, status as u16));
            }
            let Value::String(text) = value else { return None };
            let text = text.to_string_lossy();
            if let Some(class) = text.strip_suffix("xx") {
                return class
                    .parse::<u16>()
                    .ok()
                    .filter(|class| (1..=5).contains(class))
                    .map(|class| (class * 100, class * 100 + 99));
            }
            let (low, high) = text.split_once('-')?;
            low.trim()
                .parse()
                .ok()
                .zip(high.trim().parse().ok())
                .filter(|(low, high)| low <= high)
        };
        let ranges: Option<Vec<_>> = values.iter().map(range).collect();
        match ranges {
            Some(ranges) if !ranges.is_empty() => Ok(Expect::Ranges(ranges)),
            _ => Err(self.wrong(
                "expect",
                "a status, a range as \"200-299\" or \"2xx\", or a list of them",
                value,
            )),
        }
    }

    fn multipart(&mut self, value: &Value) -> Result<(), ApiError> {
        let Value::Table(table) = value else {
            return Err(self.wrong("multipart", "a table of fields", value));
        };
        let mut parts = Vec::new();
        for pair in table.pairs::<Value, Value>() {
            let (name, value) = pair?;
            let Value::String(name) = &name else {
                return Err(self.wrong("multipart", "a table with names as keys", &name));
            };
            parts.push(self.part(name.to_string_lossy(), &value)?);
        }
        parts.sort_by(|a, b| a.name.cmp(&b.name));
        let encoded = multipart(&parts, rand::RngExt::random(&mut *self.vu.rng.borrow_mut()));
        self.body("multipart", encoded.body, Some(encoded.content_type))
    }

    fn part(&self, name: String, value: &Value) -> Result<Part, ApiError> {
        let Value::Table(file) = value else {
            let data = self.plain("multipart", &name, value)?.into_bytes().into();
            return Ok(Part {
                name,
                data,
                ..Part::default()
            });
        };
        let text = |key: &str| file.raw_get::<Option<mlua::LuaString>>(key);
        let data: Bytes = match (text("path")?, text("content")?) {
            (Some(path), None) => {
                let found = find_data(&path.to_string_lossy(), &self.vu.host.session.script);
                let found = found.map_err(|reason| self.error(format!("`multipart.{name}`: {reason}")))?;
                std::fs::read(found)
                    .map_err(|error| self.error(format!("`multipart.{name}`: {error}")))?
                    .into()
            }
            (None, Some(content)) => content.as_bytes().to_vec().into(),
            _ => {
                return Err(self.error(format!(
                    "`multipart.{name}` is a string, or {{ path = … }} or {{ content = …, filename = … }}"
                )));
            }
        };
        let filename = match (text("filename")?, text("path")?) {
            (Some(name), _) => Some(name.to_string_lossy()),
            (None, Some(path)) => path.to_string_lossy().rsplit('/').next().map(str::to_owned),
            (None, None) => None,
        };
        Ok(Part {
            name,
            filename,
            content_type: text("content_type")?.map(|kind| kind.to_string_lossy()),
            data,
        })
    }
}
