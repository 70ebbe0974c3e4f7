//! `chain_*`: blocks and the transactions in them.

use crate::context::{Context, count};
use crate::error::{no_such_block, refused};
use crate::lookup::{self, find_header};
use cairn_chain::store::{StoreError, StoredBlock};
use cairn_chain::{ProvenTip, Reader, UnknownBlock};
use cairn_ledger::hash::{BlockId, Hash, TxId};
use cairn_ledger::units::{Amount, Height};
use cairn_ledger::{codec, light::LightRequest, pow::Work};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::text::{HexBytes, Pebbles, Text};
use cairn_rpc::types::{
    BlockJson, BlockPage, BlockRef, DifficultyJson, HeaderJson, HeaderPage, LightProofJson, Place, Supply,
    TransactionInfo, TransactionJson, TransactionPage, TransactionProofJson, TxState,
};
use cairn_rpc::{methods::ChainServer, policy::BARE_HEADERS};
use jsonrpsee::PendingSubscriptionSink;
use jsonrpsee::core::{RpcResult, SubscriptionResult, async_trait};
use std::{ops::RangeInclusive, time::Duration};

/// Headers on a page: half a megabyte of JSON.
const HEADERS: RangeInclusive<u64> = 1..=500;
/// Blocks on a page.
const BLOCKS: RangeInclusive<u64> = 1..=100;
/// Transactions on a page.
const TRANSACTIONS: RangeInclusive<u64> = 1..=500;
/// Blocks over which a mean is taken: one says little, and a thousand are some hours.
const WINDOW: RangeInclusive<u64> = 1..=1_000;
/// Four hours and a half would be slow to show a change, and ten blocks jump: one hour at 30 s.
const DEFAULT_WINDOW: u64 = 120;

#[async_trait]
impl ChainServer for Context {
    async fn chain_tip(&self) -> RpcResult<HeaderJson> {
        Ok(self.show_tip(&self.handles.chain.tip()))
    }

    async fn get_header(&self, block: BlockRef) -> RpcResult<HeaderJson> {
        let found = self.read(move |reader| find_header(reader, block)).await?;
        let header = found.ok_or_else(|| no_such_block(block))?;
        Ok(self.show_header(&header))
    }

    async fn get_block(&self, block: BlockRef, full: Option<bool>) -> RpcResult<BlockJson> {
        let found = self.read(move |reader| find_block(reader, block)).await?;
        let block = found.ok_or_else(|| no_such_block(block))?;
        Ok(self.show_block(&block, full.unwrap_or(false)))
    }

    async fn get_raw_block(&self, block: BlockRef) -> RpcResult<HexBytes> {
        let found = self.read(move |reader| {
            Ok(match find_header(reader, block)? {
                Some(header) => {
                    reader.expect_kept(header.header().height)?;
                    reader.raw_block(&header)?
                }
                None => None,
            })
        });
        Ok(HexBytes(found.await?.ok_or_else(|| no_such_block(block))?))
    }

    async fn get_transaction(&self, txid: Text<TxId>) -> RpcResult<TransactionInfo> {
        let txid = txid.0;
        if let Some((mined, tip)) = self.find_mined(txid).await? {
            return Ok(self.show_transaction(&mined, tip));
        }
        if let Some(pooled) = self.handles.pool.get(txid).await.map_err(refused)? {
            return Ok(TransactionInfo {
                transaction: TransactionJson::new(pooled.transaction(), self.prefix()),
                state: TxState::Pooled,
                block: None,
                height: None,
                confirmations: 0,
            });
        }
        // Between the two looks it may have gone from the pool into a block.
        match self.find_mined(txid).await? {
            Some((mined, tip)) => Ok(self.show_transaction(&mined, tip)),
            None => {
                Err(no_transaction(txid, format!("neither the chain nor the pool has the transaction {txid}")).into())
            }
        }
    }

    async fn get_light_proof(
        &self,
        tip: Text<BlockId>,
        random: Text<Hash>,
        known: Option<Text<BlockId>>,
    ) -> RpcResult<LightProofJson> {
        let request = LightRequest { tip: tip.0, random: random.0 };
        let known = known.map(|known| known.0);
        let (header, proof) =
            self.prove(move |reader| reader.prove_tip(&request, known)).await?.map_err(not_on_chain)?;
        let since = match &proof {
            ProvenTip::Whole(_) => None,
            ProvenTip::Since(known, _) => Some(Text(*known)),
        };
        let (height, work) = (header.header().height.get(), Text(header.total_work()));
        Ok(LightProofJson { tip, height, work, since, raw: HexBytes(proof.to_bytes()) })
    }

    async fn get_bare_headers(
        &self,
        after: Text<BlockId>,
        at: Text<BlockId>,
        wanted: Option<u64>,
    ) -> RpcResult<HexBytes> {
        let wanted = count(wanted, &(1..=BARE_HEADERS))?;
        let found = self.prove(move |reader| reader.bare_headers(&after.0, &at.0, wanted)).await?;
        let headers = found.map_err(not_on_chain)?.ok_or_else(|| not_on_chain(UnknownBlock { id: after.0 }))?;
        Ok(HexBytes(headers))
    }

