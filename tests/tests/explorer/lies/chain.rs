//! Lies about the chain: its tip, its work, its network; and nodes that say nothing that could be a lie.

use super::{BLOCKS, Scene, alone, field, lie, page_lie, raw, verdict_on};
use cairn_rpc::methods::ChainClient;
use cairn_tests::browser::{Browser, DESK};
use cairn_tests::lying_node::{Asked, Lie, Told};
use cairn_tests::{network::TestNetwork, node::Node};
use serde_json::{Value, json};
use std::sync::Arc;

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_answers_trickle_or_never_end_is_given_up_and_named_and_others_prove_the_page() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let (node, liar) = (format!("{}/", scene.node.url()), format!("{}/", scene.liar.url()));
    for (method, trickles) in [("", true), ("chain_getProof", false)] {
        let lie: Lie = Arc::new(move |asked, answer| match (asked.method.starts_with(method), trickles) {
            (false, _) => Told::Result(answer),
            (true, true) => Told::Trickle,
            (true, false) => Told::Unended,
        });
        // Asked alone: the page is there, nothing on it is proven, and it says why.
        scene.liar.tell(lie);
        scene.liar.show(alone(Arc::new(|_, html| html)));
        let mut page = browser.open(DESK);
        page.go(&format!("{}{}", scene.liar.url(), scene.account));
        assert_eq!(page.eval("document.querySelector('output.proof').dataset.state"), "checking");
        assert!(page.text(".value").contains("10,012.5"), "the page is there meanwhile");
        let [state, text, liars] = verdict_on(&mut page);
        assert!(state == "failed" && liars.is_empty(), "{text} {liars}");
        let why = format!("the node at {liar} was of no help: no answer within 15 s");
        assert!(text.contains(&why), "{text}");
        assert!(page.text("[data-light]").contains(&format!("Nothing is proven: {why}")));
        // Beside an honest one: that proves the page, and is named as who did; the other is said to be of no help.
        scene.liar.show(Arc::new(|_, html| html));
        page.go(&format!("{}{}?again", scene.liar.url(), scene.account));
        let [state, text, liars] = verdict_on(&mut page);
        assert!(state == "proven" && liars.is_empty(), "{text} {liars}");
        assert!(page.text("[data-light]").contains(&format!("by the node at {node}")));
        let warnings = page.text(".light-warnings");
        assert!(warnings.contains(&format!("the node at {liar} was of no help: it takes too long")), "{warnings}");
        drop(page);
        scene.control(&mut browser, &scene.account);
    }
}
