//! Where a command's facts come from: proofs, of all the nodes that were named; or, because the owner says so, the word
//! of one.

use super::{
    fact::{Claimed, Proven, Sender, TrustNode},
    light_client::{Begin, LightClient},
    payment_status::PaymentStatus,
    report::Report,
};
use crate::{
    node::{
        client::{ClientError, Node, lag, other_rules},
        error::{NodeError, Result},
        nodes::{Nodes, Trust},
    },
    output::Output,
};
use cairn_genesis::Network;
use cairn_ledger::{hash::TxId, keys::Address, transaction::Transaction};
use cairn_rpc::{
    policy::BURIED,
    types::{AccountJson, NodeInfo},
};
use std::io;

/// Whom a command asks, and what decides.
pub(crate) enum Source<'a> {
    /// Proofs.
    Proven(Box<LightClient<'a>>),
    /// The first node that answers, and what it says.
    Trusted(TrustNode, Box<Node<'a>>, Box<NodeInfo>),
}

/// The sender's account.
pub(crate) struct SenderView {
    /// What is proven of it.
    pub sender: Proven<Sender>,
    /// What the node says of it, and of payments that wait.
    pub claimed: Claimed<AccountJson>,
}

/// What became of handing a payment to every node.
#[derive(Default)]
pub(crate) struct BroadcastResult {
    /// Nodes that say that they took it.
    pub taken: Vec<String>,
    /// Nodes that did not take it, or did not answer, and why.
    pub failed: Vec<(String, ClientError)>,
}

impl<'a> Source<'a> {
    /// Asks the nodes: all of them for proofs, or one that is to be believed.
    pub async fn open(nodes: &Nodes, network: &'a Network) -> Result<Self> {
        let Some(owner) = TrustNode::of(nodes.trust == Trust::Node) else {
            return Ok(Self::Proven(Box::new(LightClient::open(nodes, network, Begin::Kept).await?)));
        };
        let mut failure = None;
        for node in nodes.all(network)? {
            match node.info().await {
                Ok(info) => return Ok(Self::Trusted(owner, Box::new(node), Box::new(info))),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        Err(failure.map_or(NodeError::Lies { liars: Vec::new() }, NodeError::from))
    }

    /// Tells of nodes that lag behind or have other rules, of liars, and of what is not quite as it should be.
    pub fn report_to(&self, network: &Network, output: &mut Output<'_>) -> io::Result<()> {
        let infos = self.infos();
        for (url, info) in &infos {
            for notice in [lag(info), other_rules(info, network)].into_iter().flatten() {
                if infos.len() > 1 {
                    output.note(format_args!("{url}: {notice}"))?;
                } else {
                    output.note(notice)?;
                }
            }
        }
        let report = self.report();
        report.iter().flat_map(Report::complaints).try_for_each(|complaint| output.warn(complaint))
    }

    /// What the nodes say of themselves, the one that is believed first.
    pub fn infos(&self) -> Vec<(&str, &NodeInfo)> {
        match self {
            Self::Proven(client) => client.infos().collect(),
            Self::Trusted(_, node, info) => vec![(node.url(), info)],
        }
    }

    /// The node that is believed, or whose chain is.
    pub fn node(&self) -> Option<&str> {
        self.infos().first().map(|(url, _)| *url)
    }

    /// What stands behind what was read; `None` where a node is believed.
    pub fn report(&self) -> Option<Report> {
        match self {
            Self::Proven(client) => client.report(),
            Self::Trusted(..) => None,
        }
    }

    /// Whether the believed node says that it lags behind its peers.
    pub fn lag(&self) -> Option<String> {
        match self {
            Self::Proven(client) => client.lag(),
            Self::Trusted(_, _, info) => lag(info),
        }
    }

    /// Whether what it gives is proven, and not merely believed.
    pub fn is_proven(&self) -> bool {
        matches!(self, Self::Proven(_))
    }

    /// The sender's account. It is asked for before any payment of it is: what is mined in between is then found there.
    pub async fn sender(&mut self, address: &Address, shown: &str) -> Result<SenderView> {
        match self {
            Self::Proven(client) => {
                let account = client.account(address, shown).await?;
                let (height, newest) = (client.height(), client.is_newest());
                let at_tip = account.newest.unwrap_or_default();
                // On a chain so short that nothing is buried, nothing is settled.
                let deep = height.saturating_sub(account.at.height.get()).saturating_add(1) >= BURIED;
                let settled = account.settled.filter(|_| deep).unwrap_or_default().nonce;
                let sender = Sender { height, nonce: at_tip.nonce, settled, balance: at_tip.balance, newest };
                Ok(SenderView { sender: Proven::new(sender), claimed: account.claimed })
            }
            Self::Trusted(owner, node, _) => {
                let claimed = node.account(shown).await?;
                let (nonce, balance) = (claimed.nonce.0, claimed.balance.0);
                let sender = Sender { height: claimed.height, nonce, settled: nonce, balance, newest: true };
                let sender = Claimed::new(sender);
                Ok(SenderView { sender: sender.believe(*owner), claimed: Claimed::new(claimed) })
            }
        }
    }

    /// What became of a payment.
    pub async fn payment_status(&mut self, txid: TxId) -> Result<PaymentStatus> {
        match self {
            Self::Proven(client) => client.payment(txid).await,
            Self::Trusted(owner, node, _) => {
                Ok(PaymentStatus::believed(Claimed::new(node.status(txid).await?), *owner))
            }
        }
    }

    /// The least fee rate that a node takes: of several, the lowest, so that one that lies does not make it dear.
    pub async fn min_fee_rate(&self) -> Result<Claimed<u64>> {
        let (mut lowest, mut failure) = (None, None);
        for node in self.answering() {
            match node.min_fee_rate().await {
                Ok(rate) => lowest = Some(lowest.map_or(rate, |other: u64| other.min(rate))),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (lowest, failure) {
            (Some(rate), _) => Ok(Claimed::new(rate)),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(NodeError::Lies { liars: Vec::new() }),
        }
    }

    /// Whether an address has an account, as a node says. What is reserved for one that is there is not spent.
    pub async fn exists(&self, shown: &str) -> Result<Claimed<bool>> {
        let (mut exists, mut failure) = (None, None);
        for node in self.answering() {
            match node.account(shown).await {
                // One that knows of none counts: too much is reserved rather than too little.
                Ok(account) => exists = Some(exists.unwrap_or(true) && account.exists),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (exists, failure) {
            (Some(exists), _) => Ok(Claimed::new(exists)),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(NodeError::Lies { liars: Vec::new() }),
        }
    }

    /// The nodes that answered so far.
    fn answering(&self) -> Vec<&Node<'a>> {
        match self {
            Self::Proven(client) => client.nodes().collect(),
            Self::Trusted(_, node, _) => vec![node],
        }
    }
}

/// Hands a payment to every node, also to those that lied: a payment is the same whoever passes it on.
pub(crate) async fn broadcast(nodes: &Nodes, network: &Network, transaction: &Transaction) -> Result<BroadcastResult> {
    let mut handed = BroadcastResult::default();
    for node in nodes.all(network)? {
        match node.submit(transaction).await {
            Ok(()) => handed.taken.push(String::from(node.url())),
            Err(error) => handed.failed.push((String::from(node.url()), error)),
        }
    }
    Ok(handed)
}
