//! Peers that know other upgrades than this node, by what they say in their status.

use crate::wire::{NamedUpgrade, PeerStatus};
use cairn_ledger::upgrades::{Schedule, Upgrade};
use cairn_ledger::{hash::Hash, units::Height};
use std::collections::BTreeMap;

/// Peers that know other upgrades than this node. It is what they say: nothing proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherUpgrades {
    /// How many of them.
    pub peers: usize,
    /// Of how many peers that have told.
    pub of: usize,
    /// The first upgrade that most of them name and this node does not know: its height and name. `None` where they
    /// only lack what this node knows.
    pub unknown: Option<(Height, String)>,
}

impl OtherUpgrades {
    /// What those say whose upgrades are not these: of several sets of upgrades, that of most peers.
    pub(crate) fn of(statuses: &[&PeerStatus], schedule: &Schedule) -> Option<Self> {
        let mut others: BTreeMap<Hash, (usize, &PeerStatus)> = BTreeMap::new();
        for status in statuses.iter().filter(|status| status.rules_id != schedule.id()) {
            others.entry(status.rules_id).or_insert((0, status)).0 += 1;
        }
        let peers = others.values().map(|(count, _)| count).sum();
        let (_, most) = others.values().max_by_key(|(count, _)| *count)?;
        let knows = |named: &NamedUpgrade| {
            let same = |own: &Upgrade| own.height == named.height && own.name.as_bytes() == &*named.name;
            schedule.upgrades().iter().any(same)
        };
        let unknown = most.upgrades.iter().filter(|named| !knows(named)).min_by_key(|named| named.height);
        let unknown = unknown.map(|named| (named.height, named.inert_name()));
        Some(Self { peers, of: statuses.len(), unknown })
    }
}
