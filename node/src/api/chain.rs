//! `chain_*`: blocks and the transactions in them.

use super::{context::Context, error::refused, ranges};
use cairn_chain::{
    ProvenTip, Reader, Tip, UnknownBlock,
    store::{StoreError, StoredBlock},
};
use cairn_ledger::{
    codec,
    hash::{BlockId, Hash, TxId},
    light::LightRequest,
    transaction::Transaction,
    units::Height,
    validate::LinkedHeader,
};
use cairn_rpc::{
    error::{Code, RpcError},
    methods::ChainServer,
    text::{HexBytes, Text},
    types::{
        BlockJson, BlockPage, BlockRef, BlockTransactions, DifficultyJson, HeaderJson, HeaderPage, LightProofJson,
        Supply, TransactionInfo, TransactionJson, TransactionPage, TransactionProofJson, TxState,
    },
};
use jsonrpsee::{
    PendingSubscriptionSink,
    core::{RpcResult, SubscriptionResult, async_trait},
};
use std::ops::RangeInclusive;

/// Bare headers on a page: a megabyte in hex.
const BARE_HEADERS: RangeInclusive<u64> = 1..=5_000;

pub(super) struct ChainApi(pub Context);

#[async_trait]
impl ChainServer for ChainApi {
    async fn chain_tip(&self) -> RpcResult<HeaderJson> {
        Ok(self.0.show_tip(&self.0.handles.chain.tip()))
    }

    async fn get_header(&self, block: BlockRef) -> RpcResult<HeaderJson> {
        let found = self.0.read(move |reader| find_header(reader, block)).await?;
        let header = found.ok_or_else(|| no_such_block(block))?;
        Ok(self.0.show_header(&header))
    }

    async fn get_block(&self, block: BlockRef, full: Option<bool>) -> RpcResult<BlockJson> {
        let found = self.0.read(move |reader| find_block(reader, block)).await?;
        let block = found.ok_or_else(|| no_such_block(block))?;
        Ok(self.0.show_block(&block, full.unwrap_or(false)))
    }

    async fn get_raw_block(&self, block: BlockRef) -> RpcResult<HexBytes> {
        let found = self.0.read(move |reader| {
            Ok(match find_header(reader, block)? {
                Some(header) => reader.raw_block(&header)?,
                None => None,
            })
        });
        Ok(HexBytes(found.await?.ok_or_else(|| no_such_block(block))?))
    }

    async fn get_transaction(&self, txid: Text<TxId>) -> RpcResult<TransactionInfo> {
        Ok(self.0.find_transaction(txid.0).await?)
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
            self.0.prove(move |reader| reader.prove_tip(&request, known)).await?.map_err(not_on_chain)?;
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
        count: Option<u64>,
    ) -> RpcResult<HexBytes> {
        let count = ranges::count(count, &BARE_HEADERS)?;
        let found = self.0.prove(move |reader| reader.bare_headers(&after.0, &at.0, count)).await?;
        let headers = found.map_err(not_on_chain)?.ok_or_else(|| not_on_chain(UnknownBlock { id: after.0 }))?;
        Ok(HexBytes(headers))
    }

    async fn get_transaction_proof(&self, txid: Text<TxId>, at: Text<BlockId>) -> RpcResult<TransactionProofJson> {
        let proof = self.0.prove(move |reader| reader.prove_transaction(&txid.0, &at.0)).await?;
        let proof = proof.map_err(not_on_chain)?.ok_or_else(|| not_mined(txid.0))?;
        let (block, height) = (Text(proof.header.id()), proof.header.height.get());
        Ok(TransactionProofJson { txid, block, height, at, raw: HexBytes(codec::encode(&proof)) })
    }

    async fn get_headers(&self, from: u64, count: Option<u64>) -> RpcResult<HeaderPage> {
        Ok(self.0.headers(from, count).await?)
    }

    async fn get_blocks(&self, from: u64, count: Option<u64>, full: Option<bool>) -> RpcResult<BlockPage> {
        Ok(self.0.blocks(from, count, full.unwrap_or(false)).await?)
    }

    async fn get_transactions(&self, from: u64, place: Option<u64>, count: Option<u64>) -> RpcResult<TransactionPage> {
        Ok(self.0.transactions(from, place, count).await?)
    }

    async fn chain_supply(&self, height: Option<u64>) -> RpcResult<Supply> {
        Ok(self.0.supply(height).await?)
    }

