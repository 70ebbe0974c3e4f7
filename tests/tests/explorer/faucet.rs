//! The faucet as a visitor has it who comes from the explorer: in a real browser, with real work and a real payment.

use crate::accessibility::{CONTRAST, FAINT, STRUCTURE, axe, barriers, nameless};
use crate::browsing::{CUT, OVERLAPS};
use crate::{indexed, pay, payment};
use cairn_ledger::testing::key;
use cairn_tests::browser::{Browser, DESK, PHONE, Page, Screen};
use cairn_tests::http::get;
use cairn_tests::node::{Node, free_port};
use cairn_tests::wallet::{Running, Wallets};
use serde_json::{Value, json};
use std::time::Duration;

/// A node whose explorer links to a faucet, and the faucet.
async fn with_faucet() -> (Node, Wallets, Running, u16) {
    let port = free_port();
    let node = indexed(&[&format!("--explorer.faucet=http://127.0.0.1:{port}/")]).await;
    let wallets = Wallets::new(node.network());
    let address = wallets.create("faucet", &node);
    let spec = node.network().spec();
    let to = spec.params().prefix.decode(&address).expect("an address");
    node.submit(&payment(spec, &key(0), 0, to, 10_000_000_000, 1_000)).await;
    node.generate(8, 9).await;
    let (listen, explorer) = (format!("127.0.0.1:{port}"), node.url());
    let line = ["faucet", "--listen", &listen, "--amount", "2.5", "--per-day", "9", "--difficulty", "10"];
    let faucet = wallets.start("faucet", &node.url(), &[&line[..], &["--explorer", &explorer]].concat());
    (node, wallets, faucet, port)
}

/// What is wrong with the page as it is.
fn check(page: &mut Page<'_>, what: &str) {
    assert_eq!(page.eval(CUT), json!([]), "{what}");
    assert_eq!(page.eval(OVERLAPS), json!([]), "{what}");
    assert_eq!(page.eval(STRUCTURE), json!([]), "{what}");
    assert_eq!(nameless(page), Vec::<String>::new(), "{what}");
    let faint = page.eval(FAINT);
    assert!(faint[0][0].as_f64().is_some_and(|ratio| ratio >= CONTRAST), "{what}: {faint}");
    if let Some(axe) = axe() {
        assert_eq!(barriers(page, &axe), json!([]), "{what}");
    }
}

/// Waits until the faucet can pay.
async fn until_it_gives(port: u16) {
    for _ in 0..200 {
        let status: Value = serde_json::from_str(&get(port, "/api/status").body).expect("JSON");
        if status["trouble"].is_null() && status["left"].is_u64() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    panic!("the faucet does not give: {}", get(port, "/api/status").body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_takes_a_coin_from_the_faucet_and_cannot_take_it_again() {
    let Some(mut browser) = Browser::start() else { return };
    let (node, _wallets, faucet, port) = with_faucet().await;
    until_it_gives(port).await;
    assert_eq!(faucet.started["amount"], "250000000");
    for (screen, number) in [(PHONE, 40), (Screen { dark: true, ..DESK }, 41)] {
        let mut page = browser.open(screen);
        let fresh = node.network().address(number);
        // From the address's own page, which brings the address along, or from the menu, and typed.
        if number == 40 {
            page.go(&format!("{}/address/{fresh}", node.url()));
            page.click(&format!("a[href$='/?address={fresh}']"));
            page.until(
                "the faucet's page is there",
                "document.title.startsWith('Faucet ·') && document.readyState === 'complete'",
            );
            assert_eq!(page.eval("document.getElementById('address').value"), json!(fresh));
            check(&mut page, "the page");
            page.click("#go");
        } else {
            page.go(&node.url());
            page.click(".top nav a[href$='/']:is([href^='http'])");
            page.until(
                "the faucet's page is there",
                "document.title.startsWith('Faucet ·') && document.readyState === 'complete'",
            );
            page.eval("document.getElementById('address').focus()");
            page.type_text(&fresh);
            page.press("Enter");
        }
        page.until("the payment has left", "document.getElementById('gift').dataset.state === 'sent'");
        node.generate(1, 9).await;
        page.until("the payment is in a block", "document.getElementById('gift').dataset.state === 'mined'");
        assert_eq!(page.text("#said"), "It has arrived.");
        check(&mut page, "a gift");
        // It is there, says the explorer.
        page.click("#gift-to a");
        page.until(
            "the address is shown",
            "document.title.startsWith('Address ') && document.readyState === 'complete'",
        );
        assert_eq!(page.text(".card > .value"), "2.5 CRN");
        assert_eq!(node.account(number).await.0, 250_000_000);
        // And again: refused, with a sentence.
        page.go(&format!("http://127.0.0.1:{port}/?address={fresh}"));
        page.click("#go");
        page.until("it is refused", "!document.getElementById('problem').hidden");
        let problem = page.text("#problem");
        assert!(problem.starts_with("This address has had its gift of the day"), "{problem}");
        assert!(problem.contains("it can have another at") && problem.contains("here."), "{problem}");
        check(&mut page, "a refusal");
        // It shows what became of the first.
        page.until("the first is shown", "!document.getElementById('gift').hidden");
        let faults: Vec<String> = page.faults().into_iter().filter(|fault| !fault.contains("429")).collect();
        assert_eq!(faults, Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_is_none_is_text_and_is_explained() {
    let Some(mut browser) = Browser::start() else { return };
    let (node, _wallets, _faucet, port) = with_faucet().await;
    until_it_gives(port).await;
    let mut page = browser.open(PHONE);
    page.go(&format!("http://127.0.0.1:{port}/?address=%3Cimg%20src=x%20onerror=alert(1)%3E%E2%80%AE"));
    assert!(page.text("#problem").contains("is no address of the network"), "{}", page.text("#problem"));
    check(&mut page, "a link that brings nonsense");
    // A typing error, found by the checksum.
    let mut wrong = node.network().address(40);
    let last = if wrong.ends_with('q') { "p" } else { "q" };
    wrong.replace_range(wrong.len() - 1.., last);
    page.eval(&format!("document.getElementById('address').value = {}", json!(wrong)));
    page.click("#go");
    page.until("it says so", "document.getElementById('problem').textContent.includes('typo')");
    assert_eq!(page.eval("document.activeElement.id"), json!("address"));
    let faults: Vec<String> = page.faults().into_iter().filter(|fault| !fault.contains("400")).collect();
    assert_eq!(faults, Vec::<String>::new());
    // The control: a payment is possible on this network.
    node.submit(&pay(&node, 0, 1, 5)).await;
}
