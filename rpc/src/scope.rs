//! Who may call what, and what a call costs: one table, which a test compares with the traits.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Scope {
    /// Ask what the node knows.
    Read = 1,
    /// Hand transactions in.
    Submit = 2,
    /// Ask for work and hand blocks in.
    Mine = 4,
    /// Everything, the node's own affairs included.
    Admin = 8,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Read, Self::Submit, Self::Mine, Self::Admin];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Submit => "submit",
            Self::Mine => "mine",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Text that is no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("got the scope {got:?}, expected read, submit, mine or admin")]
pub struct ScopeError {
    got: String,
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| ScopeError { got: text.to_owned() })
    }
}

/// A set of scopes. Whoever may do anything may read, and admin may do everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// The set of these.
    pub fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |set, scope| set | *scope as u8))
    }

    /// Whether the set allows what needs `scope`.
    pub fn allow(self, scope: Scope) -> bool {
        let holds = |scope: Scope| self.0 & scope as u8 != 0;
        holds(scope) || holds(Scope::Admin) || (scope == Scope::Read && self.0 != 0)
    }

    /// Its members.
    pub fn members(self) -> Vec<Scope> {
        Scope::ALL.into_iter().filter(|scope| self.0 & *scope as u8 != 0).collect()
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.members().into_iter().map(Scope::name).collect();
        f.pad(&names.join(","))
    }
}

/// Whose time a call takes: calls of one kind share a number of places, so that no kind can starve another,
/// nor the import of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// Little: what is at hand.
    Light,
    /// A look into the database.
    Read,
    /// A question to the one thread that imports blocks.
    Writer,
    /// Many looks into the database.
    Heavy,
}

/// What the node knows of a method besides its handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodRule {
    /// Its name on the wire.
    pub name: &'static str,
    /// What a token must allow.
    pub scope: Scope,
    /// Whether a caller on the node's own machine needs no token.
    pub open: bool,
    /// Whose time it takes.
    pub budget: Budget,
    /// Whether it subscribes, and so needs a WebSocket.
    pub subscribes: bool,
}

const fn rule(name: &'static str, scope: Scope, open: bool, budget: Budget) -> MethodRule {
    MethodRule { name, scope, open, budget, subscribes: false }
}

/// A method that anybody on the node's machine may call.
const fn open(name: &'static str, budget: Budget) -> MethodRule {
    rule(name, Scope::Read, true, budget)
}

/// A method that needs a token wherever its caller is.
const fn token(name: &'static str, scope: Scope, budget: Budget) -> MethodRule {
    rule(name, scope, false, budget)
}

const fn subscription(name: &'static str) -> MethodRule {
    MethodRule { subscribes: true, ..rule(name, Scope::Read, true, Budget::Read) }
}

/// Every method, by namespace. One that is missing here can be called by admin alone.
pub const METHODS: &[MethodRule] = &[
    open("chain_difficulty", Budget::Heavy),
    open("chain_getBareHeaders", Budget::Heavy),
    open("chain_getBlock", Budget::Read),
    open("chain_getBlocks", Budget::Heavy),
    open("chain_getHeader", Budget::Read),
    open("chain_getHeaders", Budget::Heavy),
    open("chain_getProof", Budget::Heavy),
    open("chain_getRawBlock", Budget::Read),
    open("chain_getTransaction", Budget::Read),
    open("chain_getTransactionProof", Budget::Heavy),
    open("chain_getTransactions", Budget::Heavy),
    subscription("chain_subscribeHeads"),
    subscription("chain_subscribeMoves"),
    open("chain_supply", Budget::Light),
    open("chain_tip", Budget::Light),
    open("chain_unsubscribeHeads", Budget::Light),
    open("chain_unsubscribeMoves", Budget::Light),
    open("mempool_content", Budget::Heavy),
    open("mempool_feeEstimate", Budget::Heavy),
    open("mempool_info", Budget::Light),
    open("mempool_ofSender", Budget::Light),
    token("mining_generate", Scope::Mine, Budget::Light),
    token("mining_getTemplate", Scope::Mine, Budget::Writer),
    token("mining_info", Scope::Read, Budget::Read),
    token("mining_submit", Scope::Mine, Budget::Writer),
    token("net_addPeer", Scope::Admin, Budget::Light),
    token("net_admit", Scope::Admin, Budget::Light),
    token("net_ban", Scope::Admin, Budget::Light),
    token("net_findProviders", Scope::Read, Budget::Light),
    token("net_info", Scope::Read, Budget::Light),
    token("net_listBans", Scope::Admin, Budget::Light),
    token("net_peers", Scope::Read, Budget::Light),
    token("net_revoke", Scope::Admin, Budget::Light),
    token("net_unban", Scope::Admin, Budget::Light),
    token("node_backup", Scope::Admin, Budget::Heavy),
    open("node_info", Budget::Light),
    token("node_stop", Scope::Admin, Budget::Light),
    token("node_storage", Scope::Read, Budget::Heavy),
    open("rpc.discover", Budget::Heavy),
    open("state_getAccount", Budget::Writer),
    open("state_getHistory", Budget::Heavy),
    open("state_getProof", Budget::Writer),
    subscription("state_subscribeAddress"),
    open("state_unsubscribeAddress", Budget::Light),
    open("tx_check", Budget::Read),
    open("tx_status", Budget::Read),
    rule("tx_submit", Scope::Submit, true, Budget::Light),
    subscription("tx_subscribeStatus"),
    open("tx_unsubscribeStatus", Budget::Light),
];

