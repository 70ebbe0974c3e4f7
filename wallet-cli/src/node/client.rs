//! The node, as the wallet sees it: a few questions, and errors that say what to do.
//!
//! Text that a node sends is made inert and short here ([`in_short`]), before anything else sees it, and all questions
//! of one command to one node share a [`Budget`] of time.

use super::node_url::{self, NodeUrl, NodeUrlError};
use super::{error::ClientError, pairing::Pairing};
use crate::{keys::Secret, network};
use cairn_genesis::Network;
use cairn_host::{Inert, inert::in_short};
use cairn_ledger::light::{LightRequest, MAX_LIGHT_PROOF_BYTES};
use cairn_ledger::{BlockId, Header, Transaction, TxId};
use cairn_rpc::methods::{ChainClient, MempoolClient, NodeClient, StateClient, TxClient};
use cairn_rpc::types::{
    AccountJson, AddressHistory, BlockRef, HeaderJson, HistoryCursor, LightProofJson, NodeInfo, SyncPhase,
};
use cairn_rpc::{HexBytes, Text, TxStatus, error::Code};
use jsonrpsee::core::ClientError as CallError;
use jsonrpsee_http_client::{HeaderMap, HeaderValue, HttpClient, HttpClientBuilder, transport};
use std::time::{Duration, Instant};
use std::{cell::Cell, error::Error, rc::Rc};

/// How long a node may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a node may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// The longest answer: a light proof in hex, and room for the rest.
const MAX_ANSWER_BYTES: u32 = 2 * MAX_LIGHT_PROOF_BYTES as u32 + (1 << 20);

/// The header that carries a token (RFC 6750).
const AUTHORIZATION: &str = "authorization";

/// How long all questions of one command may take together, unless its owner says otherwise.
pub const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// The same where every header of a chain is asked for.
pub const EVERY_HEADER_TIMEOUT: Duration = Duration::from_secs(3_600);

/// How long one node may still take for its answers to one command: a node that drips does not hold up a command for
/// ever, however many questions it is asked.
#[derive(Debug)]
pub struct Budget {
    /// What there was at first.
    whole: Duration,
    left: Cell<Duration>,
}

impl Budget {
    /// So much for all questions together.
    pub fn new(whole: Duration) -> Rc<Self> {
        Rc::new(Self { whole, left: Cell::new(whole) })
    }

    /// As much as at first, for the next look of a command that waits and has a bound of its own.
    pub fn renew(&self) {
        self.left.set(self.whole);
    }
}

/// A node, and the network it has to be on.
pub struct Node<'a> {
    /// Where it is.
    pub url: String,
    http: HttpClient,
    /// The network it has to be on.
    pub network: &'a Network,
    budget: Rc<Budget>,
}

impl<'a> Node<'a> {
    /// Prepares to ask the node at `url`, or else the one on this machine. Nothing is sent yet.
    ///
    /// # Errors
    /// Refuses what is no `http` or `https` URL.
    pub fn new(url: Option<&str>, network: &'a Network, budget: Rc<Budget>) -> Result<Self, ClientError> {
        let here = format!("http://127.0.0.1:{}", network.defaults.rpc_port);
        let text = url.unwrap_or(&here);
        let refused = |error: NodeUrlError| ClientError::Url {
            url: Inert(&text.chars().take(160).collect::<String>()).to_string(),
            reason: error.to_string(),
        };
        Self::build(&text.parse().map_err(refused)?, HeaderMap::new(), network, budget)
    }

