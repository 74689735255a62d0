//! Keys of tokens: a secret, or the PEM text of a private or public key, and what each can sign or verify. Tokens
//! themselves are next door.

use ring::rand::SystemRandom;
use ring::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair, UnparsedPublicKey};
use ring::{error::KeyRejected, hmac};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{PrivateKeyDer, SubjectPublicKeyInfoDer};

use super::der;

/// How a token is signed (RFC 7518, 3.1; RFC 8037).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alg {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Es256,
    EdDsa,
}

impl Alg {
    pub(super) const NAMES: [&'static str; 6] = ["HS256", "HS384", "HS512", "RS256", "ES256", "EdDSA"];
    const ALL: [Self; 6] = [
        Self::Hs256,
        Self::Hs384,
        Self::Hs512,
        Self::Rs256,
        Self::Es256,
        Self::EdDsa,
    ];

    pub(super) fn parse(name: &str) -> Option<Self> {
        let index = Self::NAMES.iter().position(|known| *known == name)?;
        Self::ALL.get(index).copied()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }

    fn hmac(self) -> Option<hmac::Algorithm> {
        match self {
            Self::Hs256 => Some(hmac::HMAC_SHA256),
            Self::Hs384 => Some(hmac::HMAC_SHA384),
            Self::Hs512 => Some(hmac::HMAC_SHA512),
            Self::Rs256 | Self::Es256 | Self::EdDsa => None,
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyError {
    /// No key that anybody could have meant.
    #[error("`key` is empty")]
    Empty,
    /// Not a key in PEM, or one of another kind.
    #[error("`key` is no key that can be read: {0}")]
    Unreadable(String),
    /// The key is of one kind and the algorithm of another. A PEM text is never taken for a secret: whoever has the
    /// public key could sign with it.
    #[error("{alg} wants {wanted}, and `key` is {got}")]
    Other {
        alg: &'static str,
        wanted: &'static str,
        got: &'static str,
    },
    /// A public key cannot sign.
    #[error("`key` is a public key, which verifies and cannot sign")]
    Public,
    /// No random bytes, or an RSA key that is inconsistent.
    #[error("signing failed")]
    Signing,
}

/// A key, read.
pub(super) enum Key {
    Secret(Vec<u8>),
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    RsaPublic(Vec<u8>),
    EcPublic(Vec<u8>),
    EdPublic(Vec<u8>),
}

const PEM_BEGIN: &[u8] = b"-----BEGIN ";

impl Key {
    /// PEM where it looks like it, else a secret.
    pub(super) fn read(text: &[u8]) -> Result<Self, KeyError> {
        if text.is_empty() {
            return Err(KeyError::Empty);
        }
        if !text.trim_ascii_start().starts_with(PEM_BEGIN) {
            return Ok(Self::Secret(text.to_vec()));
        }
        match PrivateKeyDer::from_pem_slice(text) {
            Ok(key) => Self::private(&key),
            Err(pem::Error::NoItemsFound) => Self::public(text),
            Err(error) => Err(KeyError::Unreadable(error.to_string())),
        }
    }

    fn private(key: &PrivateKeyDer<'_>) -> Result<Self, KeyError> {
        let rejected = |error: KeyRejected| KeyError::Unreadable(error.to_string());
        let ec = |pkcs8: &[u8]| {
            let algorithm = &signature::ECDSA_P256_SHA256_FIXED_SIGNING;
            EcdsaKeyPair::from_pkcs8(algorithm, pkcs8, &SystemRandom::new()).map(Self::Ec)
        };
        match key {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der())
                .map(Self::Rsa)
                .map_err(rejected),
            PrivateKeyDer::Sec1(key) => ec(&der::sec1_as_pkcs8(key.secret_sec1_der())).map_err(rejected),
            PrivateKeyDer::Pkcs8(key) => {
                let key = key.secret_pkcs8_der();
                match der::private_kind(key) {
                    Some(der::Kind::Rsa) => RsaKeyPair::from_pkcs8(key).map(Self::Rsa).map_err(rejected),
                    Some(der::Kind::P256) => ec(key).map_err(rejected),
                    // OpenSSL writes the private half only.
                    Some(der::Kind::Ed25519) => Ed25519KeyPair::from_pkcs8_maybe_unchecked(key)
                        .map(Self::Ed)
                        .map_err(rejected),
                    None => Err(KeyError::Unreadable(der::KINDS.to_owned())),
                }
            }
            _ => Err(KeyError::Unreadable(der::KINDS.to_owned())),
        }
    }

    fn public(text: &[u8]) -> Result<Self, KeyError> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(text).map_err(|error| match error {
            pem::Error::NoItemsFound => {
                KeyError::Unreadable("its PEM text holds neither a private nor a public key".into())
            }
            other => KeyError::Unreadable(other.to_string()),
        })?;
        match der::public_key(&key) {
            Some((der::Kind::Rsa, bits)) => Ok(Self::RsaPublic(bits.to_vec())),
            Some((der::Kind::P256, bits)) => Ok(Self::EcPublic(bits.to_vec())),
            Some((der::Kind::Ed25519, bits)) => Ok(Self::EdPublic(bits.to_vec())),
            None => Err(KeyError::Unreadable(der::KINDS.to_owned())),
        }
    }

    /// As messages call it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Secret(_) => "a secret",
            Self::Rsa(_) | Self::RsaPublic(_) => "an RSA key",
            Self::Ec(_) | Self::EcPublic(_) => "a P-256 key",
            Self::Ed(_) | Self::EdPublic(_) => "an Ed25519 key",
        }
    }

