//! Every lie that a node may tell, in a real browser: the page says beside the figure that the node lied, and names it
//! by its URL; beside an honest node the honest figures are proven, and the liar is named all the same. Each has its
//! control: the same node without the lie. Whatever the lie, no figure it is about is ever called proven.

mod accounts;
mod chain;
mod payments;

use crate::pay;
use cairn_tests::browser::{Browser, DESK, Page};
use cairn_tests::lying_node::{Asked, Lie, LyingNode, PageLie, Told};
use cairn_tests::{network::TestNetwork, node::Node};
use serde_json::{Value, json};
use std::sync::Arc;

/// What was paid, in pebbles.
const PAID: u64 = 1_250_000_000;
/// What who was paid has then.
const BALANCE: &str = "1001250000000";
/// Blocks of the chain.
const BLOCKS: u64 = 24;

/// Notes every verdict that is ever shown.
const NOTE: &str = r"
  window.verdicts = [];
  new MutationObserver((changes) => changes.forEach(({ target }) => {
    if (target.dataset?.state && target === document.querySelector('output.proof')) window.verdicts.push(target.dataset.state);
  })).observe(document, { subtree: true, attributes: true, attributeFilter: ['data-state'] });
";
/// The state and the text of the first verdict, and who is called a liar.
const VERDICT: &str = "(() => { const o = document.querySelector('output.proof'); \
     return [o.dataset.state, o.textContent, document.querySelector('.light-liars').innerText]; })()";
/// Whether it is passed, and what else was found out is shown.
const IS_PASSED: &str = "['proven', 'lied', 'failed'].includes(document.querySelector('output.proof')?.dataset.state) \
     && !document.querySelector('.light p')?.textContent.includes('Proving')";

/// An honest node, one that speaks for it and lies, and what there is to see.
struct Scene {
    node: Node,
    liar: LyingNode,
    account: String,
    payment: String,
    other_payment: String,
}

impl Scene {
    /// A chain of [`BLOCKS`] blocks with a payment in its second.
    async fn new(network: &Arc<TestNetwork>) -> Self {
        let liar = LyingNode::new();
        let mut node = Node::start(network, "honest", &["--index.addresses=true"]).await;
        // Its pages, which the liar passes on, may ask the liar and itself, wherever they come from.
        let nodes = format!("--explorer.nodes={},{}", liar.url(), node.url());
        let origins = format!("--rpc.cors_origins={}", liar.url());
        node.set_arguments(&["--index.addresses=true", &nodes, &origins]);
        assert!(node.terminate().await.success(), "it ends in order");
        node.restart().await;
        node.generate(1, 9).await;
        let payment = node.submit(&pay(&node, 0, 0, PAID)).await;
        node.generate(1, 9).await;
        let other_payment = node.submit(&pay(&node, 2, 0, PAID)).await;
        node.generate(BLOCKS - 2, 9).await;
        liar.speak_for(node.rpc_port());
        let account = format!("/address/{}", network.address(1));
        Self { node, liar, account, payment: format!("/tx/{payment}"), other_payment: format!("/tx/{other_payment}") }
    }

    /// What a page at this URL says of its first figure, in a browser that knows nothing yet: the verdict's state and
    /// text, and who is called a liar. Whatever comes of it, it was never called proven before.
    fn verdict(browser: &mut Browser, url: &str) -> [String; 3] {
        let mut page = browser.open(DESK);
        page.call("Page.addScriptToEvaluateOnNewDocument", &json!({"source": NOTE}));
        page.go(url);
        verdict_on(&mut page)
    }

    /// The lie is found out where the liar is asked alone, on its own page; beside an honest node that the page asks,
    /// too, the honest figures are proven and the liar is named all the same.
    fn caught(&self, browser: &mut Browser, path: &str, claim: &str, lie: Lie) {
        self.liar.tell(lie);
        self.liar.show(alone(Arc::new(|_, html| html)));
        let url = format!("{}{path}", self.liar.url());
        let [state, text, liars] = Self::verdict(browser, &url);
        assert_eq!(state, "lied", "{claim}: {text}");
        assert!(text.starts_with("the node lied: ") && text.contains(claim), "{claim}: {text}");
        self.named(&liars, claim);
        self.liar.show(Arc::new(|_, html| html));
        let [state, text, liars] = Self::verdict(browser, &url);
        assert!(state == "proven" && text.starts_with("proven by "), "{claim}, beside an honest node: {text}");
        self.named(&liars, claim);
        // On the honest node's page whoever lies about the chain is named, and nothing else changes.
        let [state, text, _] = Self::verdict(browser, &format!("{}{path}", self.node.url()));
        assert!(state == "proven" && text.starts_with("proven by "), "{claim}, on an honest page: {text}");
        self.control(browser, path);
    }

