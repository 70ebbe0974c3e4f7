//! The peer table: who is connected, what they said, and how they stand.
//!
//! What misbehaviour costs stands in [`score`](super::score).

use crate::event::Topic;
use crate::ids::{Multiaddr, PeerId};
use crate::peers::eviction::{self, Candidate};
use crate::peers::score::{Decision, Score};
use crate::peers::traffic::{Protocol, Traffic};
use crate::{handle::PeerInfo, peers::peer_upgrades::OtherUpgrades, requests::fairness::Standing, wire::PeerStatus};
use cairn_chain::{Misbehaviour, PeerNumber};
use cairn_common::rate_limiter::RateLimiter;
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::{block::Header, pow::Work, units::Timestamp, upgrades::Schedule};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A peer that has not told where it stands by then is of no use: a handshake that never ends.
const FIRST_STATUS: Duration = Duration::from_secs(45);
/// A peer that says nothing for so long has missed three exchanges of status.
const SILENCE: Duration = Duration::from_secs(200);
/// An outbound peer that was of no use for so long, while another was, gives its slot to somebody else.
const STALE: Duration = Duration::from_secs(1800);
/// Bytes a second a peer is served in the long run.
const SERVE_RATE: f64 = 32.0 * 1024.0 * 1024.0;
/// Bytes a peer is served at once before it has to wait.
const SERVE_BURST: f64 = 64.0 * 1024.0 * 1024.0;
/// Whoever is further behind its share than this asks without taking answers: that is a flood.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// Requests of one peer being answered at once, until the answer has left: sync keeps three in flight.
const SERVING_EACH: usize = 4;
/// Gossiped blocks, and batches of transactions, of one peer being judged at once: nobody takes another's place.
const JUDGING_EACH: [usize; 2] = [16, 32];
/// Bytes of them, unless it is only one: together the memory of those who fill all slots with them is bounded.
const JUDGING_BYTES: usize = 1 << 20;
/// The least that a peer must have given lately to be one of those who give.
const GIVEN_LEAST: f64 = 4096.0;
/// It must have given one byte for so many that it took: what everybody needs from few is given once to each.
const TAKEN_FOR_GIVEN: f64 = 32.0;
/// What a new block is worth that a peer was the first to bring: the body of a usual one.
pub(crate) const BLOCK_WORTH: usize = 128 << 10;
/// Blocks far behind the tip that a peer may send in this time: after a partition the peers of the lighter side are
/// honest, and do not know yet.
const UNWANTED: u32 = 2000;
const UNWANTED_TIME: Duration = Duration::from_secs(3600);
/// How often a peer that sends such is told where this node stands.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// Bytes that any request counts for, however short its answer: what it costs to look.
const LEAST_COST: usize = 16 << 10;

/// Sets of upgrades that the log tells of: more are a flood of lies.
const MOST_RULES_TOLD: usize = 8;

/// What to do about a block far behind the tip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwanted {
    /// Tell its sender where this node stands.
    Tell,
    /// Nothing: it was told a moment ago.
    Bear,
    /// Report its sender: it sends too many.
    TooMany,
}

/// Services of a peer that not every node offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// It keeps registrations for others to find.
    pub rendezvous: bool,
    /// It relays for others.
    pub relay: bool,
    /// It dials others when they ask it to (AutoNAT).
    pub dials_back: bool,
}

