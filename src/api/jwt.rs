//! `kt.jwt`: signs and reads JSON web tokens. Fetching and renewing them is `lib-lua/tokens.lua`'s.

mod der;
mod key;
mod token;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use mlua::Value;
use serde_json::{Map, Value as Json};

use self::key::{Alg, Key};
use self::token::Parts;
use crate::clock;
use crate::script::fields::{describe, suggest};
use crate::script::value::{parse, to_tree};
use crate::script::{ApiError, Args, Host};

/// Reading an RSA key takes longer than most of what is done with it. A journey has one or two; more are read again.
const KEYS_KEPT: usize = 8;

/// The keys that a VM used last.
#[derive(Default)]
struct Keys(RefCell<Vec<(Vec<u8>, Rc<Key>)>>);

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let keys = Rc::new(Keys::default());
    let own = Rc::clone(&keys);
    host.add(&table, "jwt.sign", move |host, args| sign(host, &own, args))?;
    host.add(&table, "jwt.decode", |host, args| {
        let read = read(host, &args.text(1, "token")?);
        let token = read.map(|(header, claims)| {
            let token = host.lua.create_table()?;
            token.raw_set("header", header)?;
            token.raw_set("claims", claims)?;
            mlua::Result::Ok(token)
        });
        Ok(match token {
            Ok(token) => Ok(token?),
            Err(problem) => Err(problem),
        })
    })?;
    host.add(&table, "jwt.verify", move |host, args| verify(host, &keys, args))?;
    Ok(Value::Table(table))
}

impl Keys {
    /// The key that is the second argument.
    fn get(&self, args: &Args<'_, '_>) -> Result<Rc<Key>, ApiError> {
        let mut keys = self.0.borrow_mut();
        let bytes = args.bytes(2, "key")?;
        if let Some(at) = keys.iter().position(|(known, _)| known == bytes) {
            let known = keys.remove(at);
            keys.push(known);
        } else {
            let key = Key::read(bytes).map_err(|error| args.error(error))?;
            if keys.len() == KEYS_KEPT {
                keys.remove(0);
            }
            keys.push((bytes.to_vec(), Rc::new(key)));
        }
        let (_, key) = &keys[keys.len() - 1];
        Ok(Rc::clone(key))
    }
}

fn now() -> f64 {
    let since = clock::wall().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}

fn sign(host: &Host, keys: &Keys, args: &Args<'_, '_>) -> Result<String, ApiError> {
    let claims = Value::Table(args.table(1, "claims")?);
    let key = keys.get(args)?;
    let options = args.options(3, &["alg", "headers", "expires_in"])?;
    let (mut alg, mut lifetime, mut headers) = (None, None, Value::Nil);
    if let Some(options) = options {
        alg = options.choice("alg", &Alg::NAMES)?;
        lifetime = options.duration("expires_in")?;
        headers = options.value("headers")?;
    }
    let alg = alg.map_or(key.algs().first().copied(), Alg::parse);
    let alg = alg.unwrap_or(Alg::Hs256);
    let mut claims = object(host, args, "claims", &claims)?;
    if let Some(lifetime) = lifetime {
        expire(args, &mut claims, lifetime)?;
    }
    let mut header = match headers {
        Value::Nil => Map::new(),
        headers @ Value::Table(_) => object(host, args, "headers", &headers)?,
        other => return Err(args.error(format!("`headers` must be a table, got {}", describe(&other)))),
    };
    if header.contains_key("alg") {
        return Err(args.error("`headers` must not hold `alg`, which is an option of its own"));
    }
    header.insert("alg".into(), alg.name().into());
    header.entry("typ").or_insert_with(|| "JWT".into());
    let text = |map: Map<String, Json>| Json::Object(map).to_string();
    token::sign(&text(header), &text(claims), &key, alg).map_err(|error| args.error(error))
}

/// A table as a JSON object; an empty one too.
fn object(host: &Host, args: &Args<'_, '_>, what: &str, value: &Value) -> Result<Map<String, Json>, ApiError> {
    match to_tree(&host.lua, value) {
        Ok(Json::Object(map)) => Ok(map),
        Ok(_) => Err(args.error(format!("`{what}` must have names as keys, and is a list"))),
        Err(error) => Err(args.error(format!("`{what}`: {error}"))),
    }
}

/// Whole seconds, because not everybody reads fractions.
fn expire(args: &Args<'_, '_>, claims: &mut Map<String, Json>, lifetime: Duration) -> Result<(), ApiError> {
    if claims.contains_key("exp") {
        return Err(args.error("the claims have `exp` already; leave it or `expires_in` out"));
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds of this era and a century more are whole in 64 bits"
    )]
    let whole = |seconds: f64| Json::from(seconds.floor() as i64);
    let now = now();
    claims.entry("iat").or_insert_with(|| whole(now));
    claims.insert("exp".into(), whole(now + lifetime.as_secs_f64()));
    Ok(())
}

/// Header and claims as Lua values.
fn read(host: &Host, text: &str) -> Result<(Value, Value), String> {
    let parts = Parts::read(text).map_err(|error| error.to_string())?;
    let table = |json: &[u8], name: &str| match parse(&host.lua, json, false) {
        Ok(value @ Value::Table(_)) if json.trim_ascii_start().starts_with(b"{") => Ok(value),
        Ok(_) => Err(format!("the {name} of the token is no JSON object")),
        Err(error) => Err(format!("the {name} of the token is no JSON: {error}")),
    };
    Ok((table(&parts.header, "header")?, table(&parts.claims, "claims")?))
}

fn verify(host: &Host, keys: &Keys, args: &Args<'_, '_>) -> Result<Result<Value, String>, ApiError> {
    let text = args.text(1, "token")?;
    let key = keys.get(args)?;
    let mut algs = key.algs().to_vec();
    let mut leeway = Duration::ZERO;
    if let Some(options) = args.options(3, &["algs", "leeway"])? {
        leeway = options.duration("leeway")?.unwrap_or_default();
        if let Some(names) = options.list("algs")? {
            let names = names.iter().map(|name| accepted(args, &key, name));
            algs = names.collect::<Result<_, _>>()?;
        }
    }
    let verified = Parts::read(&text).and_then(|parts| parts.verify(&key, &algs, now(), leeway.as_secs_f64()));
    let read = verified
        .map_err(|refusal| refusal.to_string())
        .and_then(|()| read(host, &text));
    Ok(read.map(|(_, claims)| claims))
}

fn accepted(args: &Args<'_, '_>, key: &Key, name: &str) -> Result<Alg, ApiError> {
    let alg = Alg::parse(name).ok_or_else(|| {
        let hint = suggest(name, Alg::NAMES);
        args.error(format!(
            "`algs` has \"{name}\"; known are {}{hint}",
            Alg::NAMES.join(", ")
        ))
    })?;
    key.fits(alg).map_err(|error| args.error(error))?;
    Ok(alg)
}
