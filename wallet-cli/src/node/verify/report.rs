//! How sure the wallet is of what it shows, in words and as JSON.

use cairn_ledger::{BlockId, Timestamp, Work, light::VerifiedTip};
use cairn_rpc::Text;
use serde::Serialize;
use std::fmt;

/// A tip older than this is suspicious: somebody may be keeping newer blocks from the wallet.
const OLD_MS: u64 = 3_600_000;

/// A node that is not believed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Liar {
    /// Where it is.
    pub node: String,
    /// What it claimed, and what is so.
    pub claim: String,
}

/// What stands behind an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The node whose chain is believed.
    pub node: String,
    /// The tip that was proven.
    pub tip: Text<BlockId>,
    /// Its height.
    pub height: u64,
    /// When its miner says it was made, Unix ms.
    pub time: u64,
    /// How long ago that is.
    pub age_ms: u64,
    /// The work of its chain.
    pub work: Text<Work>,
    /// Samples of the chain that were checked; 0 when every header was.
    pub samples: u64,
    /// Bytes of proofs received for this answer.
    pub bytes: u64,
    /// Nodes that lied.
    pub liars: Vec<Liar>,
    /// What is not quite as it should be.
    pub warnings: Vec<String>,
}

impl Report {
    /// A report on `tip`, as `node` proved it at the moment `now`; `seen` is the greatest work this wallet has
    /// verified before.
    pub fn new(node: &str, tip: &VerifiedTip, seen: Option<Work>, now: Timestamp) -> Self {
        let age_ms = now.since(tip.time());
        let mut warnings = Vec::new();
        if age_ms > OLD_MS {
            let age = Age(age_ms);
            warnings.push(format!("the newest block is {age} old; newer ones may be withheld, or nobody mines"));
        }
        if age_ms <= OLD_MS
            && let Some(times) = tip.slowed(now)
        {
            warnings.push(format!(
                "the last hour has {times:.0} times less work than an hour of the last day had: blocks may be withheld, \
                 or miners have left; ask several nodes"
            ));
        }
        if let Some(seen) = seen.filter(|seen| *seen > tip.total_work()) {
            warnings.push(format!(
                "this chain has {} hashes of work, and this wallet has seen one with {}: the node is behind, or keeps \
                 blocks back; ask another with --node",
                approximate(tip.total_work()),
                approximate(seen)
            ));
        }
        Self {
            node: String::from(node),
            tip: Text(tip.id()),
            height: tip.height().get(),
            time: tip.time().millis(),
            age_ms,
            work: Text(tip.total_work()),
            samples: tip.samples(),
            bytes: 0,
            liars: Vec::new(),
            warnings,
        }
    }

    /// The warnings and the liars, a sentence each.
    pub fn complaints(&self) -> impl Iterator<Item = String> {
        let liars = self.liars.iter().map(|liar| format!("the node at {} lies: {}", liar.node, liar.claim));
        liars.chain(self.warnings.iter().cloned())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (work, kilobytes) = (approximate(self.work.0), self.bytes.div_ceil(1_000));
        let samples = match self.samples {
            0 => String::from("every header"),
            samples => format!("{samples} samples"),
        };
        write!(f, "{work} hashes of work, {samples}, {kilobytes} KB, tip {} old", Age(self.age_ms))
    }
}

/// A number of hashes, in short: `812`, `8.1 × 10¹²`.
pub(crate) fn approximate(work: Work) -> String {
    cairn_explorer::format::magnitude(work.to_f64())
}

/// A length of time in its largest whole unit.
pub(crate) struct Age(pub u64);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1_000;
        match seconds {
            0..120 => write!(f, "{seconds} s"),
            120..7_200 => write!(f, "{} min", seconds / 60),
            7_200..172_800 => write!(f, "{} h", seconds / 3_600),
            _ => write!(f, "{} days", seconds / 86_400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_genesis::Network;

    #[test]
    fn numbers_and_ages_are_short() {
        let shown = |work: u64| approximate(Work::from_u64(work));
        assert_eq!(
            (shown(812), shown(8_100_000_000_000), shown(9_990_000_000_000)),
            ("812".into(), "8.1 × 10¹²".into(), "1.0 × 10¹³".into())
        );
        let age = |seconds: u64| Age(seconds * 1_000).to_string();
        assert_eq!(
            (age(12), age(150), age(7_300), age(200_000)),
            ("12 s".into(), "2 min".into(), "2 h".into(), "2 days".into())
        );
    }

    #[test]
    fn an_old_tip_and_one_with_less_work_than_seen_are_warned_about() {
        let spec = Network::parse(cairn_genesis::LOCAL).expect("shipped").spec;
        let tip = VerifiedTip::genesis(&spec);
        let warnings = |late: u64, seen: Option<u64>| {
            let now = tip.time().saturating_add(late);
            Report::new("x", &tip, seen.map(Work::from_u64), now).warnings.len()
        };
        assert_eq!((warnings(OLD_MS, None), warnings(OLD_MS + 1, None)), (0, 1));
        assert_eq!((warnings(0, Some(0)), warnings(0, Some(1))), (0, 1));
    }
}
