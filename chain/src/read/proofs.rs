//! Light proofs and proofs of transactions, read from the store by any reader.
//!
//! A proof is made of many reads, and the chain may move between them. All of them stand below one tip, so
//! they belong together as long as that tip is on the followed chain before the first and after the last.

use super::Reader;
use crate::store::schema::HeaderById;
use crate::store::{ChainStore, StoreError, completed_node};
use cairn_ledger::light::{
    BareHeader, BlockProof, LightError, LightProof, LightProver, LightRequest, TAIL, TransactionProof, tail_start,
};
use cairn_ledger::mmr::{MmrNode, MmrPosition, MmrProof};
use cairn_ledger::{BlockId, Header, Height, LinkedHeader, Transaction, TxId, codec::encode, merkle::InclusionProof};
use std::{collections::BTreeMap, collections::btree_map::Entry};

/// How often a proof is begun again after a read that failed while its tip stayed: a chain that left the tip
/// and came back to it in between.
const ATTEMPTS: usize = 2;

/// A block that is not on the followed chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the block {id} is not on the followed chain")]
pub struct UnknownBlock {
    /// Its id.
    pub id: BlockId,
}

/// What proves a tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvenTip {
    /// From block 0.
    Whole(Box<LightProof>),
    /// From a tip that the asker knows: the headers after it.
    Since(BlockId, Vec<Header>),
}

impl ProvenTip {
    /// The proof as it is sent: encoded, or the headers one after another.
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Whole(proof) => encode(proof.as_ref()),
            Self::Since(_, headers) => headers.iter().flat_map(encode).collect(),
        }
    }
}

impl Reader {
    /// Proves a tip to whoever holds the genesis id, or `known`, one of the last [`TAIL`] blocks below it.
    ///
    /// # Errors
    /// The outer: a failing store. The inner: the tip is not, or no longer, on the followed chain.
    pub fn prove_tip(
        &self,
        request: &LightRequest,
        known: Option<BlockId>,
    ) -> Result<Result<(LinkedHeader, ProvenTip), UnknownBlock>, StoreError> {
        self.mender.read(|| {
            self.below(&request.tip, |tip| {
                if let Some(known) = known
                    && let Some(headers) = self.headers_since(&known, tip)?
                {
                    return Ok((tip.clone(), ProvenTip::Since(known, headers)));
                }
                Ok((tip.clone(), ProvenTip::Whole(Box::new(self.light_proof(request, tip)?))))
            })
        })
    }

    /// Headers after the block `after` up to the block `at`, at most `count`, one after another as bare headers; `None`
    /// when `after` is not below `at`.
    ///
    /// # Errors
    /// The outer: a failing store. The inner: `at` is not on the followed chain.
    pub fn bare_headers(
        &self,
        after: &BlockId,
        at: &BlockId,
        count: u64,
    ) -> Result<Result<Option<Vec<u8>>, UnknownBlock>, StoreError> {
        self.mender.read(|| {
            self.below(at, |tip| {
                let Some(from) = self.height_below(after, tip)? else { return Ok(None) };
                let to = tip.header().height.get();
                let headers = self.headers(from + 1, to.min(from.saturating_add(count)))?;
                Ok(Some(headers.iter().flat_map(|header| encode(&BareHeader::from(header))).collect()))
            })
        })
    }

    /// Proves a transaction in or below the block `at`; `None` when it is not there.
    ///
    /// # Errors
    /// The outer: a failing store. The inner: `at` is not on the followed chain.
    pub fn prove_transaction(
        &self,
        txid: &TxId,
        at: &BlockId,
    ) -> Result<Result<Option<TransactionProof>, UnknownBlock>, StoreError> {
        self.mender.read(|| self.below(at, |tip| self.transaction_proof(txid, tip)))
    }

    /// Reads what belongs to the followed chain up to `tip`.
    fn below<T>(
        &self,
        tip: &BlockId,
        read: impl Fn(&LinkedHeader) -> Result<T, StoreError>,
    ) -> Result<Result<T, UnknownBlock>, StoreError> {
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let Some(header) = self.store().connected(tip)? else { return Ok(Err(UnknownBlock { id: *tip })) };
            let result = read(&header);
            // What is missing because the chain has moved is no failure of the store.
            if !self.store().is_connected(&header)? {
                return Ok(Err(UnknownBlock { id: *tip }));
            }
            match result {
                Ok(found) => return Ok(Ok(found)),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.expect("the loop ran and each round returned or failed"))
    }

