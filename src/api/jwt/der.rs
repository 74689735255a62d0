//! As much of DER as it takes to tell the kind of a key (RFC 5280, 4.1; RFC 5958; RFC 5915). Reading the keys is ring's.

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rsa,
    P256,
    Ed25519,
}

/// What messages say about other kinds.
pub(super) const KINDS: &str = "it must be an RSA, P-256 or Ed25519 key";

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const BIT_STRING: u8 = 0x03;

/// 1.2.840.113549.1.1.1, rsaEncryption.
const RSA: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// 1.3.101.112, id-Ed25519.
const ED25519: &[u8] = &[0x06, 3, 0x2b, 0x65, 0x70];
/// 1.2.840.10045.2.1 and 1.2.840.10045.3.1.7: id-ecPublicKey on prime256v1.
const P256: &[u8] = &[
    0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7,
];

/// The content of the element at the beginning, which must have this tag, and what follows it.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = input.split_first()?;
    let (&length, rest) = rest.split_first()?;
    if first != tag {
        return None;
    }
    if length < 0x80 {
        return rest.split_at_checked(usize::from(length));
    }
    // Long form: the low bits say how many bytes the length has.
    let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
    if digits.len() > 3 {
        return None;
    }
    let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    rest.split_at_checked(length)
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|digit| **digit == 0).count()..];
    match digits {
        [] => out.push(0),
        [only] if *only < 0x80 => out.push(*only),
        digits => {
            out.push(0x80 | u8::try_from(digits.len()).unwrap_or(0));
            out.extend_from_slice(digits);
        }
    }
    out.extend_from_slice(content);
    out
}

fn kind(algorithm: &[u8]) -> Option<Kind> {
    // After the name of RSA there is a NULL, or nothing.
    match algorithm {
        P256 => Some(Kind::P256),
        ED25519 => Some(Kind::Ed25519),
        other if other.starts_with(RSA) => Some(Kind::Rsa),
        _ => None,
    }
}

/// The kind of a private key in PKCS#8.
pub(super) fn private_kind(pkcs8: &[u8]) -> Option<Kind> {
    let (inside, _) = element(pkcs8, SEQUENCE)?;
    let (_version, rest) = element(inside, INTEGER)?;
    kind(element(rest, SEQUENCE)?.0)
}

/// The kind and the bits of a public key in a SubjectPublicKeyInfo.
pub(super) fn public_key(spki: &[u8]) -> Option<(Kind, &[u8])> {
    let (inside, _) = element(spki, SEQUENCE)?;
    let (algorithm, rest) = element(inside, SEQUENCE)?;
    let (bits, _) = element(rest, BIT_STRING)?;
    // The first byte says how many bits of the last one are unused: none.
    Some((kind(algorithm)?, bits.strip_prefix(&[0])?))
}

/// An EC private key without wrapping, as OpenSSL writes it, in PKCS#8; taken to be on P-256, which ring checks.
pub(super) fn sec1_as_pkcs8(sec1: &[u8]) -> Vec<u8> {
    let version = [INTEGER, 1, 0].as_slice();
    wrap(
        SEQUENCE,
        &[version, &wrap(SEQUENCE, P256), &wrap(OCTET_STRING, sec1)].concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_wrapped_is_read(content in prop::collection::vec(any::<u8>(), 0..70_000), tail in prop::collection::vec(any::<u8>(), 0..4)) {
            let mut text = wrap(OCTET_STRING, &content);
            text.extend(&tail);
            prop_assert_eq!(element(&text, OCTET_STRING), Some((content.as_slice(), tail.as_slice())));
        }

        #[test]
        fn nothing_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = (private_kind(&bytes), public_key(&bytes), element(&bytes, SEQUENCE));
        }
    }
}
