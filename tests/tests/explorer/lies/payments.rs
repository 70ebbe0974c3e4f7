//! Lies about payments and blocks.

use super::{PAID, Scene, alone, lie, page_lie, raw};
use crate::{FEE, pay};
use cairn_tests::browser::Browser;
use cairn_tests::lying_node::Told;
use cairn_tests::network::TestNetwork;
use serde_json::json;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_payments_are_named() {
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
}

/// A block's figures, and its body.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lies_about_blocks_are_named() {
    let Some(mut browser) = Browser::start() else { return };
    let network = Arc::new(TestNetwork::new());
    let scene = Scene::new(&network).await;
    let browser = &mut browser;
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
