//! Whether what a configuration names can be used: the files it points at, and who could call. `run`, `config check`
//! and `doctor` all ask here, so that none of them calls good what another refuses.

use super::{ConfigError, Settings};
use crate::api::{self, tokens::TokenFile};
use cairn_common::{clock, disk};
use std::path::Path;

impl Settings {
    /// Looks at what the configuration names, and changes nothing.
    ///
    /// # Errors
    /// The first thing that a node could not be started with, under its key.
    pub fn check_usable(&self) -> Result<(), ConfigError> {
        let unusable = |key, reason: String| Err(ConfigError::Unusable { key, reason });
        if let Err(error) = cairn_network::check_psk(&self.network) {
            return unusable("network.psk_file", error.to_string());
        }
        if let Some(files) = &self.rpc.tls
            && let Err(error) = api::check_tls(files)
        {
            return unusable("rpc.tls_cert and rpc.tls_key", error.to_string());
        }
        if let Err(error) = api::check_callers(self.rpc_listen, &TokenFile::of(&self.data_dir), clock::now()) {
            return unusable("rpc.listen", error.to_string());
        }
        match self.log_directory.as_deref().map(check_directory) {
            Some(Err(reason)) => unusable("log.directory", reason),
            Some(Ok(())) | None => Ok(()),
        }
    }
}

/// Whether files can be made in a directory that is there, or that can be made.
fn check_directory(path: &Path) -> Result<(), String> {
    let there = path.ancestors().find(|part| part.exists());
    if let Some(file) = there.filter(|there| !there.is_dir()) {
        return Err(format!("{} is no directory", file.display()));
    }
    disk::may_write(path).map_err(|reason| format!("{} cannot be written: {reason}", path.display()))
}
