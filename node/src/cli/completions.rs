//! `completions` and `man`: from the definition of the command line itself.

use super::{CliError, help, print};
use clap::Args;
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
    #[arg(value_parser = super::path_parser())]
    directory: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut help::command(), "cairn-node", &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn man(args: &ManArgs) -> Result<(), CliError> {
    clap_mangen::generate_to(help::command(), &args.directory)?;
    let directory = args.directory.display();
    print(format_args!("Wrote the man pages.\nNext: man {directory}/cairn-node.1"))
}