/// A connected peer.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Who it is.
    pub(crate) id: PeerId,
    /// Where it is.
    pub(crate) address: Multiaddr,
    /// Whether it dialled us.
    pub(crate) inbound: bool,
    /// What it offers, as far as it matters here.
    pub(crate) services: Services,
    /// What it says its program is.
    pub(crate) agent: Option<String>,
    /// Where it stands; `None` until it has said so.
    pub(crate) status: Option<PeerStatus>,
    /// The last measured round trip.
    pub(crate) latency: Option<Duration>,
    /// How far its clock is ahead of ours, in milliseconds.
    clock_ahead: Option<i64>,
    connected_at: Instant,
    /// When it last said anything that could be read.
    heard_at: Instant,
    /// When it last sent something new that was wanted: a block, transactions, an answer to a question.
    useful_at: Option<Instant>,
    /// When it last brought a new block, and new transactions.
    brought_at: [Option<Instant>; 2],
    /// What went to and fro, by protocol.
    traffic: Traffic,
    score: Score,
    /// Bytes it gave that were wanted, and bytes it was answered with; both are forgotten like a score.
    contributed: Score,
    consumed: Score,
    /// Bytes it may still be served.
    allowance: RateLimiter,
    /// Blocks far behind the tip that it sent, and since when they are counted.
    unwanted: (Instant, u32),
    /// When it was last told where this node stands because of that.
    told_at: Option<Instant>,
    /// The tip of which it was told last, in a question or an answer, and when.
    told_of: Option<(BlockId, Instant)>,
    serving: usize,
    /// Its gossiped messages that are being judged, by topic, and their bytes.
    judging: [usize; 2],
    judging_bytes: usize,
}

impl Peer {
    /// Since when it is connected.
    pub(crate) fn connected_at(&self) -> Instant {
        self.connected_at
    }

    /// For how long it has been connected.
    pub(crate) fn connected_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.connected_at)
    }

    /// For how long it has said nothing.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard_at)
    }

    /// Whether it has ever sent anything that was wanted.
    pub(crate) fn has_been_useful(&self) -> bool {
        self.useful_at.is_some()
    }
}

/// Everyone who is connected, by number and by name.
#[derive(Debug, Default)]
pub(crate) struct PeerTable {
    peers: BTreeMap<PeerNumber, Peer>,
    numbers: BTreeMap<PeerId, PeerNumber>,
    last: u64,
    /// Upgrades of peers that were told of.
    rules_told: BTreeSet<Hash>,
}

impl PeerTable {
    /// Adds a peer with its first connection, under a number that was never used before.
    pub(crate) fn connected(&mut self, id: PeerId, address: Multiaddr, inbound: bool, now: Instant) -> PeerNumber {
        self.last += 1;
        let number = PeerNumber(self.last);
        let peer = Peer {
            id,
            address,
            inbound,
            services: Services::default(),
            agent: None,
            status: None,
            latency: None,
            clock_ahead: None,
            connected_at: now,
            heard_at: now,
            useful_at: None,
            brought_at: [None; 2],
            traffic: Traffic::new(now),
            score: Score::new(now),
            contributed: Score::new(now),
            consumed: Score::new(now),
            allowance: RateLimiter::new(SERVE_RATE, SERVE_BURST, now),
            unwanted: (now, 0),
            told_at: None,
            told_of: None,
            serving: 0,
            judging: [0; 2],
            judging_bytes: 0,
        };
        self.numbers.insert(id, number);
        self.peers.insert(number, peer);
        number
    }

    /// Removes a peer with its last connection.
    pub(crate) fn disconnected(&mut self, id: &PeerId) -> Option<(PeerNumber, Peer)> {
        let number = self.numbers.remove(id)?;
        self.peers.remove(&number).map(|peer| (number, peer))
    }

    /// The number of a connected peer.
    pub(crate) fn number(&self, id: &PeerId) -> Option<PeerNumber> {
        self.numbers.get(id).copied()
    }

    /// A connected peer.
    pub(crate) fn get(&self, number: PeerNumber) -> Option<&Peer> {
        self.peers.get(&number)
    }

    /// A connected peer by name.
    pub(crate) fn by_id(&self, id: &PeerId) -> Option<&Peer> {
        self.numbers.get(id).and_then(|number| self.peers.get(number))
    }

    /// A connected peer by name, to be changed.
    pub(crate) fn by_id_mut(&mut self, id: &PeerId) -> Option<&mut Peer> {
        self.numbers.get(id).and_then(|number| self.peers.get_mut(number))
    }

