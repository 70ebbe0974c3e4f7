//! Pages as answers of HTTP: their headers, and the last of them kept for a moment.

use super::PageRequest;
use crate::server::http::set;
use cairn_common::cache::FifoCache;
use cairn_explorer::assets::Asset;
use cairn_ledger::hash::BlockId;
use jsonrpsee::server::{HttpBody, HttpResponse};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Pages that are kept, and their bytes: those that many ask for at once. A page of 50 payments has 40 KB.
const MAX_PAGES: usize = 64;
const MAX_BYTES: usize = 1 << 20;

/// How long browsers may keep a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caching {
    /// It shows what changes.
    Never,
    /// It changes seldom: a browser asks whether it has.
    Revalidate,
    /// It never changes.
    Forever,
}

impl Caching {
    fn header(self) -> &'static str {
        match self {
            Self::Never => "no-store",
            Self::Revalidate => "no-cache",
            Self::Forever => "max-age=31536000, immutable",
        }
    }
}

/// A page that was written.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    body: Body,
    kind: &'static str,
    caching: Caching,
    etag: String,
    /// For how long it is shown again as it is.
    fresh: Duration,
    /// Where to go instead.
    location: Option<String>,
}

#[derive(Debug)]
enum Body {
    Written(String),
    File(&'static Asset),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Written(text) => text.as_bytes(),
            Self::File(asset) => asset.bytes,
        }
    }

    /// The same as gzip, where it lies ready.
    fn packed(&self) -> Option<&'static [u8]> {
        match self {
            Self::Written(_) => None,
            Self::File(asset) => asset.packed,
        }
    }
}

impl Page {
    /// A page of HTML.
    pub fn new(status: u16, html: String, caching: Caching, fresh: Duration) -> Self {
        let mut hasher = DefaultHasher::new();
        html.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let (body, kind) = (Body::Written(html), "text/html; charset=utf-8");
        Self { status, body, kind, caching, etag, fresh, location: None }
    }

    /// A file of JSON that changes with the node's configuration alone.
    pub fn json(text: String) -> Self {
        let page = Self::new(200, text, Caching::Revalidate, Duration::ZERO);
        Self { kind: "application/json", ..page }
    }

    /// A file that pages load.
    pub fn file(asset: &'static Asset, is_named_by_hash: bool) -> Self {
        let caching = if is_named_by_hash { Caching::Forever } else { Caching::Revalidate };
        let (body, etag) = (Body::File(asset), format!("\"{}\"", asset.hash));
        Self { status: 200, body, kind: asset.kind, caching, etag, fresh: Duration::ZERO, location: None }
    }

    /// The same page with another status.
    #[must_use]
    pub fn with_status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// What is looked for is at another address.
    pub fn redirect(to: String) -> Self {
        let page = Self::new(303, String::new(), Caching::Never, Duration::ZERO);
        Self { location: Some(to), ..page }
    }
}

/// The Content-Security-Policy: all of a page comes from its node, and it may ask this node and those that the operator
/// named.
pub fn security(nodes: &[String]) -> String {
    let nodes: String = nodes.iter().map(|node| format!(" {node}")).collect();
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'{nodes}; \
         worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
    )
}

/// The answer that a page is, or that it has not changed; packed where that lies ready and whoever asks reads gzip.
pub fn response(page: &Page, request: &PageRequest, security: &str) -> HttpResponse {
    let known = request.known.as_deref();
    let is_known = page.status == 200 && known.is_some_and(|known| known.split(", ").any(|tag| tag == page.etag));
    let packed = page.body.packed().filter(|_| request.reads_gzip && !is_known);
    let (status, body) = match packed {
        _ if is_known => (304, Vec::new()),
        Some(packed) => (page.status, packed.to_vec()),
        None => (page.status, page.body.bytes().to_vec()),
    };
    let response = HttpResponse::<()>::builder().status(status).header("content-type", page.kind);
    let mut response = response.body(HttpBody::from(body)).expect("a number, a name and a value that are valid");
    for (name, value) in [
        ("cache-control", page.caching.header()),
        ("etag", &page.etag),
        ("content-security-policy", security),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        set(&mut response, name, value);
    }
    if packed.is_some() {
        set(&mut response, "content-encoding", "gzip");
    }
    // Whoever keeps it for others is not to give one's to the other.
    if page.body.packed().is_some() {
        set(&mut response, "vary", "accept-encoding");
    }
    match page.status {
        429 | 503 => set(&mut response, "retry-after", "1"),
        _ => {}
    }
    if let Some(location) = &page.location {
        set(&mut response, "location", location);
    }
    response
}

