//! The explorer: pages for people, made of what the methods of JSON-RPC answer.
//!
//! # Map
//! `pages` what each page needs of the chain, the pool and the accounts · `network` what it needs of the network ·
//! `recent` the last blocks in short, so that none is read twice · `answer` pages as answers of HTTP, their headers,
//! and the last of them kept for a moment
//!
//! # The path of a page
//! The server has judged Host and Origin and found out who asks → [`Explorer::respond`]: the rate of the caller → the
//! page as it was written a moment ago, or the methods it is made of, each at the price of a call (rate and budget) →
//! `cairn_explorer` writes it.
//!
//! # Invariants
//! 1. A page costs whoever asks for it what the calls it is made of would: pages buy nothing that calls do not.
//! 2. What is kept is bounded in count and bytes, whoever asks for what.
//! 3. Pages show what callers of this machine may read without a token; of peers not more than tells them apart.

mod answer;
mod network;
mod pages;
mod recent;

use super::access::Caller;
use super::server::compression;
use super::{context::Context, guard::CallPolicy, metrics::Metrics};
use answer::{Caching, Kept, Page};
use cairn_explorer::format::sentence;
use cairn_explorer::pages::{ErrorPage, Template, write};
use cairn_explorer::{NoRoute, Route, Shell};
use cairn_rpc::error::{Code, RpcError};
use jsonrpsee::core::RpcResult;
use jsonrpsee::server::{HttpRequest, HttpResponse};
use jsonrpsee::types::ErrorObjectOwned;
use network::Neighbours;
use recent::Recent;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Where the light client in the page reads what it has to know of the network.
const NETWORK_FILE: &str = "/web/network.json";
/// How long a page that changes is shown again as it was written: nobody sees the difference, and many who ask at once
/// are answered from one look.
const FRESH: Duration = Duration::from_secs(1);
/// How long at one tip a page is shown again that changes with the tip alone.
const FRESH_AT_TIP: Duration = Duration::from_secs(60);

/// Whether and to whom the explorer is served.
#[derive(Clone, Debug)]
pub struct ExplorerConfig {
    /// Whether at all.
    pub enabled: bool,
    /// Whether to those who are not on this machine, too, together with the methods it needs.
    pub public: bool,
    /// Other nodes that its pages may ask, as URLs.
    pub nodes: Vec<String>,
    /// The faucet to which its pages link, without a slash at its end.
    pub faucet: Option<String>,
}

impl Default for ExplorerConfig {
    fn default() -> Self {
        Self { enabled: true, public: false, nodes: Vec::new(), faucet: None }
    }
}

/// What a request asks for.
#[derive(Debug)]
pub struct PageRequest {
    path: String,
    query: Option<String>,
    /// The `ETag` of what the browser has.
    known: Option<String>,
    reads_gzip: bool,
}

impl PageRequest {
    /// Takes it out of a request, which has a body that nobody reads.
    pub fn of<B>(request: &HttpRequest<B>) -> Self {
        let known = request.headers().get("if-none-match").and_then(|known| known.to_str().ok());
        Self {
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            known: known.map(str::to_owned),
            reads_gzip: compression::is_accepted(request),
        }
    }
}

/// The explorer of a node.
pub struct Explorer {
    context: Context,
    policy: Arc<CallPolicy>,
    metrics: Arc<Metrics>,
    nodes: Vec<String>,
    faucet: Option<String>,
    security: String,
    kept: Kept,
    recent: Recent,
    neighbours: Arc<Neighbours>,
}

/// Why a page cannot be shown.
#[derive(Debug)]
pub struct Problem {
    status: u16,
    title: &'static str,
    sentence: String,
    advice: &'static str,
}

impl Problem {
    fn not_found(sentence: impl Into<String>) -> Self {
        let advice = "Look for it with the search above: it takes a height, a block’s or payment’s id, or an address.";
        Self { status: 404, title: "Not found", sentence: sentence.into(), advice }
    }
}

impl From<NoRoute> for Problem {
    fn from(NoRoute(sentence): NoRoute) -> Self {
        Self::not_found(sentence)
    }
}

impl From<RpcError> for Problem {
    fn from(error: RpcError) -> Self {
        Self::from(ErrorObjectOwned::from(error))
    }
}

