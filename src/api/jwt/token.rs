//! Tokens in compact form (RFC 7515, 7519): three parts and two dots. Their claims stay JSON text here.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::key::{Alg, Key, KeyError};

/// A token, taken apart and not verified.
pub(super) struct Parts<'a> {
    /// Its header, JSON text.
    pub(super) header: Vec<u8>,
    /// Its claims, JSON text.
    pub(super) claims: Vec<u8>,
    signature: Vec<u8>,
    /// What is signed.
    message: &'a str,
}

/// Why a token is not accepted; scripts get it as the reason.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("a token is three parts with dots between them; this is {0}")]
    Form(usize),
    #[error("the {0} of the token is not base64url: {1}")]
    Base64(&'static str, String),
    #[error("the {0} of the token is no JSON object")]
    Json(&'static str),
    #[error("the token is signed with `{0}`; accepted is {1}")]
    Alg(String, String),
    #[error("the header has `crit`: it wants to be understood in ways that are not known here")]
    Critical,
    #[error("the signature does not fit the key")]
    Signature,
    #[error("`{0}` is no number")]
    NoNumber(&'static str),
    #[error("the token expired {0} s ago")]
    Expired(f64),
    #[error("the token is not valid for another {0} s")]
    Early(f64),
}

/// Signs; header and claims are JSON texts.
pub(super) fn sign(header: &str, claims: &str, key: &Key, alg: Alg) -> Result<String, KeyError> {
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = key.sign(alg, token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

impl<'a> Parts<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, Refusal> {
        let parts: Vec<&str> = token.split('.').collect();
        let &[header, claims, signature] = parts.as_slice() else {
            return Err(Refusal::Form(parts.len()));
        };
        let decode = |name, text: &str| {
            URL_SAFE_NO_PAD
                .decode(text)
                .map_err(|error| Refusal::Base64(name, error.to_string()))
        };
        Ok(Self {
            header: decode("header", header)?,
            claims: decode("claims", claims)?,
            signature: decode("signature", signature)?,
            message: &token[..header.len() + 1 + claims.len()],
        })
    }

    /// Checks the signature, and that the token is valid `now` (seconds since 1970, give or take `leeway`).
    pub(super) fn verify(&self, key: &Key, algs: &[Alg], now: f64, leeway: f64) -> Result<(), Refusal> {
        let header = object(&self.header, "header")?;
        if header.get("crit").is_some() {
            return Err(Refusal::Critical);
        }
        let name = header.get("alg").and_then(Value::as_str).unwrap_or_default();
        let alg = Alg::parse(name)
            .filter(|alg| algs.contains(alg))
            .ok_or_else(|| Refusal::Alg(name.to_owned(), names(algs)))?;
        if !key.verifies(alg, self.message.as_bytes(), &self.signature) {
            return Err(Refusal::Signature);
        }
        let claims = object(&self.claims, "claims")?;
        if let Some(expires) = date(&claims, "exp")?
            && now >= expires + leeway
        {
            return Err(Refusal::Expired(tenths(now - expires)));
        }
        if let Some(begins) = date(&claims, "nbf")?
            && now < begins - leeway
        {
            return Err(Refusal::Early(tenths(begins - now)));
        }
        Ok(())
    }
}

fn names(algs: &[Alg]) -> String {
    algs.iter().map(|alg| alg.name()).collect::<Vec<_>>().join(", ")
}

fn object(text: &[u8], name: &'static str) -> Result<serde_json::Map<String, Value>, Refusal> {
    serde_json::from_slice(text).map_err(|_| Refusal::Json(name))
}

fn date(claims: &serde_json::Map<String, Value>, name: &'static str) -> Result<Option<f64>, Refusal> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => value.as_f64().map(Some).ok_or(Refusal::NoNumber(name)),
    }
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
