//! `wallet completions`, `wallet man`: from the definition of the command line itself.

use crate::{Output, Result, cli::help};
use cairn_host::FileError;
use clap_complete::Shell;
use serde_json::json;
use std::path::Path;

pub(crate) fn completions(shell: Shell, output: &mut Output<'_>) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut help::command(), "wallet", &mut script);
    Ok(output.raw(&script)?)
}

pub(crate) fn man(path: &Path, output: &mut Output<'_>) -> Result<()> {
    clap_mangen::generate_to(help::command(), path).map_err(FileError::cannot("write man pages to", path))?;
    let directory = path.display().to_string();
    let text = format!("Wrote the man pages.\nNext: man {directory}/wallet.1\n");
    Ok(output.result(&json!({ "directory": directory }), text)?)
}
