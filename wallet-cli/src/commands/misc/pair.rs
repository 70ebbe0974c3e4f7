//! `wallet pair`: keeps the token that a node's owner made for this wallet.

use crate::node::{Budget, MAX_PAIRING_BYTES, Node, Pairing};
use crate::{Output, Result, Session};
use cairn_host::files;
use serde::Serialize;
use std::io;

#[derive(Serialize)]
struct Paired {
    chain: String,
    /// Where the node is; null when there is none any more.
    url: Option<String>,
    height: Option<u64>,
}

pub(crate) async fn run(
    session: &Session<'_>,
    line: Option<&str>,
    forget: bool,
    output: &mut Output<'_>,
) -> Result<()> {
    let network = session.network()?;
    let chain = network.spec.params().name.clone();
    if forget {
        Pairing::forget(&session.data, &network.id())?;
        let text = format!("No node is paired with on the network {chain} any more.\n");
        return Ok(output.result(&Paired { chain, url: None, height: None }, text)?);
    }
    let pairing: Pairing = match line {
        Some(line) => line.parse()?,
        None => String::from_utf8_lossy(&files::read_all_bounded(io::stdin().lock(), MAX_PAIRING_BYTES)?).parse()?,
    };
    // A node of another network, or one that does not know the token, is noticed now and not at a payment.
    let info = Node::paired(&pairing, network, Budget::new(session.options.time()))?.info().await?;
    pairing.save(&session.data, &network.id())?;
    let (url, height) = (pairing.url.base.clone(), info.height);
    let text = format!("Paired with the node at {url}, which is at block {height} of the network {chain}.\n");
    Ok(output.result(&Paired { chain, url: Some(url), height: Some(height) }, text)?)
}