    /// Changes a peer, or says something of it; nothing where it is gone.
    fn change<T: Default>(&mut self, number: PeerNumber, act: impl FnOnce(&mut Peer) -> T) -> T {
        self.peers.get_mut(&number).map(act).unwrap_or_default()
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PeerNumber, &Peer)> {
        self.peers.iter().map(|(number, peer)| (*number, peer))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.peers.len()
    }

    /// How many of their messages are being judged, and how many of their requests answered.
    pub(crate) fn in_hand(&self) -> (usize, usize) {
        let judging = self.peers.values().flat_map(|peer| peer.judging).sum();
        (judging, self.peers.values().map(|peer| peer.serving).sum())
    }

    /// Reports a peer, and says what to do about it.
    pub(crate) fn report(&mut self, number: PeerNumber, misbehaviour: &Misbehaviour, now: Instant) -> Decision {
        self.peers.get_mut(&number).map_or(Decision::Keep, |peer| peer.score.report(misbehaviour, now))
    }

    /// Notes what a peer says of itself, at the moment `clock` of our own. `true` when it is the first time.
    pub(crate) fn set_status(&mut self, number: PeerNumber, status: PeerStatus, clock: Timestamp) -> bool {
        let ahead = i128::from(status.now.millis()) - i128::from(clock.millis());
        self.change(number, |peer| {
            peer.clock_ahead = i64::try_from(ahead).ok();
            peer.status.replace(status).is_none()
        })
    }

    /// Notes that a peer is told of this tip.
    pub(crate) fn tell_of(&mut self, number: PeerNumber, tip: BlockId, now: Instant) {
        self.change(number, |peer| peer.told_of = Some((tip, now)));
    }

    /// Those who were not told of this tip for so long.
    pub(crate) fn untold(&self, tip: BlockId, within: Duration, now: Instant) -> Vec<PeerId> {
        let is_late = |at| now.saturating_duration_since(at) >= within;
        let knows = |peer: &&Peer| peer.told_of.is_some_and(|(told, at)| told == tip && !is_late(at));
        self.peers.values().filter(|peer| !knows(peer)).map(|peer| peer.id).collect()
    }

    /// Whether other upgrades than this node's, told by a peer, are news.
    pub(crate) fn is_news(&mut self, rules_id: Hash) -> bool {
        self.rules_told.len() < MOST_RULES_TOLD && self.rules_told.insert(rules_id)
    }

    /// What those say whose upgrades are not these: of several sets of upgrades, that of most peers.
    pub(crate) fn other_upgrades(&self, schedule: &Schedule) -> Option<OtherUpgrades> {
        let statuses: Vec<&PeerStatus> = self.peers.values().filter_map(|peer| peer.status.as_ref()).collect();
        OtherUpgrades::of(&statuses, schedule)
    }

    /// The median of how far the peers' clocks are ahead of ours, in milliseconds; `None` with fewer than
    /// three peers, of which two could agree on anything.
    pub(crate) fn median_clock(&self) -> Option<i64> {
        let mut all: Vec<i64> = self.peers.values().filter_map(|peer| peer.clock_ahead).collect();
        all.sort_unstable();
        if all.len() < 3 { None } else { all.get(all.len() / 2).copied() }
    }

    /// Notes that a peer has passed on a block that is valid as far as its header shows.
    pub(crate) fn saw_block(&mut self, number: PeerNumber, id: BlockId, header: &Header, total_work: Work) {
        let status = self.peers.get_mut(&number).and_then(|peer| peer.status.as_mut());
        if let Some(status) = status.filter(|status| status.total_work < total_work) {
            (status.tip, status.height, status.total_work) = (id, header.height, total_work);
        }
    }

    /// Notes that a peer has sent a block far behind the tip, and says what to do about it.
    pub(crate) fn sent_unwanted(&mut self, number: PeerNumber, now: Instant) -> Unwanted {
        let Some(peer) = self.peers.get_mut(&number) else { return Unwanted::Bear };
        let (since, count) = peer.unwanted;
        peer.unwanted =
            if now.saturating_duration_since(since) < UNWANTED_TIME { (since, count + 1) } else { (now, 1) };
        if peer.unwanted.1 > UNWANTED {
            return Unwanted::TooMany;
        }
        if peer.told_at.is_some_and(|told| now.saturating_duration_since(told) < TELL_EVERY) {
            return Unwanted::Bear;
        }
        peer.told_at = Some(now);
        Unwanted::Tell
    }

