//! Writes random cases with the ledger's verdict on each, one a line, for tests/spec to judge again;
//! `cairn_tests::vectors` describes them.

use cairn_tests::vectors;
use std::io::{self, BufWriter};
use std::process::ExitCode;

const USAGE: &str = "\
Usage: cairn-vectors SEED BLOCKS PROOFS
       random networks with BLOCKS blocks in all, and PROOFS light proofs and receipts, valid and broken; the same
       seed, the same lines";

fn main() -> ExitCode {
    let words: Vec<u64> = std::env::args().skip(1).map_while(|word| word.parse().ok()).collect();
    let &[seed, blocks, proofs] = &words[..] else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match vectors::write(seed, blocks, proofs, &mut BufWriter::new(io::stdout().lock())) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cairn-vectors: {error}");
            ExitCode::FAILURE
        }
    }
}
