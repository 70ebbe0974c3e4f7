//! Cairn beside Bitcoin Core: the same work, in turns, on a machine that is quiet before each turn.
//!
//! A payment that creates its receiver's account is what a Bitcoin payment is most like: each of ours there makes one
//! coin more than it spends. A payment among accounts that are there is shown as what it is, with the same figure
//! beside it.

mod line;
mod process;
mod replay;
mod rpc;
mod sync;

pub use line::line;
pub use process::start;
pub use replay::replay;
pub use rpc::{admission, reads};
pub use sync::sync;

use super::{Bench, EVERYBODY_PAYS};
use crate::bitcoind::{Program, chain, chain::Chain};
use crate::chains::{self, Files, Plan};
use crate::{Failure, quiet::Meter, results::Results};

/// Turns of each.
const RUNS: usize = 3;

/// What is measured, and on which chains.
struct Sides {
    program: Program,
    bitcoin: Chain,
    /// Payments among 200 000 accounts …
    among: Files,
    /// … and of each of them to somebody new.
    creating: Files,
}

impl Sides {
    /// Makes the chains unless they are there; nothing without Bitcoin Core, which the page then says.
    fn new(bench: &Bench, results: &mut Results) -> Result<Option<Self>, Failure> {
        let Some(program) = Program::bitcoin() else {
            eprintln!("   CAIRN_BITCOIND names no bitcoind: scripts/bench/peers.sh builds one");
            return Ok(None);
        };
        results.beside(program.version.clone());
        let bitcoin = chain::chain(&bench.work, &program)?;
        let among = chains::files(&bench.work, EVERYBODY_PAYS)?;
        let creating = chains::files(&bench.work, Plan { creates: true, ..EVERYBODY_PAYS })?;
        Ok(Some(Self { program, bitcoin, among, creating }))
    }

    /// Our two chains, by what their payments do.
    fn ours(&self) -> [(&'static str, &Files); 2] {
        [("among", &self.among), ("creating", &self.creating)]
    }
}

/// Waits until the machine is quiet, measures, and keeps what came of it.
fn turn(results: &mut Results, measure: impl FnOnce() -> Result<Vec<(String, f64)>, Failure>) -> Result<(), Failure> {
    let meter = Meter::once_quiet()?;
    let measured = measure()?;
    let foreign = meter.foreign()?;
    measured.into_iter().for_each(|(name, value)| results.add_beside(&format!("beside.{name}"), value, foreign));
    Ok(())
}
