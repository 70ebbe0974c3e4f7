//! What the network can be asked, and what it tells.

mod backlog;

pub(crate) use backlog::Backlog;

use crate::discovery::resource::{Kind, Resource};
use crate::outbound::persistent::{OtherKey, TargetError};
use crate::peers::bans::{Banned, NotBannable};
use crate::wire::{
    BlockTxs, Bodies, GetBlockTxs, GetBodies, GetHeaders, GetPool, GetStateRun, Headers, Message, PeerStatus,
    PoolAnswer, StateRuns,
};
use crate::{
    gossip::losses::Losses, ids::PeerId, nat::status::Reach, peers::peer_upgrades::OtherUpgrades,
    peers::traffic::ProtocolBytes, requests::class::Class,
};
use cairn_chain::{BlockBody, Misbehaviour, PeerNumber};
use cairn_common::mailbox::{self, Stopped};
use cairn_common::runtime;
use cairn_ledger::accounts::StateRun;
use cairn_ledger::block::{Body, Header};
use cairn_ledger::codec::{BoundedVec, DecodeError};
use cairn_ledger::{hash::BlockId, hash::Hash, transaction::Transaction, units::Timestamp};
use std::time::Duration;
use tokio::sync::oneshot;

/// Questions waiting for the network's task. A full mailbox makes askers wait.
pub(crate) const MAILBOX: usize = 256;
/// Events waiting for sync; more wait, merged, in a [`Backlog`].
pub(crate) const EVENTS: usize = 256;

/// Why a request was not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The peer is not connected (any more).
    #[error("the peer is gone")]
    Gone,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The peer closed the stream, or its line broke.
    #[error("the peer did not answer: {reason}")]
    Refused {
        /// What the library said.
        reason: String,
    },
    /// The answer was no message; the peer has been reported.
    #[error("the answer is no message: {0}")]
    Undecodable(DecodeError),
    /// The question is longer than a question may be: our own mistake.
    #[error("the question is too long")]
    TooLong,
    /// The node is stopping.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why somebody is not banned or pardoned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BanError {
    /// The text names nobody.
    #[error(transparent)]
    Target(#[from] NotBannable),
    /// The node is stopping.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why nobody is admitted or shut out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// It is no peer id.
    #[error("got {got:?}, expected a peer id such as 12D3Koo...")]
    NotAPeerId {
        /// The text.
        got: String,
    },
    /// Anyone may join.
    #[error("this node is on no private network: start it with network.admit")]
    NotPrivate,
    /// There are too many already.
    #[error("got one more than the {max} peers that may be admitted")]
    TooMany {
        /// How many there may be.
        max: usize,
    },
    /// The node is stopping.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why providers are not looked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// There is no DHT to ask.
    #[error("this node does not use Kademlia: start it with discovery.kademlia=true")]
    Off,
    /// It does so for as many as it can.
    #[error("too many searches are running; ask again later")]
    Busy,
    /// The node is stopping.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// A ban that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanInfo {
    /// Who: a peer id, an IP address or a prefix.
    pub target: String,
    /// Until when.
    pub until: Timestamp,
    /// Why.
    pub reason: String,
}

/// A node that provides something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its identity.
    pub peer_id: String,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether it is this node.
    pub own: bool,
}

/// A connected peer.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerInfo {
    /// The number of its connection.
    pub number: PeerNumber,
    /// Its identity.
    pub peer_id: String,
    /// The address of the connection.
    pub address: String,
    /// Whether it dialled this node.
    pub inbound: bool,
    /// What it says its program is.
    pub agent: Option<String>,
    /// Where it stands.
    pub status: Option<PeerStatus>,
    /// The last measured round trip.
    pub latency: Option<Duration>,
    /// For how long it has been connected.
    pub connected: Duration,
    /// The topics (`blocks`, `txs`) in whose mesh it is.
    pub mesh: Vec<String>,
    /// Its standing: 0 is neutral, below is bad.
    pub score: i64,
    /// How long ago it last sent something new that was wanted.
    pub useful: Option<Duration>,
    /// Bytes of messages that came from it and, but for gossip, went to it.
    pub traffic: Vec<ProtocolBytes>,
}

