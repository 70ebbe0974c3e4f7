//! What is said of rules that this node does not know.

use cairn_chain::UnknownRules;
use cairn_network::OtherRules;

/// What is wrong with the rules this node follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether the chain with the most work has left this node behind.
    pub outdated: bool,
    /// What is so, and what to do.
    pub message: String,
}

/// What to tell; nothing where this node's rules are those of its peers and of the chain with the most work.
pub fn notice(unknown: Option<&UnknownRules>, other: Option<&OtherRules>) -> Option<Notice> {
    let named = |other: &OtherRules| other.unknown.clone().map(|(height, name)| (height.get(), name));
    if let Some(UnknownRules { since, version, height }) = unknown {
        let called = other.and_then(named).filter(|(at, _)| *at == since.get());
        let called = called.map(|(_, name)| format!(", which its peers call {name:?}")).unwrap_or_default();
        let message = format!(
            "the chain with the most work goes on under an upgrade that this node does not know{called}: from block \
             {since} on, up to block {height} by now (header version {version}); update cairn-node, or its network file, \
             and start it again"
        );
        return Some(Notice { outdated: true, message });
    }
    let OtherRules { peers, of, .. } = other?;
    let message = match other.and_then(named) {
        Some((height, name)) => format!(
            "{peers} of {of} peers know an upgrade that this node does not, {name:?} from block {height} on: see that \
             cairn-node and its network file are current before that block"
        ),
        None => format!(
            "{peers} of {of} peers have other upgrades than this node, or lack some: whoever is not updated in time is \
             left behind"
        ),
    };
    Some(Notice { outdated: false, message })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::units::Height;

    #[test]
    fn a_notice_says_which_height_which_name_and_what_to_do() {
        let of_peers = |unknown| OtherRules { peers: 2, of: 3, unknown };
        let cheap = of_peers(Some((Height::new(70), String::from("cheap"))));
        assert_eq!(notice(None, None), None);
        let soon = notice(None, Some(&cheap)).expect("peers know more");
        assert!(!soon.outdated && soon.message.contains("\"cheap\" from block 70 on"), "{}", soon.message);
        let unknown = UnknownRules { since: Height::new(70), version: 7, height: Height::new(75) };
        let late = notice(Some(&unknown), Some(&cheap)).expect("it is behind");
        for said in ["\"cheap\"", "from block 70", "block 75", "update cairn-node"] {
            assert!(late.outdated && late.message.contains(said), "{said}: {}", late.message);
        }
        let nameless = notice(Some(&unknown), None).expect("it is behind");
        assert!(nameless.outdated && !nameless.message.contains("call"), "{}", nameless.message);
        let lacking = notice(None, Some(&of_peers(None))).expect("they differ");
        assert!(!lacking.outdated && lacking.message.contains("2 of 3 peers"), "{}", lacking.message);
    }
}
