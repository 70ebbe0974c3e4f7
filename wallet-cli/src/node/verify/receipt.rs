//! A receipt of a payment, put together from a node's proofs.

use super::{
    check::{self, Lie},
    light_client::{Begin, Candidate, CandidateError, LightClient, moment},
    report::Liar,
};
use crate::node::{
    client::ClientError,
    error::{NodeError, Result},
    nodes::Nodes,
};
use cairn_genesis::Network;
use cairn_ledger::{
    hash::TxId,
    light::{LightProof, LightRequest, MinedAt, Receipt, ReceiptError},
};
use cairn_rpc::{error::Code, text::HexBytes};

/// How often a receipt is begun again because the chain moved meanwhile.
const ROUNDS: usize = 3;

/// A receipt for a payment, from the chain with the most work that has it.
pub(crate) async fn receipt(nodes: &Nodes, network: &Network, txid: TxId) -> Result<(Receipt, MinedAt)> {
    let mut rounds = 0;
    loop {
        rounds += 1;
        let mut client = LightClient::open(nodes, network, Begin::Genesis).await?;
        let found = client.payment(txid).await?;
        let Some(prover) = found.prover.and_then(|place| client.candidates.get(place)) else {
            return Err(NodeError::NoReceipt { txid, state: found.status(txid).state });
        };
        match prover.receipt(network, txid).await {
            Ok(receipt) => return Ok(receipt),
            // The chain moved meanwhile.
            Err(CandidateError::Fails(ClientError::Refused { code: Code::BlockNotFound, .. })) if rounds < ROUNDS => {}
            Err(CandidateError::Fails(error)) => return Err(error.into()),
            Err(CandidateError::Lies(lie)) => {
                let liar = Liar { node: String::from(prover.node.url()), claim: lie.to_string() };
                return Err(NodeError::Lies { liars: vec![liar] });
            }
        }
    }
}

impl Candidate<'_> {
    async fn receipt(&self, network: &Network, txid: TxId) -> Result<(Receipt, MinedAt), CandidateError> {
        let tip = self.tip.id();
        let answer = self.node.light_proof(&LightRequest::of_tip(tip), None).await?;
        let light = LightProof::from_bytes(&answer.raw.0);
        let light = light.map_err(|error| Lie::Unreadable { what: "proof", error })?;
        let HexBytes(raw) = self.node.transaction_proof(txid, tip).await?;
        let (_, transaction) = check::payment(&network.spec, &raw, &txid, &self.tip)?;
        let receipt = Receipt { tip, light, transaction };
        // Whoever is given it will do the same.
        match receipt.verify(&network.spec, moment()) {
            Ok((_, mined)) => Ok((receipt, mined)),
            Err(ReceiptError::Light(error)) => Err(Lie::Chain { tip, error: Box::new(error) }.into()),
            Err(ReceiptError::Transaction(error)) => Err(Lie::Payment { txid, error: Box::new(error) }.into()),
        }
    }
}
