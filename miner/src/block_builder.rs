//! Making a block: its template, its nonce, and its way onto the chain.

use super::plan::{Pause, plan_generated};
use super::{BlockAnnouncer, mailbox::Generated};
use cairn_chain::{
    BlockBody, BlockOutcome, ChainError, ChainHandle, HeaderOutcome, Template, TemplateRequest, verdict::Origin,
};
use cairn_common::{clock, mailbox::Stopped};
use cairn_ledger::block::{BLOCK_OVERHEAD_BYTES, Header};
use cairn_ledger::pow::search::{CHUNK, Search};
use cairn_ledger::{chain_spec::ChainSpec, hash::BlockId, keys::Address, units::Timestamp, validate::Candidate};
use cairn_mempool::PoolHandle;
use std::{sync::Arc, time::Instant};

/// Blocks of others that may come in between while one request is served; then it is given up.
const MOST_LOST: usize = 100;

impl From<Stopped> for Pause {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopping
    }
}

/// Makes blocks on the tip.
#[derive(Clone)]
pub struct BlockBuilder<N> {
    /// The chain.
    pub chain: ChainHandle,
    /// The pool.
    pub pool: PoolHandle,
    /// Whom to tell of blocks.
    pub network: N,
}

impl<N: BlockAnnouncer> BlockBuilder<N> {
    /// The rules.
    pub fn spec(&self) -> &ChainSpec {
        self.chain.reader().spec()
    }

    /// A block on the tip with the best of the pool, complete but for its nonce.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn template(&self, beneficiary: Address, time: Timestamp) -> Result<Template, Pause> {
        let height = self.chain.tip().height().saturating_add(1);
        let max = usize::try_from(self.spec().rules_at(height).max_block_bytes).unwrap_or(usize::MAX);
        let started = Instant::now();
        let transactions = self.pool.select(max.saturating_sub(BLOCK_OVERHEAD_BYTES)).await?;
        let select_us = started.elapsed().as_micros();
        let template = self.chain.template(TemplateRequest { beneficiary, transactions, time }).await;
        let template = template.map_err(|error| match error {
            ChainError::Stopped(Stopped) => Pause::Stopping,
            ChainError::Reorganising => Pause::Reorganising,
        })?;
        let build_us = started.elapsed().as_micros() - select_us;
        let transactions = template.transactions.len();
        tracing::debug!(target: "cairn::miner", transactions, select_us, build_us, "made a template");
        Ok(template)
    }

    /// Brings a block onto the chain as any other comes, and announces it. `None`: it came too late, as
    /// another block is there already.
    pub async fn submit(&self, template: &Template, nonce: u64) -> Result<Option<BlockId>, Stopped> {
        let header = Header { nonce, ..template.header.clone() };
        let outcomes = self.chain.link_headers(Origin::Local, vec![header.clone()]).await?;
        let Some(HeaderOutcome::Linked(linked)) = outcomes.into_iter().next() else {
            tracing::debug!(target: "cairn::miner", height = header.height.get(), "a found block was not linked");
            return Ok(None);
        };
        let id = linked.id();
        // What the pool has checked is not checked again.
        let body = BlockBody::Resolved(template.transactions.iter().cloned().map(Candidate::Known).collect());
        let mut import = self.chain.import(linked, body.clone()).await?;
        // It was executed as a template: others need not wait until it is on the disk here.
        if import.matched().await?.is_ok() {
            self.network.announce(header, body).await;
        }
        let outcome = import.outcome().await?;
        if outcome != BlockOutcome::Connected {
            tracing::debug!(target: "cairn::miner", block = %id, ?outcome, "a found block is not on the chain");
            return Ok(None);
        }
        Ok(Some(id))
    }

    /// Makes so many blocks, one after the other, unless something comes in between.
    pub async fn generate(&self, blocks: u64, beneficiary: Address) -> Result<Generated, Stopped> {
        let interval = self.spec().params().interval_ms;
        let (mut made, mut lost) = (Generated::default(), 0);
        while (made.blocks.len() as u64) < blocks {
            let parent = self.chain.tip();
            let planned = plan_generated(parent.header.time, interval, clock::now());
            let template = match planned {
                Ok(time) => self.template(beneficiary, time).await,
                Err(pause) => Err(pause),
            };
            let template = match template {
                Ok(template) => template,
                Err(Pause::Stopping) => return Err(Stopped),
                Err(pause) => {
                    made.stopped = Some(pause.to_string());
                    break;
                }
            };
            let id = match template.header.parent == parent.id {
                true => self.submit(&template, find_nonce(&template.header).await?).await?,
                false => None,
            };
            made.blocks.extend(id);
            lost += usize::from(id.is_none());
            if lost > MOST_LOST {
                made.stopped = Some(String::from("blocks of others keep coming in between"));
                break;
            }
        }
        let (blocks, height) = (made.blocks.len(), self.chain.tip().height().get());
        tracing::info!(target: "cairn::miner", blocks, height, "generated blocks on request");
        Ok(made)
    }
}

/// Searches on a thread where that is allowed, until it is found or nobody waits for it any more.
async fn find_nonce(header: &Header) -> Result<u64, Stopped> {
    let wanted = Arc::new(());
    let waiting = Arc::downgrade(&wanted);
    let (seal, target) = (header.seal(), header.target.decode().expect("the difficulty rule gives normal targets"));
    let search = tokio::task::spawn_blocking(move || {
        let (search, mut nonce) = (Search::new(seal, target), 0_u64);
        while waiting.strong_count() > 0 {
            if let Some(found) = search.in_chunk(nonce) {
                return Some(found);
            }
            nonce = nonce.wrapping_add(CHUNK);
        }
        None
    });
    let found = search.await;
    drop(wanted);
    // An unfinished search means that the runtime is ending.
    found.ok().flatten().ok_or(Stopped)
}
