//! Miners that keep their blocks back: they mine on a chain of their own, beside the one that others see.

use super::{Miner, Strategy, find_at, note, search};
use crate::observations::Observer;
use cairn_chain::store::MemoryDisk;
use cairn_chain::{Chain, ChainHandle, HeaderOutcome, Origin, SharedChecks, StoreError, TemplateRequest};
use cairn_common::mailbox::Stopped;
use cairn_common::{clock, runtime};
use cairn_ledger::block::{Block, Body, Header};
use cairn_ledger::hash::BlockId;
use cairn_network::NetworkHandle;
use std::collections::VecDeque;

/// Whoever is so many blocks behind gives up.
const GIVE_UP: u64 = 25;

/// Why it ends.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error(transparent)]
    Stopped(#[from] Stopped),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the chain is ending")]
    Chain,
}

/// A miner with a chain of its own.
pub(super) struct PrivateMiner {
    public: ChainHandle,
    network: NetworkHandle,
    miner: Miner,
    observer: Observer,
    /// Its own chain.
    own: ChainHandle,
    _writer: Chain,
    /// What it has found and not shown, the lowest first.
    hidden: VecDeque<Header>,
    /// The tip of the public chain when it was last looked at.
    looked_at: Option<BlockId>,
    /// Its block that was shown beside another of the same height.
    racing: Option<Header>,
    /// The height of the public chain when it last paid.
    paid_at: u64,
}

impl PrivateMiner {
    /// One whose own chain is the public one so far.
    pub(super) fn new(
        public: ChainHandle,
        network: NetworkHandle,
        miner: Miner,
        observer: Observer,
    ) -> Result<Self, Ended> {
        let (own, writer) = cairn_chain::spawn_in_memory(
            public.reader().spec().clone(),
            MemoryDisk::default(),
            SharedChecks::default(),
        )?;
        let (hidden, looked_at, racing, paid_at) = (VecDeque::new(), None, None, 0);
        Ok(Self { public, network, miner, observer, own, _writer: writer, hidden, looked_at, racing, paid_at })
    }

    /// Mines for ever.
    pub(super) async fn run(mut self) -> Result<(), Ended> {
        self.follow().await?;
        let mut tips = self.public.watch_tip();
        loop {
            tips.mark_unchanged();
            if self.looked_at != Some(self.public.tip().id) {
                self.looked_at = Some(self.public.tip().id);
                match self.miner.strategy {
                    Strategy::DoubleSpend { confirmations } => self.on_public_while_paid(confirmations).await?,
                    Strategy::Selfish | Strategy::Honest | Strategy::Forge => self.on_public().await?,
                }
            }
            let found = find_at(&self.own, &self.miner, &self.observer).ok_or(Ended::Chain)?;
            match runtime::timeout(found.duration_since(clock::instant()), tips.changed()).await {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => return Ok(()),
                Err(_) => self.find().await?,
            }
        }
    }

    /// Takes onto its own chain what is on the public one.
    async fn follow(&mut self) -> Result<(), Ended> {
        let (public, own) = (self.public.reader().clone(), self.own.clone());
        let mut lacking = Vec::new();
        let mut id = self.public.tip().id;
        while own.reader().header(&id)?.is_none() {
            let block = public.block(&id)?.ok_or(Ended::Chain)?.block;
            id = block.header.parent;
            lacking.push(block);
        }
        for block in lacking.into_iter().rev() {
            bring(&own, block).await?;
        }
        Ok(())
    }