/// Pages as they were written a moment ago.
pub struct Kept(Mutex<FifoCache<String, KeptPage>>);

struct KeptPage {
    page: Arc<Page>,
    tip: BlockId,
    written: Instant,
}

impl Kept {
    pub fn new() -> Self {
        Self(Mutex::new(FifoCache::weighted(MAX_PAGES, MAX_BYTES)))
    }

    /// The page at an address, if it still says what it would.
    pub fn get(&self, path: &str, tip: BlockId, now: Instant) -> Option<Arc<Page>> {
        let pages = self.lock();
        let kept = pages.get(&path.to_owned())?;
        let is_fresh = kept.tip == tip && now.saturating_duration_since(kept.written) < kept.page.fresh;
        is_fresh.then(|| Arc::clone(&kept.page))
    }

    /// Keeps a page that was asked for at this tip.
    pub fn put(&self, path: String, tip: BlockId, written: Instant, page: Arc<Page>) {
        if page.fresh.is_zero() {
            return;
        }
        let (mut pages, bytes) = (self.lock(), page.body.bytes().len());
        pages.remove(&path);
        pages.insert_weighted(path, KeptPage { page, tip, written }, bytes);
    }

    fn lock(&self) -> MutexGuard<'_, FifoCache<String, KeptPage>> {
        // It is whole at any moment, and a panic stops the node anyway.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn page(text: &str, fresh: Duration) -> Arc<Page> {
        Arc::new(Page::new(200, text.to_owned(), Caching::Never, fresh))
    }

    #[test]
    fn a_page_is_shown_again_at_its_tip_for_its_time_and_never_later() {
        let (kept, start, second) = (Kept::new(), Instant::now(), Duration::from_secs(1));
        let (tip, other) = (BlockId::from_bytes([1; 32]), BlockId::from_bytes([2; 32]));
        kept.put(String::from("/"), tip, start, page("x", second));
        assert!(kept.get("/", tip, start).is_some(), "the control");
        assert!(kept.get("/", other, start).is_none(), "the chain has moved");
        assert!(kept.get("/", tip, start + second).is_none(), "its time is over");
        assert!(kept.get("/x", tip, start).is_none());
        kept.put(String::from("/"), other, start + second, page("y", second));
        assert!(kept.get("/", other, start + second).is_some(), "a new one takes its place");
        kept.put(String::from("/never"), tip, start, page("z", Duration::ZERO));
        assert!(kept.get("/never", tip, start).is_none());
    }

    #[test]
    fn what_is_kept_is_bounded_in_count_and_bytes() {
        let (kept, now, tip) = (Kept::new(), Instant::now(), BlockId::from_bytes([1; 32]));
        for n in 0..10 * MAX_PAGES {
            kept.put(n.to_string(), tip, now, page(&"x".repeat(50_000), Duration::from_secs(1)));
            let pages = kept.lock();
            assert!(pages.len() <= MAX_PAGES && pages.weight() <= MAX_BYTES);
        }
        assert!(kept.lock().len() > 10, "the control: it keeps what it may");
    }

    #[test]
    fn a_browser_that_has_a_page_is_told_so() {
        let policy = security(&[String::from("http://127.0.0.1:1")]);
        assert!(policy.contains("connect-src 'self' http://127.0.0.1:1; worker-src"));
        let page = page("x", Duration::ZERO);
        let ask = |known: Option<&str>| response(&page, &request(known, true), &policy).status().as_u16();
        assert_eq!((ask(Some(&*page.etag)), ask(Some("\"0\"")), ask(None)), (304, 200, 200));
    }

    fn request(known: Option<&str>, reads_gzip: bool) -> PageRequest {
        PageRequest { path: String::from("/"), query: None, known: known.map(str::to_owned), reads_gzip }
    }

    #[tokio::test]
    async fn a_file_that_lies_packed_is_sent_so_to_whoever_reads_gzip() {
        let asset = cairn_explorer::assets::find("light.js").expect("the light client");
        let page = Page::file(asset, true);
        for reads_gzip in [true, false] {
            let answer = response(&page, &request(None, reads_gzip), "");
            assert_eq!(answer.headers().contains_key("content-encoding"), reads_gzip);
            assert_eq!(answer.headers()["vary"], "accept-encoding");
            let bytes = answer.into_body().collect().await.expect("a body").to_bytes();
            let expected = asset.packed.filter(|_| reads_gzip).unwrap_or(asset.bytes);
            assert!(bytes == expected, "gzip {reads_gzip}");
        }
        let known = response(&page, &request(Some(&page.etag), true), "");
        assert!(known.status() == 304 && !known.headers().contains_key("content-encoding"));
    }
}
