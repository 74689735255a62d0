//! `kingtide data`: deterministic sample data.

use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::args::{DataArgs, DataSet};
use super::{Failure, terminal};
use crate::demo::data::{self, ChallengeData, DataError};
use crate::results::ExitCode;

pub(super) fn command(args: &DataArgs) -> Result<u8, Failure> {
    match &args.set {
        DataSet::Shop { out } => tell(data::write_shop(out))?,
        DataSet::Challenge {
            out,
            users,
            issued_at,
            lifetime,
        } => {
            let rows = ChallengeData {
                users: *users,
                issued_at: *issued_at,
                lifetime: *lifetime,
            };
            tell(rows.write(out))?;
        }
        DataSet::Events { count, file, seed } => events(*count, file, *seed)?,
    }
    Ok(0)
}

/// Prints what was written.
fn tell(written: Result<Vec<PathBuf>, DataError>) -> Result<(), Failure> {
    for path in written.map_err(|error| Failure::new(ExitCode::Invalid, error))? {
        terminal::out(&format!("{}\n", path.display()));
    }
    Ok(())
}

fn events(count: u64, file: &Path, seed: u64) -> Result<(), Failure> {
    if file == Path::new("-") {
        let written = data::stream_events(count, seed, &mut BufWriter::new(io::stdout().lock()));
        return match written {
            // Whoever reads has had enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(Failure::new(
                ExitCode::Invalid,
                anyhow!("cannot write to stdout: {error}"),
            )),
            Ok(()) => Ok(()),
        };
    }
    data::write_events(count, seed, file).map_err(|error| Failure::new(ExitCode::Invalid, error))?;
    terminal::out(&format!("{}\n", file.display()));
    Ok(())
}
