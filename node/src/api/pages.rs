//! What programs read that speak no JSON-RPC: service managers, load balancers, Prometheus.
//!
//! | path | who | what |
//! |---|---|---|
//! | `/health` | anybody | 200 while the node runs: a reason to restart it is 200 not coming |
//! | `/ready` | anybody | 200 when what it says is up to date, else 503; either way why |
//! | `/metrics` | as reads: this machine, or any token | OpenMetrics text |

use super::{rules::notice, server::Door};
use crate::{
    clock,
    sync::{SyncPhase, Unfollowed},
};
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// How many blocks a node may be behind its peers and still be ready: as many as may be on their way.
const LAG_BLOCKS: u64 = 2;
/// After how many block intervals without a block a network, or the way to it, counts as broken.
const SILENT_INTERVALS: u64 = 60;
/// How long a browser may remember what a preflight said.
const PREFLIGHT_SECONDS: &str = "600";

/// A page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Health,
    Ready,
    Metrics,
}

/// The page a request asks for; none when it is JSON-RPC.
pub(super) fn find<B>(request: &HttpRequest<B>) -> Option<Page> {
    if request.method().as_str() != "GET" {
        return None;
    }
    match request.uri().path() {
        "/health" => Some(Page::Health),
        "/ready" => Some(Page::Ready),
        "/metrics" => Some(Page::Metrics),
        _ => None,
    }
}

impl Page {
    /// Whether it says nothing that a stranger should not know.
    pub fn is_open(self) -> bool {
        !matches!(self, Self::Metrics)
    }
}

/// Writes a page.
pub(super) async fn show(door: &Door, page: Page) -> HttpResponse {
    match page {
        Page::Health => json(200, &json!({"live": true})),
        Page::Ready => {
            let state = state(door).await;
            let lack = state.lack();
            let shown = json!({
                "ready": lack.is_none(),
                "reason": lack,
                "phase": state.phase.name(),
                "height": state.height,
                "target": state.target,
                "unfollowed": state.unfollowed.map(|unfollowed| unfollowed.to_string()),
            });
            json(if lack.is_none() { 200 } else { 503 }, &shown)
        }
        Page::Metrics => match door.meters.scrape(&door.context).await {
            Ok(text) => respond(200, "application/openmetrics-text; version=1.0.0; charset=utf-8", text),
            Err(error) => text(503, format!("{error}\n")),
        },
    }
}

/// What decides whether a node is ready.
struct State {
    /// Why the chain with the most work is one that this node cannot follow.
    left_behind: Option<String>,
    phase: SyncPhase,
    height: u64,
    target: u64,
    /// A chain that peers claim and this node does not follow: told of, and no reason not to be ready, or anybody
    /// could make it so.
    unfollowed: Option<Unfollowed>,
    /// How old the tip is, in ms.
    tip_age: u64,
    interval: u64,
    /// On a local network blocks come when somebody makes them, and a node may well be alone.
    local: bool,
}

async fn state(door: &Door) -> State {
    let (tip, sync) = (door.context.handles.chain.tip(), door.context.handles.sync.status());
    let unknown = door.context.handles.chain.unknown_rules();
    let network = door.context.handles.network.info().await;
    let notice = notice(unknown.as_ref(), network.other_rules.as_ref());
    State {
        left_behind: notice.filter(|notice| notice.outdated).map(|notice| notice.says),
        phase: sync.phase,
        height: tip.height().get(),
        target: sync.target.get(),
        unfollowed: sync.unfollowed,
        tip_age: clock::now().millis().saturating_sub(tip.header.time.millis()),
        interval: door.context.spec.params().interval_ms,
        local: door.context.local,
    }
}

impl State {
    /// Why the node is not ready.
    fn lack(&self) -> Option<String> {
        if let Some(why) = &self.left_behind {
            return Some(why.clone());
        }
        let behind = self.target.saturating_sub(self.height);
        match self.phase {
            SyncPhase::Discovering if !self.local => {
                Some("it has no peer yet; name one with --network.peers, or see net_info".to_owned())
            }
            SyncPhase::Headers | SyncPhase::Bodies if behind > LAG_BLOCKS => {
                Some(format!("it is catching up: {behind} of {} blocks are missing", self.target))
            }
            SyncPhase::Stalled(stall) => Some(stall.to_string()),
            _ if !self.local && self.tip_age > self.interval.saturating_mul(SILENT_INTERVALS) => Some(format!(
                "no block has come for {} minutes; look at its peers, and at this machine's clock",
                self.tip_age / 60_000
            )),
            _ => None,
        }
    }
}