/// The node among its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkInfo {
    /// Its identity.
    pub peer_id: String,
    /// Where it listens.
    pub listening: Vec<String>,
    /// Addresses at which others reach it.
    pub external: Vec<String>,
    /// Connected peers.
    pub peers: usize,
    /// Those that dialled this node.
    pub inbound: usize,
    /// Those this node dialled.
    pub outbound: usize,
    /// What its protocols' names begin with.
    pub protocol_prefix: String,
    /// How others reach it.
    pub reach: Reach,
    /// Why so.
    pub reach_reason: String,
    /// Addresses it has heard of, and addresses at which it has found nodes.
    pub book: (usize, usize),
    /// Bans that hold.
    pub bans: usize,
    /// On a private network, who is admitted.
    pub admitted: Option<Vec<String>>,
    /// How far the clocks of its peers are ahead of its own, their median in milliseconds; with fewer than three
    /// peers there is none.
    pub clock_ahead: Option<i64>,
    /// What peers say whose upgrades are not those of this node.
    pub other_upgrades: Option<OtherUpgrades>,
    /// Whom the operator named, and at whose address somebody else answers.
    pub other_keys: Vec<OtherKey>,
    /// Bytes given since midnight UTC to those who catch up.
    pub uploaded_today: u64,
    /// The most of them, if there is a most.
    pub max_upload_per_day: Option<u64>,
    /// What gossip has lost.
    pub losses: Losses,
    /// What it is at.
    pub in_hand: InHand,
}

/// What a node is at among its peers: each of these has a bound, and comes back to nothing, or to what the connected
/// peers explain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InHand {
    /// Gossiped messages that are being judged.
    pub judging: usize,
    /// Requests of peers that wait for their turn.
    pub waiting: usize,
    /// Requests that are being answered, until the answer has left.
    pub answering: usize,
    /// The same, as it is counted for each peer.
    pub turns: usize,
    /// Dials for slots, and to see whether somebody is there.
    pub dials: usize,
    /// Outbound slots that somebody holds.
    pub slots: usize,
    /// Pools of peers that are being compared with this node's.
    pub comparing: usize,
    /// For how long the first of them has been.
    pub comparing_for: Duration,
}

/// How a peer came to be one: what it says counts less than that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerKind {
    /// The operator named it.
    pub named: bool,
    /// It dialled this node.
    pub inbound: bool,
    /// Where it is: one operator has few such places.
    pub neighbourhood: Vec<u8>,
}

/// What the network tells sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkEvent {
    /// A peer has connected and said where it stands.
    PeerUp {
        /// Who.
        peer: PeerNumber,
        /// How it came here.
        kind: PeerKind,
        /// Where it stands.
        status: PeerStatus,
    },
    /// A peer has said where it stands now.
    PeerStatus {
        /// Who.
        peer: PeerNumber,
        /// How it came here, for all that is known by now.
        kind: PeerKind,
        /// Where it stands.
        status: PeerStatus,
    },
    /// A peer is gone.
    PeerDown {
        /// Who.
        peer: PeerNumber,
    },
    /// A peer has passed on a block, with work, that gossip could not bring: it cannot be linked, its body did not
    /// come, or there was no room to look at it.
    MissedBlock {
        /// Who.
        peer: PeerNumber,
        /// The block.
        id: BlockId,
    },
}

/// The network's questions.
pub(crate) enum Command {
    Announce { header: Box<Header>, body: BlockBody },
    Request { peer: PeerNumber, class: Class, request: Vec<u8>, answer: oneshot::Sender<Result<Vec<u8>, RequestError>> },
    Report { peer: PeerNumber, misbehaviour: Misbehaviour },
    AddPeer { address: String, answer: oneshot::Sender<Result<(), TargetError>> },
    Peers { answer: oneshot::Sender<Vec<PeerInfo>> },
    Info { answer: oneshot::Sender<NetworkInfo> },
    Ban { target: Banned, seconds: u64, reason: String, answer: oneshot::Sender<()> },
    Unban { target: Banned, answer: oneshot::Sender<bool> },
    ListBans { answer: oneshot::Sender<Vec<BanInfo>> },
    Admit { peer: PeerId, answer: oneshot::Sender<Result<bool, AdmitError>> },
    Revoke { peer: PeerId, answer: oneshot::Sender<Result<bool, AdmitError>> },
    SeekProviders { resource: Resource },
    FindProviders { resource: Resource, answer: oneshot::Sender<Result<Vec<Provider>, FindError>> },
}

