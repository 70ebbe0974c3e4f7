//! The `wallet` binary: reads the command line, runs one command, ends with its exit code.
//!
//! Everything else is in the library; its front page has the map.

use cairn_wallet_cli::{
    cli,
    output::{Output, Style},
};
use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

fn main() -> ExitCode {
    let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
    let arguments = match cli::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(stopped) => return stopped.show(&mut stdout, &mut stderr),
    };
    let terminal = stdout.is_terminal() && stderr.is_terminal();
    let style = Style::of(terminal, std::env::var_os("NO_COLOR").as_deref());
    let mut output =
        Output::new(arguments.global.json, style, &mut stdout, &mut stderr).leading(arguments.global.leading());
    output = output.columns(cairn_host::shell::terminal_columns().filter(|_| terminal));
    match cairn_wallet_cli::commands::run(&arguments, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.failure(error.kind(), &error.to_string(), error.txid());
            ExitCode::from(error.exit_code())
        }
    }
}
