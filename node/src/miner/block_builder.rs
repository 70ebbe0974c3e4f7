//! Making a block: its template, its nonce, and its way onto the chain.

use super::{
    mailbox::{Generate, GenerateError, Generated},
    plan::{Pause, plan_generated},
    ports::BlockAnnouncer,
};
use cairn_chain::{
    BlockBody, BlockOutcome, ChainError, ChainHandle, HeaderOutcome, Template, TemplateRequest, verdict::Origin,
};
use cairn_common::{clock, mailbox::Stopped};
use cairn_ledger::{
    block::{BLOCK_OVERHEAD_BYTES, Header},
    chain_spec::ChainSpec,
    hash::BlockId,
    keys::Address,
    pow::search::{CHUNK, Search},
    units::Timestamp,
    validate::Candidate,
};
use cairn_mempool::PoolHandle;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

/// Blocks of others that may come in between while one request is served; then it is given up.
const MOST_LOST: usize = 100;

impl From<Stopped> for Pause {
    fn from(Stopped: Stopped) -> Self {
        Self::Stopping
    }
}

/// Makes blocks on the tip.
#[derive(Clone)]
pub(super) struct BlockBuilder<N> {
    pub chain: ChainHandle,
    pub pool: PoolHandle,
    pub network: N,
}

impl<N: BlockAnnouncer> BlockBuilder<N> {
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

    /// Serves a request for blocks.
    pub async fn generate(self, request: Generate) {
        let made = self.generate_blocks(request.blocks, request.beneficiary).await;
        if let Ok(made) = &made {
            let (blocks, height) = (made.blocks.len(), self.chain.tip().height().get());
            tracing::info!(target: "cairn::miner", blocks, height, "generated blocks on request");
        }
        // Whoever asked may be gone; the blocks are there all the same.
        let _ = request.answer.send(made.map_err(GenerateError::Stopped));
    }

    async fn generate_blocks(&self, blocks: u64, beneficiary: Address) -> Result<Generated, Stopped> {
        let interval = self.spec().params().interval_ms;
        let (mut made, mut lost) = (Generated::default(), 0);
        while (made.blocks.len() as u64) < blocks {
            let parent = self.chain.tip();
            let time = match plan_generated(parent.header.time, interval, clock::now()) {
                Ok(time) => time,
                Err(reason) => {
                    made.stopped = Some(reason);
                    break;
                }
            };
            let template = match self.template(beneficiary, time).await {
                Ok(template) => template,
                Err(Pause::Stopping) => return Err(Stopped),
                Err(pause) => {
                    made.stopped = Some(pause.to_string());
                    break;
                }
            };
            let on_parent = template.header.parent == parent.id;
            let nonce = if on_parent { Some(find_nonce(&template.header).await?) } else { None };
            let id = match nonce {
                Some(nonce) => self.submit(&template, nonce).await?,
                None => None,
            };
            made.blocks.extend(id);
            lost += usize::from(id.is_none());
            if lost > MOST_LOST {
                made.stopped = Some(String::from("blocks of others keep coming in between"));
                break;
            }
        }
        Ok(made)
    }
}

/// Searches on a thread where that is allowed, until it is found or nobody waits for it any more.
async fn find_nonce(header: &Header) -> Result<u64, Stopped> {
    /// Ends the search when it is dropped.
    struct StopOnDrop(Arc<AtomicBool>);
    impl Drop for StopOnDrop {
        fn drop(&mut self) {
            self.0.store(false, Ordering::Relaxed);
        }
    }

    let wanted = StopOnDrop(Arc::new(AtomicBool::new(true)));
    let (seal, target) = (header.seal(), header.target.decode().expect("the difficulty rule gives normal targets"));
    let searching = wanted.0.clone();
    let search = tokio::task::spawn_blocking(move || {
        let (search, mut nonce) = (Search::new(seal, target), 0_u64);
        while searching.load(Ordering::Relaxed) {
            if let Some(found) = search.in_chunk(nonce) {
                return Some(found);
            }
            nonce = nonce.wrapping_add(CHUNK);
        }
        None
    });
    // An unfinished search means that the runtime is ending.
    search.await.ok().flatten().ok_or(Stopped)
}