    /// Prepares to ask a node that gave a token, and to show it that token.
    ///
    /// # Errors
    /// Refuses what is no `http` or `https` URL.
    pub fn paired(pairing: &Pairing, network: &'a Network, budget: Rc<Budget>) -> Result<Self, ClientError> {
        let bearer = Secret::new(format!("Bearer {}", pairing.token.expose()));
        let mut value = HeaderValue::from_str(bearer.expose()).expect("a pairing holds graphic ASCII only");
        // Keeps it out of what the HTTP library logs.
        value.set_sensitive(true);
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, value);
        Self::build(&pairing.url, headers, network, budget)
    }

    fn build(
        place: &NodeUrl,
        headers: HeaderMap,
        network: &'a Network,
        budget: Rc<Budget>,
    ) -> Result<Self, ClientError> {
        let url = place.base.clone();
        let builder = match place.pinned() {
            Some(config) => HttpClientBuilder::new().with_custom_cert_store(config),
            None => HttpClientBuilder::new(),
        };
        let http = builder
            .set_headers(headers)
            .connect_timeout(CONNECT_TIMEOUT)
            .request_timeout(ANSWER_TIMEOUT)
            .max_response_size(MAX_ANSWER_BYTES)
            .build(&url)
            .map_err(|error| ClientError::Url { url: url.clone(), reason: Inert(&error.to_string()).to_string() })?;
        Ok(Self { url, http, network, budget })
    }

    /// The answer to one question, within what is left of the node's time.
    async fn ask<T>(&self, question: impl Future<Output = Result<T, CallError>>) -> Result<T, ClientError> {
        let (began, Budget { whole, left }) = (Instant::now(), &*self.budget);
        let answer = tokio::time::timeout(left.get(), question).await;
        left.set(left.get().saturating_sub(began.elapsed()));
        match answer {
            Ok(answer) => self.answer(answer),
            Err(_) => {
                let seconds = whole.as_secs_f32().round();
                let reason = format!("its answers took {seconds} s together, all that --max-time gives it");
                Err(ClientError::NoAnswer { url: self.url.clone(), reason })
            }
        }
    }

    /// What the node is, once it is sure to be on the wallet's network.
    ///
    /// # Errors
    /// No answer, or a node of another network.
    pub async fn info(&self) -> Result<NodeInfo, ClientError> {
        let info = inert(self.ask(self.http.node_info()).await?);
        network::check_same(self.network, &info.chain, info.genesis_id.0)
            .map_err(|mismatch| ClientError::OtherNetwork { url: self.url.clone(), mismatch })?;
        Ok(info)
    }

    /// What an address has.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn account(&self, address: &str) -> Result<AccountJson, ClientError> {
        self.ask(self.http.get_account(String::from(address))).await
    }

    /// The header of its tip.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn tip(&self) -> Result<HeaderJson, ClientError> {
        self.ask(self.http.chain_tip()).await
    }

    /// Whether a header of the node stands under the rules that this wallet knows for its height.
    ///
    /// # Errors
    /// [`ClientError::OtherRules`].
    pub fn check_rules(&self, header: &Header) -> Result<(), ClientError> {
        let (got, expected) = (header.version, self.network.spec.rules_at(header.height).version);
        if got == expected {
            return Ok(());
        }
        Err(ClientError::OtherRules { url: self.url.clone(), height: header.height.get(), got, expected })
    }

    /// What proves its tip; with `known`, perhaps only what came since.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn light_proof(
        &self,
        request: &LightRequest,
        known: Option<BlockId>,
    ) -> Result<LightProofJson, ClientError> {
        let (tip, random) = (Text(request.tip), Text(request.random));
        self.ask(self.http.get_light_proof(tip, random, known.map(Text))).await
    }

    /// Headers after the block `after` up to the block `at`, 112 bytes each, `count` at most.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn bare_headers(&self, after: BlockId, at: BlockId, count: u64) -> Result<HexBytes, ClientError> {
        self.ask(self.http.get_bare_headers(Text(after), Text(at), Some(count))).await
    }

    /// The encoded proof of what an address had after the block `at`.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn account_proof(&self, address: &str, at: BlockId) -> Result<HexBytes, ClientError> {
        let proof = self.ask(self.http.get_proof(String::from(address), Some(Text(at)))).await?;
        Ok(proof.raw)
    }

    /// The encoded proof that a transaction is in or below the block `at`.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn transaction_proof(&self, txid: TxId, at: BlockId) -> Result<HexBytes, ClientError> {
        Ok(self.ask(self.http.get_transaction_proof(Text(txid), Text(at))).await?.raw)
    }

    /// A block's bytes.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn raw_block(&self, id: BlockId) -> Result<HexBytes, ClientError> {
        self.ask(self.http.get_raw_block(BlockRef::Id(Text(id)))).await
    }

    /// What touched an address, the last first, from its index of addresses.
    ///
    /// # Errors
    /// No answer, or a refusal: it may keep no index.
    pub async fn history(&self, address: &str, before: Option<HistoryCursor>) -> Result<AddressHistory, ClientError> {
        self.ask(self.http.get_history(String::from(address), before.map(Text), None)).await
    }

    /// The least fee its pool takes, in pebbles a byte.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn min_fee_rate(&self) -> Result<u64, ClientError> {
        Ok(self.ask(self.http.mempool_info()).await?.min_fee_rate)
    }

    /// Hands it a signed transaction. One that it has already, in its pool or in a block, has arrived.
    ///
    /// # Errors
    /// No answer: it may have arrived all the same. Or a refusal.
    pub async fn submit(&self, transaction: &Transaction) -> Result<(), ClientError> {
        let raw = HexBytes(cairn_ledger::codec::encode(transaction));
        match self.ask(self.http.submit_tx(raw)).await {
            Err(ClientError::Refused { code: Code::TxAlreadyPooled | Code::TxAlreadyMined, .. }) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// What became of a transaction.
    ///
    /// # Errors
    /// No answer, or a refusal.
    pub async fn status(&self, txid: TxId) -> Result<TxStatus, ClientError> {
        let mut status = self.ask(self.http.tx_status(Text(txid))).await?;
        status.reason = status.reason.map(|reason| in_short(&reason));
        Ok(status)
    }

    fn answer<T>(&self, answer: Result<T, CallError>) -> Result<T, ClientError> {
        let url = || self.url.clone();
        answer.map_err(|error| match error {
            CallError::Call(object) => {
                let message = in_short(object.message());
                match Code::from_number(object.code()) {
                    Some(code) => ClientError::Refused { code, message },
                    // The codes jsonrpsee keeps: no such method, no such parameter.
                    None if object.code() <= -32_000 => ClientError::Strange { url: url(), reason: message },
                    None => ClientError::Unknown { code: object.code(), message },
                }
            }
            CallError::Transport(error) if is_unauthorized(&*error) => {
                let message =
                    String::from("it knows no such token, or takes none of this machine's requests without one");
                ClientError::Refused { code: Code::BadToken, message }
            }
            CallError::Transport(error) => match node_url::certificate_error(&*error) {
                Some(reason) => ClientError::Certificate { url: url(), reason },
                None => ClientError::NoAnswer { url: url(), reason: chain(&*error) },
            },
            CallError::RequestTimeout => {
                let reason = format!("nothing within {} seconds", ANSWER_TIMEOUT.as_secs());
                ClientError::NoAnswer { url: url(), reason }
            }
            other => ClientError::Strange { url: url(), reason: chain(&other) },
        })
    }
}

/// The same with every text of the node inert and in short, whoever shows it.
fn inert(info: NodeInfo) -> NodeInfo {
    let mut info = info;
    for text in [&mut info.version, &mut info.chain, &mut info.address_prefix, &mut info.peer_id] {
        *text = in_short(text);
    }
    for text in [&mut info.rules_notice, &mut info.sync.reason].into_iter().flatten() {
        *text = in_short(text);
    }
    if let Some(next) = &mut info.rules.next_upgrade {
        next.name = in_short(&next.name);
    }
    info
}

/// What the node says of upgrades that it or this wallet does not know, in a sentence or two.
pub fn other_rules(info: &NodeInfo, network: &Network) -> Option<String> {
    if info.outdated || info.rules.id.0 == network.spec.schedule().id() {
        let notice = info.rules_notice.as_ref().filter(|_| !info.outdated);
        return notice.map(|notice| format!("The node says of the network's rules: {notice}."));
    }
    let next = info.rules.next_upgrade.as_ref();
    let next = next.map(|next| format!(" (its next one is {} at block {})", next.name, next.height));
    Some(format!(
        "The node knows other upgrades of the network than this wallet{}: update whichever is older, the program or the \
         file given with --chain.",
        next.unwrap_or_default()
    ))
}

/// Whether the node lags behind its peers, or is left behind by an upgrade, in a sentence or two.
pub fn lag(info: &NodeInfo) -> Option<String> {
    if info.outdated {
        let notice = info.rules_notice.as_deref().unwrap_or("it does not say why");
        return Some(format!("The node is left behind, so what it says may be void. It says: {notice}."));
    }
    if info.sync.phase == SyncPhase::Stalled {
        let reason = info.sync.reason.as_deref().unwrap_or("it does not say why");
        return Some(format!(
            "The node does not get on, at block {} of {}, so what it says may be old. It says: {reason}.",
            info.height, info.sync.target
        ));
    }
    if info.sync.phase == SyncPhase::Snapshot {
        let height = info.sync.snapshot.map_or(info.sync.target, |snapshot| snapshot.height);
        return Some(format!(
            "The node is still catching up: it fetches the accounts after block {height}, so it knows of no payment yet."
        ));
    }
    let behind = matches!(info.sync.phase, SyncPhase::Headers | SyncPhase::Bodies);
    behind.then(|| {
        format!(
            "The node is still catching up: it is at block {} of {}, so what it says may be old.",
            info.height, info.sync.target
        )
    })
}

/// Whether the node answered with HTTP's 401: the request had no token, or a wrong one.
fn is_unauthorized(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    let rejected = error.downcast_ref::<transport::Error>();
    matches!(rejected, Some(transport::Error::Rejected { status_code: 401 }))
}

/// An error with its causes, inert and in short; each is said once.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    in_short(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_is_the_networks_unless_another_is_named() {
        let test = Network::parse(cairn_genesis::TEST).expect("shipped");
        let url = |url| Node::new(url, &test, Budget::new(COMMAND_TIMEOUT)).map(|node| node.url.clone());
        assert_eq!(url(None), Ok(String::from("http://127.0.0.1:19741")));
        assert_eq!(url(Some("http://example.org:1")), Ok(String::from("http://example.org:1")));
        assert_eq!(url(Some("https://example.org")), Ok(String::from("https://example.org")));
        for bad in ["", "127.0.0.1:9741", "ws://example.org", "http://", "https://x?cert=1", "http://x?y"] {
            assert!(matches!(url(Some(bad)), Err(ClientError::Url { .. })), "{bad}");
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let error = ClientError::Refused { code: Code::TxFeeTooLow, message: String::from("got 1, expected 185") };
        assert_eq!(
            error.to_string(),
            "the node refused: got 1, expected 185; pay more in its place, with `wallet bump --fee`"
        );
        assert_eq!((error.kind(), error.refusal()), ("tx_fee_too_low", Some((3023, "got 1, expected 185"))));
    }
}
