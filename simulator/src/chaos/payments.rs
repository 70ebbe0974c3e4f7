//! Wallets that pay through the nodes' JSON-RPC, and what became of every payment that a node took.
//!
//! A wallet does as a careful person does: it takes its nonce from the node that it asks, and makes no other payment in
//! a place that an earlier one may still take.

use super::fleet::{Fleet, number};
use super::rpc::AskError;
use crate::executor::NodeId;
use crate::payments::WALLETS;
use cairn_ledger::codec::{BoundedBytes, BoundedVec, encode};
use cairn_ledger::hash::TxId;
use cairn_ledger::keys::SecretKey;
use cairn_ledger::testing::{key, pebbles};
use cairn_ledger::transaction::{Output, TRANSACTION_VERSION, Transaction, TransactionBody};
use cairn_ledger::units::Height;
use cairn_rpc::text::{HexBytes, Text};
use cairn_rpc::types::{AccountJson, Submitted, TxState, TxStatus};
use serde_json::json;

/// For how many blocks a payment may be mined.
const VALID_FOR: u64 = 60;

/// The node that took a payment.
#[derive(Clone, Copy, Debug)]
struct Taken {
    by: NodeId,
    /// In which life of its process.
    life: u32,
    /// At which height of its tip.
    at: u64,
}

/// A payment that may be in the network.
struct Sent {
    wallet: u64,
    nonce: u64,
    txid: TxId,
    valid_until: u64,
    /// By whom it was taken; unknown where the answer did not come.
    taken: Option<Taken>,
}

/// A payment that was taken and is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Over {
    /// The node that took it.
    pub by: u32,
    /// At which height of its tip.
    pub at: u64,
    /// Whether it is the same process still.
    pub lived_on: bool,
}

/// What became of payments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Taken by a node.
    pub taken: u64,
    /// Of those, mined.
    pub mined: u64,
    /// Over, as their last block has gone by.
    pub over: Vec<Over>,
    /// Neither yet.
    pub open: u64,
    /// Over, although the node that took it lived on in a whole network long before: what is lost, and by whom.
    pub lost: Vec<(TxId, u32)>,
}

/// All wallets.
#[derive(Default)]
pub struct Payments {
    sent: Vec<Sent>,
    next: u64,
    /// How often a node refused, or gave no answer.
    pub turned_away: (u64, u64),
}

impl Payments {
    /// The next wallet pays through a node, if it can.
    pub fn step(&mut self, fleet: &Fleet, node: NodeId) {
        let wallet = self.next % WALLETS;
        self.next += 1;
        match self.pay(wallet, fleet, node) {
            Ok(()) => {}
            Err(AskError::Refused(_)) => self.turned_away.0 += 1,
            Err(AskError::Silent(_) | AskError::Unexpected(_)) => self.turned_away.1 += 1,
        }
    }

    fn pay(&mut self, wallet: u64, fleet: &Fleet, node: NodeId) -> Result<(), AskError> {
        let spec = fleet.spec();
        let own = key(wallet);
        let address = spec.params().prefix.encode(&own.address());
        let account: AccountJson = fleet.ask(node, "state_getAccount", &json!([address]))?;
        let (nonce, tip) = (account.nonce.0, account.height);
        let may_come = |sent: &Sent| sent.wallet == wallet && sent.nonce >= nonce && sent.valid_until > tip;
        if self.sent.iter().any(may_come) {
            return Ok(());
        }
        let valid_until = tip + VALID_FOR;
        let transaction = transaction(fleet, &own, nonce, valid_until, self.next);
        let mut sent = Sent { wallet, nonce, txid: transaction.id(), valid_until, taken: None };
        let submitted = fleet.ask::<Submitted>(node, "tx_submit", &json!([HexBytes(encode(&transaction))]));
        if submitted.is_ok() {
            sent.taken = Some(Taken { by: node, life: fleet.process(node).lives(), at: tip });
        }
        // A node that refuses has not passed it on; one that gives no answer may have.
        if !matches!(submitted, Err(AskError::Refused(_))) {
            self.sent.push(sent);
        }
        submitted.map(drop)
    }

    /// How many were taken.
    pub fn count(&self) -> usize {
        self.sent.iter().filter(|sent| sent.taken.is_some()).count()
    }

    /// What became of all at a node whose tip is at `height`, when all has been well since `well_since`.
    ///
    /// # Errors
    /// The node does not answer.
    pub fn fates(&self, fleet: &Fleet, node: NodeId, height: u64, well_since: u64) -> Result<Fates, AskError> {
        let mut fates = Fates::default();
        for sent in &self.sent {
            let Some(taken) = sent.taken else { continue };
            fates.taken += 1;
            let status: TxStatus = fleet.ask(node, "tx_status", &json!([Text(sent.txid)]))?;
            if status.state == TxState::Mined {
                fates.mined += 1;
            } else if height < sent.valid_until {
                fates.open += 1;
            } else {
                let lived_on = fleet.process(taken.by).lives() == taken.life;
                fates.over.push(Over { by: number(taken.by), at: taken.at, lived_on });
                if lived_on && well_since + VALID_FOR / 2 < sent.valid_until {
                    fates.lost.push((sent.txid, number(taken.by)));
                }
            }
        }
        Ok(fates)
    }
}

fn transaction(fleet: &Fleet, own: &SecretKey, nonce: u64, valid_until: u64, which: u64) -> Transaction {
    let spec = fleet.spec();
    let output = Output { to: key(50 + which % WALLETS).address(), amount: pebbles(1_000 + which) };
    let body = TransactionBody {
        version: TRANSACTION_VERSION,
        sender: own.address(),
        nonce,
        fee: pebbles(1_000),
        max_price: spec.rules_at(Height::GENESIS).account_price,
        valid_until: Height::new(valid_until),
        outputs: BoundedVec::new(vec![output]).expect("one"),
        memo: BoundedBytes::default(),
    };
    body.sign(own, &spec.genesis_id(), &[7; 32])
}
