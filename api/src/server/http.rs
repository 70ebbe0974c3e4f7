//! What programs read that speak no JSON-RPC: service managers, load balancers, Prometheus.
//!
//! | path | who | what |
//! |---|---|---|
//! | `/health` | anybody | 200 while the node runs: a reason to restart it is 200 not coming |
//! | `/ready` | anybody | 200 when what it says is up to date, else 503; either way why |
//! | `/metrics` | as reads: this machine, or any token | OpenMetrics text |
//! | all others | this machine; others where `explorer.public` is set | a page of the explorer, where it is served |

use crate::context::Handles;
use cairn_rpc::error::RpcError;
use jsonrpsee::server::ws::is_upgrade_request;
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use serde_json::{Value, json};

/// How long a browser may remember what a preflight said.
const PREFLIGHT_SECONDS: &str = "600";

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    Health,
    Ready,
    Metrics,
    /// A page of the explorer.
    Explorer,
}

impl Endpoint {
    /// What a request asks for; none when it is JSON-RPC. Where the explorer is served, every other GET is for it, but
    /// for those that become WebSockets.
    pub fn of<B>(request: &HttpRequest<B>, has_explorer: bool) -> Option<Self> {
        // What is said of a page without its body (HEAD) is the same; hyper leaves the body out.
        if !matches!(request.method().as_str(), "GET" | "HEAD") {
            return None;
        }
        match request.uri().path() {
            "/health" => Some(Self::Health),
            "/ready" => Some(Self::Ready),
            "/metrics" => Some(Self::Metrics),
            _ => (has_explorer && !is_upgrade_request(request)).then_some(Self::Explorer),
        }
    }

    /// Whether it says nothing that a stranger should not know.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Health | Self::Ready)
    }
}

/// The answer of `/health`.
pub fn health() -> HttpResponse {
    json(200, &json!({"live": true}))
}

/// The answer of `/ready`.
pub async fn ready(handles: &Handles) -> HttpResponse {
    let (health, sync) = (handles.health.look().await, handles.sync.status());
    let shown = json!({
        "ready": health.is_ready(),
        "reason": health.blocking().map(|problem| problem.to_string()),
        "phase": sync.phase.name(),
        "height": handles.chain.tip().height().get(),
        "target": sync.target.get(),
        "unfollowed": sync.unfollowed.map(|unfollowed| unfollowed.to_string()),
        "problems": health.problems.iter().map(|problem| problem.kind).collect::<Vec<_>>(),
    });
    json(if health.is_ready() { 200 } else { 503 }, &shown)
}

/// The answer of `/metrics`.
pub fn metrics(scraped: Result<String, RpcError>) -> HttpResponse {
    match scraped {
        Ok(text) => respond(200, "application/openmetrics-text; version=1.0.0; charset=utf-8", text),
        Err(error) => text(503, format!("{error}\n")),
    }
}

fn respond(status: u16, kind: &'static str, body: impl Into<HttpBody>) -> HttpResponse {
    let response = HttpResponse::<()>::builder().status(status).header("content-type", kind);
    let response = response.header("cache-control", "no-store").header("x-content-type-options", "nosniff");
    response.body(body.into()).expect("a number, names and values that are all valid")
}

/// A sentence.
pub fn text(status: u16, body: impl Into<HttpBody>) -> HttpResponse {
    respond(status, "text/plain; charset=utf-8", body)
}

fn json(status: u16, body: &Value) -> HttpResponse {
    respond(status, "application/json", format!("{body}\n"))
}

/// A refusal for want of a good token (RFC 6750, section 3).
pub fn unauthorized(body: &Value) -> HttpResponse {
    let mut response = json(401, body);
    set(&mut response, "www-authenticate", "Bearer");
    response
}

/// What a browser is told that asks whether a page, which the operator has named, may ask.
pub fn preflight() -> HttpResponse {
    let mut response = text(204, HttpBody::empty());
    set(&mut response, "access-control-allow-methods", "POST, GET");
    set(&mut response, "access-control-allow-headers", "content-type, authorization");
    set(&mut response, "access-control-max-age", PREFLIGHT_SECONDS);
    response
}

/// Sets a header.
pub fn set(response: &mut HttpResponse, name: &'static str, value: &str) {
    response.headers_mut().insert(name, value.parse().expect("a header's value"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_found_by_their_path_alone() {
        let find = |method: &str, path: &str| {
            Endpoint::of(&HttpRequest::<()>::builder().method(method).uri(path).body(()).expect("a request"), false)
        };
        assert_eq!(find("GET", "/health"), Some(Endpoint::Health));
        assert_eq!(find("GET", "/metrics?x=1"), Some(Endpoint::Metrics));
        assert_eq!(find("HEAD", "/ready"), Some(Endpoint::Ready));
        for (method, path) in [("POST", "/health"), ("GET", "/"), ("GET", "/health/"), ("GET", "/metricsx")] {
            assert_eq!(find(method, path), None, "{method} {path}");
        }
        let with_explorer = |method: &str, path: &str, header: (&str, &str)| {
            let request = HttpRequest::<()>::builder().method(method).uri(path).header(header.0, header.1);
            Endpoint::of(&request.body(()).expect("a request"), true)
        };
        assert_eq!(with_explorer("GET", "/", ("x", "y")), Some(Endpoint::Explorer));
        assert_eq!(with_explorer("HEAD", "/block/1", ("x", "y")), Some(Endpoint::Explorer));
        assert_eq!(with_explorer("GET", "/health", ("x", "y")), Some(Endpoint::Health));
        assert_eq!(with_explorer("POST", "/", ("x", "y")), None);
        let request =
            HttpRequest::<()>::builder().uri("/").header("connection", "upgrade").header("upgrade", "websocket");
        assert_eq!(Endpoint::of(&request.body(()).expect("a request"), true), None, "a WebSocket");
        assert!(!Endpoint::Explorer.is_open());
        assert!(Endpoint::Health.is_open() && Endpoint::Ready.is_open() && !Endpoint::Metrics.is_open());
    }
}
