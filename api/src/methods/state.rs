//! `state_*`: accounts, at the tip and a little below it.

use crate::context::{Context, count};
use crate::error::{no_such_block, refused};
use crate::lookup::confirmations;
use cairn_chain::{HISTORY_BEHIND, HistoryQuery, KEPT_STATES, NoHistory, ProvenAccount, Touched};
use cairn_ledger::accounts::{Account, AccountProof};
use cairn_ledger::units::{Amount, Height};
use cairn_ledger::{hash::BlockId, keys::Address};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::methods::StateServer;
use cairn_rpc::text::{Pebbles, Text};
use cairn_rpc::types::{
    AccountJson, AddressHistory, BlockRef, HistoryCursor, HistoryEntry, PendingJson, ProofJson, TransactionJson,
};
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use std::ops::RangeInclusive;

/// Entries of a history on a page: each may lie in a block of its own, which has to be read.
const PAGE: RangeInclusive<u64> = 1..=100;

#[async_trait]
impl StateServer for Context {
    async fn get_account(&self, address: String) -> RpcResult<AccountJson> {
        let shown = address;
        let address = self.address(&shown)?;
        // The writer is asked rather than the disk: it alone knows an account together with the tip it stands at.
        let proven: ProvenAccount = self.handles.chain.prove(address).await.map_err(refused)?;
        let pending = self.handles.pool.pending(address).await.map_err(refused)?;
        let found = account_in(&proven.proof, &address);
        let account = found.unwrap_or_default();
        let left = account.balance.pebbles().saturating_sub(pending.spent);
        Ok(AccountJson {
            address: shown,
            exists: found.is_some(),
            balance: Pebbles(account.balance),
            nonce: Text(account.nonce),
            pending: PendingJson {
                balance: Pebbles(Amount::from_pebbles(left).unwrap_or(account.balance)),
                nonce: Text(pending.next_nonce.unwrap_or(account.nonce).max(account.nonce)),
                count: pending.count,
            },
            height: proven.tip.height().get(),
            block: Text(proven.tip.id),
        })
    }

    async fn get_history(
        &self,
        address: String,
        before: Option<Text<HistoryCursor>>,
        wanted: Option<u64>,
    ) -> RpcResult<AddressHistory> {
        let shown = address;
        let address = self.address(&shown)?;
        let query = HistoryQuery {
            address,
            before: before.as_ref().map(|before| (Height::new(before.0.height), before.0.place)),
            since: before.map(|before| before.0.tip),
            count: usize::try_from(count(wanted, &PAGE)?).unwrap_or(usize::MAX),
        };
        let page = self.read(move |reader| reader.history(&query)).await?.map_err(no_history)?;
        let (tip, height) = (page.tip.id(), page.tip.header().height);
        Ok(AddressHistory {
            address: shown,
            entries: page.touched.iter().map(|touched| self.show_touched(touched, height)).collect(),
            next: page.next.map(|(height, place)| Text(HistoryCursor { height: height.get(), place, tip })),
            reorganised_above: page.fork.map(Height::get),
            height: height.get(),
            block: Text(tip),
        })
    }

    async fn subscribe_address(
        &self,
        pending: PendingSubscriptionSink,
        address: String,
        since: Option<Text<BlockId>>,
    ) -> SubscriptionResult {
        self.follow_address(pending, address, since.map(|since| since.0)).await
    }

    async fn get_proof(&self, address: String, at: Option<Text<BlockId>>) -> RpcResult<ProofJson> {
        let (key, chain) = (self.address(&address)?, &self.handles.chain);
        let (header, proof) = match at {
            None => chain.prove(key).await.map(|proven| (proven.tip.header.clone(), proven.proof)),
            Some(at) => {
                let proven = chain.prove_at(key, at.0).await.map_err(refused)?;
                Ok(proven.ok_or_else(|| not_kept(at.0))?)
            }
        }
        .map_err(refused)?;
        Ok(ProofJson::new(&header, address, account_in(&proof, &key), &proof))
    }
}

fn not_kept(at: BlockId) -> RpcError {
    let expected = format!("the tip, or one of the {KEPT_STATES} blocks below it");
    RpcError::new(Code::StateNotKept, format!("got the block {at}, expected {expected}")).with(at, expected)
}

/// What the proof shows: the leaf is the address's own, or the one below where it would stand.
fn account_in(proof: &AccountProof, address: &Address) -> Option<Account> {
    let leaf = &proof.leaf;
    (leaf.address == *address).then_some(leaf.account)
}

impl Context {
    fn show_touched(&self, touched: &Touched, tip: Height) -> HistoryEntry {
        let header = touched.block.header();
        let transaction = touched.transaction.as_ref();
        HistoryEntry {
            height: header.height.get(),
            block: Text(touched.block.id()),
            time: header.time.millis(),
            confirmations: confirmations(header.height, tip),
            place: transaction.map(|_| u64::from(touched.place)),
            sent: Pebbles(touched.sent),
            price: Pebbles(touched.price),
            received: Pebbles(touched.received),
            transaction: transaction.map(|transaction| TransactionJson::new(transaction, self.prefix())),
        }
    }
}

fn no_history(why: NoHistory) -> RpcError {
    match why {
        NoHistory::Off => {
            let message =
                "the node keeps no index of addresses; its operator switches it on with index.addresses = true";
            RpcError::new(Code::IndexOff, message)
        }
        NoHistory::Building { built, tip } => {
            let message =
                format!("the node is building its index of addresses: block {built} of {tip}; ask again later");
            RpcError::new(Code::IndexBuilding, message).with(built, tip)
        }
        NoHistory::UnknownTip(id) => no_such_block(BlockRef::Id(Text(id))),
        NoHistory::TooFar(tip) => {
            let message = format!("the chain left that page's tip more than {HISTORY_BEHIND} blocks ago: begin anew");
            RpcError::new(Code::TooFarBehind, message).with(tip, format!("at most {HISTORY_BEHIND} blocks"))
        }
        NoHistory::Moving => RpcError::new(Code::Busy, "the chain is being reorganised; ask again"),
    }
}
