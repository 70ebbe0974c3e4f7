//! What became of a payment, as nodes prove it: by the payment in its block, or by the blocks themselves; and a receipt
//! of one, put together from a node's proofs.

use super::check::{self, Lie};
use super::fact::{Claimed, Mined, Proven, TrustNode};
use super::light_client::{Begin, Candidate, CandidateError, LightClient, moment};
use super::report::Liar;
use crate::node::error::{ClientError, NodeError, Result};
use crate::node::nodes::Nodes;
use cairn_genesis::Network;
use cairn_ledger::light::{LightProof, LightRequest, MinedAt, Receipt, ReceiptError, TAIL, VerifiedTip};
use cairn_ledger::{Address, Block, BlockId, Hash, Height, Timestamp, Transaction, TxId, merkle::txs_root};
use cairn_rpc::{HexBytes, Text, TxState, TxStatus, error::Code};

/// Pages of an index in which a payment with a certain nonce is looked for.
const SENT_PAGES: usize = 5;
/// How far clocks may differ: no block that holds a payment is older than its signature by more than this.
const CLOCKS_MS: u64 = 7_200_000;

/// What is known of a payment.
pub(crate) struct PaymentStatus {
    /// Where it is proven to be.
    pub mined: Option<Proven<Mined>>,
    /// Which of the nodes proves that.
    pub(super) prover: Option<usize>,
    /// What each node says of it, in the order in which they were named.
    pub claims: Vec<Claimed<TxStatus>>,
}

impl PaymentStatus {
    /// What nodes say, and nothing proven.
    pub fn claimed(claims: Vec<Claimed<TxStatus>>) -> Self {
        Self { mined: None, prover: None, claims }
    }

    /// Takes the word of a node that the owner believes.
    pub fn believed(claim: Claimed<TxStatus>, owner: TrustNode) -> Self {
        let status = claim.get();
        let mined = match (status.state, status.block, status.height) {
            (TxState::Mined, Some(Text(block)), Some(height)) => {
                Some(Claimed::new(Mined { block, height, confirmations: status.confirmations }).believe(owner))
            }
            _ => None,
        };
        Self { mined, prover: None, claims: vec![claim] }
    }

    /// What to show: what is proven, or else the word of the node that knows most of it.
    pub fn status(&self, txid: TxId) -> TxStatus {
        if let Some(mined) = &self.mined {
            return mined.get().status(txid);
        }
        let knows = |status: &TxStatus| match status.state {
            TxState::Mined => 4,
            TxState::Pooled => 3,
            TxState::Dropped => 2,
            TxState::Expired => 1,
            TxState::Unknown => 0,
        };
        // The first of equals counts.
        let claims = self.claims.iter().map(Claimed::get).rev();
        claims.max_by_key(|status| knows(status)).cloned().unwrap_or(TxStatus {
            txid: Text(txid),
            state: TxState::Unknown,
            block: None,
            height: None,
            confirmations: 0,
            reason: None,
        })
    }

    /// Whether every node says that it will not be mined.
    pub fn is_given_up(&self) -> bool {
        let over = |claim: &Claimed<TxStatus>| matches!(claim.get().state, TxState::Dropped | TxState::Expired);
        self.mined.is_none() && !self.claims.is_empty() && self.claims.iter().all(over)
    }
}

