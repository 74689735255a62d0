//! Reads how requests are traced. What they carry then is `net`'s.

use url::Url;

use super::super::fields::{FieldError, Fields};
use crate::plan::{DEFAULT_SAMPLING, Traces};

/// What stands for the id of a trace.
const PLACE: &str = "{trace_id}";

/// The traces of a plan, if it has any.
pub(super) fn read(plan: &Fields) -> Result<Option<Traces>, FieldError> {
    let Some(fields) = plan.inner("traces", &["sampling", "url"])? else {
        return Ok(None);
    };
    let sampling = fields.number("sampling")?.unwrap_or(DEFAULT_SAMPLING);
    if !(0.0..=1.0).contains(&sampling) {
        return Err(fields.error(
            "sampling",
            "is a share from 0 to 1, for example 0.01 for one request of a hundred",
        ));
    }
    let url = fields.string("url")?;
    if let Some(url) = &url {
        // The report makes links of it.
        let parsed = Url::parse(&url.replace(PLACE, "0"));
        let is_web = parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if !is_web || !url.contains(PLACE) {
            let what = "must be an http:// or https:// URL with `{trace_id}` where the id of a trace stands";
            return Err(fields.error("url", what));
        }
    }
    Ok(Some(Traces { sampling, url }))
}
