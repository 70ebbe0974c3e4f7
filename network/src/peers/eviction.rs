//! Who goes when somebody new dials a node whose inbound slots are all taken. Pure.
//!
//! As in Bitcoin Core (`SelectNodeToEvict`): of those who dialled this node the ones stay who are hard to imitate.
//! Those in a few groups of addresses that nobody can foretell, the nearest, the last to bring transactions and blocks,
//! and half of the rest, who are here longest. Of those who are left the youngest goes in the group that has most. So
//! whoever takes all slots from a few places, however many identities they use there, has them taken again, one for
//! each honest newcomer.

use crate::addrman::ip_groups;
use crate::ids::{Multiaddr, PeerId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Peers that stay for their group, for being near, for transactions and for blocks.
const BY_GROUP: usize = 4;
const BY_LATENCY: usize = 8;
const BY_TXS: usize = 4;
const BY_BLOCKS: usize = 4;

/// Where a peer is, as far as one owner can have many: all private addresses of a host are one, and all relayed peers.
pub(crate) fn group(address: &Multiaddr) -> Vec<u8> {
    match ip_groups::ip_of(address) {
        None => b"relayed".to_vec(),
        Some(ip) if ip_groups::is_private(ip) => ip_groups::host_of(ip).bytes(),
        Some(ip) => ip_groups::group_of(ip).bytes(),
    }
}

/// A peer that may go.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) id: PeerId,
    pub(crate) group: Vec<u8>,
    /// A keyed hash of the group.
    pub(crate) keyed_group: u64,
    pub(crate) latency: Option<Duration>,
    pub(crate) connected_at: Instant,
    /// When it last brought new transactions, and a new block.
    pub(crate) txs_at: Option<Instant>,
    pub(crate) block_at: Option<Instant>,
}

/// Lets the first so many stay, by that order.
fn keep<K: Ord>(candidates: &mut Vec<Candidate>, count: usize, key: impl Fn(&Candidate) -> K) {
    candidates.sort_by_key(|candidate| (key(candidate), candidate.id));
    candidates.drain(..count.min(candidates.len()));
}

/// The latest first; those who never brought anything stay for nothing.
fn keep_latest(candidates: &mut Vec<Candidate>, count: usize, at: impl Fn(&Candidate) -> Option<Instant>) {
    let useful = candidates.iter().filter(|candidate| at(candidate).is_some()).count();
    keep(candidates, count.min(useful), |candidate| std::cmp::Reverse(at(candidate)));
}

/// The one who goes; nobody, where all are worth more than somebody unknown.
pub(crate) fn select(mut candidates: Vec<Candidate>) -> Option<PeerId> {
    keep(&mut candidates, BY_GROUP, |candidate| candidate.keyed_group);
    let measured = candidates.iter().filter(|candidate| candidate.latency.is_some()).count();
    keep(&mut candidates, BY_LATENCY.min(measured), |candidate| candidate.latency.unwrap_or(Duration::MAX));
    keep_latest(&mut candidates, BY_TXS, |candidate| candidate.txs_at);
    keep_latest(&mut candidates, BY_BLOCKS, |candidate| candidate.block_at);
    let half = candidates.len() / 2;
    keep(&mut candidates, half, |candidate| candidate.connected_at);
    let mut groups: BTreeMap<&[u8], Vec<&Candidate>> = BTreeMap::new();
    for candidate in &candidates {
        groups.entry(&candidate.group).or_default().push(candidate);
    }
    let youngest = |group: &Vec<&Candidate>| group.iter().map(|candidate| candidate.connected_at).max();
    let largest = groups.values().max_by_key(|group| (group.len(), youngest(group)))?;
    largest.iter().max_by_key(|candidate| (candidate.connected_at, candidate.id)).map(|candidate| candidate.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(n: u64, group: u8, start: Instant) -> Candidate {
        Candidate {
            id: PeerId::random(),
            group: vec![group],
            keyed_group: u64::from(group.wrapping_mul(101)),
            latency: Some(Duration::from_millis(20)),
            connected_at: start + Duration::from_secs(n),
            txs_at: None,
            block_at: None,
        }
    }

    /// Sixteen addresses once held all slots.
    #[test]
    fn whoever_holds_all_slots_loses_one_to_each_newcomer_and_the_honest_keep_theirs() {
        let start = Instant::now();
        let mut inside: Vec<Candidate> = (0..56).map(|n| candidate(n, (n % 4) as u8, start)).collect();
        // They came late, each from elsewhere: near, useful, or nothing of that.
        let honest: Vec<Candidate> = (0..8).map(|n| candidate(60 + n, 100 + n as u8, start)).collect();
        inside.extend(honest.clone());
        for n in 0..200 {
            let gone = select(inside.clone()).expect("somebody goes");
            assert!(honest.iter().all(|candidate| candidate.id != gone), "{n}");
            inside.retain(|candidate| candidate.id != gone);
            // The attacker comes back each time.
            inside.push(candidate(100 + n, (n % 4) as u8, start));
        }
    }

    #[test]
    fn who_is_useful_near_or_long_here_stays_and_of_few_nobody_goes() {
        let start = Instant::now();
        let mut inside: Vec<Candidate> = (0..40).map(|n| candidate(n, 7, start)).collect();
        let (near, tx, block) = (inside[39].id, inside[38].id, inside[37].id);
        inside[39].latency = Some(Duration::from_millis(1));
        inside[38].txs_at = Some(start);
        inside[37].block_at = Some(start);
        let (mut gone, first) = (Vec::new(), inside[0].id);
        while inside.len() > 20 {
            let id = select(inside.clone()).expect("somebody goes");
            gone.push(id);
            inside.retain(|candidate| candidate.id != id);
        }
        for id in [near, tx, block, first] {
            assert!(!gone.contains(&id));
        }
        let few = (0..4).map(|n| candidate(n, 7, start)).collect();
        assert_eq!(select(few), None, "the control: somebody unknown is worth no more than these");
    }
}