    /// Whether a peer may ask for anything now, or has asked for so much that it is far behind its share.
    pub(crate) fn may_ask(&mut self, number: PeerNumber, now: Instant) -> bool {
        self.change(number, |peer| peer.allowance.wait(now) <= LONGEST_WAIT)
    }

    /// Whether a request of a peer may be answered now, or must wait for another of its own.
    pub(crate) fn has_turn(&self, number: PeerNumber) -> bool {
        self.peers.get(&number).is_some_and(|peer| peer.serving < SERVING_EACH)
    }

    /// Takes a request of a peer on, and says how long its answer has to wait.
    pub(crate) fn begin_serving(&mut self, number: PeerNumber, now: Instant) -> Duration {
        self.change(number, |peer| {
            peer.serving += 1;
            peer.allowance.wait(now)
        })
    }

    /// A request of a peer was answered with so many bytes.
    pub(crate) fn count_bytes(&mut self, number: PeerNumber, bytes: usize, now: Instant) {
        self.change(number, |peer| {
            peer.allowance.spend(bytes.max(LEAST_COST) as f64, now);
            peer.consumed.add(bytes as f64, now);
        });
    }

    /// Notes that a peer has given so many bytes that were wanted: of a new block, of transactions that were
    /// admitted, of an answer.
    pub(crate) fn gave(&mut self, number: PeerNumber, bytes: usize, now: Instant) {
        self.change(number, |peer| peer.contributed.add(bytes as f64, now));
        self.was_useful(number, now);
    }

    /// Notes that a peer has brought something new by gossip.
    pub(crate) fn brought(&mut self, number: PeerNumber, topic: Topic, now: Instant) {
        self.change(number, |peer| peer.brought_at[topic as usize] = Some(now));
    }

    /// How many dialled this node.
    pub(crate) fn inbound(&self) -> usize {
        self.peers.values().filter(|peer| peer.inbound).count()
    }

    /// Those who dialled this node, as far as they may go for somebody else.
    pub(crate) fn evictable(&self, may_go: impl Fn(&PeerId) -> bool, keyed: impl Fn(&[u8]) -> u64) -> Vec<Candidate> {
        let inbound = self.peers.values().filter(|peer| peer.inbound && may_go(&peer.id));
        let candidate = |peer: &Peer| {
            let group = eviction::group(&peer.address);
            let [block_at, txs_at] = peer.brought_at;
            let (id, latency, connected_at) = (peer.id, peer.latency, peer.connected_at);
            Candidate { id, keyed_group: keyed(&group), group, latency, connected_at, txs_at, block_at }
        };
        inbound.map(candidate).collect()
    }

    /// What a peer has lately been for this node.
    pub(crate) fn standing(&self, number: PeerNumber, now: Instant) -> Standing {
        let gives = |peer: &Peer| {
            let (given, taken) = (peer.contributed.now(now), peer.consumed.now(now));
            given >= GIVEN_LEAST && given * TAKEN_FOR_GIVEN >= taken
        };
        if self.peers.get(&number).is_some_and(gives) { Standing::Gives } else { Standing::Takes }
    }

    /// An answer to a peer has left.
    pub(crate) fn end_serving(&mut self, number: PeerNumber) {
        self.change(number, |peer| peer.serving = peer.serving.saturating_sub(1));
    }

    /// Takes a gossiped message of a peer on; `false` when too many of its messages are being judged.
    pub(crate) fn begin_judging(&mut self, number: PeerNumber, topic: Topic, bytes: usize) -> bool {
        self.change(number, |peer| {
            let count = peer.judging[topic as usize];
            let is_room = peer.judging_bytes == 0 || peer.judging_bytes + bytes <= JUDGING_BYTES;
            if count >= JUDGING_EACH[topic as usize] || !is_room {
                return false;
            }
            peer.judging[topic as usize] += 1;
            peer.judging_bytes += bytes;
            true
        })
    }

