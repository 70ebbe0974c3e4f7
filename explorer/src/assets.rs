//! The files that pages load: style, scripts, pictures. All of `web/` is compiled in, its tests aside.

use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// A file under `/web/`.
#[derive(Debug, PartialEq, Eq)]
pub struct Asset {
    /// Its path below `/web/`.
    pub path: &'static str,
    /// What is in it.
    pub bytes: &'static [u8],
    /// The same as gzip (RFC 1952), where that is shorter.
    pub packed: Option<&'static [u8]>,
    /// Its media type.
    pub kind: &'static str,
    /// What tells its content from any other: the first 16 hex digits of its SHA-256.
    pub hash: String,
}

static FILES: &[(&str, &[u8], &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |&(path, bytes, packed): &(&'static str, &'static [u8], &'static [u8])| Asset {
        path,
        bytes,
        packed: (packed.len() < bytes.len()).then_some(packed),
        kind: kind(path),
        hash: hex::encode(Sha256::digest(bytes)).chars().take(16).collect(),
    };
    FILES.iter().map(asset).collect()
});

/// The file at a path below `/web/`.
pub fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

/// All of them.
pub fn all() -> &'static [Asset] {
    &ASSETS
}

/// Where a page loads a file: with its hash, so that browsers keep it until it changes.
pub fn url(path: &str) -> String {
    match find(path) {
        Some(asset) => format!("/web/{path}?v={}", asset.hash),
        None => format!("/web/{path}"),
    }
}

fn kind(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or_default() {
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "json" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "txt" | "md" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn style_and_script_are_there_and_tests_are_not() {
        assert_eq!(find("style.css").map(|asset| asset.kind), Some("text/css; charset=utf-8"));
        assert!(find("app.js").is_some_and(|asset| asset.kind.starts_with("text/javascript")));
        assert!(all().iter().all(|asset| !asset.path.starts_with("tests") && asset.hash.len() == 16));
        assert!(find("../Cargo.toml").is_none() && find("").is_none());
    }

    #[test]
    fn what_a_browser_is_sent_packed_is_the_same() {
        for asset in all() {
            let Some(packed) = asset.packed else { continue };
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(packed).read_to_end(&mut read).expect("gzip");
            assert!(read == asset.bytes && packed.len() < asset.bytes.len(), "{}", asset.path);
        }
        let script = find("light.js").expect("the light client");
        assert!(script.packed.is_some_and(|packed| 3 * packed.len() < script.bytes.len()), "the control");
    }
}
