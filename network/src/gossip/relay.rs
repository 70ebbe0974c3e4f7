//! What is passed on: gossip that was judged, blocks found here or come by other ways, transactions of our
//! own.

use crate::event::{Context, Gossiped, Job, Published, SwarmAction, TaskAction, Topic};
use crate::gossip::judge::{self, Finding};
use crate::peers::table::{BLOCK_WORTH, PeerTable, Unwanted};
use crate::wire::{Message as _, TxBatch, compact};
use crate::{gossip::recent_blocks::RecentBlocks, gossip::tx_batcher::TxBatcher};
use cairn_chain::{BlockBody, ChainEvent, Misbehaviour, Origin, PeerNumber};
use cairn_common::cache::FifoCache;
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::{block::Header, transaction::Transaction, validate::Candidate};
use cairn_mempool::Accepted;
use std::{collections::BTreeSet, sync::Arc, time::Instant};

/// Blocks, and batches of transactions, being judged at once: further blocks are ignored, and come by sync, further
/// transactions are asked for later.
const JUDGING: [usize; 2] = [16, 64];
/// Blocks remembered as passed on.
const KNOWN_BLOCKS: usize = 1024;
/// Transactions remembered as gossiped, so that compact blocks can leave them out: about 4 MB.
const KNOWN_TXS: usize = 65_536;
/// A tip that came by other ways than gossip is announced unless it is older than so many intervals.
const RECENT_INTERVALS: u64 = 10;

/// What others have to do with what was learned of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Learned {
    Nothing,
    /// Its sender is to be told where this node stands.
    SenderIsBehind,
    /// Its sender knows a branch that is unknown here.
    UnknownParent(BlockId),
}

/// What is on its way.
pub(crate) struct Relay {
    interval_ms: u64,
    recent_blocks: RecentBlocks,
    /// Messages that are being judged, by topic.
    judging: [usize; 2],
    /// Blocks being judged, and from whom: one variant of each for every peer.
    variants: BTreeSet<(BlockId, PeerNumber)>,
    /// Blocks that travel already.
    known_blocks: FifoCache<BlockId>,
    known_txs: FifoCache<TxId>,
    batcher: TxBatcher,
}

impl Relay {
    /// On a network with this interval; bodies are kept there.
    pub(crate) fn new(interval_ms: u64, recent_blocks: RecentBlocks) -> Self {
        Self {
            interval_ms,
            recent_blocks,
            judging: [0; 2],
            variants: BTreeSet::new(),
            known_blocks: FifoCache::new(KNOWN_BLOCKS),
            known_txs: FifoCache::new(KNOWN_TXS),
            batcher: TxBatcher::default(),
        }
    }

    /// Passes on a block, unless it travels already.
    pub(crate) fn announce(&mut self, header: &Header, body: BlockBody, cx: &mut Context) {
        let id = header.id();
        if !self.known_blocks.insert(id, ()) {
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
        self.recent_blocks.put(id, Arc::new(body));
        cx.push(SwarmAction::PublishBlock { id, message: message.to_bytes() });
    }

    /// The chain has moved. When gossip did not bring the tip, others may not know it, either: after a
    /// partition both sides have to hear of it at once. `None` for an old tip; else whether others are to be told
    /// at once.
    pub(crate) fn on_chain_moved(&mut self, event: &ChainEvent, cx: &mut Context) -> Option<bool> {
        let tip = &event.tip;
        if cx.clock.since(tip.header.time) > self.interval_ms.saturating_mul(RECENT_INTERVALS) {
            return None;
        }
        let is_gossiped = self.known_blocks.contains(&tip.id);
        if let Some(block) = event.connected.last().filter(|_| !is_gossiped) {
            let candidates = block.transactions().iter().cloned().map(Candidate::Known).collect();
            self.announce(block.header().header(), BlockBody::Resolved(candidates), cx);
        }
        Some(!is_gossiped)
    }

    /// Transactions have come into the pool. Those of peers travel by themselves; ours do not.
    pub(crate) fn on_accepted(&mut self, accepted: &Accepted, cx: &mut Context) {
        if accepted.origin == Origin::Local {
            accepted.transactions.iter().for_each(|checked| self.pass_on(checked.transaction().clone(), cx.now));
        }
        self.send_batch(cx);
    }

    /// Has a transaction go on in a batch of our own.
    pub(crate) fn pass_on(&mut self, transaction: Transaction, now: Instant) {
        self.batcher.push(transaction, now);
    }

    /// At least one peer has this transaction: a compact block may leave it out.
    pub(crate) fn is_known_to_others(&mut self, txid: TxId) {
        self.known_txs.insert(txid, ());
    }

    /// When the next batch is to go; `None` when nothing waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.batcher.due()
    }

