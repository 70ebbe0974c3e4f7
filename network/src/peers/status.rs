//! `status/1`: where peers stand. They tell each other at connect, every minute, and soon after a new tip. An exchange
//! tells both: who was asked has answered, and does not ask the same again.

use crate::event::{Context, SwarmAction};
use crate::wire::{MAX_SNAPSHOTS, Message as _, NamedUpgrade, PeerStatus, SnapshotName, StretchName};
use crate::{ids::PeerId, peers::table::PeerTable, peers::traffic::Protocol, requests::class::Class};
use cairn_chain::store::{Kept, LowestBody};
use cairn_chain::{Misbehaviour, PeerNumber};
use cairn_ledger::{chain_spec::ChainSpec, codec::BoundedVec, units::Height};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often peers are asked where they stand.
const EVERY: Duration = Duration::from_secs(60);
/// The least pause between telling everybody of a tip that gossip did not bring.
const PAUSE: Duration = Duration::from_secs(1);
/// How soon peers are told of any other new tip: what they know of each other is never much older.
const SOON: Duration = Duration::from_secs(5);

/// Where this node stands, and when everybody is next told.
#[derive(Debug)]
pub(crate) struct StatusExchange {
    spec: Arc<ChainSpec>,
    lowest_body: LowestBody,
    snapshots: BoundedVec<SnapshotName, MAX_SNAPSHOTS>,
    /// Whether they are others than everybody was told of.
    has_new_snapshots: bool,
    due: Instant,
    /// The earliest moment to tell everybody of a new tip.
    may_tell: Instant,
    /// Whether there is a new tip to tell of at once.
    is_news: bool,
}

impl StatusExchange {
    /// Beginning now.
    pub(crate) fn new(spec: Arc<ChainSpec>, lowest_body: LowestBody, now: Instant) -> Self {
        let snapshots = BoundedVec::default();
        Self { spec, lowest_body, snapshots, has_new_snapshots: false, due: now + EVERY, may_tell: now, is_news: false }
    }

    /// Has everybody told of a new tip: at once when gossip did not bring it, otherwise before long.
    pub(crate) fn tell_soon(&mut self, at_once: bool, now: Instant) {
        self.is_news |= at_once;
        self.due = self.due.min(now + SOON);
    }

    /// The chain has moved, nobody knows how.
    pub(crate) fn moves_missed(&mut self) {
        self.is_news = true;
    }

    /// Tells everybody, if it is time, who was not told of this tip within the last minute.
    pub(crate) fn tick(&mut self, peers: &mut PeerTable, cx: &mut Context) {
        if self.is_due(cx.now) {
            // Somewhat less: who was told soon after the last round is due in this one.
            let within = if std::mem::take(&mut self.has_new_snapshots) { Duration::ZERO } else { EVERY - SOON };
            let untold = peers.untold(cx.tip.id, within, cx.now);
            untold.into_iter().for_each(|peer| self.ask(peer, peers, cx));
        }
    }

    fn is_due(&mut self, now: Instant) -> bool {
        let is_regular = self.due <= now;
        let is_due = is_regular || (self.is_news && self.may_tell <= now);
        if is_due {
            (self.may_tell, self.is_news) = (now + PAUSE, false);
        }
        if is_regular {
            self.due = now + EVERY;
        }
        is_due
    }

    /// Tells a peer where this node stands, and asks the same.
    pub(crate) fn ask(&self, peer: PeerId, peers: &mut PeerTable, cx: &mut Context) {
        let Some(number) = peers.number(&peer) else { return };
        let question = self.tell(number, peers, cx);
        cx.push(SwarmAction::Ask { peer, class: Class::Status, question });
    }

    /// What a peer is told of where this node stands, in a question or an answer.
    pub(crate) fn tell(&self, number: PeerNumber, peers: &mut PeerTable, cx: &Context) -> Vec<u8> {
        let status = self.own(cx).to_bytes();
        peers.sent(number, Protocol::Status, status.len());
        peers.tell_of(number, cx.tip.id, cx.now);
        status
    }

    fn own(&self, cx: &Context) -> PeerStatus {
        let (tip, schedule) = (&cx.tip, self.spec.schedule());
        let upgrades = [schedule.in_force_at(tip.height()), schedule.next_after(tip.height())];
        let upgrades = upgrades.into_iter().flatten().map(NamedUpgrade::new).collect();
        let kept = self.kept();
        let stretches = kept.stretches().iter().map(|kept| StretchName { from: kept.from, to: kept.to });
        PeerStatus {
            rules_id: schedule.id(),
            upgrades: BoundedVec::new(upgrades).unwrap_or_default(),
            genesis_id: self.spec.genesis_id(),
            tip: tip.id,
            height: tip.height(),
            total_work: tip.total_work,
            now: cx.clock,
            lowest_body: kept.lowest(),
            snapshots: self.snapshots.clone(),
            stretches: BoundedVec::new(stretches.collect()).unwrap_or_default(),
        }
    }

    /// These snapshots are held here from now on: a new node may wait for one of them.
    pub(crate) fn set_snapshots(&mut self, held: &[SnapshotName], now: Instant) {
        let held = BoundedVec::new(held.to_vec()).unwrap_or_default();
        if std::mem::replace(&mut self.snapshots, held) != self.snapshots {
            self.has_new_snapshots = true;
            self.tell_soon(false, now);
        }
    }

    /// Which bodies this node has.
    pub(crate) fn kept(&self) -> Arc<Kept> {
        self.lowest_body.kept()
    }

    /// Whether this node has the bodies of all blocks.
    pub(crate) fn keeps_all(&self) -> bool {
        self.lowest_body.get() == Height::GENESIS
    }
}

/// Whether a peer may ask for our status now.
pub(crate) fn may_ask(number: PeerNumber, peers: &mut PeerTable, cx: &mut Context) -> bool {
    if !peers.receive(number, Protocol::Status, PeerStatus::MAX_BYTES, cx.now) || !peers.may_ask(number, cx.now) {
        cx.report(number, Misbehaviour::Flooding);
        return false;
    }
    peers.count_bytes(number, PeerStatus::MAX_BYTES, cx.now);
    true
}
