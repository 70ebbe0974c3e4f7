//! Who would profit: many requests for one proof, for the last of the budget, from many addresses; and who wants that
//! nobody gets anything. Each beside its honest control.

use crate::faucet_scene::{
    Faucet, GIFT, Held, MANY, connect_from, exchange, from, has, ledger, mine_until, payments, until, visitor,
};
use crate::scene::Scene;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Barrier};
use std::thread;

/// How often each answer came: of a claim that was taken `taken`, of others their kind.
fn all_at_once(faucet: &Arc<Faucet>, claims: Vec<(String, String)>) -> BTreeMap<String, usize> {
    let barrier = Arc::new(Barrier::new(claims.len()));
    let threads: Vec<_> = claims
        .into_iter()
        .map(|(proof, ip)| {
            let (faucet, barrier) = (Arc::clone(faucet), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                let answer = faucet.claim(&proof, &ip);
                if answer.status == 202 { String::from("taken") } else { answer.kind() }
            })
        })
        .collect();
    let mut counts = BTreeMap::new();
    for thread in threads {
        *counts.entry(thread.join().expect("an answer")).or_default() += 1;
    }
    counts
}

fn counts(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect()
}

#[test]
fn one_proof_three_hundred_times_at_once_is_paid_once() {
    let scene = Scene::new();
    let faucet = Arc::new(Faucet::start(&scene, &scene.net.honest(), MANY));
    let proof = faucet.proof(&visitor(&scene, 1), "192.0.2.1");
    let claims = (0..300).map(|n: u32| (proof.clone(), format!("10.{}.{}.1", n / 16, n % 16)));
    assert_eq!(all_at_once(&faucet, claims.collect()), counts(&[("taken", 1), ("used_proof", 299)]));
    mine_until("the gift arrives", &scene, || has(&scene, 1) == GIFT);
    let status = || faucet.get("/api/status", &[]).json();
    until("nothing waits any more", || (status()["waiting"] == 0).then_some(()));
    assert_eq!(status()["left"], 39);
    (0..8).for_each(|_| scene.net.mine());
    assert_eq!((has(&scene, 1), payments(&scene).len()), (GIFT, 1));
}

#[test]
fn the_budget_holds_to_the_last_pebble_whoever_asks_at_once() {
    let scene = Scene::new();
    let five = "--per-day 5 --per-prefix 5 --proxy 127.0.0.1";
    let faucet = Arc::new(Faucet::start(&scene, &scene.net.honest(), five));
    let ip = |number: u8| format!("10.{number}.0.1");
    let proofs = (1..=40).map(|number| (faucet.proof(&visitor(&scene, number), &ip(number)), ip(number)));
    let proofs: Vec<_> = proofs.collect();
    assert_eq!(all_at_once(&faucet, proofs.clone()), counts(&[("budget_used", 35), ("taken", 5)]));
    let given = || (1..=40).map(|number| has(&scene, number)).sum::<u64>();
    mine_until("they are paid", &scene, || given() >= 5 * GIFT);
    (0..8).for_each(|_| scene.net.mine());
    assert_eq!((given(), payments(&scene).len()), (5 * GIFT, 5));
    // And again, all of them.
    let again = all_at_once(&faucet, proofs);
    assert_eq!(again, counts(&[("budget_used", 35), ("used_proof", 5)]));
    assert_eq!(ledger(&scene).matches("granted").count(), 5);
}

#[test]
fn neighbours_get_what_a_prefix_gets_by_24_and_64_bits() {
    let scene = Scene::new();
    let faucet = Faucet::start(&scene, &scene.net.honest(), "--per-day 30 --per-prefix 2 --proxy 127.0.0.1");
    for (first, ips) in
        [(1, ["192.0.2.1", "192.0.2.254", "192.0.2.77"]), (4, ["2001:db8::1", "2001:db8::f:1", "2001:db8::a:b:c:d"])]
    {
        let [one, two, three] = ips;
        assert_eq!(faucet.take(&visitor(&scene, first), one).status, 202);
        assert_eq!(faucet.take(&visitor(&scene, first + 1), two).status, 202);
        let refused = faucet.offer(&visitor(&scene, first + 2), three);
        assert_eq!((refused.status, refused.kind()), (429, String::from("prefix_limit")), "{three}");
    }
    // What a visitor writes itself is not believed: the proxy's own word stands last.
    let forged = faucet.get(&format!("/api/challenge?address={}", visitor(&scene, 9)), &[&from("8.8.8.8, 192.0.2.9")]);
    assert_eq!(forged.kind(), "prefix_limit");
    assert_eq!(faucet.offer(&visitor(&scene, 9), "192.0.3.1").status, 200, "the control");
}

