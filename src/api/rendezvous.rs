//! `kt.rendezvous`: virtual users of all scenarios and cores wait for each other. Who waits where is kept in `script`.

use std::rc::Rc;
use std::sync::Arc;

use mlua::Value;

use super::args::Args;
use crate::clock;
use crate::script::{Host, IntoMulti as _};

/// One machine holds no more virtual users.
const MOST: i64 = 1_000_000;

pub(super) fn open(host: &Rc<Host>) -> mlua::Result<Value> {
    let rendezvous = host.op_fn("rendezvous", |vu, values| async move {
        let args = Args::new("rendezvous", values);
        let name = args.string(0, "name")?.to_string_lossy();
        let wanted = args.integer(1, "n")?;
        let timeout = args.duration(2, "timeout")?;
        let wanted = u64::try_from(wanted)
            .ok()
            .filter(|_| (1..=MOST).contains(&wanted))
            .ok_or_else(|| args.wrong("n", "a whole number from 1 to 1,000,000", &args.get(1)))?;
        let session = Arc::clone(&vu.host.session);
        let before = clock::now();
        let met = session.meetings.meet(&name, wanted, timeout).await;
        vu.slept.set(vu.slept.get() + (clock::now() - before));
        let met = met.map_err(|error| args.error(format!("`{name}`: {error}")))?;
        Ok(met.into_multi(&vu.host.lua)?)
    })?;
    Ok(Value::Function(rendezvous))
}
