//! `kingtide data`: deterministic sample data.

use super::args::{DataArgs, DataSet};
use super::{Failure, terminal};
use crate::demo::data;
use crate::results::ExitCode;

pub(super) fn command(args: &DataArgs) -> Result<u8, Failure> {
    let DataSet::Shop { out } = &args.set;
    let written = data::write_shop(out).map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    for path in written {
        terminal::out(&format!("{}\n", path.display()));
    }
    Ok(0)
}
