//! `wallet completions`, `wallet man`: from the definition of the command line itself.

use crate::{
    cli::{CompletionsArguments, ManArguments, help},
    error::Result,
    output::Output,
};
use cairn_host::files::FileError;
use serde::Serialize;
use std::fmt;

#[derive(Serialize)]
struct Pages {
    directory: String,
}

pub(crate) fn completions(options: &CompletionsArguments, output: &mut Output<'_>) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut help::command(), "wallet", &mut script);
    output.raw(&script)?;
    Ok(())
}

pub(crate) fn man(options: &ManArguments, output: &mut Output<'_>) -> Result<()> {
    let directory = &options.directory;
    clap_mangen::generate_to(help::command(), directory).map_err(FileError::cannot("write man pages to", directory))?;
    Ok(output.result(&Pages { directory: directory.display().to_string() })?)
}

impl fmt::Display for Pages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Wrote the man pages.\nNext: man {}/wallet.1", self.directory)
    }
}
