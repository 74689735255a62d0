//! Tokens of users: JWTs that are signed with HS256 (RFC 7515, RFC 7519). Who may have one is no question here: whoever
//! asks gets one, as from a test realm.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::catalogue::{user_id, user_number};

/// The secret of the demo; it protects nothing, and journeys may sign with it.
pub const SECRET: &str = "kingtide-demo-secret";

/// Who issues them.
const ISSUER: &str = "kingtide-demo";

/// Why a token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("there is no token: send `Authorization: Bearer …`")]
    Missing,
    #[error("the token is none of this system's")]
    Invalid,
    #[error("the token has expired")]
    Expired,
}

/// What signs and verifies.
#[derive(Debug)]
pub(in crate::demo) struct Mint {
    key: hmac::Key,
}

impl Mint {
    /// Of the documented secret.
    pub(in crate::demo) fn new() -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()),
        }
    }

    /// A token from `iat` to `exp`, which are NumericDates: seconds since 1970, as numbers that may have a fraction.
    pub(in crate::demo) fn sign(&self, user: u32, iat: Value, exp: Value) -> String {
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        let claims = json!({ "exp": exp, "iat": iat, "iss": ISSUER, "sub": user_id(user) });
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let signature = hmac::sign(&self.key, signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The user of a token, where that is all that is asked.
    #[cfg(test)]
    pub(in crate::demo) fn user(&self, token: &str, now: f64) -> Option<u32> {
        self.verify(token, now).ok()
    }

    /// The user of a token that is good at `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`Refused`].
    pub(super) fn verify(&self, token: &str, now: f64) -> Result<u32, Refused> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Refused::Invalid)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refused::Invalid)?;
        // The algorithm is ours, whatever the header says.
        hmac::verify(&self.key, signed.as_bytes(), &signature).map_err(|_| Refused::Invalid)?;
        let (_, claims) = signed.split_once('.').ok_or(Refused::Invalid)?;
        let claims = URL_SAFE_NO_PAD.decode(claims).map_err(|_| Refused::Invalid)?;
        let claims: Value = serde_json::from_slice(&claims).map_err(|_| Refused::Invalid)?;
        let user = claims["sub"].as_str().and_then(user_number).ok_or(Refused::Invalid)?;
        match claims["exp"].as_f64() {
            Some(exp) if now < exp => Ok(user),
            Some(_) => Err(Refused::Expired),
            None => Err(Refused::Invalid),
        }
    }
}

/// The token of an `Authorization` header's value.
pub(super) fn bearer(value: Option<&str>) -> Result<&str, Refused> {
    let (scheme, token) = value.and_then(|value| value.split_once(' ')).ok_or(Refused::Missing)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        Ok(token.trim())
    } else {
        Err(Refused::Missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_it_expires() {
        let mint = Mint::new();
        let token = mint.sign(17, json!(1_000), json!(1_060.5));
        // token, now, result
        let table = [
            (token.clone(), 1_000.0, Ok(17)),
            (token.clone(), 1_060.4, Ok(17)),
            (token.clone(), 1_060.5, Err(Refused::Expired)),
            (format!("{token}x"), 1_000.0, Err(Refused::Invalid)),
            (token.replacen('.', "x.", 1), 1_000.0, Err(Refused::Invalid)),
            ("a.b.c".to_owned(), 1_000.0, Err(Refused::Invalid)),
            ("abc".to_owned(), 1_000.0, Err(Refused::Invalid)),
            (String::new(), 1_000.0, Err(Refused::Invalid)),
        ];
        for (token, now, result) in table {
            assert_eq!(mint.verify(&token, now), result, "{token} at {now}");
        }
    }

    #[test]
    fn what_is_signed_is_a_jwt() {
        let token = Mint::new().sign(3, json!(1), json!(2));
        let parts: Vec<&str> = token.split('.').collect();
        let read = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(read(parts[0]), r#"{"alg":"HS256","typ":"JWT"}"#);
        assert_eq!(
            read(parts[1]),
            r#"{"exp":2,"iat":1,"iss":"kingtide-demo","sub":"user-000003"}"#
        );
        assert_eq!(parts.len(), 3);
    }

    #[test]
    fn only_bearer_tokens_are_read() {
        assert_eq!(bearer(Some("Bearer abc")), Ok("abc"));
        assert_eq!(bearer(Some("bearer abc")), Ok("abc"));
        for other in [None, Some("Basic abc"), Some("abc"), Some("")] {
            assert_eq!(bearer(other), Err(Refused::Missing), "{other:?}");
        }
    }
}
