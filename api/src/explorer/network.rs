//! What the page of the network needs: the node's peers, other nodes of its operator, and who keeps the history.

use super::answer::{Caching, Page};
use super::{FRESH, Problem, Visit, written};
use crate::{context::Context, context::millis, rpc_client};
use cairn_chain::{Reader, store::StoreError};
use cairn_explorer::pages::{Holders, NetworkPage, OtherNode};
use cairn_ledger::{hash::BlockId, units::Height};
use cairn_rpc::methods::{NetServer, NodeServer};
use cairn_rpc::types::ProviderJson;
use futures_util::future::join_all;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long another node has to answer.
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);
/// How old may be what others said, and what the DHT said, before they are asked again. Whoever loads pages makes no
/// more requests than these.
const OTHERS_EVERY: Duration = Duration::from_secs(2);
/// What others said longer ago than this is shown to nobody: a page waits for what they say now.
const OTHERS_WITHIN: Duration = Duration::from_secs(10);
const HOLDERS_EVERY: Duration = Duration::from_secs(60);

/// What is known of nodes elsewhere. Each kind of question is asked once at a time.
pub struct Neighbours {
    nodes: Vec<String>,
    others: Mutex<Lookup<Vec<OtherNode>>>,
    holders: Mutex<Lookup<Result<Vec<ProviderJson>, String>>>,
}

/// What was learned, when, and whether somebody is asking.
struct Lookup<T> {
    learned: Option<(Instant, T)>,
    is_asking: bool,
}

impl<T> Lookup<T> {
    const fn new() -> Self {
        Self { learned: None, is_asking: false }
    }

    /// Whether nothing was learned within so long.
    fn is_older(&self, than: Duration, now: Instant) -> bool {
        self.learned.as_ref().is_none_or(|(at, _)| now.saturating_duration_since(*at) >= than)
    }

    /// Whether to ask: then nobody else does until something was learned.
    fn begin(&mut self, every: Duration, now: Instant) -> bool {
        let begins = self.is_older(every, now) && !self.is_asking;
        self.is_asking |= begins;
        begins
    }

    fn end(&mut self, learned: T, now: Instant) {
        *self = Self { learned: Some((now, learned)), is_asking: false };
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is inside is whole at any moment, and a panic stops the node anyway.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Neighbours {
    pub fn new(nodes: Vec<String>) -> Self {
        Self { nodes, others: Mutex::new(Lookup::new()), holders: Mutex::new(Lookup::new()) }
    }

    /// What the other nodes said last. Whoever comes first, or after a long time, waits for it.
    async fn others(self: &Arc<Self>) -> Vec<OtherNode> {
        if !self.nodes.is_empty() && lock(&self.others).begin(OTHERS_EVERY, Instant::now()) {
            let own = Arc::clone(self);
            let asked = tokio::spawn(async move {
                let ask = |url: &String| {
                    let url = url.clone();
                    async move {
                        let info = rpc_client::info_of(&url, ANSWER_WITHIN).await.map(Box::new);
                        OtherNode { info, url, is_on_chain: false }
                    }
                };
                let others = join_all(own.nodes.iter().map(ask)).await;
                lock(&own.others).end(others, Instant::now());
            });
            if lock(&self.others).is_older(OTHERS_WITHIN, Instant::now()) {
                // It ends within the time that an answer has.
                let _ = asked.await;
            }
        }
        lock(&self.others).learned.as_ref().map_or_else(Vec::new, |(_, others)| others.clone())
    }

    /// Who keeps the history, as the DHT said last: a search takes seconds, for which no page waits.
    fn holders(self: &Arc<Self>, context: &Context) -> Holders {
        let now = Instant::now();
        if lock(&self.holders).begin(HOLDERS_EVERY, now) {
            let (own, context) = (Arc::clone(self), context.clone());
            tokio::spawn(async move {
                let found = context.find_providers(None, None).await;
                lock(&own.holders).end(found.map_err(|error| error.message().to_owned()), Instant::now());
            });
        }
        match &lock(&self.holders).learned {
            None => Holders::Unknown,
            Some((at, Ok(found))) => Holders::Found(found.clone(), millis(now.saturating_duration_since(*at))),
            Some((_, Err(why))) => Holders::Failed(why.clone()),
        }
    }
}

impl Visit<'_> {
    pub async fn network(&self) -> Result<Page, Problem> {
        let (shell, context) = (self.shell("network"), &self.explorer.context);
        let others = self.explorer.neighbours.others().await;
        let page = NetworkPage {
            others: self.placed(others).await?,
            node: self.ask("node_info", context.node_info()).await?,
            net: self.ask("net_info", context.net_info()).await?,
            peers: self.ask("net_peers", context.net_peers()).await?,
            shows_addresses: context.local,
            holders: self.explorer.neighbours.holders(context),
            shell,
        };
        written(&page, Caching::Never, FRESH)
    }

    /// The same nodes, with whether their tips are on this node's chain.
    async fn placed(&self, mut others: Vec<OtherNode>) -> Result<Vec<OtherNode>, Problem> {
        let tip = |other: &OtherNode| other.info.as_ref().ok().map(|info| (Height::new(info.height), info.tip.0));
        let tips: Vec<_> = others.iter().map(tip).collect();
        let context = self.explorer.context.clone();
        let look = async move {
            let placed = move |reader: &Reader| tips.into_iter().map(|tip| is_on_chain(reader, tip)).collect();
            Ok(context.read(placed).await?)
        };
        let placed: Vec<bool> = self.ask("chain_getHeader", look).await?;
        others.iter_mut().zip(placed).for_each(|(other, placed)| other.is_on_chain = placed);
        Ok(others)
    }
}

fn is_on_chain(reader: &Reader, tip: Option<(Height, BlockId)>) -> Result<bool, StoreError> {
    let Some((height, id)) = tip else { return Ok(false) };
    Ok(reader.header_at(height)?.is_some_and(|found| found.id() == id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_asked_once_at_a_time_and_not_too_often() {
        let (mut lookup, start, every) = (Lookup::new(), Instant::now(), Duration::from_secs(2));
        assert!(lookup.begin(every, start), "the control: nothing is known yet");
        assert!(!lookup.begin(every, start + every), "somebody is asking");
        lookup.end(7, start);
        assert!(!lookup.begin(every, start + Duration::from_secs(1)), "it is fresh");
        assert!(lookup.begin(every, start + every));
        assert_eq!(lookup.learned.map(|(_, learned)| learned), Some(7), "what was known stays until then");
    }
}
