//! The program `cairn-node`.

use cairn_node::Cli;
use std::{io::Write, process::ExitCode};

// RocksDB is built to use the same one; glibc's fragments under its load.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Its configuration, which it finds by this name. What is freed goes back to the system within a second, also from
/// threads that have nothing to do, and all threads share two places to allocate from instead of four for each core:
/// after a synchronisation that halves what a node takes.
#[expect(unsafe_code, reason = "the allocator looks for this very symbol, before any code of ours runs")]
#[unsafe(export_name = "malloc_conf")]
pub static MALLOC_CONF: &[u8; 52] = b"background_thread:true,dirty_decay_ms:500,narenas:2\0";

fn main() -> ExitCode {
    let (cli, hints) = Cli::read();
    match cli.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Told plainly, not as an event: it must be seen whatever the log's filter is. Who closed standard error
            // wants the exit code alone.
            let _ = writeln!(std::io::stderr(), "cairn-node: {}", hints.complete(&error.to_string()));
            ExitCode::from(error.exit_code())
        }
    }
}