#[test]
fn without_a_proxy_nobody_is_believed_about_where_it_comes_from() {
    let scene = Scene::new();
    let faucet = Faucet::start(&scene, &scene.net.honest(), "--per-day 30 --per-prefix 1");
    assert_eq!(faucet.take(&visitor(&scene, 1), "192.0.2.1").status, 202);
    assert_eq!(faucet.offer(&visitor(&scene, 2), "198.51.100.1").kind(), "prefix_limit");
    let other = connect_from(Ipv4Addr::new(127, 0, 7, 1), faucet.address);
    let path = format!("/api/challenge?address={}", visitor(&scene, 2));
    let answer = exchange(other, &format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    assert_eq!(answer.status, 200, "the control: {answer:?}");
}

#[test]
fn what_is_slow_or_large_or_too_much_is_cut_off_and_others_are_served() {
    let scene = Scene::new();
    let faucet = Faucet::start(&scene, &scene.net.honest(), "--per-day 30");
    // A crowd that sends its requests a byte at a time, never to the end.
    let crowd: Vec<TcpStream> = (0..60)
        .map(|_| {
            let mut stream = TcpStream::connect(faucet.address).expect("it listens");
            // Those for whom there is no room may be gone already.
            let _full = stream.write_all(b"GET / HTTP/1.1\r\nx: ");
            stream
        })
        .collect();
    let honest = connect_from(Ipv4Addr::new(127, 0, 9, 1), faucet.address);
    let answer = exchange(honest, "GET /api/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    assert_eq!(answer.status, 200, "the control, beside them");
    for mut stream in crowd {
        stream.set_read_timeout(Some(crate::faucet_scene::WITHIN)).expect("a timeout");
        // It is closed, with or without a word.
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }
    // Large heads and bodies.
    let head = format!("GET /?x={} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(20_000));
    let answer = exchange(TcpStream::connect(faucet.address).expect("it listens"), &head);
    assert!(matches!(answer.status, 414 | 431), "{answer:?}");
    let json = ["content-type: application/json"];
    let large = faucet.ask("POST", "/api/claim", &json, &"a".repeat(5_000));
    assert_eq!((large.status, large.kind()), (413, String::from("too_long")));
    // A body that does not come.
    let slow = "POST /api/claim HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\
                connection: close\r\n\r\n{";
    let answer = exchange(TcpStream::connect(faucet.address).expect("it listens"), slow);
    assert_eq!((answer.status, answer.kind()), (408, String::from("too_slow")));
    // One that asks and asks.
    let kinds = (0..200).map(|_| faucet.get("/api/status", &[])).find(|answer| answer.status == 429);
    assert_eq!(kinds.map(|answer| answer.kind()).as_deref(), Some("too_fast"));
    until("it is served again", || (faucet.get("/", &[]).status == 200).then_some(()));
}

#[test]
fn a_node_that_is_gone_or_lies_costs_nobody_anything() {
    let scene = Scene::new();
    let node = Held::new(&scene.net, |_| true, false);
    let liar = scene.net.liar(|method, _| {
        (method == "chain_getProof").then(|| crate::node::Reply::Answer(Ok(serde_json::json!({"raw": "00"}))))
    });
    for (number, url) in [(1, node.url.clone()), (2, liar.url.clone())] {
        let say = |is| if number == 1 { node.falls_silent(is) } else { liar.lies(is) };
        let faucet = Faucet::start(&scene, &url, &format!("{MANY} --max-time 2"));
        let ip = format!("10.{number}.0.1");
        let proof = faucet.proof(&visitor(&scene, number), &ip);
        say(true);
        let trouble = || faucet.get("/api/status", &[]).json()["trouble"].as_str().map(str::to_owned);
        // A liar is found out when there is something new to prove.
        scene.net.mine();
        let trouble = until("it knows that it cannot pay", trouble);
        assert!(trouble.contains("cannot pay now"), "{trouble}");
        let refused = faucet.claim(&proof, &ip);
        assert_eq!((refused.status, refused.kind()), (503, String::from("no_node")), "{refused:?}");
        let page = faucet.get("/", &[]);
        assert!(page.status == 200 && page.body.contains("id=\"closed\""), "{page:?}");
        // The control: the truth again, and the same work.
        say(false);
        let taken = until("it is taken", || Some(faucet.claim(&proof, &ip)).filter(|answer| answer.status == 202));
        faucet.follow(&taken.json(), "sent");
        scene.net.mine();
        faucet.follow(&taken.json(), "mined");
        assert_eq!(has(&scene, number), GIFT);
    }
}

#[test]
fn a_node_that_refuses_and_passes_on_does_not_make_it_pay_twice() {
    let scene = Scene::new();
    let node = scene.net.liar(|method, _| {
        let no = || cairn_rpc::error::RpcError::new(cairn_rpc::error::Code::TxPoolFull, "no\u{1b}[2J");
        (method == "tx_submit").then(|| crate::node::Reply::Answer(Err(no())))
    });
    let faucet = Faucet::start(&scene, &node.url, MANY);
    node.lies(true);
    let taken = faucet.take(&visitor(&scene, 1), "10.1.0.1");
    assert_eq!(taken.status, 202);
    // Nothing else is promised while it is not sure that what is promised leaves.
    let trouble = until("it says what the node says", || {
        faucet.get("/api/status", &[]).json()["trouble"].as_str().map(str::to_owned)
    });
    assert!(trouble.contains("\\u{1b}[2J") && !trouble.contains('\u{1b}'), "{trouble}");
    assert_eq!(faucet.offer(&visitor(&scene, 2), "10.2.0.1").kind(), "no_node");
    // It is handed over again, as it is; meanwhile it is mined, for the node passed it on.
    let mut told = 0;
    until("it is handed over again", || {
        told += node.told();
        (told > 1).then_some(())
    });
    scene.net.mine();
    faucet.follow(&taken.json(), "mined");
    assert_eq!((has(&scene, 1), payments(&scene).len()), (GIFT, 1));
    node.lies(false);
    faucet.until_ready();
    assert_eq!(faucet.take(&visitor(&scene, 2), "10.2.0.1").status, 202, "the control");
    mine_until("the other arrives", &scene, || has(&scene, 2) == GIFT);
    assert_eq!(payments(&scene).len(), 2);
}
