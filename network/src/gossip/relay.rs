//! What is passed on: gossip that was judged, blocks found here or come by other ways, transactions of our
//! own.

use crate::event::{Context, Gossiped, Job, Published, SwarmAction, TaskAction, Topic};
use crate::gossip::judge::{self, Finding};
use crate::peers::table::{BLOCK_WORTH, PeerTable, Unwanted};
use crate::wire::{Message as _, TxBatch, compact};
use crate::{
    gossip::losses::Losses, gossip::own_txs::OwnTxs, gossip::recent_blocks::RecentBlocks, gossip::tx_batcher::TxBatcher,
};
use cairn_chain::{BlockBody, ChainEvent, Misbehaviour, Origin, PeerNumber};
use cairn_common::cache::FifoCache;
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::{block::Header, chain_spec::ChainSpec, transaction::Transaction, validate::Candidate};
use cairn_mempool::Accepted;
use std::{sync::Arc, time::Instant};

/// Variants of blocks that are remembered as looked at.
const LOOKED_AT: usize = 8_192;
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
    /// Sync is to bring this block, which its sender has.
    ForSync(BlockId),
}

/// What there was no room to look at: gossip brings it only once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unlooked {
    Transactions,
    Block(BlockId),
}

/// What is on its way.
pub(crate) struct Relay {
    spec: Arc<ChainSpec>,
    recent_blocks: RecentBlocks,
    /// Blocks that were looked at, and from whom: one variant of each for every peer, so that looks are paid for in
    /// work.
    variants: FifoCache<(BlockId, PeerNumber)>,
    /// Blocks that travel already.
    known_blocks: FifoCache<BlockId>,
    known_txs: FifoCache<TxId>,
    batcher: TxBatcher,
    own: OwnTxs,
    losses: Losses,
}

impl Relay {
    /// On this network; bodies are kept there.
    pub(crate) fn new(spec: Arc<ChainSpec>, recent_blocks: RecentBlocks) -> Self {
        Self {
            spec,
            recent_blocks,
            variants: FifoCache::new(LOOKED_AT),
            known_blocks: FifoCache::new(KNOWN_BLOCKS),
            known_txs: FifoCache::new(KNOWN_TXS),
            batcher: TxBatcher::default(),
            own: OwnTxs::default(),
            losses: Losses::default(),
        }
    }

    /// What was lost.
    pub(crate) fn losses(&self) -> Losses {
        Losses { crowded_out: self.batcher.dropped(), ..self.losses }
    }

    /// Messages that waited for somebody were dropped.
    pub(crate) fn on_dropped(&mut self, messages: u64) {
        self.losses.dropped = self.losses.dropped.saturating_add(messages);
    }

    /// What was paid here, and nobody else is known to have.
    pub(crate) fn unseen(&self) -> Vec<TxId> {
        self.own.unseen()
    }

    /// Sends again what was paid here, and nobody else is known to have.
    pub(crate) fn send_again(&mut self, cx: &mut Context) {
        for transaction in self.own.due(cx.now) {
            tracing::info!(target: "cairn::network", txid = %transaction.id(), "sending a payment again that no peer is known to have");
            self.losses.sent_again += 1;
            self.batcher.push(transaction, cx.now);
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
        for block in event.connected.iter() {
            block.transactions().iter().for_each(|checked| self.own.seen(&checked.txid()));
        }
        let interval_ms = self.spec.params().interval_ms;
        if cx.clock.since(tip.header.time) > interval_ms.saturating_mul(RECENT_INTERVALS) {
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
            for checked in &accepted.transactions {
                self.own.paid(checked.txid(), checked.transaction().clone(), cx.now);
                self.pass_on(checked.transaction().clone(), cx.now);
            }
        }
        self.send_batch(cx);
    }

    /// Has a transaction go on in a batch of our own.
    pub(crate) fn pass_on(&mut self, transaction: Transaction, now: Instant) {
        self.batcher.push(transaction, now);
    }

    /// At least one peer has this transaction: a compact block may leave it out.
    pub(crate) fn is_known_to_others(&mut self, txid: TxId) {
        self.own.seen(&txid);
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
            // Others find it when they compare pools; what was paid here is sent again.
            Published::Repeated => {
                let count = batch.transactions.len();
                tracing::info!(target: "cairn::network", count, "a batch like one that came before was not sent");
                self.losses.repeated += 1;
            }
            Published::Failed => {}
        }
        self.send_batch(cx);
    }