    async fn find(&mut self) -> Result<(), Ended> {
        let request =
            TemplateRequest { beneficiary: self.miner.beneficiary, transactions: Vec::new(), time: clock::now() };
        let Ok(template) = self.own.template(request).await else { return Err(Ended::Chain) };
        let Some(nonce) = search(&template.header) else { return Ok(()) };
        let header = Header { nonce, ..template.header };
        note(&self.observer, &header);
        bring(&self.own, Block { header: header.clone(), body: Body::default() }).await?;
        self.hidden.push_back(header);
        match self.miner.strategy {
            // The race is won.
            Strategy::Selfish | Strategy::Honest | Strategy::Forge if self.racing.take().is_some() => {
                self.show(usize::MAX).await
            }
            Strategy::Selfish | Strategy::Honest | Strategy::Forge => Ok(()),
            Strategy::DoubleSpend { confirmations } => {
                if self.hidden.len() == 1 {
                    self.paid_at = self.public.tip().height().get();
                }
                self.on_public_while_paid(confirmations).await
            }
        }
    }

    /// Others have found a block, or followed one of this miner's: Eyal and Sirer's rules.
    async fn on_public(&mut self) -> Result<(), Ended> {
        self.note_race()?;
        self.follow().await?;
        let (public, own) = (self.public.tip(), self.own.tip());
        let lead = own.total_work.checked_sub(public.total_work).map(|_| own.height().get() - public.height().get());
        match lead {
            // Its own chain has become the public one.
            _ if own.id == public.id => self.hidden.clear(),
            None => self.hidden.clear(),
            Some(0) => {
                self.racing = self.hidden.back().cloned();
                self.show(usize::MAX).await?;
            }
            Some(1) => self.show(usize::MAX).await?,
            Some(_) => {
                let height = public.height().get();
                let as_high = self.hidden.iter().take_while(|header| header.height.get() <= height).count();
                self.show(as_high).await?;
            }
        }
        Ok(())
    }

    /// Whether others have gone on from the block that was shown beside another.
    fn note_race(&mut self) -> Result<(), Ended> {
        let Some(shown) = &self.racing else { return Ok(()) };
        if self.public.tip().height() <= shown.height {
            return Ok(());
        }
        let there = self.public.reader().header_at(shown.height)?.map(|header| header.id());
        let seen = &mut *self.observer.seen();
        seen.races.0 += 1;
        seen.races.1 += u64::from(there == Some(shown.id()));
        self.racing = None;
        Ok(())
    }

    /// The public chain has moved, or the own one, for somebody who has paid and mines in secret.
    async fn on_public_while_paid(&mut self, confirmations: u64) -> Result<(), Ended> {
        if self.hidden.is_empty() {
            return self.follow().await;
        }
        let (public, own) = (self.public.tip(), self.own.tip());
        let confirmed = public.height().get().saturating_sub(self.paid_at);
        let has_won = confirmed >= confirmations && own.total_work > public.total_work;
        let has_lost = own.height().get() + GIVE_UP < public.height().get();
        if has_won {
            self.show(usize::MAX).await?;
        }
        if has_won || has_lost {
            let seen = &mut *self.observer.seen();
            seen.double_spends.0 += 1;
            seen.double_spends.1 += u64::from(has_won);
        }
        if has_won || has_lost {
            // Either chain is the public one now: its own has lost, or is what others follow.
            self.hidden.clear();
            self.follow().await?;
        }
        Ok(())
    }

    /// Shows so many of the blocks that are hidden.
    async fn show(&mut self, count: usize) -> Result<(), Ended> {
        for header in self.hidden.drain(..count.min(self.hidden.len())).collect::<Vec<_>>() {
            let body = Body::default();
            bring(&self.public, Block { header: header.clone(), body: body.clone() }).await?;
            self.network.announce(header, body.into()).await;
        }
        Ok(())
    }
}

/// Brings a block onto a chain of this node's.
async fn bring(chain: &ChainHandle, block: Block) -> Result<(), Ended> {
    let outcomes = chain.link_headers(Origin::Local, vec![block.header]).await?;
    if let Some(HeaderOutcome::Linked(linked)) = outcomes.into_iter().next() {
        let mut import = chain.import(linked, block.body).await?;
        // It is this node's own, or on its chain already.
        let _ = import.matched().await?;
        import.outcome().await?;
    }
    Ok(())
}
