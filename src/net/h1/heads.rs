//! The heads that a core has read last, and what they say. Most servers answer with the same bytes until the second of their
//! `date` is over: comparing them costs a twentieth of reading them again, and their answers have one piece of memory in common.

use bytes::Bytes;
use http::Method;

use super::head::{self, Head};
use crate::net::NetError;

/// How many are remembered.
const KEPT: usize = 8;
/// The largest that is, in bytes.
const LARGEST: usize = 1 << 10;
/// Where so many in a row were new, as of a server that numbers its answers, only each so many-th is remembered, and only
/// that one is looked at.
const PATIENCE: u64 = 32;

/// Heads of responses by their bytes.
#[derive(Default)]
pub(super) struct Heads {
    kept: Vec<(Bytes, Head)>,
    /// The one that came last.
    last: usize,
    /// How many in a row were not known.
    unknown: u64,
}

impl Heads {
    /// As [`head::parse`], which reads what is not known yet; with the text of those that are remembered.
    ///
    /// # Errors
    /// As there.
    pub fn parse(&mut self, bytes: &[u8], method: &Method) -> Result<Option<(Head, Option<Bytes>)>, NetError> {
        // What an answer to one of these says of its body is another thing.
        if matches!(*method, Method::HEAD | Method::CONNECT) {
            return Ok(head::parse(bytes, method)?.map(|head| (head, None)));
        }
        if let Some((text, head)) = self.known(bytes) {
            let known = (head.clone(), Some(text.clone()));
            self.unknown = 0;
            return Ok(Some(known));
        }
        let Some(head) = head::parse(bytes, method)? else {
            return Ok(None);
        };
        self.unknown += 1;
        let is_kept = head.len <= LARGEST && (self.is_hopeful() || self.unknown.is_multiple_of(PATIENCE));
        let text = is_kept.then(|| Bytes::copy_from_slice(&bytes[..head.len]));
        if let Some(text) = &text {
            self.keep(text, &head);
        }
        Ok(Some((head, text)))
    }

    /// The head that the bytes begin with, if it is one of these. A head says itself where it ends, so that none is the
    /// beginning of another.
    fn known(&mut self, bytes: &[u8]) -> Option<&(Bytes, Head)> {
        let is_it = |(text, _): &(Bytes, Head)| bytes.starts_with(text);
        if !self.kept.get(self.last).is_some_and(is_it) {
            let mut others = self.kept.iter().take(if self.is_hopeful() { KEPT } else { 0 });
            self.last = others.position(is_it)?;
        }
        self.kept.get(self.last)
    }

    /// Whether heads come again.
    fn is_hopeful(&self) -> bool {
        self.unknown < PATIENCE
    }

    /// Remembers a head, where there are many in the place of the one after the last.
    fn keep(&mut self, text: &Bytes, head: &Head) {
        let kept = (text.clone(), head.clone());
        if self.kept.len() < KEPT {
            self.last = self.kept.len();
            self.kept.push(kept);
        } else {
            self.last = (self.last + 1) % KEPT;
            self.kept[self.last] = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(number: usize) -> Vec<u8> {
        format!("HTTP/1.1 200 OK\r\nx-id: {number}\r\ncontent-length: 1\r\n\r\nx").into_bytes()
    }

    fn parse(heads: &mut Heads, bytes: &[u8], method: &Method) -> Option<Head> {
        let head = match heads.parse(bytes, method).unwrap() {
            Some((head, text)) => {
                assert!(text.is_none_or(|text| text == bytes[..head.len]));
                Some(head)
            }
            None => None,
        };
        assert_eq!(head, head::parse(bytes, method).unwrap());
        head
    }

    #[test]
    fn heads_that_come_again_are_not_read_again() {
        let mut heads = Heads::default();
        for _ in 0..3 {
            for number in 0..KEPT {
                parse(&mut heads, &numbered(number), &Method::GET);
            }
            assert_eq!(heads.kept.len(), KEPT);
        }
        assert_eq!(heads.unknown, 0);
        parse(&mut heads, &numbered(KEPT), &Method::POST);
        assert_eq!((heads.kept.len(), heads.unknown), (KEPT, 1));
    }

    #[test]
    fn the_answer_to_another_method_is_another_one() {
        let mut heads = Heads::default();
        for method in [Method::GET, Method::HEAD, Method::CONNECT, Method::GET] {
            parse(&mut heads, &numbered(1), &method);
        }
        assert_eq!(heads.kept.len(), 1);
    }

    #[test]
    fn what_never_comes_again_is_hardly_remembered() {
        let mut heads = Heads::default();
        for number in 0..500 {
            parse(&mut heads, &numbered(number), &Method::GET);
        }
        let is_kept = |number| heads.kept.iter().any(|(text, _)| numbered(number).starts_with(text));
        assert_eq!((32..500).filter(|number| is_kept(*number)).count(), 8);
        assert!(!is_kept(499));
        // And is when it does.
        for _ in 0..=PATIENCE {
            parse(&mut heads, &numbered(499), &Method::GET);
        }
        assert_eq!(heads.unknown, 0);
    }

    #[test]
    fn a_large_head_and_a_part_of_one_are_read() {
        let mut heads = Heads::default();
        let large = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(LARGEST));
        for _ in 0..2 {
            assert!(parse(&mut heads, large.as_bytes(), &Method::GET).is_some());
            assert!(parse(&mut heads, &numbered(1)[..20], &Method::GET).is_none());
        }
        assert!(heads.kept.is_empty());
    }
}
