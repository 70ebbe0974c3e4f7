//! Every lie that a node may tell, in a real browser: the page says beside the figure that the node lied, and names it
//! by its URL; beside an honest node the honest figures are proven, and the liar is named all the same. Each has its
//! control: the same node without the lie. Whatever the lie, no figure it is about is ever called proven.

use crate::{FEE, pay};
use cairn_ledger::accounts::AccountProof;
use cairn_ledger::codec;
use cairn_ledger::keys::Address;
use cairn_ledger::testing::pebbles;
use cairn_ledger::units::Amount;
use cairn_rpc::methods::ChainClient;
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

fn account_proof(change: impl Fn(&mut AccountProof) + Send + Sync + 'static) -> Lie {
    raw("state_getProof", move |bytes| {
        let mut proof: AccountProof = codec::decode(&bytes, 4_096).expect("a proof");
        change(&mut proof);
        codec::encode(&proof)
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_an_account_are_named() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let (browser, account) = (&mut browser, &*scene.account);
    let proof = "its proof of the account at block";
    let more = |proof: &mut AccountProof| {
        proof.leaf.account.balance = proof.leaf.account.balance.checked_add(pebbles(1)).expect("not that much");
    };
    scene.caught(browser, account, proof, account_proof(more));
    scene.caught(browser, account, proof, account_proof(|proof| proof.leaf.account.balance = Amount::ZERO));
    scene.caught(browser, account, proof, account_proof(|proof| proof.leaf.account.nonce += 1));
    // Hidden: its own leaf, doctored so that it spans the account, and the leaf of another.
    let spans = |proof: &mut AccountProof| {
        (proof.leaf.address, proof.leaf.next) = (Address::from_bytes([0; 32]), Address::ZERO);
    };
    scene.caught(browser, account, proof, account_proof(spans));
    let other = network.address(2);
    let behind = lie("state_getProof", move |asked, _| {
        Told::Result(asked.instead("state_getProof", &json!([other, asked.params[1]])))
    });
    scene.caught(browser, account, "says nothing about", behind);
    // A page that shows what its own node does not prove: by value, by text, by both, as numbers that are none.
    let (value, text) = (format!("data-value=\"{BALANCE}\""), "10,012.5</span>");
    for (honest, false_one, claim) in [
        (&*value, "data-value=\"99999999999\"", "it says balance 999.99999999 CRN"),
        (text, "99,012.5</span>", "it shows balance as “99,012.5 CRN”"),
        (text, "99,999</span> <span>10,012.5</span>", "it shows balance as “99,999 10,012.5 CRN”"),
        (text, "10,012.5</span> million", "it shows balance as “10,012.5 million CRN”"),
        (&*value, "data-value=\"Infinity\"", "it says balance “Infinity”"),
        (&*value, "data-value=\"NaN\"", "it says balance “NaN”"),
        (&*value, "data-value=\"01001250000000\"", "it says balance"),
        ("data-claim=\"nonce\" data-value=\"0\"", "data-claim=\"nonce\" data-value=\"7\"", "it says nonce “7”"),
        (text, "10,012.5</span><button>99,999</button>", "it shows balance as “10,012.599,999 CRN”"),
        (text, "</span><input value=\"99,999\">", "it shows balance as “something that is no text”"),
    ] {
        scene.seen_through(browser, account, claim, page_lie(honest, false_one));
    }
    let both: PageLie = Arc::new(move |_, html| {
        html.replace(&format!("data-value=\"{BALANCE}\""), "data-value=\"2000000000000\"")
            .replace("10,012.5<", "20,000<")
    });
    scene.seen_through(browser, account, "it says balance 20000 CRN, and 10012.5 CRN is proven", both);
    // The page of one address with the proof of another: by the proof alone, and with the other's figures.
    let (own, rich) = (network.address(1), network.address(3));
    let proof = |address: &str| format!("data-proof=\"account\" data-id=\"{address}\"");
    scene.seen_through(browser, account, "its proof is about another", page_lie(proof(&own), proof(&rich)));
    let (port, path) = (scene.node.rpc_port(), account.to_owned());
    let other_page: PageLie = Arc::new(move |asked, html| match asked == path {
        true => cairn_tests::http::get(port, &format!("/address/{rich}"))
            .body
            .replace(&format!(">{rich}<"), &format!(">{own}<")),
        false => html,
    });
    scene.seen_through(browser, account, "its proof is about another", other_page);
    // The state of an older block as that of the newest.
    let as_of = format!("data-claim=\"height\" data-value=\"{BLOCKS}\"");
    let older = format!("data-height=\"{BLOCKS}\"");
    let stale: PageLie = Arc::new(move |_, html| {
        assert!(html.contains(&as_of) || !html.contains("data-proof=\"account\""), "the page says as of when");
        let tip = html.split("data-tip=\"").nth(1).and_then(|rest| rest.get(..64)).unwrap_or("none").to_owned();
        html.replace(&older, "data-height=\"1\"")
            .replace(&format!("data-tip=\"{tip}\""), "data-tip=\"\"")
            .replace("data-value=\"1001250000000\"", "data-value=\"1000000000000\"")
            .replace("10,012.5<", "10,000<")
    });
    scene.seen_through(browser, account, "it says height “24”, and “1” is proven", stale);
}

/// What a page writes beside a figure itself is no verdict, and a figure without a mark has none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_passes_no_verdict_on_itself() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let (account, output) = (&*scene.account, "<output class=\"proof\" data-proof=\"account\"");
    let claimed = "data-state=\"proven\">proven by 3.1 × 10^12 hashes of work</output>";
    for (honest, false_one, reason) in [
        (
            output,
            format!("<output class=\"proof\" {claimed}<output class=\"proof\" data-proof=\"account\""),
            "does not know how to prove that",
        ),
        (
            output,
            format!("<output class=\"proof\" data-proof=\"gold\" {claimed}{output}"),
            "does not know how to prove that",
        ),
        ("data-claim=\"balance\"", String::from("data-was=\"balance\""), "marks no balance to be proven"),
        ("data-claim=\"address\"", String::from("data-was=\"address\""), "marks no address to be proven"),
    ] {
        scene.liar.show(alone(page_lie(honest, false_one)));
        let [state, text, _] = Scene::verdict(&mut browser, &format!("{}{account}", scene.liar.url()));
        assert!(state == "failed" && text.starts_with("not proven: ") && text.contains(reason), "{reason}: {text}");
        scene.control(&mut browser, account);
    }
}

/// A figure that was proven, and that a page changes while it is looked at: the verdict does not stay with what is new,
/// whether by value or by text alone, not even while a silent node lets the check wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verdict_does_not_outlive_its_figures() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let state = "document.querySelector('output.proof').dataset.state";
    for by_value in [true, false] {
        scene.liar.be_honest();
        let mut page = browser.open(DESK);
        page.go(&format!("{}{}", scene.liar.url(), scene.account));
        page.until("it is proven", &format!("{state} === 'proven'"));
        // From now on no proof comes, and the page shows more.
        scene.liar.tell(Arc::new(|asked, answer| match asked.method.as_str() {
            "state_getProof" | "chain_getProof" => Told::Never,
            _ => Told::Result(answer),
        }));
        scene.liar.show(alone(Arc::new(move |_, html| {
            let value = format!("data-value=\"{BALANCE}\"");
            let html = html.replace("10,012.5<", "99,012.5<");
            if by_value { html.replace(&value, "data-value=\"9901250000000\"") } else { html }
        })));
        page.eval(
            "window.wrong = false; new MutationObserver(() => { const o = document.querySelector('output.proof'); \
             if (o.dataset.state === 'proven' && document.querySelector('.value').innerText.includes('99,012.5')) window.wrong = true; }) \
             .observe(document, { subtree: true, childList: true, attributes: true, characterData: true })",
        );
        scene.node.generate(1, 9).await;
        page.until("the page is made anew", "document.querySelector('.value').innerText.includes('99,012.5')");
        assert_eq!(page.eval(state), "checking");
        page.until("it is given up", &format!("{state} === 'failed' || {state} === 'lied'"));
        assert_eq!(page.eval("window.wrong"), false, "by value {by_value}");
        // The control: what is true again is proven again.
        scene.liar.be_honest();
        scene.node.generate(1, 9).await;
        page.until(
            "it is proven again",
            &format!("{state} === 'proven' && document.querySelector('.value').innerText.includes('10,012.5')"),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_the_chain_are_named() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let (browser, liar) = (&mut browser, &scene.liar);
    let flipped = |place: usize| {
        raw("chain_getProof", move |mut bytes| {
            let place = place % bytes.len().max(1);
            bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1);
            bytes
        })
    };
    for place in [400, 2_000, 5_000] {
        scene.caught(browser, "/", "its proof does not hold", flipped(place));
    }
    let much = field("chain_tip", "work", json!((1_u64 << 50).to_string()));
    scene.caught(browser, "/", "it claims 1125899906842624 hashes of work, and proves", much);
    let unwilling = lie("chain_getProof", |_, _| Told::Refusal(2001));
    scene.caught(browser, "/", "and will not prove it", unwilling);
    // A page that shows another tip than its node proves.
    let (height, above) = (format!("data-value=\"{BLOCKS}\""), format!("data-height=\"{BLOCKS}\""));
    let id = scene.node.rpc().chain_tip().await.expect("a tip").id.0.to_string();
    let forged = format!("{}{}", &id[..63], if id.ends_with('0') { '1' } else { '0' });
    for (honest, false_one, claim) in [
        (height, String::from("data-value=\"99\""), "it says height “99”"),
        (format!(">{BLOCKS}</a></p>"), String::from(">99</a></p>"), "it shows height as “99”"),
        (format!("data-value=\"{id}\""), format!("data-value=\"{forged}\""), "it says id"),
        (format!("\">{id}</p>"), format!("\">{forged}</p>"), "it shows id"),
        (String::from("<time datetime=\"20"), String::from("<time datetime=\"19"), "it shows time as"),
        (above, String::from("data-height=\"99\""), "it shows block 99, and the chain that it proves ends at block 24"),
    ] {
        scene.seen_through(browser, "/", claim, page_lie(honest, false_one));
    }
    let behind = Node::start(&network, "behind", &[]).await;
    behind.generate(5, 8).await;
    liar.speak_for(behind.rpc_port());
    // One that is merely behind does not lie; beside one with more work it is said to be behind.
    let mut page = browser.open(DESK);
    page.go(&format!("{}/", scene.node.url()));
    page.until(
        "it is told",
        "document.querySelector('.light-warnings').innerText.includes('is behind: it proves block 5')",
    );
    assert_eq!(verdict_on(&mut page)[0], "proven");
    assert!(page.text(".light-warnings").contains(&format!("the node at {}/ is behind", liar.url())));
    // Alone it is warned about where this browser has seen more.
    liar.speak_for(scene.node.rpc_port());
    page.go(&format!("{}/", liar.url()));
    assert_eq!(verdict_on(&mut page)[0], "proven", "the control");
    assert!(!page.text(".light-warnings").contains("has seen"));
    liar.speak_for(behind.rpc_port());
    page.go(&format!("{}/?again", liar.url()));
    page.until(
        "it is warned of",
        "document.querySelector('.light-warnings').innerText.includes('this browser has seen one with')",
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_payments_and_blocks_are_named() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let (browser, payment) = (&mut browser, &*scene.payment);
    // Another payment in the place of the one that was asked about, and one whose path is another's.
    let other = scene.other_payment[4..].to_owned();
    let instead = lie("chain_getTransactionProof", move |asked, _| {
        Told::Result(asked.instead("chain_getTransactionProof", &json!([other, asked.params[1]])))
    });
    scene.caught(browser, payment, "was asked about the payment", instead);
    let forged = raw("chain_getTransactionProof", |mut bytes| {
        // In the header, which stands first: the root of its payments.
        bytes.iter_mut().skip(100).take(1).for_each(|byte| *byte ^= 1);
        bytes
    });
    scene.caught(browser, payment, "its proof does not hold", forged);
    // A page that tells of a payment what its bytes contradict.
    let (paid, fee) =
        (format!("data-claim=\"amount\" data-value=\"{PAID}\""), format!("data-claim=\"fee\" data-value=\"{FEE}\""));
    let (sender, payee) = (network.address(0), network.address(1));
    for (honest, false_one, claim) in [
        (paid, String::from("data-claim=\"amount\" data-value=\"99\""), "it says amount 0.00000099 CRN"),
        (fee, String::from("data-claim=\"fee\" data-value=\"1\""), "it says fee 0.00000001 CRN"),
        (
            String::from("data-claim=\"height\" data-value=\"2\""),
            String::from("data-claim=\"height\" data-value=\"3\""),
            "it says height “3”",
        ),
        (
            format!("data-claim=\"to.0\" data-value=\"{payee}\""),
            format!("data-claim=\"to.0\" data-value=\"{sender}\""),
            "it says to.0",
        ),
        (format!("\">{payee}</a>"), format!("\">{sender}</a>"), "it shows to.0"),
        (
            String::from("data-claim=\"memo\" data-value=\"\""),
            String::from("data-claim=\"memo\" data-value=\"00\""),
            "it says memo",
        ),
    ] {
        scene.seen_through(browser, payment, claim, page_lie(honest, false_one));
    }
    // A payment that waits in the pool, and a page that says it was mined.
    let waiting = scene.node.submit(&pay(&scene.node, 4, 0, 5)).await;
    let (mined, shown) = (payment[4..].to_owned(), waiting.to_string());
    let (path, port) = (format!("/tx/{waiting}"), scene.node.rpc_port());
    scene.liar.show(alone(Arc::new(move |path, html| {
        if path != format!("/tx/{shown}") {
            return html;
        }
        cairn_tests::http::get(port, &format!("/tx/{mined}")).body.replace(&mined, &shown)
    })));
    let [state, text, liars] = Scene::verdict(browser, &format!("{}{path}", scene.liar.url()));
    let claim = "is in block 2, and does not prove it";
    assert!(state == "lied" && text.starts_with("the node lied: ") && text.contains(claim), "{text}");
    scene.named(&liars, claim);
    scene.control(browser, payment);
    // A block's figures, and its body.
    let reward = "data-claim=\"reward\" data-value=\"5000001000\"";
    for (honest, false_one, claim) in [
        (reward, "data-claim=\"reward\" data-value=\"5000000000\"", "it says reward"),
        ("data-claim=\"fees\" data-value=\"1000\"", "data-claim=\"fees\" data-value=\"0\"", "it says fees"),
        (
            "data-claim=\"transactions\" data-value=\"1\"",
            "data-claim=\"transactions\" data-value=\"2\"",
            "it says transactions",
        ),
    ] {
        scene.seen_through(browser, "/block/2", claim, page_lie(honest, false_one));
    }
    let body = lie("chain_getRawBlock", |asked, answer| {
        let third = asked.instead("chain_getHeader", &json!([3]))["id"].clone();
        let other = asked.instead("chain_getRawBlock", &json!([third]));
        Told::Result(if other.is_null() { answer } else { other })
    });
    scene.liar.tell(body);
    scene.liar.show(alone(Arc::new(|_, html| html)));
    let [state, text, liars] = Scene::verdict(browser, &format!("{}/block/2", scene.liar.url()));
    assert!(state == "lied" && text.starts_with("the node lied: "), "{text}");
    scene.named(&liars, &text["the node lied: ".len()..][..20]);
    scene.control(browser, "/block/2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_the_visitor_does_not_trust_proves_nothing() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let stranger = Node::start(&Arc::new(TestNetwork::new()), "stranger", &[]).await;
    stranger.generate(BLOCKS, 9).await;
    let trusted = network.spec().genesis_id();
    // Another network altogether, to somebody who came by a link that names the right one.
    let url = format!("{}/#genesis={trusted}", stranger.url());
    let [state, text, liars] = Scene::verdict(&mut browser, &url);
    assert!(state == "failed" && text.contains(&trusted.to_string()) && liars.is_empty(), "{text} {liars}");
    // The same, from a node that claims to follow the network that is trusted.
    scene.liar.speak_for(stranger.rpc_port());
    let id = json!(trusted.to_string());
    let spec = network.spec();
    let described = cairn_tests::http::get(scene.node.rpc_port(), "/web/network.json").body;
    let genesis = spec.genesis_id().to_string();
    scene.liar.tell(field("node_info", "genesis_id", id));
    scene.liar.show(Arc::new(move |path, html| match path {
        "/web/network.json" => described.clone(),
        _ => html.replace(&stranger_genesis(&html), &genesis),
    }));
    let url = format!("{}/#genesis={trusted}", scene.liar.url());
    let [state, text, liars] = Scene::verdict(&mut browser, &url);
    assert!(state == "lied" && text.contains("its proof does not hold"), "{text}");
    scene.named(&liars, "its proof does not hold");
    // The control: the trusted network by the same link.
    scene.liar.be_honest();
    scene.liar.speak_for(scene.node.rpc_port());
    let [state, text, _] = Scene::verdict(&mut browser, &url);
    assert_eq!(state, "proven", "{text}");
    // Whoever brings no genesis id is told whose word it is.
    let mut page = browser.open(DESK);
    page.go(&format!("{}/", scene.node.url()));
    verdict_on(&mut page);
    assert!(page.text("[data-light]").contains("takes the node's word for the genesis id"));
}

/// The genesis id that a page names.
fn stranger_genesis(html: &str) -> String {
    let named = html.split("data-genesis=\"").nth(1).and_then(|rest| rest.get(..64));
    named.unwrap_or("no page").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tip_that_is_old_is_warned_of() {
    let Some(mut browser) = Browser::start() else { return };
    // Blocks made on request are stamped one interval apart from a day ago on, or from a minute ago on.
    for (network, is_old) in [(TestNetwork::new(), true), (TestNetwork::with(60_000, true), false)] {
        let node = Node::start(&Arc::new(network), "node", &[]).await;
        node.generate(20, 9).await;
        let mut page = browser.open(DESK);
        page.go(&format!("{}/", node.url()));
        assert_eq!(verdict_on(&mut page)[0], "proven");
        let warnings = page.text(".light-warnings");
        assert_eq!(warnings.contains("the newest block is"), is_old, "{warnings}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_are_none_prove_nothing_and_are_no_lies() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let account = &*scene.account;
    let garbage = |bytes: &'static [u8]| move |_: &Asked, _: Value| Told::Bytes(bytes.to_vec());
    for method in ["node_info", "chain_tip", "chain_getProof", "state_getProof"] {
        scene.unproven(&mut browser, account, "", lie(method, garbage(b"<html>\x00\x1b[31m{}")));
        scene.unproven(&mut browser, account, "no answer", lie(method, |_, _| Told::Half));
    }
    for bytes in [&b""[..], b"null", b"[]", b"{\"result\":1e999}", b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[]}"] {
        scene.unproven(&mut browser, account, "", lie("chain_tip", garbage(bytes)));
    }
    for method in ["chain_tip", "chain_getProof"] {
        scene.unproven(&mut browser, account, "the answer has more than", lie(method, |_, _| Told::Endless));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_never_answers_proves_nothing_and_keeps_no_page_from_its_reader() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    scene.liar.tell(lie("chain_getProof", |_, _| Told::Never));
    scene.liar.show(alone(Arc::new(|_, html| html)));
    let mut page = browser.open(DESK);
    page.go(&format!("{}{}", scene.liar.url(), scene.account));
    assert_eq!(page.eval("document.querySelector('output.proof').dataset.state"), "checking");
    assert!(page.text(".value").contains("10,012.5"), "the page is there meanwhile");
    page.until("it is given up", "document.querySelector('output.proof').dataset.state === 'failed'");
    let [_, text, liars] = verdict_on(&mut page);
    assert!(text.contains("no answer within") && liars.is_empty(), "{text}");
    drop(page);
    scene.control(&mut browser, &scene.account);
}