    /// A gossiped message arrives: it is judged elsewhere, when there is room. Each is answered once. What it held if
    /// there was none.
    pub(crate) fn on_gossip(
        &mut self,
        gossiped: Gossiped,
        peers: &mut PeerTable,
        cx: &mut Context,
    ) -> Option<Unlooked> {
        let Gossiped { peer, message, topic, data } = gossiped;
        let Some(sender) = peers.number(&peer) else {
            cx.push(SwarmAction::Ignore(message));
            return None;
        };
        if !peers.receive(sender, topic.protocol(), data.len(), cx.now) {
            cx.push(SwarmAction::Ignore(message));
            cx.report(sender, Misbehaviour::Flooding);
            return None;
        }
        let block = match self.block_in(topic, &data) {
            Ok(block) => block,
            Err(misbehaviour) => {
                cx.push(SwarmAction::Ignore(message));
                misbehaviour.into_iter().for_each(|misbehaviour| cx.report(sender, misbehaviour));
                return None;
            }
        };
        let is_known = |id: &BlockId| self.known_blocks.contains(id) || self.variants.contains(&(*id, sender));
        if block.as_ref().is_some_and(is_known) {
            cx.push(SwarmAction::Ignore(message));
            return None;
        }
        let bytes = data.len();
        if !peers.begin_judging(sender, topic, bytes) {
            cx.push(SwarmAction::Ignore(message));
            self.losses.unlooked += 1;
            return Some(block.map_or(Unlooked::Transactions, Unlooked::Block));
        }
        if let Some(id) = block {
            self.variants.insert((id, sender), ());
        }
        cx.push(TaskAction::Judge { job: Job { message, sender, topic, bytes }, data });
        None
    }