impl From<ErrorObjectOwned> for Problem {
    fn from(error: ErrorObjectOwned) -> Self {
        let sentence = sentence(error.message());
        match Code::from_number(error.code()) {
            Some(Code::BlockNotFound | Code::TransactionNotFound | Code::BadAddress | Code::BadCount) => {
                Self::not_found(sentence)
            }
            Some(Code::TooFast) => {
                Self { status: 429, title: "Too fast", sentence, advice: "Wait for a moment, and load the page again." }
            }
            Some(Code::Busy | Code::Stopping | Code::Storage) => {
                Self { status: 503, title: "Not now", sentence, advice: "Load the page again in a moment." }
            }
            _ => Self { status: 500, title: "Something failed", sentence, advice: "The node’s log may say more." },
        }
    }
}

/// Who asks for a page, and at whose price its parts are got.
struct Visit<'a> {
    explorer: &'a Explorer,
    caller: &'a Caller,
}

impl Explorer {
    /// On a node's parts; the configuration says which other nodes pages may ask, and to what they link.
    pub fn new(context: Context, policy: Arc<CallPolicy>, metrics: Arc<Metrics>, config: &ExplorerConfig) -> Self {
        let (nodes, faucet) = (config.nodes.clone(), config.faucet.clone());
        Self {
            security: answer::security(&nodes),
            neighbours: Arc::new(Neighbours::new(nodes.clone())),
            recent: Recent::new(),
            kept: Kept::new(),
            context,
            policy,
            metrics,
            nodes,
            faucet,
        }
    }

    /// Answers a request for a page.
    pub async fn respond(&self, request: PageRequest, caller: &Caller) -> HttpResponse {
        let started = Instant::now();
        let answered = self.answer(&request.path, request.query.as_deref(), caller).await;
        let page = match answered {
            Ok(page) => page,
            Err(problem) => Arc::new(self.problem(problem)),
        };
        let outcome = if page.status < 400 { "ok" } else { "error" };
        self.metrics.called("page", outcome, started.elapsed());
        answer::response(&page, &request, &self.security)
    }

    async fn answer(&self, path: &str, query: Option<&str>, caller: &Caller) -> Result<Arc<Page>, Problem> {
        self.policy.charge(caller)?;
        if path == NETWORK_FILE {
            return Ok(Arc::new(self.network_file()));
        }
        let route = Route::parse(path, query)?;
        let (tip, key, now) = (self.context.handles.chain.tip().id, route.path(), Instant::now());
        if let Some(page) = key.as_ref().and_then(|key| self.kept.get(key, tip, now)) {
            return Ok(page);
        }
        let page = Arc::new(Visit { explorer: self, caller }.page(route).await?);
        if let Some(key) = key {
            self.kept.put(key, tip, now, Arc::clone(&page));
        }
        Ok(page)
    }

    /// What the light client in the page has to know of the network; the genesis id proves the parameters.
    fn network_file(&self) -> Page {
        let spec = &self.context.spec;
        let upgrades: Vec<u8> = spec.schedule().upgrades().iter().flat_map(|upgrade| upgrade.to_bytes()).collect();
        let file = json!({ "params": hex::encode(spec.params().to_bytes()), "upgrades": hex::encode(upgrades) });
        Page::json(format!("{file}\n"))
    }

    fn shell(&self, part: &'static str) -> Shell {
        let (tip, spec) = (self.context.handles.chain.tip(), &self.context.spec);
        Shell {
            chain: spec.params().name.clone(),
            genesis: spec.genesis_id().to_string(),
            height: tip.height().get(),
            tip: tip.id.to_string(),
            nodes: self.nodes.clone(),
            faucet: self.faucet.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            part,
        }
    }

    fn problem(&self, Problem { status, title, sentence, advice }: Problem) -> Page {
        let page = ErrorPage { shell: self.shell(""), title, sentence, advice };
        let written = write(&page).unwrap_or_else(|error| error.to_string());
        Page::new(status, written, Caching::Never, Duration::ZERO)
    }
}

impl Visit<'_> {
    /// Asks for a part of a page, at the price of the method that gives it.
    async fn ask<T>(
        &self,
        method: &'static str,
        answer: impl Future<Output = RpcResult<T>>,
    ) -> Result<T, ErrorObjectOwned> {
        let _place = self.explorer.policy.admit_part(method, self.caller).await?;
        answer.await
    }

    fn shell(&self, part: &'static str) -> Shell {
        self.explorer.shell(part)
    }
}

/// A page that was written.
fn written(page: &impl Template, caching: Caching, fresh: Duration) -> Result<Page, Problem> {
    let failed = |error| Problem {
        status: 500,
        title: "Something failed",
        sentence: format!("The page could not be written: {error}."),
        advice: "The node’s log may say more.",
    };
    Ok(Page::new(200, write(page).map_err(failed)?, caching, fresh))
}
