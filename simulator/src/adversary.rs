//! Nodes that attack others: production's code, whose actions are rewritten on their way to the transport.
//!
//! An adversary knows what every node knows, speaks every protocol, and lies in one way ([`Kind`]). What it has told or
//! kept back against the rules is counted ([`Adversary::deeds`]), so that a test can see that the attack took place.
//! Its twin runs the same code and rewrites nothing.

mod lies;

use crate::fabric::Handle;
use cairn_chain::Verdict;
use cairn_common::{clock, runtime};
use cairn_network::transport::{
    AnswerSender, Class, Event, Job, PeerId, Published, RequestNumber, SwarmAction, Topic, Transport,
};
use cairn_network::wire::PeerAddress;
use lies::Answer;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What an adversary does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Announces blocks, and gives nobody their bodies.
    WithholdBodies,
    /// Takes questions for headers, bodies and pools, and never answers.
    Stall,
    /// Gives answers with one byte changed.
    WrongAnswers,
    /// Gives bodies that are not their headers', and else the truth.
    WrongBodies,
    /// Claims a chain with more work, and closes all questions for it unanswered, as one that is busy does: nobody may
    /// be charged for that.
    Refuse,
    /// Passes blocks on with other contents, before anybody else, and gives nobody their bodies.
    GarbleBlocks,
    /// Claims a chain with more work than there is.
    ClaimWork,
    /// Names addresses at which nobody is.
    PoisonAddresses,
    /// Names its accomplices alone, gives nothing, and passes nothing on: what surrounds a node that is to be eclipsed.
    Eclipse,
    /// Passes neither blocks nor payments on.
    Censor,
    /// Gossips what is neither a block nor a payment.
    SpamGarbage,
    /// Gossips payments with wrong signatures.
    SpamPayments,
    /// Asks all its peers for the largest answers, many at once.
    FloodQuestions,
    /// Mines with a clock that is ahead by as much as others just allow.
    FalseTime,
    /// Keeps the blocks it finds to itself, and shows them when that makes others' work worthless (Eyal and Sirer
    /// 2013).
    SelfishMining,
    /// Pays, mines another chain in secret, and shows it once the payment was delivered (Nakamoto 2008).
    DoubleSpend,
    /// Mines blocks that break a rule each.
    ForgeBlocks,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::WithholdBodies,
        Self::Stall,
        Self::WrongAnswers,
        Self::WrongBodies,
        Self::Refuse,
        Self::GarbleBlocks,
        Self::ClaimWork,
        Self::PoisonAddresses,
        Self::Eclipse,
        Self::Censor,
        Self::SpamGarbage,
        Self::SpamPayments,
        Self::FloodQuestions,
        Self::FalseTime,
        Self::SelfishMining,
        Self::DoubleSpend,
        Self::ForgeBlocks,
    ];

    /// As scenarios call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::WithholdBodies => "withhold_bodies",
            Self::Stall => "stall",
            Self::WrongAnswers => "wrong_answers",
            Self::WrongBodies => "wrong_bodies",
            Self::Refuse => "refuse",
            Self::GarbleBlocks => "garble_blocks",
            Self::ClaimWork => "claim_work",
            Self::PoisonAddresses => "poison_addresses",
            Self::Eclipse => "eclipse",
            Self::Censor => "censor",
            Self::SpamGarbage => "spam_garbage",
            Self::SpamPayments => "spam_payments",
            Self::FloodQuestions => "flood_questions",
            Self::FalseTime => "false_time",
            Self::SelfishMining => "selfish_mining",
            Self::DoubleSpend => "double_spend",
            Self::ForgeBlocks => "forge_blocks",
        }
    }

    /// Whether it does what it does by mining.
    pub fn mines(self) -> bool {
        matches!(self, Self::FalseTime | Self::SelfishMining | Self::DoubleSpend | Self::ForgeBlocks)
    }

    /// How often it does something of its own accord.
    fn pause(self) -> Option<Duration> {
        match self {
            Self::SpamGarbage | Self::SpamPayments => Some(Duration::from_millis(500)),
            Self::FloodQuestions => Some(Duration::from_secs(10)),
            _ => None,
        }
    }
}

/// What one adversary is.
#[derive(Clone, Debug)]
pub struct Adversary {
    /// What it does.
    pub kind: Kind,
    /// Its accomplices, and itself.
    pub accomplices: Arc<Vec<PeerAddress>>,
    /// How often adversaries have broken the rules.
    pub deeds: Arc<AtomicU64>,
}

impl Adversary {
    fn note(&self) {
        self.deeds.fetch_add(1, Ordering::Relaxed);
    }
}

/// The transport of an adversary.
pub struct Rewritten {
    inner: Handle,
    adversary: Adversary,
    /// What others have asked, and has no answer yet.
    asked: HashMap<RequestNumber, Class>,
    peers: BTreeSet<PeerId>,
    /// When it does something of its own accord.
    due: Option<Instant>,
    /// How often it has.
    acts: u64,
}

