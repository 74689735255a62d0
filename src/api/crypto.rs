//! `kt.crypto`: hashes, HMACs and random bytes of the operating system. Tokens are `kt.jwt`'s; random values that can be
//! replayed are `kt.random`'s.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use mlua::Value;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac};

use super::encoding::to_hex;
use crate::script::fields::not_a_choice;
use crate::script::{ApiError, Args, Host};

/// More than any salt or body needs; a typing error does not fill the memory.
const MOST_BYTES: i64 = 1 << 20;

const HMACS: [&str; 4] = ["sha1", "sha256", "sha384", "sha512"];
const OUTPUTS: [&str; 4] = ["hex", "base64", "base64url", "raw"];

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    host.add(&table, "crypto.md5", |_, args| {
        output(args, 2, "hex", &Md5::digest(args.bytes(1, "data")?))
    })?;
    for (name, algorithm) in [
        ("crypto.sha1", &digest::SHA1_FOR_LEGACY_USE_ONLY),
        ("crypto.sha256", &digest::SHA256),
        ("crypto.sha384", &digest::SHA384),
        ("crypto.sha512", &digest::SHA512),
    ] {
        host.add(&table, name, move |_, args| {
            let digest = digest::digest(algorithm, args.bytes(1, "data")?);
            output(args, 2, "hex", digest.as_ref())
        })?;
    }
    host.add(&table, "crypto.hmac", |_, args| {
        let name = args.text(1, "algorithm")?;
        let (key, data) = (args.bytes(2, "key")?, args.bytes(3, "data")?);
        let algorithm = match &*name {
            "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            "sha256" => hmac::HMAC_SHA256,
            "sha384" => hmac::HMAC_SHA384,
            "sha512" => hmac::HMAC_SHA512,
            _ => return Err(args.error(not_one_of("algorithm", &name, &HMACS))),
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, key), data);
        output(args, 4, "hex", tag.as_ref())
    })?;
    host.add(&table, "crypto.random_bytes", |_, args| {
        let count = args.integer(1, "n")?;
        let length = usize::try_from(count).ok().filter(|_| count <= MOST_BYTES);
        let length = length.ok_or_else(|| args.wrong("n", "a whole number from 0 to 1,048,576", 1))?;
        let mut bytes = vec![0; length];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| args.error("the operating system gives no random bytes"))?;
        output(args, 2, "raw", &bytes)
    })?;
    Ok(Value::Table(table))
}

/// The bytes in the form that the argument at `index` names.
fn output(args: &Args<'_, '_>, index: i32, default: &str, bytes: &[u8]) -> Result<Vec<u8>, ApiError> {
    let form = args.opt_text(index, "output")?;
    Ok(match form.as_deref().unwrap_or(default) {
        "hex" => to_hex(bytes, false).into(),
        "base64" => STANDARD.encode(bytes).into(),
        "base64url" => URL_SAFE_NO_PAD.encode(bytes).into(),
        "raw" => bytes.to_vec(),
        other => return Err(args.error(not_one_of("output", other, &OUTPUTS))),
    })
}

fn not_one_of(what: &str, got: &str, names: &[&str]) -> String {
    format!("`{what}` {}", not_a_choice(got, names))
}