/// A handle to the network. Cloning shares it.
#[derive(Clone)]
pub struct NetworkHandle {
    pub(crate) mailbox: mailbox::Handle<Command>,
}

impl NetworkHandle {
    /// Passes on a block that was found here, and whose body was found to be its own.
    pub async fn announce(&self, header: Header, body: BlockBody) {
        self.tell(Command::Announce { header: Box::new(header), body }).await;
    }

    /// Asks a peer for the headers after the first id of the locator that is on its chain.
    ///
    /// # Errors
    /// No answer, or none that is a message.
    pub async fn request_headers(&self, peer: PeerNumber, locator: Vec<BlockId>) -> Result<Vec<Header>, RequestError> {
        let locator = BoundedVec::new(locator).map_err(|_| RequestError::TooLong)?;
        let answer: Headers = self.request(peer, Class::Headers, &GetHeaders { locator }).await?;
        Ok(answer.headers.into_vec())
    }

    /// Asks a peer for the bodies of blocks. It gives a prefix of what was asked, possibly shorter, possibly
    /// empty; whether they are the right ones is for the asker to find out.
    ///
    /// # Errors
    /// No answer, or none that is a message.
    pub async fn request_bodies(&self, peer: PeerNumber, ids: Vec<BlockId>) -> Result<Vec<Body>, RequestError> {
        let ids = BoundedVec::new(ids).map_err(|_| RequestError::TooLong)?;
        let asked = ids.len();
        let answer: Bodies = self.request(peer, Class::Bodies, &GetBodies { ids }).await?;
        if answer.bodies.len() > asked {
            return Err(self.wrong_answer(peer, String::from("more bodies than asked for")).await);
        }
        Ok(answer.bodies.into_vec())
    }

    /// Asks a peer for a run of the accounts under a state root. It gives one, or nothing where it does not hold them;
    /// whether it is the right one is for the asker to find out.
    ///
    /// # Errors
    /// No answer, or none that is a message.
    pub async fn request_state_run(
        &self,
        peer: PeerNumber,
        state_root: Hash,
        number: u64,
    ) -> Result<Option<StateRun>, RequestError> {
        let answer: StateRuns = self.request(peer, Class::Snapshot, &GetStateRun { state_root, number }).await?;
        Ok(answer.runs.into_vec().pop())
    }

    /// Asks a peer for the transactions at these places of a block, which rise. It gives all of them or, when it
    /// has not got them, none; whether they are the right ones is for the asker to find out.
    ///
    /// # Errors
    /// No answer, or none that is a message or has so many transactions; then the peer has been reported.
    pub(crate) async fn request_block_txs(
        &self,
        peer: PeerNumber,
        id: BlockId,
        places: Vec<u32>,
    ) -> Result<Vec<Transaction>, RequestError> {
        let places = BoundedVec::new(places).map_err(|_| RequestError::TooLong)?;
        let expected = places.len();
        let answer: BlockTxs = self.request(peer, Class::BlockTxs, &GetBlockTxs { id, places }).await?;
        let got = answer.transactions.len();
        if got != 0 && got != expected {
            return Err(self.wrong_answer(peer, format!("{got} transactions instead of {expected}")).await);
        }
        Ok(answer.transactions.into_vec())
    }

    /// Asks a peer what waits in its pool, or for some of that.
    ///
    /// # Errors
    /// No answer, or none that is a message.
    pub(crate) async fn request_pool(&self, peer: PeerNumber, question: &GetPool) -> Result<PoolAnswer, RequestError> {
        self.request(peer, Class::Pool, question).await
    }