fn respond(status: u16, kind: &'static str, body: impl Into<HttpBody>) -> HttpResponse {
    let response = HttpResponse::<()>::builder().status(status).header("content-type", kind);
    let response = response.header("cache-control", "no-store").header("x-content-type-options", "nosniff");
    response.body(body.into()).expect("a number, names and values that are all valid")
}

/// A sentence.
pub(super) fn text(status: u16, body: impl Into<HttpBody>) -> HttpResponse {
    respond(status, "text/plain; charset=utf-8", body)
}

fn json(status: u16, body: &Value) -> HttpResponse {
    respond(status, "application/json", format!("{body}\n"))
}

/// A refusal for want of a good token (RFC 6750, section 3).
pub(super) fn unauthorized(body: &Value) -> HttpResponse {
    let mut response = json(401, body);
    response.headers_mut().insert("www-authenticate", "Bearer".parse().expect("a header's value"));
    response
}

/// What a browser is told that asks whether a page, which the operator has named, may ask.
pub(super) fn preflight() -> HttpResponse {
    let mut response = text(204, HttpBody::empty());
    let said = [
        ("access-control-allow-methods", "POST, GET"),
        ("access-control-allow-headers", "content-type, authorization"),
        ("access-control-max-age", PREFLIGHT_SECONDS),
    ];
    for (name, value) in said {
        response.headers_mut().insert(name, value.parse().expect("a header's value"));
    }
    response
}

/// Keeps caches from giving one page's answer to another.
pub(super) fn vary_by_origin(response: &mut HttpResponse) {
    response.headers_mut().append("vary", "origin".parse().expect("a header's value"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::Stall;
    use cairn_ledger::units::Height;

    const READY: State = State {
        left_behind: None,
        phase: SyncPhase::CaughtUp,
        height: 10,
        target: 10,
        unfollowed: None,
        tip_age: 30_000,
        interval: 30_000,
        local: false,
    };

    #[test]
    fn a_node_is_ready_when_it_is_up_to_date_and_else_says_why() {
        let lack = |state: State| state.lack().unwrap_or_default();
        assert_eq!(lack(READY), "");
        assert_eq!(lack(State { phase: SyncPhase::Bodies, target: 12, ..READY }), "", "two blocks are on their way");
        assert!(lack(State { phase: SyncPhase::Bodies, target: 13, ..READY }).contains("3 of 13 blocks are missing"));
        assert!(lack(State { phase: SyncPhase::Discovering, ..READY }).contains("no peer"));
        let unfollowed = Some(Unfollowed::NotShown { height: Height::new(99) });
        assert_eq!(lack(State { unfollowed, ..READY }), "", "a claim alone makes no node unready");
        let stall = Stall::NoBodies { height: Height::new(11) };
        let stalled = lack(State { phase: SyncPhase::Stalled(stall), target: 13, ..READY });
        assert!(stalled.contains("no peer has block 11"), "{stalled}");
        let silent = State { tip_age: 30 * 60_000 + 1, ..READY };
        assert!(silent.lack().is_some_and(|why| why.contains("30 minutes")));
        assert_eq!(lack(State { local: true, phase: SyncPhase::Discovering, ..silent }), "");
        let left = State { left_behind: Some(String::from("update it")), local: true, ..READY };
        assert_eq!(lack(left), "update it");
    }

    #[test]
    fn pages_are_found_by_their_path_alone() {
        let find = |method: &str, path: &str| {
            find(&HttpRequest::<()>::builder().method(method).uri(path).body(()).expect("a request"))
        };
        assert_eq!(find("GET", "/health"), Some(Page::Health));
        assert_eq!(find("GET", "/metrics?x=1"), Some(Page::Metrics));
        for (method, path) in [("POST", "/health"), ("GET", "/"), ("GET", "/health/"), ("GET", "/metricsx")] {
            assert_eq!(find(method, path), None, "{method} {path}");
        }
        assert!(Page::Health.is_open() && Page::Ready.is_open() && !Page::Metrics.is_open());
    }
}
