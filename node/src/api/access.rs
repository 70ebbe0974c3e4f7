//! Who may speak to the port: programs of this machine, and no web page from elsewhere.
//!
//! The port is on loopback, but a browser on this machine carries other people's scripts. Two headers,
//! which no script can forge, give them away:
//! - **Host** names whom the browser thinks it talks to. Under DNS rebinding a page's own name leads to
//!   127.0.0.1, and the browser still sends that name: anything but a loopback name is refused.
//! - **Origin** names whose page is asking, in every cross-site POST and every WebSocket handshake:
//!   anything but a page served from loopback is refused. Programs send none.

use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use tower::{Layer, Service};

/// Puts [`Access`] before a service.
#[derive(Clone, Copy, Debug)]
pub struct AccessLayer;

/// Lets a request through to `S` if it comes from this machine.
#[derive(Clone, Debug)]
pub struct Access<S>(S);

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is addressed to a name that is not this machine's.
    #[error("the Host header must name localhost, 127.0.0.1 or [::1]")]
    Host,
    /// A page from elsewhere is asking.
    #[error("the Origin header must name a page of localhost, 127.0.0.1 or [::1]")]
    Origin,
}

/// Judges a request by its headers.
pub fn check<B>(request: &HttpRequest<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    // HTTP/2 has the host in the URI; a request with neither says nothing and is refused.
    let in_uri = request.uri().authority().map(|authority| authority.as_str());
    let mut hosts = headers.get_all("host").iter().map(|host| host.to_str().ok()).chain(in_uri.map(Some)).peekable();
    if hosts.peek().is_none() || !hosts.all(|host| host.is_some_and(is_loopback)) {
        return Err(Refusal::Host);
    }
    let is_ours = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| is_loopback(authority));
    if !headers.get_all("origin").iter().all(|origin| origin.to_str().is_ok_and(is_ours)) {
        return Err(Refusal::Origin);
    }
    Ok(())
}

/// Whether `name` or `name:port` is this machine's.
fn is_loopback(authority: &str) -> bool {
    let names = ["localhost", "127.0.0.1", "[::1]"];
    names.iter().any(|name| match authority.split_at_checked(name.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(name) => {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        }
        _ => false,
    })
}

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Access<S> {
        Access(inner)
    }
}

impl<S, B> Service<HttpRequest<B>> for Access<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        match check(&request) {
            Ok(()) => Box::pin(self.0.call(request)),
            Err(refusal) => {
                tracing::warn!(target: "cairn::api", %refusal, "refused an HTTP request");
                Box::pin(async move { Ok(forbidden(refusal)) })
            }
        }
    }
}

fn forbidden(refusal: Refusal) -> HttpResponse {
    let body = HttpBody::from(format!("{refusal}\n"));
    let response = HttpResponse::<()>::builder().status(403).header("content-type", "text/plain; charset=utf-8");
    response.body(body).expect("a number, a name and a value that are all valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let builder =
            headers.iter().fold(HttpRequest::<()>::builder(), |builder, (name, value)| builder.header(*name, *value));
        check(&builder.body(()).expect("a request"))
    }

    #[test]
    fn programs_of_this_machine_are_let_in() {
        for host in ["localhost", "localhost:9741", "LocalHost:1", "127.0.0.1:9741", "[::1]", "[::1]:9741"] {
            assert_eq!(judge(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn dns_rebinding_is_refused_by_the_host() {
        for host in [
            "evil.example",
            "evil.example:9741",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:9741:1",
            "localhost:",
            "localhost:99999",
            "localhost:9741@evil.example",
            "192.0.2.1",
            "[::2]",
            "0.0.0.0:9741",
            "",
        ] {
            assert_eq!(judge(&[("host", host)]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(judge(&[]), Err(Refusal::Host));
        assert_eq!(judge(&[("host", "localhost"), ("host", "evil.example")]), Err(Refusal::Host));
    }

    #[test]
    fn pages_from_elsewhere_are_refused_by_their_origin() {
        let with = |origin| judge(&[("host", "localhost:9741"), ("origin", origin)]);
        for origin in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:9741"] {
            assert_eq!(with(origin), Ok(()), "{origin}");
        }
        for origin in [
            "https://evil.example",
            "http://localhost.evil.example",
            "http://evil.example/localhost",
            "null",
            "",
            "localhost",
            "file://",
            "chrome-extension://abcdef",
        ] {
            assert_eq!(with(origin), Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn the_host_of_http_2_is_judged_too() {
        let to = |uri: &str| check(&HttpRequest::<()>::builder().uri(uri).body(()).expect("a request"));
        assert_eq!(to("http://localhost:9741/"), Ok(()));
        assert_eq!(to("http://evil.example/"), Err(Refusal::Host));
    }
}
