//! What goes to and fro between this node and one peer, by protocol, and how much may come. Pure.

use cairn_common::rate_limiter::RateLimiter;
use std::time::Instant;

/// A protocol whose bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `status/1`.
    Status,
    /// The topic `blocks/1`.
    Blocks,
    /// The topic `txs/1`.
    Txs,
    /// `headers/1`.
    Headers,
    /// `bodies/1`.
    Bodies,
    /// `addresses/1`.
    Addresses,
    /// `block-txs/1`.
    BlockTxs,
    /// `pool/1`.
    Pool,
    /// `snapshot/1`.
    Snapshot,
}

impl Protocol {
    /// All of them, in their order, with the names that are told to operators.
    const NAMES: [(Self, &str); 9] = [
        (Self::Status, "status"),
        (Self::Blocks, "blocks"),
        (Self::Txs, "txs"),
        (Self::Headers, "headers"),
        (Self::Bodies, "bodies"),
        (Self::Addresses, "addresses"),
        (Self::BlockTxs, "block_txs"),
        (Self::Pool, "pool"),
        (Self::Snapshot, "snapshot"),
    ];

    /// Bytes a second that a peer may send unasked in the long run, and at once; `None` for what it sends
    /// as an answer, or is reported for by the answer
    /// ([`PeerTable::may_ask`](crate::peers::table::PeerTable::may_ask)).
    fn allowance(self) -> Option<(f64, f64)> {
        const MIB: f64 = 1024.0 * 1024.0;
        match self {
            // A full compact block each 160 ms, or five thousand empty ones a second, as when a local network
            // generates them.
            Self::Blocks => Some((MIB, 8.0 * MIB)),
            // Twenty thousand payments a second, far above what can be checked; a burst fills a pool's quarter.
            Self::Txs => Some((4.0 * MIB, 16.0 * MIB)),
            // A new tip is told at most once a second; each counts for the longest there may be, which is 1 KiB.
            Self::Status => Some((2.0 * 1024.0, 64.0 * 1024.0)),
            // A question of two bytes counts for 1 KiB: one each half minute, eight at once.
            Self::Addresses => Some((1024.0 / 30.0, 8.0 * 1024.0)),
            // A question counts for 1 KiB: the largest pool of the usual kind in one go, and four a second after.
            Self::Pool => Some((4.0 * 1024.0, 160.0 * 1024.0)),
            Self::Headers | Self::Bodies | Self::BlockTxs | Self::Snapshot => None,
        }
    }
}

/// Bytes of one protocol.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Flow {
    received: u64,
    sent: u64,
    /// What the peer may still send by itself; of what it is asked for it may send all.
    limiter: Option<RateLimiter>,
}

/// Bytes of messages between this node and one peer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Traffic([Flow; Protocol::NAMES.len()]);

/// Bytes of one protocol, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolBytes {
    /// The protocol.
    pub protocol: &'static str,
    /// What came.
    pub received: u64,
    /// What went.
    pub sent: u64,
}

/// What a message counts for at least, however short: what it costs to take it in.
const LEAST: usize = 1024;

impl Traffic {
    /// With a new peer.
    pub(crate) fn new(now: Instant) -> Self {
        let flow = |(protocol, _): (Protocol, &str)| Flow {
            received: 0,
            sent: 0,
            limiter: protocol.allowance().map(|(rate, burst)| RateLimiter::new(rate, burst, now)),
        };
        Self(Protocol::NAMES.map(flow))
    }

    /// Takes bytes in; `false` when they are more than the peer may send.
    pub(crate) fn receive(&mut self, protocol: Protocol, bytes: usize, now: Instant) -> bool {
        let flow = &mut self.0[protocol as usize];
        flow.received = flow.received.saturating_add(bytes as u64);
        let Some(limiter) = &mut flow.limiter else { return true };
        let cost = match protocol {
            // Each is read cheaply, up to the work that it shows or lacks.
            Protocol::Status | Protocol::Blocks => bytes,
            // What it costs is a look through the pool, however much is wanted.
            Protocol::Pool => LEAST,
            Protocol::Txs
            | Protocol::Addresses
            | Protocol::Headers
            | Protocol::Bodies
            | Protocol::BlockTxs
            | Protocol::Snapshot => bytes.max(LEAST),
        } as f64;
        limiter.take(cost, now).is_ok()
    }

