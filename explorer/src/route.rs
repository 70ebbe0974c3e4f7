//! Which page an address names.

use crate::assets::{self, Asset};
use crate::format;
use cairn_ledger::hash::{BlockId, TxId};
use cairn_rpc::text::Text;
use cairn_rpc::types::{BlockRef, HistoryCursor, PoolCursor};

/// The most characters of what somebody typed that are shown back.
const SHOWN: usize = 80;

/// A page.
#[derive(Clone, Debug)]
pub enum Route {
    /// `/`: the tip, the last blocks and payments, the state of the network.
    Overview,
    /// `/blocks?from=HEIGHT`: the headers from this height downward; from the tip by default.
    Blocks(Option<u64>),
    /// `/block/HEIGHT` or `/block/ID`, and the number of its page of payments, from 1.
    Block(BlockRef, u64),
    /// `/tx/TXID`.
    Payment(TxId),
    /// `/address/ADDRESS?before=CURSOR`.
    Address(String, Option<HistoryCursor>),
    /// `/pool?after=CURSOR`.
    Pool(Option<PoolCursor>),
    /// `/network`.
    Network,
    /// `/search?q=TEXT`.
    Search(String),
    /// `/settings`.
    Settings,
    /// `/web/PATH`; with the file's hash as `?v=`, what is asked for never changes.
    Asset(&'static Asset, bool),
}

/// Why an address names no page, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoRoute(pub String);

impl Route {
    /// Reads the path and the query of an address.
    ///
    /// # Errors
    /// There is no such page, or what it should show has another form.
    pub fn parse(path: &str, query: Option<&str>) -> Result<Self, NoRoute> {
        let value = |name: &str| {
            let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
            pairs.into_iter().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if let Some(name) = path.strip_prefix("/web/") {
            let asset = assets::find(name).ok_or_else(|| NoRoute(format!("There is no file {}.", shown(name))))?;
            return Ok(Self::Asset(asset, value("v").is_some_and(|hash| hash == asset.hash)));
        }
        match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
            [""] => Ok(Self::Overview),
            ["blocks"] => Ok(Self::Blocks(number(value("from"), "from")?)),
            ["block", text] => Ok(Self::Block(block(text)?, number(value("page"), "page")?.unwrap_or(1).max(1))),
            ["tx", text] => text.parse().map(Self::Payment).map_err(|_| {
                NoRoute(format!("{} is no id of a payment: those are 64 lower-case hex digits.", shown(text)))
            }),
            ["address", text] => Ok(Self::Address(decoded(text), cursor(value("before"))?)),
            ["pool"] => Ok(Self::Pool(cursor(value("after"))?)),
            ["network"] => Ok(Self::Network),
            ["search"] => Ok(Self::Search(value("q").unwrap_or_default())),
            ["settings"] => Ok(Self::Settings),
            _ => Err(NoRoute(format!("There is no page at {}.", shown(path)))),
        }
    }

