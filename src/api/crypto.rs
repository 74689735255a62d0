//! `kt.crypto`: hashes, HMACs and random bytes of the operating system. Tokens are `kt.jwt`'s; random values that can be
//! replayed are `kt.random`'s.

use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest as _, Md5};
use mlua::Value;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::{digest, hmac};

use super::args::Args;
use super::encoding::to_hex;
use crate::script::fields::suggest;
use crate::script::{ApiResult, Host, IntoMulti as _};

/// More than any salt or body needs; a typing error does not fill the memory.
const MOST_BYTES: i64 = 1 << 20;

const HMACS: [&str; 4] = ["sha1", "sha256", "sha384", "sha512"];
const OUTPUTS: [&str; 4] = ["hex", "base64", "base64url", "raw"];

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let table = host.lua.create_table()?;
    let md5 = host.sync_fn(|host, values| {
        let args = Args::new("crypto.md5", values);
        let data = args.string(0, "data")?;
        output(host, &args, 1, "hex", &Md5::digest(data.as_bytes()))
    })?;
    table.raw_set("md5", md5)?;
    for (name, full, algorithm) in [
        ("sha1", "crypto.sha1", &digest::SHA1_FOR_LEGACY_USE_ONLY),
        ("sha256", "crypto.sha256", &digest::SHA256),
        ("sha384", "crypto.sha384", &digest::SHA384),
        ("sha512", "crypto.sha512", &digest::SHA512),
    ] {
        let hash = host.sync_fn(move |host, values| {
            let args = Args::new(full, values);
            let data = args.string(0, "data")?;
            output(
                host,
                &args,
                1,
                "hex",
                digest::digest(algorithm, &data.as_bytes()).as_ref(),
            )
        })?;
        table.raw_set(name, hash)?;
    }
    let hmac = host.sync_fn(|host, values| {
        let args = Args::new("crypto.hmac", values);
        let name = args.string(0, "algorithm")?.to_string_lossy();
        let (key, data) = (args.string(1, "key")?, args.string(2, "data")?);
        let algorithm = match name.as_str() {
            "sha1" => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            "sha256" => hmac::HMAC_SHA256,
            "sha384" => hmac::HMAC_SHA384,
            "sha512" => hmac::HMAC_SHA512,
            _ => return Err(args.error(not_one_of("algorithm", &name, &HMACS))),
        };
        let tag = hmac::sign(&hmac::Key::new(algorithm, &key.as_bytes()), &data.as_bytes());
        output(host, &args, 3, "hex", tag.as_ref())
    })?;
    table.raw_set("hmac", hmac)?;
    let random_bytes = host.sync_fn(|host, values| {
        let args = Args::new("crypto.random_bytes", values);
        let count = args.integer(0, "n")?;
        let length = usize::try_from(count).ok().filter(|_| count <= MOST_BYTES);
        let length = length.ok_or_else(|| args.wrong("n", "a whole number from 0 to 1,048,576", &args.get(0)))?;
        let mut bytes = vec![0; length];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| args.error("the operating system gives no random bytes"))?;
        output(host, &args, 1, "raw", &bytes)
    })?;
    table.raw_set("random_bytes", random_bytes)?;
    Ok(Value::Table(table))
}

/// The bytes in the form that the argument at `index` names.
fn output(host: &Host, args: &Args, index: usize, default: &str, bytes: &[u8]) -> ApiResult {
    let form = args.opt_string(index, "output")?.map(|form| form.to_string_lossy());
    let text = match form.as_deref().unwrap_or(default) {
        "hex" => to_hex(bytes, false),
        "base64" => STANDARD.encode(bytes),
        "base64url" => URL_SAFE_NO_PAD.encode(bytes),
        "raw" => return Ok(host.lua.create_string(bytes)?.into_multi(&host.lua)?),
        other => return Err(args.error(not_one_of("output", other, &OUTPUTS))),
    };
    Ok(text.into_multi(&host.lua)?)
}

fn not_one_of(what: &str, got: &str, names: &[&str]) -> String {
    let list: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    let hint = suggest(got, names.iter().copied());
    format!("`{what}` is \"{got}\"; it must be one of {}{hint}", list.join(", "))
}
