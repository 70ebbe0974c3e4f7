//! What nodes are at: all of it ends, so that who looks again and again sees nothing of it now and then.

use super::Course;
use crate::executor::NodeId;
use crate::oracles::Broken;
use cairn_network::InHand;
use std::time::Duration;

/// Nobody is at the same thing at so many looks in a row.
const LONG: u32 = 8;
/// No pool is compared for so long, whatever a peer answers, or not: two questions of at most 20 s each, and what is
/// checked.
const COMPARED: Duration = Duration::from_secs(60);
/// Blocks that are being taken in.
const ON_THE_WAY: usize = 3;
/// As many dials as there may be.
const ALL_DIALS: usize = 8;

impl Course {
    /// Looks at what everybody is at.
    pub(super) fn look_in_hands(&mut self) {
        let stale = self.simulation.seen().count().saturating_sub(self.best_height() as usize);
        for node in self.simulation.honest() {
            let info = self.simulation.ask(node, |running| {
                let network = running.network.clone();
                async move { network.info().await }
            });
            let Some(info) = info else {
                self.looks.busy.retain(|(other, _), _| *other != node);
                continue;
            };
            let hand = info.in_hand;
            if hand.comparing_for > COMPARED {
                self.find(Broken::Conduct { node, what: "is comparing pools for ever" });
            }
            for (what, is_busy) in things(&hand) {
                let count = self.looks.busy.entry((node, what)).or_default();
                *count = if is_busy { *count + 1 } else { 0 };
                if *count >= LONG {
                    self.find(Broken::Conduct { node, what });
                }
            }
            if hand.slots > info.outbound {
                self.find(Broken::Conduct { node, what: "keeps slots for those who are gone" });
            }
            self.check_turns(node, &hand);
            self.look_aside(node, ON_THE_WAY + stale);
        }
    }

    /// What a node keeps beside its chain is what was left, and what is on its way: `most` headers.
    fn look_aside(&mut self, node: NodeId, most: usize) {
        let asked = self.simulation.ask(node, |running| {
            let chain = running.chain.clone();
            async move { chain.header_tree_stats().await }
        });
        let Some(Ok(aside)) = asked else { return };
        if aside.counted != aside.headers {
            self.find(Broken::Conduct { node, what: "counts headers that it has not" });
        }
        if aside.headers > most && self.scenario.is_calm() {
            self.find(Broken::Conduct { node, what: "keeps headers beside its chain that nobody has left" });
        }
        if aside.headers == 0 && aside.body_bytes > 0 {
            self.find(Broken::Conduct { node, what: "counts bodies that it has not" });
        }
    }

    /// What is counted for each peer is what is counted for all.
    fn check_turns(&mut self, node: NodeId, hand: &InHand) {
        if hand.turns > hand.answering {
            self.find(Broken::Conduct { node, what: "counts turns of peers that were answered" });
        }
    }
}

fn things(hand: &InHand) -> [(&'static str, bool); 4] {
    [
        ("is judging messages for ever", hand.judging > 0),
        ("has questions of peers wait for ever", hand.waiting > 0),
        ("answers questions for ever", hand.answering > 0),
        ("is dialling for ever, so that nobody else is dialled", hand.dials >= ALL_DIALS),
    ]
}