    async fn chain_difficulty(&self, window: Option<u64>) -> RpcResult<DifficultyJson> {
        Ok(self.0.difficulty(window).await?)
    }

    async fn subscribe_moves(
        &self,
        pending: PendingSubscriptionSink,
        since: Option<Text<BlockId>>,
    ) -> SubscriptionResult {
        self.0.follow_moves(pending, since.map(|since| since.0)).await
    }

    async fn subscribe_heads(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        self.0.follow_heads(pending).await
    }
}

fn find_header(reader: &Reader, block: BlockRef) -> Result<Option<LinkedHeader>, StoreError> {
    match block {
        BlockRef::Height(height) => reader.header_at(Height::new(height)),
        BlockRef::Id(id) => reader.header(&id.0),
    }
}

fn find_block(reader: &Reader, block: BlockRef) -> Result<Option<StoredBlock>, StoreError> {
    match find_header(reader, block)? {
        Some(header) => reader.block(&header.id()),
        None => Ok(None),
    }
}

pub(super) fn no_such_block(block: BlockRef) -> RpcError {
    let (message, got) = match block {
        BlockRef::Height(height) => (format!("the chain has no block {height} yet"), height.to_string()),
        BlockRef::Id(id) => (format!("no block has the id {}", id.0), id.0.to_string()),
    };
    RpcError { got: Some(got), ..RpcError::new(Code::BlockNotFound, message) }
}

fn not_on_chain(unknown: UnknownBlock) -> RpcError {
    RpcError { got: Some(unknown.id.to_string()), ..RpcError::new(Code::BlockNotFound, unknown) }
}

fn not_mined(txid: TxId) -> RpcError {
    let message = format!("no block up to this one has the transaction {txid}");
    RpcError { got: Some(txid.to_string()), ..RpcError::new(Code::TransactionNotFound, message) }
}

impl Context {
    pub(super) fn show_tip(&self, tip: &Tip) -> HeaderJson {
        HeaderJson::new(&tip.header, tip.total_work, self.prefix())
    }

    pub(super) fn show_header(&self, header: &LinkedHeader) -> HeaderJson {
        HeaderJson::new(header.header(), header.total_work(), self.prefix())
    }

    pub(super) fn show_block(&self, stored: &StoredBlock, full: bool) -> BlockJson {
        let body = stored.block.body.iter();
        let transactions = if full {
            BlockTransactions::Full(body.map(|transaction| TransactionJson::new(transaction, self.prefix())).collect())
        } else {
            BlockTransactions::Ids(body.map(|transaction| Text(transaction.id())).collect())
        };
        BlockJson { header: self.show_header(&stored.header), size: stored.block.size() as u64, transactions }
    }

    /// Where a transaction of the followed chain is, and how deep.
    pub(super) async fn find_mined(&self, txid: TxId) -> Result<Option<Mined>, RpcError> {
        let found = self.read(move |reader| reader.transaction(&txid)).await?;
        Ok(found.map(|mined| {
            let height = mined.block.header().height;
            // The tip that is published may be older than what was read.
            let confirmations = self.handles.chain.tip().height().get().saturating_sub(height.get()).saturating_add(1);
            Mined { transaction: mined.transaction, block: mined.block, confirmations }
        }))
    }

    async fn find_transaction(&self, txid: TxId) -> Result<TransactionInfo, RpcError> {
        if let Some(mined) = self.find_mined(txid).await? {
            return Ok(self.show_mined(&mined));
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
            Some(mined) => Ok(self.show_mined(&mined)),
            None => {
                let message = format!("neither the chain nor the pool has the transaction {txid}");
                Err(RpcError { got: Some(txid.to_string()), ..RpcError::new(Code::TransactionNotFound, message) })
            }
        }
    }

    pub(super) fn show_mined(&self, mined: &Mined) -> TransactionInfo {
        TransactionInfo {
            transaction: TransactionJson::new(&mined.transaction, self.prefix()),
            state: TxState::Mined,
            block: Some(Text(mined.block.id())),
            height: Some(mined.block.header().height.get()),
            confirmations: mined.confirmations,
        }
    }
}

/// A transaction of the followed chain.
pub(super) struct Mined {
    pub transaction: Transaction,
    pub block: LinkedHeader,
    /// Blocks from its own to the tip, both counted.
    pub confirmations: u64,
}
