//! What stands behind an answer, and what its reader should beware of.

use crate::{node::verify::report::Report, output::Output};
use std::{fmt, io};

/// Says aloud that nothing is verified.
pub(crate) fn warn_of_trust(output: &mut Output<'_>) -> io::Result<()> {
    output.warn("--trust-node: nothing of this is verified; a node that lies is not found out")
}

/// Says what makes the wallet less sure than it should be, and which nodes lied.
pub(crate) fn complain(report: Option<&Report>, output: &mut Output<'_>) -> io::Result<()> {
    report.into_iter().flat_map(Report::complaints).try_for_each(|complaint| output.warn(complaint))
}

/// What stands behind an answer.
pub(crate) struct Basis<'a>(pub Option<&'a Report>);

impl fmt::Display for Basis<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(report) => write!(f, "proven by {report}"),
            None => f.write_str("as the node says; nothing is verified"),
        }
    }
}
