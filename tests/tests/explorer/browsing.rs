//! The pages in a real browser, as a visitor has them: at a phone's and a desk's size, alive, over a restart, and with
//! text that tries to break out.

use crate::{NASTY, indexed, pay, pay_with_memo};
use cairn_rpc::methods::ChainClient;
use cairn_tests::browser::{Browser, DESK, PHONE};
use cairn_tests::node::Node;
use std::collections::BTreeSet;

/// What lies outside of the window, or is cut although it does not say so, on the page as it is.
pub const CUT: &str = r"(() => {
  const width = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} wide`);
  for (const e of document.querySelectorAll('body *')) {
    const r = e.getBoundingClientRect(), style = getComputedStyle(e);
    if (r.width === 0 || style.clipPath !== 'none' || e.closest('.skip, .hidden, svg, thead')) continue;
    if (r.right > width + 1 || r.left < -1) found.push(`${e.tagName}.${e.className} reaches from ${r.left} to ${r.right}`);
    const cuts = style.overflowX !== 'visible' && style.textOverflow !== 'ellipsis' && !e.matches('input, textarea');
    if (cuts && e.scrollWidth > e.clientWidth + 1) found.push(`${e.tagName}.${e.className} is cut`);
  }
  return found;
})()";

/// Texts that lie over each other on the page as it is.
pub const OVERLAPS: &str = r"(() => {
  const boxes = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (node.data.trim() === '' || parent.closest('.skip, .hidden, .cut, thead, [hidden], script, svg, noscript')) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const r of range.getClientRects()) if (r.width > 1 && r.height > 1) boxes.push([r, node.data.trim(), node]);
  }
  const found = [];
  for (let i = 0; i < boxes.length; i += 1) for (let j = i + 1; j < boxes.length; j += 1) {
    if (boxes[i][2] === boxes[j][2]) continue;
    const [a, b] = [boxes[i][0], boxes[j][0]];
    const x = Math.min(a.right, b.right) - Math.max(a.left, b.left), y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (x > 2 && y > 4) found.push(`${boxes[i][1].slice(0, 40)} | ${boxes[j][1].slice(0, 40)}`);
  }
  return found.slice(0, 10);
})()";

/// A node with a chain to look at: payments with and without memos, and one that waits.
pub async fn lively() -> (Node, Vec<String>) {
    let node = indexed(&[]).await;
    let mined = node.submit(&pay(&node, 0, 0, 150_000_000)).await;
    for nonce in 1..30 {
        node.submit(&pay(&node, 0, nonce, 1_234_567_890)).await;
    }
    node.generate(3, 9).await;
    let waiting = node.submit(&pay(&node, 2, 0, 7)).await;
    let payer = node.network().address(0);
    let paths = vec![
        String::from("/"),
        String::from("/blocks"),
        String::from("/block/1"),
        format!("/tx/{mined}"),
        format!("/tx/{waiting}"),
        format!("/address/{payer}"),
        String::from("/pool"),
        String::from("/network"),
        String::from("/settings"),
        String::from("/search?q=gold"),
        String::from("/web/receipt.html"),
        String::from("/web/pay.html"),
    ];
    (node, paths)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_fits_a_phone_and_a_desk_asks_nobody_else_and_breaks_no_rule() {
    let Some(mut browser) = Browser::start() else { return };
    let (node, paths) = lively().await;
    for screen in [PHONE, DESK] {
        let mut page = browser.open(screen);
        for path in &paths {
            page.go(&format!("{}{path}", node.url()));
            page.eval("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
            assert_eq!(page.eval(CUT), serde_json::json!([]), "{path} at {}", screen.width);
            assert_eq!(page.eval(OVERLAPS), serde_json::json!([]), "{path} at {}", screen.width);
            let foreign: Vec<String> = page
                .requests()
                .into_iter()
                .filter(|url| !url.starts_with(&node.url()) && !url.starts_with("data:"))
                .collect();
            assert_eq!(foreign, Vec::<String>::new(), "{path} asks others");
            let faults: Vec<String> = page.faults().into_iter().filter(|fault| !fault.contains("404")).collect();
            assert_eq!(faults, Vec::<String>::new(), "{path} at {}", screen.width);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_visitor_clicks_through_and_pages_back_through_an_address() {
    let Some(mut browser) = Browser::start() else { return };
    let (node, _) = lively().await;
    for screen in [PHONE, DESK] {
        let mut page = browser.open(screen);
        page.go(&node.url().clone());
        page.until("the page is there", "document.querySelector('.figures .value')");
        for (name, title) in [
            ("Blocks", "Blocks"),
            ("Pool", "Pool"),
            ("Network", "Network"),
            ("Settings", "Settings"),
            ("Overview", "Overview"),
        ] {
            page.click(&format!(
                ".top nav a[href='{}']",
                if name == "Overview" { String::from("/") } else { format!("/{}", name.to_lowercase()) }
            ));
            page.until(
                &format!("{name} is shown"),
                &format!("document.title.startsWith('{title} ·') && document.readyState === 'complete'"),
            );
        }
        // From the last payments to the one who sent them, and back in its history to its first.
        page.click("[data-live='payments'] tbody a[href^='/tx/']");
        page.until(
            "the payment is shown",
            "document.title.startsWith('Payment ') && document.readyState === 'complete'",
        );
        page.click("dd[data-claim='sender'] a");
        page.until(
            "its sender is shown",
            "document.title.startsWith('Address ') && document.readyState === 'complete'",
        );
        let newest: BTreeSet<String> = rows(&mut page);
        page.click("nav.pages a[rel='next']");
        page.until(
            "older ones are shown",
            "location.search.startsWith('?before=') && document.readyState === 'complete'",
        );
        let older = rows(&mut page);
        assert_eq!((newest.len(), older.len(), newest.is_disjoint(&older)), (25, 5, true));
        page.eval("void setTimeout(() => history.back())");
        page.until(
            "it is the first page again",
            "location.search === '' && document.querySelectorAll('#history tbody tr').length === 25 \
             && document.readyState === 'complete'",
        );
        // The search, by the keyboard.
        page.press("/");
        page.until("the search has the focus", "document.activeElement?.name === 'q'");
        page.type_text("2");
        page.press("Enter");
        page.until("the block is shown", "location.pathname === '/block/2' && document.readyState === 'complete'");
        assert_eq!(page.faults(), Vec::<String>::new());
    }
}

fn rows(page: &mut cairn_tests::browser::Page<'_>) -> BTreeSet<String> {
    let links = page
        .eval("[...document.querySelectorAll('#history tbody td[data-label=\"Payment\"] a')].map((a) => a.pathname)");
    links.as_array().expect("a list").iter().filter_map(|link| link.as_str().map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_payment_is_followed_from_the_pool_into_a_block_live_and_over_a_restart() {
    let Some(mut browser) = Browser::start() else { return };
    let mut node = indexed(&[]).await;
    node.generate(1, 9).await;
    let txid = node.submit(&pay(&node, 0, 0, 5)).await;
    let mut page = browser.open(DESK);
    page.go(&format!("{}/tx/{txid}", node.url()));
    assert!(page.text(".heading .pill").contains("Waiting for a block"));
    page.eval("window.untouched = true");
    node.generate(1, 9).await;
    page.until("the payment is in a block", "document.querySelector('.heading .pill')?.innerText === '1 confirmation'");
    node.generate(2, 9).await;
    page.until("it is deeper", "document.querySelector('.heading .pill')?.innerText === '3 confirmations'");
    // The node goes away and comes back; what happened meanwhile is caught up with.
    node.kill_9();
    page.until("the page says so", "document.getElementById('live').innerText.includes('does not answer')");
    node.restart().await;
    node.generate(4, 9).await;
    page.until("it has caught up", "document.querySelector('.heading .pill')?.innerText === '7 confirmations'");
    assert_eq!(page.eval("window.untouched"), true, "all of that without a new page");
    // The first page, which shows everything.
    page.go(&format!("{}/", node.url()));
    let tip = node.rpc().chain_tip().await.expect("a tip").height;
    page.until(
        "it shows the tip",
        &format!("document.querySelector('[data-claim=\"height\"]').dataset.value === '{tip}'"),
    );
    page.eval("window.untouched = true");
    let waiting = node.submit(&pay(&node, 0, 1, 5)).await;
    page.until(
        "what waits is shown",
        &format!("document.querySelector('[data-live=\"waiting\"] a[href=\"/tx/{waiting}\"]')"),
    );
    node.generate(1, 9).await;
    page.until(
        "it is among the last payments",
        &format!("document.querySelector('[data-live=\"payments\"] a[href=\"/tx/{waiting}\"]')"),
    );
    page.until("and waits no more", "document.querySelector('[data-live=\"waiting\"]').hidden");
    assert_eq!(page.eval("window.untouched"), true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorganisation_is_told_and_a_block_that_left_the_chain_says_so() {
    let Some(mut browser) = Browser::start() else { return };
    let node = indexed(&[]).await;
    let other = Node::start(node.network(), "longer", &[]).await;
    node.generate(1, 9).await;
    other.generate(3, 8).await;
    let left = node.rpc().chain_tip().await.expect("a tip").id.0;
    let mut page = browser.open(DESK);
    page.go(&format!("{}/block/{left}", node.url()));
    assert_eq!(page.text(".heading .pill"), "1 confirmation");
    node.dial(&other).await;
    page.until("the reorganisation is told", "document.getElementById('live').innerText.includes('1 block left it')");
    page.until("the block says so", "document.querySelector('.heading .pill').innerText === 'Not on the chain'");
    page.go(&format!("{}/block/1", node.url()));
    assert_eq!(page.text(".heading .pill"), "3 confirmations", "the control: the block that is there now");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_from_outside_runs_or_loads_anything() {
    let Some(mut browser) = Browser::start() else { return };
    let node = indexed(&[]).await;
    let nasty = node.submit(&pay_with_memo(&node, 0, 0, NASTY.as_bytes())).await;
    // What is written out takes many times its length.
    let hidden = node.submit(&pay_with_memo(&node, 2, 0, "\u{202e}".repeat(85).as_bytes())).await;
    node.generate(1, 9).await;
    let mut page = browser.open(PHONE);
    for txid in [nasty, hidden] {
        page.go(&format!("{}/tx/{txid}", node.url()));
        page.until("it is proven all the same", "document.querySelector('output.proof').dataset.state === 'proven'");
    }
    let evil =
        "%3Cscript%3Edocument.title=%22owned%22%3C/script%3E%3Cimg%20src=x%20onerror=document.title=%22owned%22%3E";
    for path in [
        format!("/tx/{nasty}"),
        format!("/search?q={evil}"),
        format!("/{evil}"),
        format!("/address/{evil}"),
        format!("/tx/{nasty}#{evil}"),
        format!("/settings?{evil}#genesis={evil}"),
    ] {
        page.go(&format!("{}{path}", node.url()));
        assert_ne!(page.eval("document.title"), "owned", "{path}");
        assert_eq!(page.eval("document.querySelectorAll('main img, main script').length"), 0, "{path}");
        let asked = page.requests();
        assert!(!asked.iter().any(|url| url.ends_with("/x")), "{path}: {asked:?}");
        assert_eq!(page.eval(CUT), serde_json::json!([]), "{path}");
    }
    page.go(&format!("{}/tx/{nasty}", node.url()));
    assert!(page.text(".memo").contains("<script>document.title='owned'</script>"), "the control: it is shown as text");
    page.faults();
    // Even what got into a page would not run: the policy is the second wall.
    page.eval(
        "(() => { const s = document.createElement('script'); s.textContent = 'document.title = \"owned\"'; document.body.append(s);
          const i = document.createElement('img'); i.src = 'http://192.0.2.1/x'; document.body.append(i);
          document.body.insertAdjacentHTML('beforeend', '<b onclick=\"document.title=1\" style=\"color:red\">x</b>'); })()",
    );
    page.eval("fetch('http://127.0.0.1:1/').catch(() => {})");
    assert_ne!(page.eval("document.title"), "owned");
    let faults = page.faults().join("\n");
    for directive in ["script-src", "img-src", "style-src", "connect-src"] {
        assert!(faults.contains(directive), "{directive} is not enforced: {faults}");
    }
    page.go(&format!("{}/", node.url()));
    assert_eq!(page.faults(), Vec::<String>::new(), "the control: pages themselves break no rule");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_are_the_readers_copying_is_a_click_and_settings_stay() {
    let Some(mut browser) = Browser::start() else { return };
    let node = indexed(&[]).await;
    node.generate(1, 9).await;
    let id = node.rpc().chain_tip().await.expect("a tip").id.0.to_string();
    let mut page = browser.open(DESK);
    page.call("Emulation.setTimezoneOverride", &serde_json::json!({"timezoneId": "Asia/Tokyo"}));
    page.go(&format!("{}/block/1", node.url()));
    page.until("times are the reader's", "!document.querySelector('dd time').innerText.includes('UTC')");
    let shown = page.eval("(() => { const t = document.querySelector('dd time'); return [t.innerText, new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'medium', timeZone: 'Asia/Tokyo'}).format(new Date(t.dateTime))]; })()");
    assert_eq!(shown[0], shown[1]);
    let grant =
        serde_json::json!({"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"], "origin": node.url()});
    page.grant(&grant);
    page.click("button.copy");
    page.until("it says so", "document.querySelector('button.copy').innerText === 'Copied'");
    assert_eq!(page.eval("navigator.clipboard.readText()"), id.as_str());
    page.go(&format!("{}/settings", node.url()));
    page.click("#genesis-confirm");
    page.until("it is kept", "localStorage.getItem('cairn.genesis') === document.body.dataset.genesis");
    page.click("#nodes");
    page.type_text("http://127.0.0.1:1\nhttps://node.example:9741");
    page.click("#nodes-form button");
    page.until(
        "they are kept",
        "localStorage.getItem('cairn.nodes') === 'http://127.0.0.1:1\\nhttps://node.example:9741'",
    );
    page.go(&format!("{}/settings?again", node.url()));
    assert_eq!(page.eval("document.getElementById('nodes').value"), "http://127.0.0.1:1\nhttps://node.example:9741");
    page.eval("document.getElementById('nodes').value = 'javascript:alert(1)'");
    page.click("#nodes-form button");
    page.until("a wrong one is refused", "document.getElementById('settings-said').innerText.includes('is no URL')");
    // Without scripts all is there as well.
    let html = page.unscripted(&format!("{}/block/1", node.url()), "Block before");
    assert!(html.contains(&id) && html.contains("UTC"), "{html}");
}