    fn named(&self, liars: &str, claim: &str) {
        assert!(
            liars.contains(&format!("The node at {}/ lies", self.liar.url())) && liars.contains(claim),
            "{claim} is not told of {}: {liars}",
            self.liar.url()
        );
    }

    /// A lie in a page alone, whose node answers honestly.
    fn seen_through(&self, browser: &mut Browser, path: &str, claim: &str, lie: PageLie) {
        self.liar.show(alone(lie));
        let [state, text, liars] = Self::verdict(browser, &format!("{}{path}", self.liar.url()));
        assert_eq!(state, "lied", "{claim}: {text}");
        assert!(text.starts_with("the node lied: ") && text.contains(claim), "{claim}: {text}");
        self.named(&liars, claim);
        self.control(browser, path);
    }

    /// Nothing is called proven, and nobody a liar.
    fn unproven(&self, browser: &mut Browser, path: &str, reason: &str, lie: Lie) {
        self.liar.tell(lie);
        self.liar.show(alone(Arc::new(|_, html| html)));
        let [state, text, liars] = Self::verdict(browser, &format!("{}{path}", self.liar.url()));
        assert!(state == "failed" && text.starts_with("not proven: ") && text.contains(reason), "{reason}: {text}");
        assert_eq!(liars, "", "{reason}");
        self.control(browser, path);
    }

    /// Without a lie the same page of the same node is proven.
    fn control(&self, browser: &mut Browser, path: &str) {
        self.liar.be_honest();
        let [state, text, liars] = Self::verdict(browser, &format!("{}{path}", self.liar.url()));
        assert!(state == "proven" && text.starts_with("proven by "), "the control of {path}: {text}");
        assert_eq!(liars, "", "the control of {path}");
    }
}

/// A page that names no other node.
fn alone(lie: PageLie) -> PageLie {
    Arc::new(move |path, html| {
        let html = lie(path, html);
        match html.split_once("data-nodes=\"").and_then(|(before, rest)| Some((before, rest.split_once('"')?.1))) {
            Some((before, after)) => format!("{before}data-nodes=\"\"{after}"),
            None => html,
        }
    })
}

fn verdict_on(page: &mut Page<'_>) -> [String; 3] {
    page.until("there is a verdict", IS_PASSED);
    // The panel is written once more when all is checked.
    let mut found = page.eval(VERDICT);
    for _ in 0..2 {
        page.eval("new Promise((done) => setTimeout(done, 50))");
        found = page.eval(VERDICT);
    }
    let found: [String; 3] = serde_json::from_value(found).expect("three texts");
    if found[0] != "proven" {
        let seen = page.eval("window.verdicts");
        assert!(!seen.as_array().is_some_and(|seen| seen.contains(&json!("proven"))), "{found:?} after {seen}");
    }
    found
}

/// A lie about one method.
fn lie(method: &'static str, tell: impl Fn(&Asked, Value) -> Told + Send + Sync + 'static) -> Lie {
    Arc::new(
        move |asked, answer| {
            if asked.method == method && !answer.is_null() { tell(asked, answer) } else { Told::Result(answer) }
        },
    )
}

/// A lie about a field of an answer.
fn field(method: &'static str, name: &'static str, value: Value) -> Lie {
    lie(method, move |_, mut answer| {
        answer[name] = value.clone();
        Told::Result(answer)
    })
}

/// A lie in the bytes of an answer.
fn raw(method: &'static str, change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Lie {
    lie(method, move |_, mut answer| {
        let cairn_rpc::text::HexBytes(bytes) = serde_json::from_value(answer["raw"].clone()).expect("bytes");
        answer["raw"] = json!(cairn_rpc::text::HexBytes(change(bytes)));
        Told::Result(answer)
    })
}

/// A lie in a page: a piece of its HTML in the place of another, which is there.
fn page_lie(honest: impl Into<String>, lie: impl Into<String>) -> PageLie {
    let (honest, lie) = (honest.into(), lie.into());
    Arc::new(move |path, html| {
        if path.starts_with("/web/") {
            return html;
        }
        assert!(html.contains(&honest), "{path} has no {honest}");
        html.replace(&honest, &lie)
    })
}
