//! What there is to ask for, and the answers.

use super::desk::{Claim, Desk};
use super::refusal::{Refusal, shown};
use crate::clock::{Utc, now};
use cairn_explorer::assets;
use cairn_explorer::pages::{FaucetPage, write};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use std::fmt::Display;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinError;

/// The longest claim.
const MAX_BODY_BYTES: usize = 1_024;
/// How long a claim may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(5);
/// The files that the page loads; what else the explorer has is not served here.
const FILES: [&str; 7] =
    ["style.css", "icon.svg", "faucet.js", "faucet_worker.js", "light/sha256.js", "light/bytes.js", "light/errors.js"];
/// All of the page comes from here, and it asks nobody else.
const SECURITY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                        worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// An answer.
pub type Answer = Response<Full<Bytes>>;

/// Answers one request of a visitor.
pub async fn answer(request: Request<Incoming>, ip: IpAddr, desk: &Arc<Desk>) -> Answer {
    let path = request.uri().path().to_owned();
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    let answered = match (path.as_str(), is_read) {
        ("/api/claim", _) => claim(request, ip, desk).await,
        (_, false) => Err(Refusal::Method { got: shown(request.method().as_str()), expected: "GET" }),
        ("/", true) => return page(&request, desk),
        ("/api/status", true) => json(200, &desk.status(now())),
        ("/api/challenge", true) => challenge(&request, ip, desk),
        (path, true) => match (path.strip_prefix("/api/grant/"), path.strip_prefix("/web/")) {
            (Some(id), _) => desk.grant(id).and_then(|grant| json(200, &grant)),
            (_, Some(file)) => return file_at(file, request.uri().query()),
            _ => Err(Refusal::NoPage { got: shown(path) }),
        },
    };
    answered.unwrap_or_else(|refusal| refused(&refusal))
}

/// A refusal.
pub fn refused(refusal: &Refusal) -> Answer {
    let mut answer = reply(refusal.status(), "application/json", format!("{}\n", refusal.json()).into());
    let seconds = refusal.again().map(|again| again.saturating_sub(now()).div_ceil(1_000));
    let retry = seconds.or((refusal.status() == 503).then_some(30)).or((refusal.kind() == "too_fast").then_some(1));
    if let Some(seconds) = retry {
        answer.headers_mut().insert("retry-after", HeaderValue::from(seconds));
    }
    if let Refusal::Method { expected, .. } = refusal {
        answer.headers_mut().insert("allow", HeaderValue::from_static(expected));
    }
    answer
}

fn challenge(request: &Request<Incoming>, ip: IpAddr, desk: &Desk) -> Result<Answer, Refusal> {
    let missing = || Refusal::BadRequest(String::from("whose challenge? Ask for /api/challenge?address=ADDRESS"));
    let address = parameter(request.uri().query(), "address").ok_or_else(missing)?;
    json(200, &desk.offer(&address, ip, now())?)
}

async fn claim(request: Request<Incoming>, ip: IpAddr, desk: &Arc<Desk>) -> Result<Answer, Refusal> {
    if *request.method() != Method::POST {
        return Err(Refusal::Method { got: shown(request.method().as_str()), expected: "POST" });
    }
    // A page of somebody else cannot send this without asking first, and nobody says yes.
    let kind = request.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().unwrap_or_default().trim() != "application/json" {
        return Err(Refusal::NotJson { got: shown(kind) });
    }
    let body = Limited::new(request.into_body(), MAX_BODY_BYTES).collect();
    let seconds = BODY_WITHIN.as_secs();
    let body = tokio::time::timeout(BODY_WITHIN, body).await.map_err(|_| Refusal::TooSlow { seconds })?;
    let body = body.map_err(|error| match error.downcast::<LengthLimitError>() {
        Ok(_) => Refusal::TooLong { max: MAX_BODY_BYTES },
        Err(_) => Refusal::BadRequest(String::from("the request broke off")),
    })?;
    let claim: Claim = serde_json::from_slice(&body.to_bytes()).map_err(|error| {
        Refusal::BadRequest(format!(
            "expected {{\"address\": text, \"window\": number, \"nonce\": \"decimal digits\"}}: {}",
            cairn_host::inert::in_short(&error.to_string())
        ))
    })?;
    // What is refused anyway needs neither a turn nor the disk.
    desk.judge(&claim, ip, now())?;
    let turn = desk.turn().await?;
    let desk = Arc::clone(desk);
    // It waits for the disk; its turn ends with it, also when the visitor has gone.
    let made = tokio::task::spawn_blocking(move || {
        let made = desk.claim(&claim, ip, now());
        drop(turn);
        made
    });
    let failed = |error: JoinError| Refusal::Internal { reason: error.to_string() };
    json(202, &made.await.map_err(failed)??)
}

