//! The program `cairn-node`.

use cairn_node::cli::Cli;
use clap::Parser;
use std::process::ExitCode;

// RocksDB is built to use the same one; glibc's fragments under its load.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Told plainly, not as an event: it must be seen whatever the log's filter is.
            eprintln!("cairn-node: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