    /// The headers after `known` up to `tip`; `None` when it is not on the chain, or further down than a
    /// tail is long.
    fn headers_since(&self, known: &BlockId, tip: &LinkedHeader) -> Result<Option<Vec<Header>>, StoreError> {
        let to = tip.header().height.get();
        let from = self.height_below(known, tip)?.filter(|from| to - from <= TAIL);
        let Some(from) = from else { return Ok(None) };
        self.headers(from + 1, to).map(Some)
    }

    /// The height of a block of the followed chain that is not above `tip`.
    fn height_below(&self, id: &BlockId, tip: &LinkedHeader) -> Result<Option<u64>, StoreError> {
        let found = self.store().connected(id)?.map(|header| header.header().height);
        Ok(found.filter(|height| *height <= tip.header().height).map(Height::get))
    }

    fn light_proof(&self, request: &LightRequest, tip: &LinkedHeader) -> Result<LightProof, StoreError> {
        let store = self.store();
        let (height, mut headers) = (tip.header().height, Headers { store: &store, read: BTreeMap::new() });
        let start = tail_start(height).get();
        let broken = |_: LightError| StoreError::corrupt::<HeaderById>(tip.id());
        let mut plan = LightProver::new(request, &store.history(start)?, tip.total_work()).map_err(broken)?;
        loop {
            let wanted = plan.wanted();
            if wanted.is_empty() {
                break;
            }
            plan.take(wanted.into_iter().map(|position| headers.node(position)).collect::<Result<_, _>>()?);
        }
        let opened = plan.heights().into_iter().map(|height| Ok(headers.at(height)?.header().clone()));
        let opened = opened.collect::<Result<_, StoreError>>()?;
        plan.assemble(self.headers(start, height.get())?, opened).map_err(broken)
    }

    fn transaction_proof(&self, txid: &TxId, tip: &LinkedHeader) -> Result<Option<TransactionProof>, StoreError> {
        let Some(location) = self.store().location(txid)? else { return Ok(None) };
        let (height, tip_height) = (location.height, tip.header().height);
        if height > tip_height {
            return Ok(None);
        }
        let block = self.store().header_on_chain(height)?;
        let header = block.header().clone();
        let Some(body) = self.store().body(&block)? else { return Ok(None) };
        let (place, txids) = (location.place as usize, body.iter().map(Transaction::id).collect::<Vec<_>>());
        let found = body.get(place).filter(|_| txids.get(place) == Some(txid)).cloned();
        let (Some(transaction), Some(inclusion)) = (found, InclusionProof::new(&txids, place)) else {
            return Ok(None);
        };
        let history = match MmrProof::positions(height, tip_height.get()) {
            None => None,
            Some(positions) => {
                let siblings = self.history_proof(&positions)?;
                Some(BlockProof { next_target: block.next_target(), siblings })
            }
        };
        Ok(Some(TransactionProof { header, transaction, inclusion, history }))
    }

    fn history_proof(&self, positions: &[Vec<MmrPosition>]) -> Result<MmrProof, StoreError> {
        let store = self.store();
        let trees = positions.iter().map(|trees| trees.iter().map(|at| store.history_node(*at)).collect());
        let nodes = trees.collect::<Result<Vec<Vec<MmrNode>>, _>>()?;
        let corrupt = |_| StoreError::corrupt::<HeaderById>("works that overflow");
        MmrProof::from_nodes(&nodes).map_err(corrupt)
    }

    /// The headers of the followed chain from one height to another, both included.
    fn headers(&self, from: u64, to: u64) -> Result<Vec<Header>, StoreError> {
        let store = self.store();
        (from..=to).map(|height| Ok(store.header_on_chain(Height::new(height))?.header().clone())).collect()
    }
}

/// Headers read for one proof, each once: a header holds all the nodes that its block completed, and samples
/// fall from node to node below the same blocks.
struct Headers<'a> {
    store: &'a ChainStore,
    read: BTreeMap<Height, LinkedHeader>,
}

impl Headers<'_> {
    fn at(&mut self, height: Height) -> Result<&LinkedHeader, StoreError> {
        match self.read.entry(height) {
            Entry::Occupied(read) => Ok(read.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.store.header_on_chain(height)?)),
        }
    }

    fn node(&mut self, position: MmrPosition) -> Result<MmrNode, StoreError> {
        completed_node(self.at(position.completed_by())?, position)
    }
}
