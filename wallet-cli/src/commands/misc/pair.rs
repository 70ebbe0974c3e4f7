//! `wallet pair`: keeps the token that a node's owner made for this wallet.

use crate::{
    cli::PairArguments,
    error::Result,
    node::{
        budget::Budget,
        client::Node,
        pairing::{MAX_LINE_BYTES, Pairing},
    },
    output::Output,
    session::Session,
};
use cairn_host::files;
use serde::Serialize;
use std::{fmt, io};

#[derive(Serialize)]
struct Paired {
    chain: String,
    /// Where the node is; null when there is none any more.
    url: Option<String>,
    height: Option<u64>,
}

pub(crate) async fn run(session: &Session<'_>, options: &PairArguments, output: &mut Output<'_>) -> Result<()> {
    let network = session.network()?;
    let chain = network.spec.params().name.clone();
    if options.forget {
        Pairing::forget(&session.data, &network.id())?;
        output.result(&Paired { chain, url: None, height: None })?;
        return Ok(());
    }
    let line = match &options.line {
        Some(line) => line.clone(),
        None => {
            let bytes = files::read_all_bounded(io::stdin().lock(), MAX_LINE_BYTES)?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
    };
    let pairing: Pairing = line.parse()?;
    // A node of another network, or one that does not know the token, is noticed now and not at a payment.
    let info = Node::paired(&pairing, &network, Budget::new(session.options.time()))?.info().await?;
    pairing.save(&session.data, &network.id())?;
    Ok(output.result(&Paired { chain, url: Some(pairing.url().base().to_owned()), height: Some(info.height) })?)
}

impl fmt::Display for Paired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.url, self.height) {
            (Some(url), Some(height)) => {
                writeln!(f, "Paired with the node at {url}, which is at block {height} of the network {}.", self.chain)
            }
            _ => writeln!(f, "No node is paired with on the network {} any more.", self.chain),
        }
    }
}
