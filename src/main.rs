//! The binary: parse, call, map one error to one exit code. Everything else is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kingtide::cli::main()
}