impl LightClient<'_> {
    /// Where a payment is proven to be, by whichever node proves it, and what the others say of it. A claim that it is
    /// in a block of the proven chain, and no proof of that, counts as a lie.
    pub async fn payment(&mut self, txid: TxId) -> Result<PaymentStatus> {
        let (mut failure, mut claims) = (None, Vec::new());
        let mut place = 0;
        while let Some(candidate) = self.candidates.get(place) {
            match candidate.payment(txid, &self.best).await {
                Ok((_, Some((mined, bytes)))) => {
                    self.bytes += bytes;
                    return Ok(PaymentStatus { mined: Some(Proven::new(mined)), prover: Some(place), claims });
                }
                Ok((status, None)) => {
                    claims.push(Claimed::new(status));
                    place += 1;
                }
                Err(CandidateError::Lies(lie)) => self.disbelieve(place, &lie),
                Err(CandidateError::Fails(error)) => {
                    failure = failure.or(Some(error));
                    place += 1;
                }
            }
        }
        if claims.is_empty() { Err(self.nobody(failure)) } else { Ok(PaymentStatus::claimed(claims)) }
    }

    /// A payment that `address` sent with this nonce, as an index of addresses shows it: to be proven before it counts.
    pub async fn sent_with(&self, address: &Address, shown: &str, nonce: u64) -> Option<Transaction> {
        let mut before = None;
        for _ in 0..SENT_PAGES {
            let page = self.history(shown, before).await.ok()?;
            let shown = page.entries.iter().filter_map(|entry| entry.transaction.as_ref());
            for transaction in shown.filter_map(|shown| Transaction::from_bytes(&shown.raw.0).ok()) {
                if transaction.body.sender == *address && transaction.body.nonce == nonce {
                    return Some(transaction);
                }
            }
            before = Some(page.next?.0);
        }
        None
    }

    /// The payment of `address` with this nonce in a block since `signed` (Unix ms), from the blocks themselves, each
    /// checked against its proven header: what used a nonce is known for certain, whatever nodes say of payments. Of
    /// blocks below the last [`TAIL`] nothing is found.
    pub async fn used_by(
        &mut self,
        address: &Address,
        nonce: u64,
        signed: u64,
    ) -> Option<(Transaction, Proven<Mined>)> {
        let tip = self.best.height().get();
        let since = Timestamp::from_millis(signed.saturating_sub(CLOCKS_MS));
        for height in (tip.saturating_sub(TAIL)..=tip).rev() {
            let header = self.best.header_at(Height::new(height))?;
            if header.time < since {
                return None;
            }
            let id = header.id();
            let transactions = self.transactions(id, header.txs_root).await?;
            let found = transactions.into_iter().find(|it| it.body.sender == *address && it.body.nonce == nonce);
            if let Some(found) = found {
                let confirmations = tip.saturating_sub(height).saturating_add(1);
                return Some((found, Proven::new(Mined { block: id, height, confirmations })));
            }
        }
        None
    }

    /// The transactions of a block, from whichever node gives those that its header commits to.
    async fn transactions(&self, id: BlockId, root: Hash) -> Option<Vec<Transaction>> {
        for candidate in &self.candidates {
            let Ok(HexBytes(raw)) = candidate.node.raw_block(id).await else { continue };
            let Ok(block) = Block::from_bytes(&raw) else { continue };
            let txids: Vec<TxId> = block.body.iter().map(Transaction::id).collect();
            if txs_root(&txids) == root {
                return Some(block.body.to_vec());
            }
        }
        None
    }
}

impl Candidate<'_> {
    /// Whether what is proven under this node's tip is proven under `best`: the same tip, or one below it.
    fn is_below(&self, best: &VerifiedTip) -> bool {
        best.header_at(self.tip.height()).is_some_and(|header| header.id() == self.tip.id())
    }

    async fn payment(
        &self,
        txid: TxId,
        best: &VerifiedTip,
    ) -> Result<(TxStatus, Option<(Mined, usize)>), CandidateError> {
        let status = self.node.status(txid).await?;
        if status.state != TxState::Mined || !self.is_below(best) {
            return Ok((status, None));
        }
        let above = status.height.is_some_and(|height| height > self.tip.height().get());
        let raw = match self.node.transaction_proof(txid, self.tip.id()).await {
            Ok(HexBytes(raw)) => raw,
            // It was mined after the tip that was proven: nothing is claimed about that one.
            Err(ClientError::Refused { code: Code::TransactionNotFound, .. }) if above => return Ok((status, None)),
            Err(ClientError::Refused { code: Code::TransactionNotFound, message }) => {
                return Err(Lie::Unproven { txid, reason: message }.into());
            }
            Err(error) => return Err(error.into()),
        };
        let (MinedAt { block, height, .. }, _) = check::payment(&self.node.network.spec, &raw, &txid, &self.tip)?;
        let (height, tip) = (height.get(), best.height().get());
        let mined = Mined { block, height, confirmations: tip.saturating_sub(height).saturating_add(1) };
        Ok((status, Some((mined, raw.len()))))
    }
}

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
                let liar = Liar { node: prover.node.url.clone(), claim: lie.to_string() };
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