    /// The block in a message of that topic, if its header shows work.
    fn block_in(&self, topic: Topic, data: &[u8]) -> Result<Option<BlockId>, Option<Misbehaviour>> {
        match topic {
            Topic::Blocks => judge::block_id(&self.spec, data).map(Some),
            Topic::Txs => Ok(None),
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
                peers.brought(sender, Topic::Blocks, cx.now);
                // One that gossip let go of before its verdict reaches others as one that it did not bring.
                if travels {
                    self.known_blocks.insert(id, ());
                }
                peers.saw_block(sender, id, &header, total_work);
            }
            // Its sender has a chain with far less work: it is told where this node stands.
            Finding::Unwanted => match peers.sent_unwanted(sender, cx.now) {
                Unwanted::Tell => return Learned::SenderIsBehind,
                Unwanted::Bear => {}
                Unwanted::TooMany => cx.report(sender, Misbehaviour::Flooding),
            },
            Finding::UnknownParent { id } | Finding::MissingBody { id } => return Learned::ForSync(id),
            Finding::Transactions(admitted) => {
                if !admitted.is_empty() {
                    peers.brought(sender, Topic::Txs, cx.now);
                }
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
        Finding::Nothing | Finding::Unwanted | Finding::UnknownParent { .. } | Finding::MissingBody { .. } => 0,
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
    use cairn_ledger::testing::{easy_network, genesis_state, key, mine, payment};
    use cairn_ledger::validate::{ChainContext, check_work};

    fn relay() -> Relay {
        Relay::new(Arc::new(easy_network()), RecentBlocks::default())
    }

    /// A header that shows work.
    fn header() -> Header {
        let spec = easy_network();
        mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), vec![]).header
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
    fn a_block_is_looked_at_once_from_each_peer_and_one_without_work_from_nobody() {
        let (mut cx, mut peers, mut relay) = (context(), PeerTable::default(), relay());
        let (one, first) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", true, Default::default(), &cx);
        let (other, second) = acquainted(&mut peers, "/ip4/1.2.3.5/tcp/1", true, Default::default(), &cx);
        let (header, mut data) = (header(), encode(&header()));
        for (n, sender) in [first, first, second].into_iter().enumerate() {
            // Each is another message.
            data.push(n as u8);
            let gossiped = gossiped(sender, n as u64, Topic::Blocks, data.clone());
            relay.on_gossip(gossiped, &mut peers, &mut cx);
        }
        let judged = jobs(&mut cx);
        assert_eq!(judged.iter().map(|job| job.sender).collect::<Vec<_>>(), [one, other]);
        judged.iter().for_each(|job| peers.end_judging(job.sender, job.topic, job.bytes));
        // Its next variant is looked at no more than the one before, which costs nothing to make.
        data.push(7);
        relay.on_gossip(gossiped(first, 8, Topic::Blocks, data.clone()), &mut peers, &mut cx);
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::Ignore(MessageNumber(8))]));
        // Once it travels, nobody's is looked at.
        let (id, total_work) = (header.id(), cairn_ledger::pow::Work::from_u64(2));
        let finding = Finding::Block { id, header: Box::new(header), total_work };
        assert_eq!(relay.learn(one, finding, true, &mut peers, &mut cx), Learned::Nothing);
        let (_, third) = acquainted(&mut peers, "/ip4/1.2.3.6/tcp/1", true, Default::default(), &cx);
        relay.on_gossip(gossiped(third, 9, Topic::Blocks, data), &mut peers, &mut cx);
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::Ignore(MessageNumber(9))]));
        assert_eq!(cx.take_reports(), []);
        relay.on_gossip(gossiped(third, 10, Topic::Blocks, encode(easy_network().genesis())), &mut peers, &mut cx);
        assert_eq!((jobs(&mut cx).len(), cx.take_reports().len()), (0, 1), "it shows no work");
    }

    /// Four identities once took all places, and then one honest payment in eight was not looked at.
    #[test]
    fn whoever_sends_more_than_there_is_room_for_takes_nobody_elses_place() {
        let (mut cx, mut peers, mut relay) = (context(), PeerTable::default(), relay());
        for crowd in 0..60_u64 {
            let address = format!("/ip4/1.2.3.{crowd}/tcp/1");
            let (_, sender) = acquainted(&mut peers, &address, true, Default::default(), &cx);
            let sent = (0..100).map(|n| gossiped(sender, crowd * 100 + n, Topic::Txs, vec![1; 10]));
            let missed = sent.filter_map(|one| relay.on_gossip(one, &mut peers, &mut cx));
            assert_eq!(missed.count(), 100 - 32);
        }
        assert_eq!((jobs(&mut cx).len(), cx.take_reports().len()), (60 * 32, 0), "and nobody is reported for it");
        let (honest, sender) = acquainted(&mut peers, "/ip4/9.2.3.4/tcp/1", true, Default::default(), &cx);
        assert_eq!(relay.on_gossip(gossiped(sender, 9_999, Topic::Txs, vec![1; 10]), &mut peers, &mut cx), None);
        assert_eq!(jobs(&mut cx).iter().map(|job| job.sender).collect::<Vec<_>>(), [honest]);
        assert_eq!(relay.losses().unlooked, 60 * (100 - 32));
    }

    /// Blocks that gossip brought and did not pass on once waited for the next status, some seconds, at each node of a
    /// line.
    #[test]
    fn a_block_that_gossip_does_not_pass_on_comes_by_another_way_at_once() {
        let (mut cx, mut peers, mut relay) = (context(), PeerTable::default(), relay());
        let (sender, id) = acquainted(&mut peers, "/ip4/1.2.3.4/tcp/1", true, Default::default(), &cx);
        let spec = easy_network();
        let block = mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), vec![]);
        let linked = |header: &Header| Finding::Block {
            id: header.id(),
            header: Box::new(header.clone()),
            total_work: cairn_ledger::pow::Work::from_u64(2),
        };
        for travels in [false, true] {
            let learned = relay.learn(sender, linked(&block.header), travels, &mut peers, &mut cx);
            assert_eq!((learned, relay.known_blocks.contains(&block.header.id())), (Learned::Nothing, travels));
        }
        let missing = Finding::MissingBody { id: block.header.id() };
        let learned = relay.learn(sender, missing, false, &mut peers, &mut cx);
        assert_eq!(learned, Learned::ForSync(block.header.id()), "its body did not come");

        // Half of all nonces show work here.
        let mut all = (0..).filter_map(|nonce| {
            let header = Header { nonce, ..block.header.clone() };
            check_work(&spec, header.clone()).is_ok().then_some(header)
        });
        let offer = |relay: &mut Relay, header: &Header, peers: &mut PeerTable, cx: &mut Context| {
            relay.on_gossip(gossiped(id, header.nonce, Topic::Blocks, encode(header)), peers, cx)
        };
        let refused = all.by_ref().take(100).find_map(|header| {
            let unlooked = offer(&mut relay, &header, &mut peers, &mut cx)?;
            Some((unlooked, header.id()))
        });
        let (unlooked, refused) = refused.expect("one peer's blocks are not all judged at once");
        assert_eq!(unlooked, Unlooked::Block(refused));
        jobs(&mut cx).iter().for_each(|job| peers.end_judging(job.sender, job.topic, job.bytes));
        let next = all.next().expect("another nonce");
        assert_eq!(offer(&mut relay, &next, &mut peers, &mut cx), None, "the control");
    }

    /// A batch of the same bytes as one that had been ignored was once taken for one that was sent.
    #[test]
    fn a_payment_whose_batch_came_before_is_sent_again_until_somebody_has_it() {
        let (mut cx, mut relay) = (context(), relay());
        let start = cx.now;
        let transaction = payment(&easy_network(), &key(1), 0, key(2).address(), 5, 185);
        let paid = cairn_ledger::testing::checked(&easy_network(), vec![transaction.clone()]);
        relay.on_accepted(&Accepted { origin: Origin::Local, transactions: paid }, &mut cx);
        let sent = |relay: &mut Relay, cx: &mut Context, second: u64| {
            relay.send_again(at(cx, start + std::time::Duration::from_secs(second)));
            cx.now += std::time::Duration::from_millis(100);
            relay.send_batch(cx);
            let batches = on_swarm(cx).into_iter().filter_map(|action| match action {
                SwarmAction::PublishTxs(batch) => Some(batch),
                _ => None,
            });
            let batches: Vec<TxBatch> = batches.collect();
            batches.iter().for_each(|batch| relay.on_published(batch.clone(), Published::Repeated, cx));
            batches.len()
        };
        let times: Vec<usize> = (0..40).map(|second| sent(&mut relay, &mut cx, second)).collect();
        assert_eq!(times.iter().sum::<usize>(), 3, "{times:?}");
        assert_eq!((relay.losses().repeated, relay.losses().sent_again), (3, 2));
        assert_eq!(relay.unseen(), [transaction.id()]);
        relay.is_known_to_others(transaction.id());
        assert_eq!((0..200).map(|second| sent(&mut relay, &mut cx, 40 + second)).sum::<usize>(), 0, "the control");
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
            pooled: Vec::new(),
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
