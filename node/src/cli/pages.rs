//! `completions` and `man`: from the definition of the command line itself.

use super::{Cli, CliError, print};
use clap::{Args, CommandFactory};
use std::{
    io::{self, Write},
    path::PathBuf,
};

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell they are for
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The directory to write them to; it has to be there
    directory: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "cairn-node", &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn man(args: &ManArgs) -> Result<(), CliError> {
    clap_mangen::generate_to(Cli::command(), &args.directory)?;
    let directory = args.directory.display();
    print(format_args!("Wrote the man pages.\nNext: man {directory}/cairn-node.1"))
}
