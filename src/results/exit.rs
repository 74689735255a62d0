//! Exit codes: k6's numbers where the meaning is the same, ours from 111 on. Who exits is the command line.

use super::Verdict;

/// How the process ends, in the order of precedence: when several apply, the first is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExitCode {
    /// kingtide itself failed.
    Internal,
    /// Stopped by a signal.
    Signal,
    /// Stopped through live control.
    LiveStop,
    /// Aborted by the script, or by data that ran out.
    ScriptAbort,
    /// Stopped by `on_saturation = "abort"`.
    Saturation,
    /// `setup` took too long.
    SetupTimeout,
    /// `teardown` took too long.
    TeardownTimeout,
    /// The generator was suspect or invalid: the numbers are not to be trusted.
    Untrusted,
    /// A script raised an error that it did not catch.
    ScriptError,
    /// A threshold was not met.
    Thresholds,
    /// Marked as failed by the script.
    MarkedFailed,
    /// The script or the configuration is invalid.
    Invalid,
    /// The command line is wrong.
    Usage,
    /// Passed.
    Passed,
}

impl ExitCode {
    /// All of them, in the order of precedence.
    pub const ALL: [Self; 14] = [
        Self::Internal,
        Self::Signal,
        Self::LiveStop,
        Self::ScriptAbort,
        Self::Saturation,
        Self::SetupTimeout,
        Self::TeardownTimeout,
        Self::Untrusted,
        Self::ScriptError,
        Self::Thresholds,
        Self::MarkedFailed,
        Self::Invalid,
        Self::Usage,
        Self::Passed,
    ];

    /// The number that the process exits with.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Usage => 2,
            Self::Thresholds => 99,
            Self::SetupTimeout => 100,
            Self::TeardownTimeout => 101,
            Self::LiveStop => 103,
            Self::Invalid => 104,
            Self::Signal => 105,
            Self::ScriptError => 107,
            Self::ScriptAbort => 108,
            Self::Internal => 109,
            Self::MarkedFailed => 110,
            Self::Untrusted => 113,
            Self::Saturation => 114,
        }
    }

    /// What a run that ends so is called.
    #[must_use]
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Passed => Verdict::Pass,
            Self::Untrusted => Verdict::Untrusted,
            Self::ScriptError | Self::Thresholds | Self::MarkedFailed | Self::Invalid | Self::Usage => Verdict::Fail,
            _ => Verdict::Aborted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_the_documented_one() {
        let numbers: Vec<u8> = ExitCode::ALL.iter().map(|code| code.number()).collect();
        assert_eq!(
            numbers,
            [109, 105, 103, 108, 114, 100, 101, 113, 107, 99, 110, 104, 2, 0]
        );
        assert!(ExitCode::ALL.is_sorted());
    }
}
