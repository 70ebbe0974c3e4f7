//! The `wallet` binary. Everything is in the library; its front page has the map.

use std::process::ExitCode;

fn main() -> ExitCode {
    cairn_wallet_cli::run(std::env::args_os())
}