    async fn request<Q: Message, A: Message + Send + 'static>(
        &self,
        peer: PeerNumber,
        class: Class,
        question: &Q,
    ) -> Result<A, RequestError> {
        let request = question.to_bytes();
        let answer = self.mailbox.ask(|answer| Command::Request { peer, class, request, answer }).await??;
        // Megabytes take a while to decode: not on a thread that drives the network.
        match runtime::blocking(move || A::from_bytes(&answer)).await.map_err(|_| Stopped)? {
            Ok(message) => Ok(message),
            Err(error) => {
                self.report(peer, Misbehaviour::Undecodable(error)).await;
                Err(RequestError::Undecodable(error))
            }
        }
    }

    async fn wrong_answer(&self, peer: PeerNumber, reason: String) -> RequestError {
        self.report(peer, Misbehaviour::WrongAnswer).await;
        RequestError::Refused { reason }
    }

    /// Reports a peer for misbehaviour; the network decides what follows.
    pub async fn report(&self, peer: PeerNumber, misbehaviour: Misbehaviour) {
        self.tell(Command::Report { peer, misbehaviour }).await;
    }

    /// Dials a peer, named by its multiaddress with `/p2p/<peer id>`, and keeps redialling it.
    ///
    /// # Errors
    /// An address that is none, names nobody or this node, or one too many.
    pub async fn add_peer(&self, address: &str) -> Result<(), TargetError> {
        let address = address.to_owned();
        self.mailbox.ask(|answer| Command::AddPeer { address, answer }).await?
    }

    /// The connected peers; nobody when the node is stopping.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        self.mailbox.ask(|answer| Command::Peers { answer }).await.unwrap_or_default()
    }

    /// The node among its peers; empty when the node is stopping.
    pub async fn info(&self) -> NetworkInfo {
        let info = self.mailbox.ask(|answer| Command::Info { answer }).await;
        info.unwrap_or_else(|stopped| NetworkInfo { reach_reason: stopped.to_string(), ..NetworkInfo::default() })
    }

    /// Refuses a peer, a host or a group of hosts, named by a peer id, an IP address or a prefix, for so long.
    ///
    /// # Errors
    /// Text that names nobody.
    pub async fn ban(&self, target: &str, seconds: u64, reason: String) -> Result<(), BanError> {
        let target = target.parse()?;
        Ok(self.mailbox.ask(|answer| Command::Ban { target, seconds, reason, answer }).await?)
    }

    /// Lifts a ban; whether there was one.
    ///
    /// # Errors
    /// Text that names nobody.
    pub async fn unban(&self, target: &str) -> Result<bool, BanError> {
        let target = target.parse()?;
        Ok(self.mailbox.ask(|answer| Command::Unban { target, answer }).await?)
    }

    /// The bans that hold; none when the node is stopping.
    pub async fn bans(&self) -> Vec<BanInfo> {
        self.mailbox.ask(|answer| Command::ListBans { answer }).await.unwrap_or_default()
    }

    /// Lets a peer into this private network, until the node stops; whether it was out.
    ///
    /// # Errors
    /// Text that is no peer id, a network that is not private, or one too many.
    pub async fn admit(&self, peer: &str) -> Result<bool, AdmitError> {
        let peer = peer_id(peer)?;
        self.mailbox.ask(|answer| Command::Admit { peer, answer }).await?
    }

    /// Shuts a peer out of this private network, until the node stops; whether it was in.
    ///
    /// # Errors
    /// Text that is no peer id, or a network that is not private.
    pub async fn revoke(&self, peer: &str) -> Result<bool, AdmitError> {
        let peer = peer_id(peer)?;
        self.mailbox.ask(|answer| Command::Revoke { peer, answer }).await?
    }

    /// Asks the DHT who provides something.
    ///
    /// # Errors
    /// There is no DHT, or too many are asking.
    pub async fn find_providers(&self, kind: Kind, hash: [u8; 32]) -> Result<Vec<Provider>, FindError> {
        let resource = Resource::new(kind, hash);
        self.mailbox.ask(|answer| Command::FindProviders { resource, answer }).await?
    }

    /// Has the DHT asked who provides something, and a few of those dialled who are not connected.
    pub async fn seek_providers(&self, kind: Kind, hash: [u8; 32]) {
        self.tell(Command::SeekProviders { resource: Resource::new(kind, hash) }).await;
    }

    async fn tell(&self, message: Command) {
        // A network that has ended hears nothing any more: the node is stopping.
        let _ = self.mailbox.send(message).await;
    }
}

fn peer_id(text: &str) -> Result<PeerId, AdmitError> {
    text.parse().map_err(|_| AdmitError::NotAPeerId { got: text.chars().take(160).collect() })
}

#[cfg(test)]
mod tests;