    /// A gossiped message of a peer was judged.
    pub(crate) fn end_judging(&mut self, number: PeerNumber, topic: Topic, bytes: usize) {
        self.change(number, |peer| {
            peer.judging[topic as usize] = peer.judging[topic as usize].saturating_sub(1);
            peer.judging_bytes = peer.judging_bytes.saturating_sub(bytes);
        });
    }

    /// A peer has answered a ping.
    pub(crate) fn pinged(&mut self, id: &PeerId, latency: Duration) {
        if let Some(peer) = self.by_id_mut(id) {
            peer.latency = Some(latency);
        }
    }

    /// Notes that a peer has said something that could be read.
    pub(crate) fn heard(&mut self, number: PeerNumber, now: Instant) {
        self.change(number, |peer| peer.heard_at = now);
    }

    /// Notes that a peer has sent something that was wanted.
    pub(crate) fn was_useful(&mut self, number: PeerNumber, now: Instant) {
        self.change(number, |peer| (peer.heard_at, peer.useful_at) = (now, Some(now)));
    }

    /// Takes bytes of a protocol in from a peer; `false` when they are more than it may send.
    pub(crate) fn receive(&mut self, number: PeerNumber, protocol: Protocol, bytes: usize, now: Instant) -> bool {
        self.change(number, |peer| peer.traffic.receive(protocol, bytes, now))
    }

    /// Notes bytes of a protocol that a peer was asked for.
    pub(crate) fn got(&mut self, number: PeerNumber, protocol: Protocol, bytes: usize) {
        self.change(number, |peer| peer.traffic.got(protocol, bytes));
    }

    /// Notes bytes of a protocol that went to a peer.
    pub(crate) fn sent(&mut self, number: PeerNumber, protocol: Protocol, bytes: usize) {
        self.change(number, |peer| peer.traffic.sent(protocol, bytes));
    }

    /// Those who have said nothing for too long: who never told where it stands, or has fallen silent.
    pub(crate) fn silent(&self, now: Instant) -> Vec<PeerId> {
        let is_silent = |peer: &&Peer| {
            let (since, most) = match peer.status {
                None => (peer.connected_at, FIRST_STATUS),
                Some(_) => (peer.heard_at, SILENCE),
            };
            now.saturating_duration_since(since) > most
        };
        self.peers.values().filter(is_silent).map(|peer| peer.id).collect()
    }

    /// Of these, the one whose last useful message is longest ago, if that is too long while another has been
    /// useful since.
    pub(crate) fn stalest(&self, among: impl Fn(&Peer) -> bool, now: Instant) -> Option<PeerId> {
        let useful = |peer: &Peer| peer.useful_at.unwrap_or(peer.connected_at);
        let all: Vec<&Peer> = self.peers.values().filter(|peer| among(peer)).collect();
        let (stalest, newest) =
            (all.iter().min_by_key(|peer| useful(peer))?, all.iter().map(|peer| useful(peer)).max()?);
        let is_stale = |at: Instant| now.saturating_duration_since(at) > STALE;
        (is_stale(useful(stalest)) && !is_stale(newest)).then_some(stalest.id)
    }

    /// A peer as others see it.
    pub(crate) fn info(&self, number: PeerNumber, mesh: Vec<String>, now: Instant) -> Option<PeerInfo> {
        let peer = self.peers.get(&number)?;
        Some(PeerInfo {
            number,
            peer_id: peer.id.to_string(),
            address: peer.address.to_string(),
            inbound: peer.inbound,
            agent: peer.agent.clone(),
            status: peer.status.clone(),
            latency: peer.latency,
            connected: now.saturating_duration_since(peer.connected_at),
            mesh,
            score: peer.score.now(now).round() as i64,
            useful: peer.useful_at.map(|at| now.saturating_duration_since(at)),
            traffic: peer.traffic.totals(),
        })
    }
}

#[cfg(test)]
mod tests;