impl Rewritten {
    /// Over the transport of an honest node.
    pub fn new(inner: Handle, adversary: Adversary) -> Self {
        let due = adversary.kind.pause().map(|pause| clock::instant() + pause);
        Self { inner, adversary, asked: HashMap::new(), peers: BTreeSet::new(), due, acts: 0 }
    }

    fn note(&mut self, event: &Event) {
        match event {
            Event::Request { request, class, .. } => drop(self.asked.insert(*request, *class)),
            Event::RequestClosed { request, .. } => drop(self.asked.remove(request)),
            Event::Connected(connection) => drop(self.peers.insert(connection.peer)),
            Event::Closed { peer, is_last: true, .. } => drop(self.peers.remove(peer)),
            _ => {}
        }
    }

    fn act(&mut self) {
        self.acts += 1;
        match self.adversary.kind {
            Kind::SpamGarbage => {
                for topic in [Topic::Blocks, Topic::Txs] {
                    self.inner.gossip(topic, lies::garbage(self.acts));
                }
            }
            Kind::SpamPayments => {
                self.inner.gossip(Topic::Txs, lies::payments(self.acts));
            }
            Kind::FloodQuestions => {
                for peer in self.peers.clone() {
                    for (class, question) in lies::questions(self.acts) {
                        let (answer, _) = tokio::sync::oneshot::channel();
                        self.inner.request(peer, class, question, answer);
                    }
                }
            }
            _ => return,
        }
        self.adversary.note();
    }

    /// Passes on another content of a block that comes, at once.
    fn garble(&mut self, event: &Event) {
        let Event::Gossiped(gossiped) = event else { return };
        if self.adversary.kind == Kind::GarbleBlocks
            && gossiped.topic == Topic::Blocks
            && let Some(other) = lies::garbled(&gossiped.data)
        {
            self.inner.gossip(Topic::Blocks, other);
            self.adversary.note();
        }
    }

    /// Answers in its own way; nothing to say to its own node.
    fn answer(&mut self, request: RequestNumber, answer: Vec<u8>) -> Option<Event> {
        let class = self.asked.remove(&request);
        let told = class.map(|class| lies::answer(&self.adversary, class, &answer));
        let closed = Event::RequestClosed { request, is_timeout: false };
        match told.unwrap_or(Answer::Honest) {
            Answer::Honest => return self.inner.carry_out(SwarmAction::Answer { request, answer }),
            Answer::Lie(answer) => {
                self.adversary.note();
                return self.inner.carry_out(SwarmAction::Answer { request, answer });
            }
            Answer::Refusal => drop(self.inner.carry_out(SwarmAction::Drop(request))),
            Answer::Silence => {}
        }
        self.adversary.note();
        Some(closed)
    }

    fn passes_nothing_on(&self) -> bool {
        matches!(self.adversary.kind, Kind::Censor | Kind::Eclipse)
    }
}

impl Transport for Rewritten {
    async fn next(&mut self) -> Event {
        loop {
            let event = match self.due {
                None => self.inner.next().await,
                Some(due) => {
                    let left = due.saturating_duration_since(clock::instant());
                    match runtime::timeout(left, self.inner.next()).await {
                        Ok(event) => event,
                        Err(_) => {
                            self.due = self.adversary.kind.pause().map(|pause| clock::instant() + pause);
                            self.act();
                            continue;
                        }
                    }
                }
            };
            self.note(&event);
            self.garble(&event);
            return event;
        }
    }

    fn carry_out(&mut self, action: SwarmAction) -> Option<Event> {
        match action {
            SwarmAction::Answer { request, answer } => self.answer(request, answer),
            SwarmAction::Ask { peer, class: Class::Status, question } => {
                let question = match lies::answer(&self.adversary, Class::Status, &question) {
                    Answer::Lie(lie) => lie,
                    _ => question,
                };
                self.inner.carry_out(SwarmAction::Ask { peer, class: Class::Status, question })
            }
            SwarmAction::PublishTxs(batch) if self.passes_nothing_on() => {
                self.adversary.note();
                Some(Event::TxsPublished { batch, outcome: Published::Sent })
            }
            action => self.inner.carry_out(action),
        }
    }

    fn on_verdict(&mut self, job: &Job, verdict: &Verdict) -> bool {
        if !self.passes_nothing_on() {
            return self.inner.on_verdict(job, verdict);
        }
        self.adversary.note();
        self.inner.on_verdict(job, &Verdict::Ignore)
    }

    fn request(&mut self, peer: PeerId, class: Class, question: Vec<u8>, answer: AnswerSender) {
        self.inner.request(peer, class, question, answer);
    }

    fn mesh_of(&self, peer: &PeerId) -> Vec<String> {
        self.inner.mesh_of(peer)
    }

    fn listening(&self) -> Vec<String> {
        self.inner.listening()
    }

    fn external(&self) -> Vec<String> {
        self.inner.external()
    }

    fn protocol_prefix(&self) -> String {
        self.inner.protocol_prefix()
    }
}
