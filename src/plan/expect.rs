//! Which answers count as a success, and what to say of one that does not. How requests are sent is `net`'s.

use std::str::FromStr;

use crate::net::{ErrorKind, Exchange};

/// Which statuses are a success.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expect {
    /// 200 to 399.
    #[default]
    Default,
    /// This one.
    One(u16),
    /// Any of these ranges, both ends included.
    Ranges(Vec<(u16, u16)>),
}

/// Statuses that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no status; write for example 200, 2xx, 200-299, or several with commas between them")]
pub struct ExpectError(String);

impl Expect {
    /// Whether a status is one of them.
    #[must_use]
    pub fn holds(&self, status: u16) -> bool {
        match self {
            Self::Default => (200..400).contains(&status),
            Self::One(one) => *one == status,
            Self::Ranges(ranges) => ranges.iter().any(|(low, high)| (*low..=*high).contains(&status)),
        }
    }

    /// Whether an exchange is a success. `is_followed`: it is a redirect that is followed, a step and not the answer.
    #[must_use]
    pub fn met(&self, exchange: &Exchange, is_followed: bool) -> bool {
        match &exchange.outcome {
            Ok(response) => is_followed || self.holds(response.status),
            Err(_) => false,
        }
    }
}

/// Reads one status or range of them: `200`, `2xx` or `200-299`.
#[must_use]
pub fn range(text: &str) -> Option<(u16, u16)> {
    let status = |text: &str| text.trim().parse::<u16>().ok();
    if let Some(class) = text.trim().strip_suffix("xx") {
        let class = class.parse::<u16>().ok().filter(|class| (1..=5).contains(class))?;
        return Some((class * 100, class * 100 + 99));
    }
    match text.split_once('-') {
        Some((low, high)) => status(low).zip(status(high)).filter(|(low, high)| low <= high),
        None => status(text)
            .filter(|status| (100..=999).contains(status))
            .map(|status| (status, status)),
    }
}

impl FromStr for Expect {
    type Err = ExpectError;

    /// Reads ranges with commas between them.
    fn from_str(text: &str) -> Result<Self, ExpectError> {
        let ranges = text
            .split(',')
            .map(|part| range(part).ok_or_else(|| ExpectError(part.trim().to_owned())));
        Ok(Self::Ranges(ranges.collect::<Result<_, _>>()?))
    }
}

/// The `error_code` of an exchange that was no success, and a sentence for people about it, without query and credentials.
#[must_use]
pub fn complaint(exchange: &Exchange) -> (u32, String) {
    let (code, what) = match &exchange.outcome {
        Ok(response) => {
            let status = u32::from(response.status);
            (1000 + status, format!("status {status} is not what was expected"))
        }
        Err(error) => (u32::from(error.code), error.message.clone()),
    };
    let unsent = matches!(&exchange.outcome, Err(error) if error.kind == ErrorKind::BadRequest);
    let place = if unsent {
        String::new()
    } else {
        format!(" {}", exchange.address.without_query())
    };
    (code, format!("{}{place}: {what}", exchange.method))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_read_as_people_write_them() {
        let table = [
            ("200", Some(vec![(200, 200)])),
            ("2xx", Some(vec![(200, 299)])),
            ("200-204, 404", Some(vec![(200, 204), (404, 404)])),
            ("200 - 299", Some(vec![(200, 299)])),
            ("20", None),
            ("6xx", None),
            ("299-200", None),
            ("200,", None),
            ("", None),
            ("ok", None),
        ];
        for (text, ranges) in table {
            assert_eq!(text.parse().ok(), ranges.map(Expect::Ranges), "{text}");
        }
    }

    #[test]
    fn both_ends_of_a_range_belong_to_it() {
        let some: Expect = "404,500-501".parse().unwrap();
        // status, by default, by `some`
        let table = [
            (199, false, false),
            (200, true, false),
            (399, true, false),
            (400, false, false),
            (404, false, true),
            (499, false, false),
            (500, false, true),
            (501, false, true),
            (502, false, false),
        ];
        for (status, by_default, by_some) in table {
            assert_eq!(
                (Expect::Default.holds(status), some.holds(status)),
                (by_default, by_some)
            );
        }
    }
}