    /// The algorithms that it is for.
    pub(super) fn algs(&self) -> &'static [Alg] {
        match self {
            Self::Secret(_) => &[Alg::Hs256, Alg::Hs384, Alg::Hs512],
            Self::Rsa(_) | Self::RsaPublic(_) => &[Alg::Rs256],
            Self::Ec(_) | Self::EcPublic(_) => &[Alg::Es256],
            Self::Ed(_) | Self::EdPublic(_) => &[Alg::EdDsa],
        }
    }

    pub(super) fn fits(&self, alg: Alg) -> Result<(), KeyError> {
        if self.algs().contains(&alg) {
            return Ok(());
        }
        let wanted = match alg {
            Alg::Hs256 | Alg::Hs384 | Alg::Hs512 => "a secret",
            Alg::Rs256 => "an RSA key in PEM",
            Alg::Es256 => "a P-256 key in PEM",
            Alg::EdDsa => "an Ed25519 key in PEM",
        };
        Err(KeyError::Other {
            alg: alg.name(),
            wanted,
            got: self.kind(),
        })
    }

    pub(super) fn sign(&self, alg: Alg, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.fits(alg)?;
        let random = SystemRandom::new();
        match (self, alg.hmac()) {
            (Self::Secret(secret), Some(algorithm)) => {
                let key = hmac::Key::new(algorithm, secret);
                Ok(hmac::sign(&key, message).as_ref().to_vec())
            }
            (Self::Rsa(key), _) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&signature::RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| KeyError::Signing)?;
                Ok(signature)
            }
            (Self::Ec(key), _) => {
                let signature = key.sign(&random, message).map_err(|_| KeyError::Signing)?;
                Ok(signature.as_ref().to_vec())
            }
            (Self::Ed(key), _) => Ok(key.sign(message).as_ref().to_vec()),
            _ => Err(KeyError::Public),
        }
    }

    /// Whether the signature is this key's; false for other algorithms than its own.
    pub(super) fn verifies(&self, alg: Alg, message: &[u8], signature: &[u8]) -> bool {
        let public = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key)
                .verify(message, signature)
                .is_ok()
        };
        if self.fits(alg).is_err() {
            return false;
        }
        match (self, alg.hmac()) {
            (Self::Secret(secret), Some(algorithm)) => {
                hmac::verify(&hmac::Key::new(algorithm, secret), message, signature).is_ok()
            }
            (Self::Secret(_), None) => false,
            (Self::Rsa(key), _) => public(&signature::RSA_PKCS1_2048_8192_SHA256, key.public_key().as_ref()),
            (Self::RsaPublic(key), _) => public(&signature::RSA_PKCS1_2048_8192_SHA256, key),
            (Self::Ec(key), _) => public(&signature::ECDSA_P256_SHA256_FIXED, key.public_key().as_ref()),
            (Self::EcPublic(key), _) => public(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Self::Ed(key), _) => public(&signature::ED25519, key.public_key().as_ref()),
            (Self::EdPublic(key), _) => public(&signature::ED25519, key),
        }
    }
}