/// The page, perhaps with an address that a link brought.
fn page(request: &Request<Incoming>, desk: &Desk) -> Answer {
    let (status, terms) = (desk.status(now()), &desk.terms);
    let address = parameter(request.uri().query(), "address").unwrap_or_default();
    let problem = (!address.is_empty()).then(|| desk.address(&address).err()).flatten();
    let closed = match (&status.trouble, status.again) {
        (_, Some(again)) => {
            Some(format!("Everything that may be given away in a day is gone; there is more at {}.", Utc(again)))
        }
        (Some(trouble), _) => Some(cairn_explorer::format::sentence(trouble)),
        (None, None) => None,
    };
    let code = if problem.is_some() { 400 } else { 200 };
    let page = FaucetPage {
        chain: terms.chain.clone(),
        prefix: terms.prefix.to_string(),
        amount: terms.limits.amount.to_string(),
        left: status.left,
        per_day: terms.limits.per_day,
        bits: status.bits,
        address: cairn_host::Inert(&address.chars().take(200).collect::<String>()).to_string(),
        problem: problem.map(|refusal| cairn_explorer::format::sentence(&refusal.to_string())),
        closed,
        explorer: terms.explorer.clone(),
        version: env!("CARGO_PKG_VERSION"),
    };
    html(code, write(&page))
}

/// A page that was written; where it was not, that is what is said.
fn html(status: u16, written: Result<String, impl Display>) -> Answer {
    match written {
        Ok(html) => reply(status, "text/html; charset=utf-8", html.into()),
        Err(error) => {
            let refusal = Refusal::Internal { reason: error.to_string() };
            let sentence = cairn_explorer::format::sentence(&refusal.to_string());
            reply(refusal.status(), "text/plain; charset=utf-8", format!("{sentence}\n").into())
        }
    }
}

fn file_at(path: &str, query: Option<&str>) -> Answer {
    let asset = FILES.iter().find(|file| **file == path).and_then(|file| assets::find(file));
    let Some(asset) = asset else { return refused(&Refusal::NoPage { got: shown(path) }) };
    let mut answer = reply(200, asset.kind, Bytes::from_static(asset.bytes));
    let is_named_by_hash = parameter(query, "v").is_some_and(|hash| hash == asset.hash);
    let caching = if is_named_by_hash { "max-age=31536000, immutable" } else { "no-cache" };
    answer.headers_mut().insert("cache-control", HeaderValue::from_static(caching));
    answer
}

fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn json(status: u16, body: &impl Serialize) -> Result<Answer, Refusal> {
    let failed = |error: serde_json::Error| Refusal::Internal { reason: error.to_string() };
    let text = serde_json::to_string(body).map_err(failed)?;
    Ok(reply(status, "application/json", format!("{text}\n").into()))
}

fn reply(status: u16, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in [
        ("content-type", kind),
        ("cache-control", "no-store"),
        ("content-security-policy", SECURITY),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

    #[tokio::test]
    async fn a_page_that_cannot_be_written_is_a_500_with_a_sentence() {
        let failed = html(200, Err::<String, _>("formatter error"));
        assert_eq!((failed.status(), &failed.headers()["content-type"]), (StatusCode::INTERNAL_SERVER_ERROR, &TEXT));
        let body = failed.into_body().collect().await.expect("a body").to_bytes();
        let text = str::from_utf8(&body).expect("text");
        assert!(text.starts_with("Something failed in the faucet itself: formatter error."), "{text}");
        assert_eq!(html(400, Ok::<_, &str>(String::from("<p>"))).status(), StatusCode::BAD_REQUEST, "the control");
    }

    #[test]
    fn what_a_file_loads_is_served_too() {
        let mut loaded = 0;
        for file in FILES.iter().filter(|file| file.ends_with(".js")) {
            let asset = assets::find(file).unwrap_or_else(|| panic!("{file} is missing"));
            let text = str::from_utf8(asset.bytes).expect("text");
            let folder = file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
            for line in text.lines().filter(|line| line.starts_with("import ")) {
                let name = line.rsplit_once("\"./").or(line.rsplit_once("'./")).expect("a file beside it").1;
                let name = name.trim_end_matches([';', '"', '\'']);
                let path = format!("{folder}{name}");
                assert!(FILES.contains(&path.as_str()), "{file} loads {path}");
                loaded += 1;
            }
        }
        assert!(loaded >= 3, "the control: {loaded}");
    }
}