    /// Counts bytes that were asked for.
    pub(crate) fn got(&mut self, protocol: Protocol, bytes: usize) {
        let flow = &mut self.0[protocol as usize];
        flow.received = flow.received.saturating_add(bytes as u64);
    }

    /// Counts bytes that left.
    pub(crate) fn sent(&mut self, protocol: Protocol, bytes: usize) {
        let flow = &mut self.0[protocol as usize];
        flow.sent = flow.sent.saturating_add(bytes as u64);
    }

    /// What went to and fro, protocol by protocol.
    pub(crate) fn totals(&self) -> Vec<ProtocolBytes> {
        let total = |(protocol, flow): (&(Protocol, &'static str), &Flow)| ProtocolBytes {
            protocol: protocol.1,
            received: flow.received,
            sent: flow.sent,
        };
        Protocol::NAMES.iter().zip(&self.0).map(total).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_protocol_has_a_place_of_its_own() {
        for (place, (protocol, _)) in Protocol::NAMES.into_iter().enumerate() {
            assert_eq!(protocol as usize, place);
        }
    }

    #[test]
    fn a_flood_is_refused_and_what_is_usual_is_not() {
        let now = Instant::now();
        let mut traffic = Traffic::new(now);
        let flood = (0..10_000).filter(|_| traffic.receive(Protocol::Txs, 48 << 10, now)).count();
        assert_eq!(flood, (16 << 20) / (48 << 10));
        // One protocol's flood takes nothing from another's share, and time heals it.
        assert!(traffic.receive(Protocol::Blocks, 160 << 10, now));
        assert!(traffic.receive(Protocol::Txs, 48 << 10, now + Duration::from_secs(1)));
        // A thousand full batches at ten a second: all are taken.
        let mut usual = Traffic::new(now);
        let taken = |n: u64| usual.receive(Protocol::Txs, 48 << 10, now + Duration::from_millis(100 * n));
        assert!((0..1000).all(taken));
    }

    #[test]
    fn small_messages_in_great_numbers_are_a_flood_too() {
        let now = Instant::now();
        let mut traffic = Traffic::new(now);
        let taken = (0..1_000_000).filter(|_| traffic.receive(Protocol::Txs, 1, now)).count();
        assert_eq!(taken, (16 << 20) / LEAST);
        let asked = (0..100).filter(|_| traffic.receive(Protocol::Addresses, 2, now)).count();
        assert_eq!(asked, 8);
        assert!(traffic.receive(Protocol::Addresses, 2, now + Duration::from_secs(31)));
        assert!(!traffic.receive(Protocol::Addresses, 2, now + Duration::from_secs(32)));
    }

    #[test]
    fn a_flood_of_questions_about_the_pool_is_refused_and_one_whole_pool_is_not() {
        let now = Instant::now();
        let mut traffic = Traffic::new(now);
        // The list, and 64 MiB in answers of half a MiB at least.
        assert!((0..129).all(|_| traffic.receive(Protocol::Pool, 24 << 10, now)));
        let flood = (0..1_000).filter(|_| traffic.receive(Protocol::Pool, 24, now)).count();
        assert_eq!(flood, 160 - 129);
        // What this node asked for itself costs the peer nothing.
        traffic.got(Protocol::Pool, 1 << 30);
        let later = now + Duration::from_secs(1);
        assert_eq!((0..1_000).filter(|_| traffic.receive(Protocol::Pool, 24, later)).count(), 4);
    }

    #[test]
    fn two_who_ask_each_other_for_addresses_use_up_nothing_of_each_others() {
        let now = Instant::now();
        let (mut traffic, mut control) = (Traffic::new(now), Traffic::new(now));
        for _ in 0..8 {
            traffic.got(Protocol::Addresses, 3_000);
            assert!(traffic.receive(Protocol::Addresses, 2, now), "eight questions at once are allowed");
        }
        control.receive(Protocol::Addresses, 3_000, now);
        assert!((0..8).any(|_| !control.receive(Protocol::Addresses, 2, now)), "the control: what comes unasked");
    }

    #[test]
    fn totals_count_both_ways() {
        let now = Instant::now();
        let mut traffic = Traffic::new(now);
        traffic.receive(Protocol::Headers, 7, now);
        traffic.sent(Protocol::Headers, 9);
        let headers = ProtocolBytes { protocol: "headers", received: 7, sent: 9 };
        assert!(traffic.totals().contains(&headers));
    }
}
