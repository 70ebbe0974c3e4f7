//! What is passed on: gossip that was judged, blocks found here or come by other ways, transactions of our
//! own.

use crate::{
    gossip::judge::{self, Finding, Judged},
    handle::NetworkEvent,
    peers::{
        table::{BLOCK_WORTH, Unwanted},
        traffic::Protocol,
    },
    service::{Job, Service},
    wire::{Message, compact},
};
use cairn_chain::{
    BlockBody, ChainEvent,
    verdict::{Misbehaviour, Origin, PeerNumber, Verdict},
};
use cairn_common::clock;
use cairn_ledger::{block::Header, validate::Candidate};
use cairn_mempool::Accepted;
use libp2p::{
    PeerId,
    gossipsub::{self, MessageAcceptance, MessageId, PublishError},
};
use std::{sync::Arc, time::Instant};

/// Blocks being judged at once; further ones are ignored, and come by sync.
pub(crate) const JUDGING_BLOCKS: usize = 16;
/// Batches of transactions being judged at once; further ones are ignored, and asked for later.
pub(crate) const JUDGING_BATCHES: usize = 64;
/// A tip that came by other ways than gossip is announced unless it is older than so many intervals.
const RECENT_INTERVALS: u64 = 10;

impl Service {
    /// Passes on a block, unless it travels already.
    pub(crate) fn announce(&mut self, header: &Header, body: BlockBody) {
        let id = header.id();
        if !self.known_blocks.insert(id) {
            return;
        }
        let message = match &body {
            BlockBody::Decoded(body) => {
                let body = body.iter().map(|transaction| (transaction, transaction.id()));
                compact::compact(header, body, |txid| self.known_txs.contains(txid))
            }
            BlockBody::Resolved(candidates) => {
                let body = candidates.iter().map(|candidate| (candidate.transaction(), candidate.txid()));
                compact::compact(header, body, |txid| self.known_txs.contains(txid))
            }
        };
        let message = message.to_bytes();
        self.judge.recent_blocks.put(id, Arc::new(body));
        let (bytes, topic) = (message.len(), self.names.blocks.hash());
        match self.swarm.behaviour_mut().gossip.publish(topic, message) {
            Ok(_) => tracing::debug!(target: "cairn::network", block = %id, bytes, "announced a block"),
            // Nobody is there, or they have it from somebody else.
            Err(PublishError::NoPeersSubscribedToTopic | PublishError::Duplicate) => {}
            Err(error) => tracing::warn!(target: "cairn::network", block = %id, %error, "a block was not announced"),
        }
    }

    /// The chain has moved. When gossip did not bring the tip, others may not know it, either: after a
    /// partition both sides have to hear of it at once.
    pub(crate) fn on_chain_moved(&mut self, event: &ChainEvent) {
        let tip = &event.tip;
        let age = clock::now().since(tip.header.time);
        let is_recent = age <= self.judge.spec.params().interval_ms.saturating_mul(RECENT_INTERVALS);
        if !is_recent {
            return;
        }
        let is_gossiped = self.known_blocks.contains(&tip.id);
        self.tell_soon(!is_gossiped);
        if let Some(block) = event.connected.last().filter(|_| !is_gossiped) {
            let candidates = block.transactions().iter().cloned().map(Candidate::Known).collect();
            self.announce(block.header().header(), BlockBody::Resolved(candidates));
        }
    }

    /// Transactions have come into the pool. Those of peers travel by themselves; ours do not.
    pub(crate) fn on_accepted(&mut self, accepted: &Accepted) {
        if accepted.origin == Origin::Local {
            let now = Instant::now();
            accepted.transactions.iter().for_each(|checked| self.tx_batcher.push(checked.transaction().clone(), now));
        }
    }

    /// Sends the batches whose time has come.
    pub(crate) fn flush_batches(&mut self) {
        let now = Instant::now();
        while let Some(batch) = self.tx_batcher.next(now) {
            match self.swarm.behaviour_mut().gossip.publish(self.names.txs.hash(), batch.to_bytes()) {
                Ok(_) | Err(PublishError::Duplicate) => {
                    for transaction in batch.transactions.iter() {
                        self.known_txs.insert(transaction.id());
                    }
                }
                // Nobody to tell yet, or all are busy: a payment must not be lost for that.
                Err(PublishError::NoPeersSubscribedToTopic | PublishError::AllQueuesFull(_)) => {
                    self.tx_batcher.put_back(batch, now);
                    break;
                }
                Err(error) => tracing::warn!(target: "cairn::network", %error, "a batch was not sent"),
            }
        }
    }