    /// The address of the page, in its one spelling; none where pages are made anew for each visitor.
    pub fn path(&self) -> Option<String> {
        Some(match self {
            Self::Overview => String::from("/"),
            Self::Blocks(None) => String::from("/blocks"),
            Self::Blocks(Some(from)) => format!("/blocks?from={from}"),
            Self::Block(BlockRef::Height(height), page) => format!("/block/{height}?page={page}"),
            Self::Block(BlockRef::Id(id), page) => format!("/block/{}?page={page}", id.0),
            Self::Payment(txid) => format!("/tx/{txid}"),
            Self::Pool(None) => String::from("/pool"),
            Self::Pool(Some(after)) => format!("/pool?after={after}"),
            Self::Network => String::from("/network"),
            Self::Settings => String::from("/settings"),
            Self::Address(..) | Self::Search(_) | Self::Asset(..) => return None,
        })
    }
}

/// What somebody typed, inert and in short.
pub fn shown(text: &str) -> String {
    let text = decoded(text);
    format!("“{}”", format::brief(&text, SHOWN))
}

/// A piece of a path without its percent signs.
fn decoded(text: &str) -> String {
    // A plus sign is itself in a path.
    let text = text.replace('+', "%2B").replace(['&', '='], "_");
    form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default()
}

fn block(text: &str) -> Result<BlockRef, NoRoute> {
    let height = height(text).map(BlockRef::Height);
    let id = || text.parse::<BlockId>().ok().map(|id| BlockRef::Id(Text(id)));
    height.or_else(id).ok_or_else(|| {
        NoRoute(format!("{} is no block: those have a height, or an id of 64 lower-case hex digits.", shown(text)))
    })
}

/// A height: an id may be all digits, too, but is longer.
fn height(text: &str) -> Option<u64> {
    let is_number = text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

fn number(text: Option<String>, name: &str) -> Result<Option<u64>, NoRoute> {
    let Some(text) = text else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let read = digits.then(|| text.parse().ok()).flatten();
    read.map(Some).ok_or_else(|| NoRoute(format!("Got {name}={}, expected a whole number.", shown(&text))))
}

fn cursor<T: std::str::FromStr>(text: Option<String>) -> Result<Option<T>, NoRoute> {
    let Some(text) = text else { return Ok(None) };
    let read = text.parse().ok();
    read.map(Some).ok_or_else(|| NoRoute(format!("{} is no place to go on from.", shown(&text))))
}

/// What may be meant by what somebody typed into the search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Nothing: the field was empty.
    Nothing,
    /// A block, by its height.
    Height(u64),
    /// A block or a payment: 64 hex digits are either.
    Id(String),
    /// Perhaps an address, in lower case.
    Address(String),
    /// A page that is a file, by its name.
    File(&'static Asset),
}

/// What may be meant by `text`.
pub fn wanted(text: &str) -> Wanted {
    let text = text.trim().trim_start_matches('#');
    let plain = text.replace([',', ' ', '\u{a0}', '\u{202f}'], "");
    if text.is_empty() {
        return Wanted::Nothing;
    }
    if let Some(height) = height(&plain) {
        return Wanted::Height(height);
    }
    let lower = text.strip_prefix("cairn:").unwrap_or(text).to_ascii_lowercase();
    let lower = lower.split('?').next().unwrap_or_default();
    if lower.len() == 64 && lower.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Wanted::Id(lower.to_owned());
    }
    let is_named =
        |asset: &&Asset| asset.path.strip_suffix(".html").is_some_and(|name| name == lower || asset.path == lower);
    match assets::all().iter().find(is_named) {
        Some(asset) => Wanted::File(asset),
        None => Wanted::Address(lower.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(address: &str) -> Result<Option<String>, NoRoute> {
        let (path, query) = address.split_once('?').map_or((address, None), |(path, query)| (path, Some(query)));
        Route::parse(path, query).map(|route| route.path())
    }

    #[test]
    fn every_page_has_one_address() {
        let id = "00".repeat(32);
        for (address, expected) in [
            ("/", "/"),
            ("/blocks", "/blocks"),
            ("/blocks?from=7", "/blocks?from=7"),
            ("/block/7", "/block/7?page=1"),
            (&format!("/block/{id}?page=3"), &format!("/block/{id}?page=3")),
            (&format!("/tx/{id}"), &format!("/tx/{id}")),
            ("/pool?x=1", "/pool"),
            (&format!("/pool?after=5-{id}"), &format!("/pool?after=5-{id}")),
            ("/network", "/network"),
            ("/settings", "/settings"),
        ] {
            assert_eq!(path(address).ok().flatten().as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn a_wrong_address_gets_a_sentence_that_shows_it_inert() {
        for (address, says) in [
            ("/nothing", "no page at “/nothing”"),
            ("/block/x", "“x” is no block"),
            ("/block/-1", "is no block"),
            ("/block/+1", "“+1” is no block"),
            ("/block/99999999999999999999999", "is no block"),
            ("/tx/7", "is no id of a payment"),
            ("/tx/%3Cscript%3E%E2%80%AE", "“<script>\\u{202e}” is no id"),
            ("/pool?after=x", "“x” is no place"),
            ("/block/1?page=x", "expected a whole number"),
            ("/block/1/2", "no page at"),
            ("/web/nothing.js", "no file “nothing.js”"),
        ] {
            let NoRoute(sentence) = path(address).expect_err(address);
            assert!(sentence.contains(says), "{address}: {sentence}");
        }
        let NoRoute(long) = path(&format!("/{}", "a".repeat(100_000))).expect_err("no page");
        assert!(long.len() < 400 && long.contains('…'), "{long}");
    }

    #[test]
    fn what_somebody_typed_is_understood() {
        let id = "ab".repeat(32);
        assert_eq!(wanted("  "), Wanted::Nothing);
        assert_eq!(wanted("1,234"), Wanted::Height(1_234));
        assert_eq!(wanted(" #7 "), Wanted::Height(7));
        assert_eq!(wanted(&id.to_uppercase()), Wanted::Id(id.clone()));
        assert_eq!(wanted(&"0".repeat(64)), Wanted::Id("0".repeat(64)));
        assert_eq!(wanted("LCRN1X"), Wanted::Address(String::from("lcrn1x")));
        assert_eq!(wanted("cairn:lcrn1x?amount=1"), Wanted::Address(String::from("lcrn1x")));
    }
}