    /// Sends a batch whose time has come; the next when it is known what became of this one.
    pub(crate) fn send_batch(&mut self, cx: &mut Context) {
        if let Some(batch) = self.batcher.next(cx.now) {
            cx.push(SwarmAction::PublishTxs(batch));
        }
    }

    /// A batch was handed to gossip.
    pub(crate) fn on_published(&mut self, batch: TxBatch, outcome: Published, cx: &mut Context) {
        match outcome {
            Published::Sent => batch.transactions.iter().for_each(|transaction| {
                self.known_txs.insert(transaction.id(), ());
            }),
            // A payment must not be lost for that.
            Published::NobodyTook => self.batcher.put_back(batch, cx.now),
            Published::Failed => {}
        }
        self.send_batch(cx);
    }

    /// A gossiped message arrives: it is judged elsewhere, when there is room. Each is answered once. Whether it held
    /// transactions that there was no room to look at: gossip brings them only once.
    pub(crate) fn on_gossip(&mut self, gossiped: Gossiped, peers: &mut PeerTable, cx: &mut Context) -> bool {
        let Gossiped { peer, message, topic, data } = gossiped;
        let Some(sender) = peers.number(&peer) else {
            cx.push(SwarmAction::Ignore(message));
            return false;
        };
        if !peers.receive(sender, topic.protocol(), data.len(), cx.now) {
            cx.push(SwarmAction::Ignore(message));
            cx.report(sender, Misbehaviour::Flooding);
            return false;
        }
        let block = if topic == Topic::Blocks { judge::block_id(&data) } else { None };
        let is_known = block.is_some_and(|id| self.known_blocks.contains(&id) || self.variants.contains(&(id, sender)));
        let judging = &mut self.judging[topic as usize];
        if is_known || *judging >= JUDGING[topic as usize] || !peers.begin_judging(sender) {
            cx.push(SwarmAction::Ignore(message));
            // A block comes by sync; transactions from where they wait.
            return topic == Topic::Txs;
        }
        *judging += 1;
        self.variants.extend(block.map(|id| (id, sender)));
        cx.push(TaskAction::Judge { job: Job { message, sender, topic, block }, data });
        false
    }

    /// A gossiped message was judged.
    pub(crate) fn end_judging(&mut self, job: &Job) {
        let judging = &mut self.judging[job.topic as usize];
        *judging = judging.saturating_sub(1);
        if let Some(id) = job.block {
            self.variants.remove(&(id, job.sender));
        }
    }

    /// Takes in what was learned of a message that travels on, or does not.
    pub(crate) fn learn(
        &mut self,
        sender: PeerNumber,
        finding: Finding,
        travels: bool,
        peers: &mut PeerTable,
        cx: &mut Context,
    ) -> Learned {
        match value(&finding) {
            0 => peers.heard(sender, cx.now),
            bytes => peers.gave(sender, bytes, cx.now),
        }
        match finding {
            Finding::Nothing => {}
            Finding::Block { id, header, total_work } => {
                self.known_blocks.insert(id, ());
                peers.saw_block(sender, id, &header, total_work);
            }
            // Its sender has a chain with far less work: it is told where this node stands.
            Finding::Unwanted => match peers.sent_unwanted(sender, cx.now) {
                Unwanted::Tell => return Learned::SenderIsBehind,
                Unwanted::Bear => {}
                Unwanted::TooMany => cx.report(sender, Misbehaviour::Flooding),
            },
            Finding::UnknownParent { id } => return Learned::UnknownParent(id),
            Finding::Transactions(admitted) => {
                for (txid, transaction) in admitted {
                    if travels {
                        self.known_txs.insert(txid, ());
                    } else {
                        // The rest of its batch must not hold it up: it goes on in one of ours.
                        self.batcher.push(transaction, cx.now);
                    }
                }
            }
        }
        Learned::Nothing
    }
}

