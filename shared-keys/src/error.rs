//! Why people cannot share a key, or cannot sign with it.

use cairn_host::inert::Inert;
use cairn_ledger::address::AddressError;

/// The most members: people hand files round, and each file holds a part of each.
pub const MAX_MEMBERS: usize = 16;

/// Why these people cannot share a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum GroupError {
    /// Too few or too many.
    #[error("got {got} members, expected 2 to {MAX_MEMBERS}")]
    Members { got: usize },
    /// One of them twice, or not in order.
    #[error("the members are not in ascending order, each once")]
    Order,
    /// No address.
    #[error("a member's address: {0}")]
    Address(Box<AddressError>),
    /// A threshold that is none.
    #[error("got a threshold of {got}, expected 2 to {members}, the number of members")]
    Threshold { got: u16, members: usize },
    /// Public keys that cannot be read, or of another threshold or number of members.
    #[error("the public part of the shared key is damaged or of another group")]
    Public,
    /// Members whose keys cancel each other out: nobody meets them by chance.
    #[error("the members' keys add up to no key")]
    Degenerate,
}

/// Why members cannot go on together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the sentence of each error names its fields")]
pub enum SharedError {
    /// The group.
    #[error(transparent)]
    Group(#[from] GroupError),
    /// Somebody who is no member.
    #[error("{address} is no member of this shared key; choose the member's wallet with --wallet and --account")]
    NotAMember { address: String },
    /// Bytes that are not what they should be.
    #[error("the {what} of {member} cannot be used: {reason}; ask that member to start over")]
    Bad { what: &'static str, member: String, reason: String },
    /// A secret of this machine's that does not open or fit.
    #[error("this member's own {what} cannot be used: {reason}; start over with a new file")]
    Own { what: &'static str, reason: String },
    /// Copies of a file that do not belong together.
    #[error("the files do not belong together: {reason}")]
    Apart { reason: String },
    /// A nonce that signed already.
    #[error(
        "this member has signed in this session already, and a nonce that signs twice gives the key away: use the \
         file that came out then, or start over with `wallet send --unsigned`"
    )]
    NonceUsed,
    /// A nonce that is not here.
    #[error(
        "the secret to this member's commitment is not on this machine: it was made elsewhere, or is gone; start over \
         with `wallet send --unsigned`"
    )]
    NonceMissing,
    /// All shares are there and what they make is no signature.
    #[error("the shares do not make a valid signature{}; start over without them", blamed(.culprits))]
    NoSignature { culprits: Vec<String> },
}

fn blamed(culprits: &[String]) -> String {
    if culprits.is_empty() { String::new() } else { format!("; wrong are those of {}", culprits.join(", ")) }
}

impl SharedError {
    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Group(_) => "bad_group",
            Self::NotAMember { .. } => "not_a_member",
            Self::Bad { .. } => "bad_contribution",
            Self::Own { .. } => "bad_secret",
            Self::Apart { .. } => "files_apart",
            Self::NonceUsed => "nonce_used_already",
            Self::NonceMissing => "nonce_missing",
            Self::NoSignature { .. } => "no_signature",
        }
    }

    pub(crate) fn bad(what: &'static str, member: &str, reason: impl ToString) -> Self {
        Self::Bad { what, member: clean(member), reason: clean(reason) }
    }

    pub(crate) fn apart(reason: impl ToString) -> Self {
        Self::Apart { reason: clean(reason) }
    }

    pub(crate) fn own(what: &'static str, reason: impl ToString) -> Self {
        Self::Own { what, reason: clean(reason) }
    }
}

/// What a parser says of a file quotes the file, and whoever sent that may be anybody.
fn clean(text: impl ToString) -> String {
    Inert(&text.to_string()).to_string()
}
