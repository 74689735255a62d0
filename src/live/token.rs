//! The secret that live control asks for. Where it is carried is in `routes`.

use std::fmt;
use std::io::Read as _;

/// 128 random bits in hexadecimal.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A new one, from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none.
    pub fn new() -> std::io::Result<Self> {
        let mut bits = [0_u8; 16];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut bits)?;
        Ok(Self(bits.iter().map(|byte| format!("{byte:02x}")).collect()))
    }

    /// The token as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `given` is the token. Takes equally long wherever the two differ, so that nobody can find it out digit by
    /// digit.
    #[must_use]
    pub fn is(&self, given: &[u8]) -> bool {
        let own = self.0.as_bytes();
        let differences = own.iter().zip(given).fold(0_u8, |sum, (a, b)| sum | (a ^ b));
        own.len() == given.len() && differences == 0
    }
}

impl fmt::Debug for Token {
    /// Keeps the secret out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_and_nothing_else() {
        let (token, other) = (Token::new().unwrap(), Token::new().unwrap());
        let text = token.as_str().to_owned();
        assert_eq!(text.len(), 32, "128 bits");
        assert!(token.is(text.as_bytes()));
        let table = [
            "",
            "x",
            &text[1..],
            &text[..31],
            &format!("{text}0"),
            other.as_str(),
            &text.to_uppercase(),
        ];
        for given in table {
            assert_eq!(token.is(given.as_bytes()), given == text, "{given}");
        }
        assert!(!format!("{token:?}").contains(&text));
    }
}
