//! W3C Trace Context: which trace a request belongs to, and the headers that tell the server so. Whose traces are worth a look
//! is `metrics`' business.
//!
//! <https://www.w3.org/TR/trace-context/>. Ids come from a generator of their own, seeded by the system: they differ between
//! runs with the same seed, and take nothing from the random numbers of journeys.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::num::NonZeroU64;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use super::Pools;
use super::h1::number;

/// Which trace and which span a request is.
pub(super) static TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What whoever has traced it so far says of it.
pub(super) static TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Bytes of a `traceparent`.
const PARENT: usize = 55;

/// The longest name of a run in `tracestate`, whose values have up to 256 characters.
const LONGEST_RUN: usize = 200;

/// The trace of a request with all its hops and attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    id: [u8; 16],
    /// Whether who looks at traces is to keep it.
    pub is_sampled: bool,
    /// The request has a `traceparent` of the caller's.
    is_given: bool,
}

impl Trace {
    /// Its id, never zero.
    #[must_use]
    pub fn id(&self) -> u128 {
        u128::from_be_bytes(self.id)
    }

    /// The id in 32 hexadecimal digits.
    #[must_use]
    pub fn hex(&self) -> String {
        format!("{:032x}", self.id())
    }

    /// What a `traceparent` of the caller's says; `None` when it is not one (section 3.2.2).
    fn given(value: &[u8]) -> Option<Self> {
        let (parent, rest) = value.split_at_checked(PARENT)?;
        let lower = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        let parts = [(0, 2), (3, 35), (36, 52), (53, 55)].map(|(from, to)| &parent[from..to]);
        let is_form =
            [2, 35, 52].iter().all(|at| parent[*at] == b'-') && parts.iter().all(|part| part.iter().all(lower));
        // Later versions may go on behind another dash.
        let ends = match parts[0] {
            b"ff" => false,
            b"00" => rest.is_empty(),
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let number = |part: &[u8]| u128::from_str_radix(std::str::from_utf8(part).ok()?, 16).ok();
        let (id, span, flags) = (number(parts[1])?, number(parts[2])?, number(parts[3])?);
        (is_form && ends && id != 0 && span != 0).then_some(Self {
            id: id.to_be_bytes(),
            is_sampled: flags & 1 == 1,
            is_given: true,
        })
    }
}

/// One sending of a request within its trace.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    trace: &'a Trace,
    id: NonZeroU64,
    run: &'a str,
    vu: u64,
}

