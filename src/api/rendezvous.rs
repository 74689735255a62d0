//! `kt.rendezvous`: virtual users of all scenarios and cores wait for each other. Who waits where is kept in `script`.

use std::rc::Rc;
use std::sync::Arc;

use mlua::Value;

use crate::clock;
use crate::script::{ApiError, Host};

/// One machine holds no more virtual users.
const MOST: i64 = 1_000_000;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let rendezvous = host.operation("rendezvous", |vu, args| {
        let name = args.text(1, "name")?.into_owned();
        let wanted = args.integer(2, "n")?;
        let timeout = args.duration(3, "timeout")?;
        let wanted = u64::try_from(wanted)
            .ok()
            .filter(|_| (1..=MOST).contains(&wanted))
            .ok_or_else(|| args.wrong("n", "a whole number from 1 to 1,000,000", 2))?;
        let vu = Rc::clone(vu);
        Ok(async move {
            let session = Arc::clone(&vu.host.session);
            let before = clock::now();
            let met = session.meetings.meet(&name, wanted, timeout).await;
            vu.slept.set(vu.slept.get() + (clock::now() - before));
            met.map_err(|error| ApiError::Text(format!("rendezvous: `{name}`: {error}")))
        })
    })?;
    Ok(Value::Function(rendezvous))
}