    async fn get_transaction_proof(&self, txid: Text<TxId>, at: Text<BlockId>) -> RpcResult<TransactionProofJson> {
        let proof = self.prove(move |reader| reader.prove_transaction(&txid.0, &at.0)).await?;
        let not_mined = || no_transaction(txid.0, format!("no block up to this one has the transaction {}", txid.0));
        let proof = proof.map_err(not_on_chain)?.ok_or_else(not_mined)?;
        let (block, height) = (Text(proof.header.id()), proof.header.height.get());
        Ok(TransactionProofJson { txid, block, height, at, raw: HexBytes(codec::encode(&proof)) })
    }

    async fn get_headers(&self, from: u64, wanted: Option<u64>) -> RpcResult<HeaderPage> {
        let wanted = count(wanted, &HEADERS)?;
        let headers = self.read(move |reader| lookup::headers(reader, from, wanted)).await?;
        let next = self.next_height(from, headers.len());
        Ok(HeaderPage { headers: headers.iter().map(|header| self.show_header(header)).collect(), next })
    }

    async fn get_blocks(&self, from: u64, wanted: Option<u64>, full: Option<bool>) -> RpcResult<BlockPage> {
        let (wanted, full) = (count(wanted, &BLOCKS)?, full.unwrap_or(false));
        let blocks = self.read(move |reader| lookup::blocks(reader, from, wanted)).await?;
        let next = self.next_height(from, blocks.len());
        Ok(BlockPage { blocks: blocks.iter().map(|block| self.show_block(block, full)).collect(), next })
    }

    async fn get_transactions(&self, from: u64, place: Option<u64>, wanted: Option<u64>) -> RpcResult<TransactionPage> {
        let wanted = count(wanted, &TRANSACTIONS)?;
        let start = Place { height: from, place: place.unwrap_or(0) };
        let (found, next) = self.read(move |reader| lookup::transactions(reader, start, wanted)).await?;
        let tip = self.handles.chain.tip().height();
        let transactions = found.iter().map(|mined| self.show_transaction(mined, tip)).collect();
        Ok(TransactionPage { transactions, next })
    }

    async fn chain_supply(&self, height: Option<u64>) -> RpcResult<Supply> {
        let (tip, balances) = self.handles.chain.balances().await.map_err(refused)?;
        let height = height.map_or(tip.height(), Height::new);
        let issued = self.spec.supply(height);
        let burned = issued.pebbles().saturating_sub(balances);
        let burned = (height == tip.height()).then(|| Pebbles(Amount::from_pebbles(burned).unwrap_or(issued)));
        Ok(Supply {
            height: height.get(),
            issued: Pebbles(issued),
            burned,
            next_reward: Pebbles(self.spec.subsidy(height.saturating_add(1))),
            in_the_end: Pebbles(self.spec.supply(Height::new(u64::MAX))),
        })
    }

    async fn chain_difficulty(&self, window: Option<u64>) -> RpcResult<DifficultyJson> {
        let window = count(Some(window.unwrap_or(DEFAULT_WINDOW)), &WINDOW)?;
        let tip = self.handles.chain.tip();
        let height = tip.height().get();
        // Block 0 was allotted, not mined: its work says nothing.
        let window = window.min(height);
        let (id, before) = (tip.id, Height::new(height - window));
        let read = move |reader: &Reader| Ok((reader.header_at(before)?, reader.target_after(&id)?));
        let (before, next_target) = self.read(read).await?;
        let before = before.expect("the chain has every height below its tip");
        let next_target = next_target.expect("the tip is stored, and what is stored stays");
        let span_ms = tip.header.time.since(before.header().time);
        // A reorganisation between the two reads can at worst make this branch the lighter one.
        let work = tip.total_work.checked_sub(before.total_work()).unwrap_or(Work::ZERO);
        let seconds = Duration::from_millis(span_ms).as_secs_f64();
        Ok(DifficultyJson {
            height,
            window,
            span_ms,
            mean_interval_ms: span_ms.checked_div(window).unwrap_or(0),
            interval_ms: self.spec.params().interval_ms,
            work: Text(work),
            hash_rate: if seconds > 0.0 { work.to_f64() / seconds } else { 0.0 },
            next_target: Text(next_target),
        })
    }

    async fn subscribe_moves(
        &self,
        pending: PendingSubscriptionSink,
        since: Option<Text<BlockId>>,
    ) -> SubscriptionResult {
        self.follow_moves(pending, since.map(|since| since.0)).await
    }

    async fn subscribe_heads(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        self.follow_heads(pending).await
    }
}

impl Context {
    /// Where a page that began at `from` and has `len` blocks is continued. A tip that came after the page was
    /// read is on the next one.
    fn next_height(&self, from: u64, len: usize) -> Option<u64> {
        let next = from.saturating_add(len as u64);
        (len > 0 && next <= self.handles.chain.tip().height().get()).then_some(next)
    }
}

fn find_block(reader: &Reader, block: BlockRef) -> Result<Option<StoredBlock>, StoreError> {
    match find_header(reader, block)? {
        Some(header) => {
            reader.expect_kept(header.header().height)?;
            reader.block(&header.id())
        }
        None => Ok(None),
    }
}

fn not_on_chain(unknown: UnknownBlock) -> RpcError {
    RpcError { got: Some(unknown.id.to_string()), ..RpcError::new(Code::BlockNotFound, unknown) }
}

fn no_transaction(txid: TxId, message: String) -> RpcError {
    RpcError { got: Some(txid.to_string()), ..RpcError::new(Code::TransactionNotFound, message) }
}