    /// A gossiped message arrives: it is judged elsewhere, when there is room. Each is answered once.
    pub(crate) fn on_gossip(&mut self, source: PeerId, message: MessageId, content: gossipsub::Message) {
        let Some(number) = self.peers.number(&source) else {
            self.report_validation(&message, &source, MessageAcceptance::Ignore);
            return;
        };
        let is_block = content.topic == self.names.blocks.hash();
        let protocol = if is_block { Protocol::Blocks } else { Protocol::Txs };
        if !self.peers.receive(number, protocol, content.data.len(), Instant::now()) {
            self.report_validation(&message, &source, MessageAcceptance::Ignore);
            return self.report(number, &Misbehaviour::Flooding);
        }
        let block = if is_block { judge::block_id(&content.data) } else { None };
        let job = Job { message, source, number, block };
        let has_room = if is_block { self.blocks.len() < JUDGING_BLOCKS } else { self.batches.len() < JUDGING_BATCHES };
        let is_known = block.is_some_and(|id| self.known_blocks.contains(&id) || self.variants.contains(&(id, number)));
        if is_known || !has_room || !self.peers.begin_judging(number) {
            self.report_validation(&job.message, &source, MessageAcceptance::Ignore);
            // A block comes by sync; transactions from where they wait.
            if !is_block {
                self.pool_rounds.missed(number, source, Instant::now());
            }
            return;
        }
        let judge = self.judge.clone();
        if is_block {
            self.variants.extend(block.map(|id| (id, number)));
            self.blocks.spawn(async move { (job, judge.block(number, content.data).await) });
        } else {
            self.batches.spawn(async move { (job, judge.batch(number, content.data).await) });
        }
    }

    /// Passes a verdict on to gossip; `false` when the message has left its memory meanwhile.
    fn report_validation(&mut self, message: &MessageId, source: &PeerId, acceptance: MessageAcceptance) -> bool {
        self.swarm.behaviour_mut().gossip.report_message_validation_result(message, source, acceptance)
    }

    /// A gossiped message was judged.
    pub(crate) fn on_judged(&mut self, (job, judged): (Job, Judged)) {
        let Job { message, source, number, block } = job;
        self.peers.end_judging(number);
        if let Some(id) = block {
            self.variants.remove(&(id, number));
        }
        let acceptance = match &judged.verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject(_) => MessageAcceptance::Reject,
        };
        let reported = self.report_validation(&message, &source, acceptance);
        let travels = reported && judged.verdict == Verdict::Accept;
        self.learn(number, judged.finding, travels);
        if let Verdict::Reject(misbehaviour) = &judged.verdict {
            self.report(number, misbehaviour);
        }
        if let Some(misbehaviour) = &judged.misbehaviour {
            self.report(number, misbehaviour);
        }
    }

    /// Takes in what was learned of a message that travels on, or does not.
    fn learn(&mut self, sender: PeerNumber, finding: Finding, travels: bool) {
        let now = Instant::now();
        match &finding {
            Finding::Block { .. } => self.peers.gave(sender, BLOCK_WORTH, now),
            Finding::Transactions(admitted) if !admitted.is_empty() => {
                let bytes = admitted.iter().map(|(_, transaction)| transaction.size()).sum();
                self.peers.gave(sender, bytes, now);
            }
            Finding::Nothing | Finding::Unwanted | Finding::UnknownParent { .. } | Finding::Transactions(_) => {
                self.peers.heard(sender, now);
            }
        }
        match finding {
            Finding::Nothing => {}
            Finding::Block { id, header, total_work } => {
                self.known_blocks.insert(id);
                self.peers.saw_block(sender, id, &header, total_work);
            }
            Finding::Unwanted => self.on_unwanted(sender),
            Finding::UnknownParent { id } => self.backlog.push(NetworkEvent::UnknownParent { peer: sender, id }),
            Finding::Transactions(admitted) => {
                for (txid, transaction) in admitted {
                    if travels {
                        self.known_txs.insert(txid);
                    } else {
                        // The rest of its batch must not hold it up: it goes on in one of ours.
                        self.tx_batcher.push(transaction, now);
                    }
                }
            }
        }
    }

    /// A peer has sent a block of a chain with far less work: it is told where this node stands.
    fn on_unwanted(&mut self, sender: PeerNumber) {
        match self.peers.sent_unwanted(sender, Instant::now()) {
            Unwanted::Tell => {
                if let Some(id) = self.peers.get(sender).map(|peer| peer.id) {
                    self.exchange_status(&id);
                }
            }
            Unwanted::Bear => {}
            Unwanted::TooMany => self.report(sender, &Misbehaviour::Flooding),
        }
    }
}
