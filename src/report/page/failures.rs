//! The failed requests of a report without scripts: an entry for each kind, which opens without any. All texts are those of
//! the system under test, so all are escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::report::human;
use crate::results::{FailedMessage, FailedRequest, Interval};

use super::escaped;

pub(super) fn section(out: &mut String, intervals: &[Interval]) {
    let mut kinds = BTreeMap::<u32, (u64, Vec<&FailedRequest>)>::new();
    for request in intervals.iter().flat_map(|interval| &interval.failures) {
        kinds.entry(request.kind).or_default().1.push(request);
    }
    for failed in intervals.iter().flat_map(|interval| &interval.failed) {
        kinds.entry(failed.kind).or_default().0 += failed.count;
    }
    kinds.retain(|_, (_, requests)| !requests.is_empty());
    if kinds.is_empty() {
        return;
    }
    out.push_str("<section class=\"failures\"><h2>Failures</h2>");
    let left_out: u64 = intervals.iter().map(|interval| interval.failure_kinds_left_out).sum();
    if left_out > 0 {
        let _ = write!(
            out,
            "<p class=\"plain\">{} more kinds are not shown.</p>",
            human::count(left_out)
        );
    }
    for (count, requests) in kinds.values() {
        kind(out, *count, requests);
    }
    out.push_str("</section>");
}

fn kind(out: &mut String, count: u64, requests: &[&FailedRequest]) {
    let Some(first) = requests.first() else { return };
    let tally = match count {
        0 => "in a warm-up".to_owned(),
        count => format!("{}×", human::count(count)),
    };
    let method = match first.name.starts_with(&format!("{} ", first.method)) {
        true => String::new(),
        false => escaped(&first.method) + " ",
    };
    let place = first.scenario.as_deref().or(first.lifecycle.as_deref());
    let _ = write!(
        out,
        "<details class=\"failure\"><summary><span class=\"tally\">{tally}</span><b>{}</b><span>{}{}</span>\
         <span class=\"plain\">{}</span></summary>",
        escaped(&first.what),
        method,
        escaped(&first.name),
        escaped(place.unwrap_or_default()),
    );
    for request in requests {
        failed(out, request);
    }
    out.push_str("</details>");
}

fn failed(out: &mut String, request: &FailedRequest) {
    let place = match request.iteration {
        Some(iteration) => format!("iteration {iteration}"),
        None => request.lifecycle.clone().unwrap_or_default(),
    };
    let _ = write!(
        out,
        "<div class=\"failed\"><p><code>{} {}</code></p><p class=\"plain\">at {}, virtual user {}, {}{}{}</p>",
        escaped(&request.method),
        escaped(&request.url),
        human::duration(Duration::from_millis(request.at_ms)),
        request.vu,
        escaped(&place),
        phases(request),
        trace(request),
    );
    if let Some(error) = &request.error {
        let _ = write!(out, "<p class=\"alarm\">{}</p>", escaped(error));
    }
    out.push_str("<div class=\"sides\">");
    side(
        out,
        "Request",
        request.request.as_ref(),
        "It was gone when the check failed.",
    );
    let status = request.status.map(|status| status.to_string());
    let status = status.or_else(|| request.grpc_status.clone()).unwrap_or_default();
    side(
        out,
        &format!("Response {status}"),
        request.response.as_ref(),
        "None came.",
    );
    out.push_str("</div></div>");
}

fn trace(request: &FailedRequest) -> String {
    let id = request.trace_id.as_ref();
    id.map(|id| format!(", trace {id}")).unwrap_or_default()
}

fn phases(request: &FailedRequest) -> String {
    let timings = &request.timings;
    let phases = [
        ("blocked", timings.blocked),
        ("DNS", timings.dns),
        ("connecting", timings.connecting),
        ("TLS", timings.tls_handshaking),
        ("sending", timings.sending),
        ("waiting", timings.waiting),
        ("receiving", timings.receiving),
    ];
    let taken = phases.iter().filter(|(_, ms)| *ms > 0.0);
    taken
        .map(|(name, ms)| format!(", {name} {}", human::time(*ms)))
        .collect()
}

fn side(out: &mut String, title: &str, message: Option<&FailedMessage>, missing: &str) {
    let _ = write!(out, "<div><h3>{}</h3>", escaped(title.trim_end()));
    match message {
        None => {
            let _ = write!(out, "<p class=\"plain\">{missing}</p>");
        }
        Some(message) => {
            pairs(out, &message.headers);
            if let Some(body) = &message.body {
                let _ = write!(out, "<pre>{}</pre>", escaped(body));
            }
            let size = human::count(message.body_bytes);
            if message.body.is_some() && message.cut {
                let _ = write!(out, "<p class=\"plain\">the beginning of {size} bytes</p>");
            } else if message.body.is_none() && message.body_bytes > 0 {
                let _ = write!(out, "<p class=\"plain\">{size} bytes that are no text</p>");
            }
            pairs(out, &message.trailers);
        }
    }
    out.push_str("</div>");
}

fn pairs(out: &mut String, pairs: &[(String, String)]) {
    if pairs.is_empty() {
        return;
    }
    out.push_str("<pre>");
    for (name, value) in pairs {
        let _ = writeln!(out, "{}: {}", escaped(name), escaped(value));
    }
    out.push_str("</pre>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::FailedCount;

    #[test]
    fn hostile_texts_stay_texts() {
        let hostile = "</pre></details><script>alert(1)</script><img src=x onerror=alert(1)>\"'&";
        let text = || hostile.to_owned();
        let message = FailedMessage {
            headers: vec![(text(), text())],
            trailers: vec![(text(), text())],
            body: Some(text()),
            body_bytes: 5_000,
            cut: true,
        };
        let request = FailedRequest {
            scenario: Some(text()),
            name: text(),
            method: text(),
            url: text(),
            what: text(),
            grpc_status: Some(text()),
            error: Some(text()),
            request: Some(message.clone()),
            response: Some(message),
            ..FailedRequest::default()
        };
        let interval = Interval {
            failures: vec![request.clone(), request],
            failed: vec![FailedCount { kind: 0, count: 1_234 }],
            failure_kinds_left_out: 3,
            ..Interval::default()
        };
        let mut html = String::new();
        section(&mut html, &[interval]);
        assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
        for tag in ["details", "pre", "div", "section", "p", "code", "h3"] {
            let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
        assert_eq!(html.matches("<details").count(), 1, "one for a kind");
        assert!(
            html.contains("1,234×") && html.contains("3 more kinds") && html.contains("the beginning of 5,000 bytes"),
            "{html}"
        );
    }
}