impl Span<'_> {
    /// The value of `traceparent`.
    pub fn parent(&self) -> [u8; PARENT] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        hex(&self.trace.id, &mut text[3..35]);
        hex(&self.id.get().to_be_bytes(), &mut text[36..52]);
        text[54] += u8::from(self.trace.is_sampled);
        text
    }

    /// Writes the value of `tracestate`.
    pub fn state(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"kingtide=");
        out.extend_from_slice(self.run.as_bytes());
        out.push(b';');
        number(out, self.vu);
    }

    /// Both as header lines, or the first alone where the caller has a `tracestate` of its own.
    pub fn lines(&self, with_state: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"traceparent: ");
        out.extend_from_slice(&self.parent());
        out.extend_from_slice(b"\r\n");
        if with_state {
            out.extend_from_slice(b"tracestate: ");
            self.state(out);
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Both as values, likewise.
    pub fn values(&self, with_state: bool) -> impl Iterator<Item = (HeaderName, HeaderValue)> + use<> {
        let parent = HeaderValue::from_bytes(&self.parent()).ok();
        let state = with_state.then(|| {
            let mut state = Vec::with_capacity(self.run.len() + 32);
            self.state(&mut state);
            HeaderValue::try_from(state).ok()
        });
        let named = [(TRACEPARENT.clone(), parent), (TRACESTATE.clone(), state.flatten())];
        named.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Gives requests their traces, on one core.
#[derive(Debug)]
pub(super) struct Tracer {
    sampling: f64,
    /// They know what the run is called, once it begins.
    pools: Arc<Pools>,
    random: RefCell<Pcg64Mcg>,
}

impl Tracer {
    /// Keeps a share of the traces, 0 to 1.
    pub fn new(sampling: f64, pools: &Arc<Pools>) -> Self {
        Self {
            sampling,
            pools: Arc::clone(pools),
            random: RefCell::new(Pcg64Mcg::new(by_system())),
        }
    }

    /// The trace of a request: a new one, or what the caller's own `traceparent` says, if that can be read.
    pub fn begin(&self, given: Option<&HeaderValue>) -> Option<Trace> {
        if let Some(given) = given {
            return Trace::given(given.as_bytes());
        }
        let mut random = self.random.borrow_mut();
        let id = loop {
            match random.random::<u128>() {
                0 => {}
                id => break id,
            }
        };
        Some(Trace {
            id: id.to_be_bytes(),
            is_sampled: random.random::<f64>() < self.sampling,
            is_given: false,
        })
    }

    /// The id of one more sending of a request; `None` when the caller's own headers speak for it.
    pub fn span_id(&self, trace: &Trace) -> Option<NonZeroU64> {
        if trace.is_given {
            return None;
        }
        let mut random = self.random.borrow_mut();
        loop {
            if let Some(id) = NonZeroU64::new(random.random()) {
                return Some(id);
            }
        }
    }

    /// What a sending with this id tells.
    pub fn span<'a>(&'a self, trace: &'a Trace, id: NonZeroU64, vu: u64) -> Span<'a> {
        Span {
            trace,
            id,
            run: self.pools.run(),
            vu,
        }
    }
}

/// A number that the system has drawn: the keys of the standard library's hash tables come from there.
fn by_system() -> u128 {
    let number = || RandomState::new().build_hasher().finish();
    u128::from(number()) << 64 | u128::from(number())
}

/// A name for a run that has none.
pub(super) fn made_up() -> String {
    format!("{:032x}", by_system())
}

/// A name that `tracestate` can carry (section 3.3.1.3.2).
pub(super) fn run_name(name: &str) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = name.chars().map(|c| if fits(c) { c } else { '_' });
    name.take(LONGEST_RUN).collect()
}

fn hex(bytes: &[u8], out: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, digits) in bytes.iter().zip(out.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 15)];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tracer(sampling: f64) -> Tracer {
        let pools = Arc::new(Pools::default());
        pools.name_run("20261120T100000Z-saga");
        Tracer::new(sampling, &pools)
    }

    fn headers(tracer: &Tracer, trace: &Trace, vu: u64) -> (String, String) {
        let span = tracer.span(trace, tracer.span_id(trace).unwrap(), vu);
        let mut state = Vec::new();
        span.state(&mut state);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&span.parent()), text(&state))
    }

    proptest! {
        #[test]
        fn what_is_sent_reads_back(vu in any::<u64>(), sampling in prop_oneof![Just(0.0), Just(1.0)]) {
            let tracer = tracer(sampling);
            let trace = tracer.begin(None).unwrap();
            let (parent, state) = headers(&tracer, &trace, vu);
            let (again, _) = headers(&tracer, &trace, vu);
            let read = Trace::given(parent.as_bytes()).unwrap();
            prop_assert_eq!((read.id(), read.is_sampled), (trace.id(), sampling > 0.5));
            prop_assert_eq!(&parent[3..35], trace.hex());
            // The same trace, another span.
            prop_assert!(parent[..36] == again[..36] && parent[36..52] != again[36..52]);
            prop_assert_eq!(state, format!("kingtide=20261120T100000Z-saga;{vu}"));
        }

        #[test]
        fn any_name_of_a_run_can_be_carried(name in ".*") {
            let name = run_name(&name);
            let fits = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b',' && byte != b'=';
            // With `;` and the longest number, a value has at most 256 characters.
            prop_assert!(name.len() + 21 <= 256 && name.bytes().all(fits));
        }
    }

    #[test]
    fn the_share_of_sampled_traces_is_as_asked() {
        for (sampling, low, high) in [(0.0, 0, 0), (0.1, 850, 1_150), (1.0, 10_000, 10_000)] {
            let tracer = tracer(sampling);
            let sampled = (0..10_000).filter(|_| tracer.begin(None).unwrap().is_sampled).count();
            assert!((low..=high).contains(&sampled), "{sampling}: {sampled}");
        }
    }

    #[test]
    fn a_header_of_the_callers_counts_if_it_is_one() {
        let id = 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128;
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let table = [
            (good, Some(true)),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", Some(false)),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03", Some(true)),
            (
                "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
                Some(true),
            ),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more", None),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", None),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", None),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", None),
            ("00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None),
            ("", None),
            ("tracing please", None),
        ];
        let tracer = tracer(0.0);
        for (value, sampled) in table {
            let trace = tracer.begin(Some(&HeaderValue::from_static(value)));
            assert_eq!(trace.map(|trace| trace.is_sampled), sampled, "{value}");
            if let Some(trace) = trace {
                assert_eq!(trace.id(), id);
                assert_eq!(tracer.span_id(&trace), None);
            }
        }
    }
}