/// The open methods that the explorer's pages, and the light client in them, call from a visitor's browser.
pub const EXPLORER_METHODS: &[&str] = &[
    "chain_difficulty",
    "chain_getBareHeaders",
    "chain_getBlock",
    "chain_getHeader",
    "chain_getHeaders",
    "chain_getProof",
    "chain_getRawBlock",
    "chain_getTransaction",
    "chain_getTransactionProof",
    "chain_subscribeHeads",
    "chain_subscribeMoves",
    "chain_supply",
    "chain_tip",
    "chain_unsubscribeHeads",
    "chain_unsubscribeMoves",
    "mempool_content",
    "mempool_feeEstimate",
    "mempool_info",
    "node_info",
    "state_getAccount",
    "state_getHistory",
    "state_getProof",
    "state_subscribeAddress",
    "state_unsubscribeAddress",
    "tx_status",
    "tx_subscribeStatus",
    "tx_unsubscribeStatus",
];

/// Whether anybody may call a method where the explorer is public.
pub fn is_explorer_method(name: &str) -> bool {
    EXPLORER_METHODS.contains(&name)
}

/// The rule of a method.
pub fn method_rule(name: &str) -> Option<&'static MethodRule> {
    METHODS.iter().find(|rule| rule.name == name)
}

#[cfg(all(test, feature = "server"))]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The methods of the traits, with what their docs say of scope: `Scope: read.` or `Scope: read, token.`
    fn documented() -> BTreeMap<String, (String, bool)> {
        // It belongs to no trait: its name has a dot, as OpenRPC wants it.
        let mut found = BTreeMap::from([(String::from("rpc.discover"), (String::from("read"), true))]);
        for method in crate::openrpc::methods() {
            let (scope, open) =
                method.scope.strip_suffix(", token").map_or((&*method.scope, true), |scope| (scope, false));
            let open = open && matches!(scope, "read" | "submit");
            for name in [Some(method.name.clone()), method.unsubscribe.clone()].into_iter().flatten() {
                found.insert(name, (scope.to_owned(), open));
            }
        }
        found
    }

    #[test]
    fn the_table_says_what_the_traits_say() {
        let table: BTreeMap<String, (String, bool)> =
            METHODS.iter().map(|rule| (rule.name.to_owned(), (rule.scope.to_string(), rule.open))).collect();
        assert_eq!(table, documented());
        assert_eq!(table.len(), METHODS.len(), "no method stands twice");
        assert!(METHODS.iter().any(|rule| rule.subscribes && rule.name == "chain_subscribeHeads"));
    }

    #[test]
    fn what_changes_something_is_never_open() {
        for rule in METHODS.iter().filter(|rule| matches!(rule.scope, Scope::Mine | Scope::Admin)) {
            assert!(!rule.open, "{}", rule.name);
        }
    }

    #[test]
    fn a_public_explorer_opens_what_only_reads_and_is_open_on_the_machine() {
        for name in EXPLORER_METHODS {
            let rule = method_rule(name).unwrap_or_else(|| panic!("{name} is a method"));
            assert!(rule.open && rule.scope == Scope::Read, "{name}");
        }
        assert!(
            is_explorer_method("chain_tip") && !is_explorer_method("tx_submit") && !is_explorer_method("net_peers")
        );
    }

    #[test]
    fn admin_may_everything_and_everybody_may_read() {
        for scope in Scope::ALL {
            assert!(Scopes::of(&[Scope::Admin]).allow(scope), "{scope}");
            assert!(Scopes::of(&[scope]).allow(Scope::Read), "{scope}");
            assert!(!Scopes::default().allow(scope), "nobody may nothing: {scope}");
            assert_eq!(scope.to_string().parse(), Ok(scope));
        }
        assert!(!Scopes::of(&[Scope::Read]).allow(Scope::Submit));
        assert!(!Scopes::of(&[Scope::Submit, Scope::Mine]).allow(Scope::Admin));
        assert_eq!(Scopes::of(&[Scope::Mine, Scope::Submit]).to_string(), "submit,mine");
        assert!("root".parse::<Scope>().is_err());
    }
}