fn value(finding: &Finding) -> usize {
    match finding {
        Finding::Block { .. } => BLOCK_WORTH,
        Finding::Transactions(admitted) => admitted.iter().map(|(_, transaction)| transaction.size()).sum(),
        Finding::Nothing | Finding::Unwanted | Finding::UnknownParent { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Action, TaskAction};
    use crate::gossip::judge::Judged;
    use crate::ids::{MessageNumber, PeerId};
    use crate::testing::{acquainted, at, context, on_swarm};
    use cairn_chain::Verdict;
    use cairn_ledger::codec::encode;
    use cairn_ledger::testing::{easy_network, key, payment};

    fn relay() -> Relay {
        Relay::new(1000, RecentBlocks::default())
    }

    fn jobs(cx: &mut Context) -> Vec<Job> {
        let job = |action| match action {
            Action::Task(TaskAction::Judge { job, .. }) => Some(job),
            _ => None,
        };
        cx.take().into_iter().filter_map(job).collect()
    }

    fn gossiped(peer: PeerId, n: u64, topic: Topic, data: Vec<u8>) -> Gossiped {
        Gossiped { peer, message: MessageNumber(n), topic, data }
    }

    #[test]
    fn a_block_is_judged_once_from_each_peer_and_no_more_than_there_is_room_for() {
        let (mut cx, mut peers, mut relay) = (context(), PeerTable::default(), relay());
        let (one, first) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", true, Default::default(), &cx);
        let (other, second) = acquainted(&mut peers, "/ip4/1.2.3.5/tcp/1", true, Default::default(), &cx);
        let data = encode(easy_network().genesis());
        for (n, sender) in [first, first, second].into_iter().enumerate() {
            let gossiped = gossiped(sender, n as u64, Topic::Blocks, data.clone());
            relay.on_gossip(gossiped, &mut peers, &mut cx);
        }
        let judged = jobs(&mut cx);
        assert_eq!(judged.iter().map(|job| job.sender).collect::<Vec<_>>(), [one, other]);
        // Once it travels, nobody's is looked at.
        judged.iter().for_each(|job| relay.end_judging(job));
        let header = easy_network().genesis().clone();
        let finding = Finding::Block {
            id: header.id(),
            header: Box::new(header),
            total_work: cairn_ledger::pow::Work::from_u64(2),
        };
        assert_eq!(relay.learn(one, finding, true, &mut peers, &mut cx), Learned::Nothing);
        relay.on_gossip(gossiped(second, 9, Topic::Blocks, data), &mut peers, &mut cx);
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::Ignore(MessageNumber(9))]));
    }

    #[test]
    fn transactions_there_is_no_room_for_are_missed_and_nobodys_fault() {
        let (mut cx, mut peers, mut relay) = (context(), PeerTable::default(), relay());
        let mut taken = Vec::new();
        for n in 0..JUDGING[Topic::Txs as usize] as u64 + 8 {
            let address = format!("/ip4/1.2.3.{}/tcp/1", n % 250 + 1);
            let (_, sender) = acquainted(&mut peers, &address, true, Default::default(), &cx);
            let gossiped = gossiped(sender, n, Topic::Txs, vec![1; 10]);
            taken.push(relay.on_gossip(gossiped, &mut peers, &mut cx));
        }
        assert_eq!(taken.iter().filter(|is_missed| **is_missed).count(), 8);
        assert_eq!((jobs(&mut cx).len(), cx.take_reports().len()), (JUDGING[Topic::Txs as usize], 0));
    }

    #[test]
    fn what_was_admitted_of_a_batch_that_stays_here_goes_on_in_one_of_ours() {
        let (mut cx, mut peers, mut relay) = (context(), PeerTable::default(), relay());
        let (sender, _) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", true, Default::default(), &cx);
        let transaction = payment(&easy_network(), &key(1), 0, key(2).address(), 5, 185);
        let judged = Judged {
            verdict: Verdict::Ignore,
            misbehaviour: None,
            finding: Finding::Transactions(vec![(transaction.id(), transaction.clone())]),
        };
        relay.learn(sender, judged.finding.clone(), true, &mut peers, &mut cx);
        assert_eq!(relay.due(), None, "the control: it travels already");
        relay.learn(sender, judged.finding, false, &mut peers, &mut cx);
        let due = relay.due().expect("it waits for company");
        relay.send_batch(at(&mut cx, due));
        let actions = on_swarm(&mut cx);
        let [SwarmAction::PublishTxs(batch)] = &actions[..] else { panic!("{actions:?}") };
        assert_eq!(batch.transactions[..], [transaction]);
        // Nobody was there: it is not lost.
        relay.on_published(batch.clone(), Published::NobodyTook, &mut cx);
        assert!(relay.due().is_some_and(|again| again > due));
    }
}
