//! Lies about accounts, and verdicts that a page would pass on itself.

use super::{BALANCE, BLOCKS, Scene, alone, lie, page_lie, raw};
use cairn_ledger::accounts::AccountProof;
use cairn_ledger::codec;
use cairn_ledger::keys::Address;
use cairn_ledger::testing::pebbles;
use cairn_ledger::units::Amount;
use cairn_tests::browser::{Browser, DESK};
use cairn_tests::lying_node::{Lie, PageLie, Told};
use cairn_tests::network::TestNetwork;
use serde_json::json;
use std::sync::Arc;

fn account_proof(change: impl Fn(&mut AccountProof) + Send + Sync + 'static) -> Lie {
    raw("state_getProof", move |bytes| {
        let mut proof: AccountProof = codec::decode(&bytes, 4_096).expect("a proof");
        change(&mut proof);
        codec::encode(&proof)
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
}

/// A page that shows what its own node does not prove: by value, by text, by both, as numbers that are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_shown_otherwise_than_proven_is_a_lie() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let (browser, account) = (&mut browser, &*scene.account);
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
}

/// The page of one address with the proof of another, by the proof alone, and with the other's figures; and the state
/// of an older block as that of the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proof_of_another_account_or_of_another_block_is_a_lie() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let (browser, account) = (&mut browser, &*scene.account);
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
    let claimed = "data-state=\"proven\">proven by 3.1 × 10¹² hashes of work</output>";
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
