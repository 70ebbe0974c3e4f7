//! placeholder
use crate::{error::WalletError, output::Output, run::Session};
pub(crate) async fn run(_session: &Session<'_>, _output: &mut Output<'_>) -> Result<(), WalletError> {
    Err(WalletError::NoScreen)
}
