//! A faucet that is killed, at each place where that matters, and what it does when it is there again: nothing is paid
//! twice, nothing is forgotten.

use crate::faucet_scene::{Faucet, GIFT, Held, MANY, command, has, ledger, payments, until, visitor};
use crate::scene::Scene;
use std::process::Command;

const IP: &str = "192.0.2.1";

fn is_any(_: &str) -> bool {
    true
}

fn is_submit(method: &str) -> bool {
    method == "tx_submit"
}

/// After a kill: it is started again on an honest node, and everything settles.
fn settles(scene: &Scene, proof: &str, number: u8) {
    let faucet = Faucet::start(scene, &scene.net.honest(), MANY);
    // The visitor whose answer was lost asks again, from elsewhere, too.
    let again = faucet.claim(proof, IP);
    assert_eq!((again.status, again.kind()), (409, String::from("used_proof")), "{again:?}");
    let id = again.json()["error"]["grant"].clone();
    let grant = serde_json::json!({ "id": id });
    let sent = faucet.follow(&grant, "sent");
    assert_eq!(faucet.claim(proof, "203.0.113.1").kind(), "used_proof");
    scene.net.mine();
    assert_eq!(faucet.follow(&grant, "mined")["txid"], sent["txid"]);
    (0..6).for_each(|_| scene.net.mine());
    faucet.follow(&grant, "settled");
    assert_eq!((has(scene, number), payments(scene).len()), (GIFT, 1), "once");
    // The control: the next one is given to.
    assert_eq!(faucet.take(&visitor(scene, number + 1), "198.51.100.1").status, 202);
}

#[test]
fn killed_between_the_promise_and_the_payment() {
    let scene = Scene::new();
    let node = Held::new(&scene.net, is_any, false);
    let faucet = Faucet::start(&scene, &node.url, MANY);
    let proof = faucet.proof(&visitor(&scene, 1), IP);
    node.falls_silent(true);
    node.until_held();
    assert_eq!(faucet.claim(&proof, IP).status, 202);
    faucet.kill();
    assert_eq!((ledger(&scene).matches("granted").count(), payments(&scene).len()), (1, 0));
    settles(&scene, &proof, 1);
}

#[test]
fn killed_after_the_payment_is_signed_and_before_any_node_has_it() {
    let scene = Scene::new();
    let node = Held::new(&scene.net, is_submit, false);
    let faucet = Faucet::start(&scene, &node.url, MANY);
    node.falls_silent(true);
    let proof = faucet.proof(&visitor(&scene, 1), IP);
    assert_eq!(faucet.claim(&proof, IP).status, 202);
    node.until_held();
    faucet.kill();
    assert!(payments(&scene).len() == 1 && scene.net.pool.lock().expect("no test thread failed").is_empty());
    settles(&scene, &proof, 1);
}

#[test]
fn killed_after_a_node_has_the_payment_and_before_it_said_so() {
    let scene = Scene::new();
    let node = Held::new(&scene.net, is_submit, true);
    let faucet = Faucet::start(&scene, &node.url, MANY);
    node.falls_silent(true);
    let proof = faucet.proof(&visitor(&scene, 1), IP);
    assert_eq!(faucet.claim(&proof, IP).status, 202);
    node.until_held();
    faucet.kill();
    assert_eq!(scene.net.pool.lock().expect("no test thread failed").len(), 1);
    settles(&scene, &proof, 1);
}

/// The same, and the payment is in a block before the faucet is there again.
#[test]
fn killed_and_mined_meanwhile() {
    let scene = Scene::new();
    let node = Held::new(&scene.net, is_submit, true);
    let faucet = Faucet::start(&scene, &node.url, MANY);
    node.falls_silent(true);
    let proof = faucet.proof(&visitor(&scene, 1), IP);
    assert_eq!(faucet.claim(&proof, IP).status, 202);
    node.until_held();
    faucet.kill();
    (0..7).for_each(|_| scene.net.mine());
    let faucet = Faucet::start(&scene, &scene.net.honest(), MANY);
    let grant = serde_json::json!({ "id": faucet.claim(&proof, IP).json()["error"]["grant"] });
    faucet.follow(&grant, "settled");
    assert_eq!((has(&scene, 1), payments(&scene).len()), (GIFT, 1), "once");
}

/// A payment that can never be mined any more is proven to be so, and then made anew.
#[test]
fn a_payment_that_expired_unseen_is_made_anew_and_paid_once() {
    let scene = Scene::new();
    let node = Held::new(&scene.net, is_submit, false);
    let faucet = Faucet::start(&scene, &node.url, MANY);
    node.falls_silent(true);
    let proof = faucet.proof(&visitor(&scene, 1), IP);
    assert_eq!(faucet.claim(&proof, IP).status, 202);
    node.until_held();
    faucet.kill();
    (0..128).for_each(|_| scene.net.mine());
    let faucet = Faucet::start(&scene, &scene.net.honest(), MANY);
    let grant = serde_json::json!({ "id": faucet.claim(&proof, IP).json()["error"]["grant"] });
    until("another payment", || (payments(&scene).len() == 2).then_some(()));
    faucet.follow(&grant, "sent");
    scene.net.mine();
    faucet.follow(&grant, "mined");
    assert_eq!((has(&scene, 1), payments(&scene).len()), (GIFT, 2));
    let nonces: Vec<_> = payments(&scene).iter().map(|payment| payment["nonce"].clone()).collect();
    assert_eq!(nonces.first(), nonces.last(), "in its own place, so that at most one is ever mined");
}

#[test]
fn limits_survive_a_restart_and_a_clock_that_is_set_back() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    let few = "--per-day 3 --per-prefix 1 --proxy 127.0.0.1";
    let faucet = Faucet::start(&scene, &honest, few);
    let (ada, bob, eve) = (visitor(&scene, 1), visitor(&scene, 2), visitor(&scene, 3));
    assert_eq!(faucet.take(&ada, IP).status, 202);
    assert_eq!(faucet.take(&bob, "2001:db8:0:1::1").status, 202);
    faucet.kill();
    let check = |faucet: &Faucet| {
        assert_eq!(faucet.offer(&ada, "198.51.100.1").kind(), "address_limit");
        assert_eq!(faucet.offer(&eve, "192.0.2.99").kind(), "prefix_limit");
        assert_eq!(faucet.offer(&eve, "2001:db8:0:1:ffff::9").kind(), "prefix_limit", "the same /64");
        assert_eq!(faucet.offer(&eve, "2001:db8:0:2::1").status, 200, "the control: another /64");
        assert_eq!(faucet.get("/api/status", &[]).json()["left"], 1);
    };
    let faucet = Faucet::start(&scene, &honest, few);
    check(&faucet);
    faucet.kill();
    // Everything was given two hours from now, as far as this machine's clock knows.
    let (path, given) = (scene.home.path("data/wallets/default.faucet"), ledger(&scene));
    let later = given.lines().map(|line| {
        let mut line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        if let Some(time) = line["time"].as_u64() {
            line["time"] = serde_json::json!(time + 2 * 60 * 60 * 1_000);
        }
        // The kind of a line stands first in it.
        let event = line["event"].as_str().expect("a kind").to_owned();
        line.as_object_mut().expect("an object").remove("event");
        let rest = line.to_string();
        format!("{{\"event\":\"{event}\",{}\n", rest.trim_start_matches('{'))
    });
    std::fs::write(&path, later.collect::<String>()).expect("written");
    let faucet = Faucet::start(&scene, &honest, few);
    check(&faucet);
    // The last of the day, at the edge.
    assert_eq!(faucet.take(&eve, "198.51.100.1").status, 202);
    assert_eq!(faucet.offer(&visitor(&scene, 4), "203.0.113.1").kind(), "budget_used");
}

#[test]
fn a_torn_line_is_cut_off_and_a_damaged_one_stops_the_faucet() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    let faucet = Faucet::start(&scene, &honest, MANY);
    assert_eq!(faucet.take(&visitor(&scene, 1), IP).status, 202);
    until("it is paid", || (payments(&scene).len() == 1).then_some(()));
    faucet.kill();
    let (path, whole) = (scene.home.path("data/wallets/default.faucet"), ledger(&scene));
    std::fs::write(&path, format!("{whole}{{\"event\":\"granted\",\"time\":17")).expect("written");
    let faucet = Faucet::start(&scene, &honest, MANY);
    assert_eq!(
        (faucet.offer(&visitor(&scene, 1), IP).kind(), ledger(&scene)),
        (String::from("address_limit"), whole.clone())
    );
    faucet.kill();
    std::fs::write(&path, whole.replacen("\"granted\"", "\"g", 1)).expect("written");
    let output = command(&scene, &honest, MANY).output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.code() == Some(1) && text.contains("faucet_damaged") && text.contains("line 2"), "{text}");
    std::fs::write(&path, whole).expect("written");
    assert_eq!(Faucet::start(&scene, &honest, MANY).get("/", &[]).status, 200, "the control");
}

/// A disk that is full, as a limit on the size of files: what cannot be written down is not given.
#[test]
fn a_full_disk_refuses_and_does_not_pay() {
    const LIMIT: usize = 64 << 10;
    let scene = Scene::new();
    let honest = scene.net.honest();
    let faucet = Faucet::start(&scene, &honest, MANY);
    faucet.kill();
    // A day on which much was given: the file is nearly as long as files may be.
    let (path, mut text) = (scene.home.path("data/wallets/default.faucet"), ledger(&scene));
    let now = crate::chain::now();
    for number in 0_u32.. {
        let (id, txid) = (format!("{number:032x}"), "0".repeat(64));
        let gift = format!(
            "{{\"event\":\"granted\",\"time\":{now},\"id\":\"{id}\",\"address\":\"a{number}\",\
             \"from\":\"10.{number}.0.0/24\",\"amount\":\"1\"}}\n\
             {{\"event\":\"settled\",\"time\":{now},\"id\":\"{id}\",\"txid\":\"{txid}\"}}\n"
        );
        if number > 255 || text.len() + gift.len() + 100 > LIMIT {
            break;
        }
        text += &gift;
    }
    // To a place where the next gift has no room: spaces mean nothing at the end of a line.
    let fill = LIMIT - 100 - text.len();
    text.insert_str(text.len() - 1, &" ".repeat(fill));
    std::fs::write(&path, &text).expect("written");
    let inner = command(&scene, &honest, MANY);
    let mut full = Command::new("bash");
    full.args(["-c", &format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", LIMIT >> 10), "bash"]);
    full.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => full.env(name, value),
            None => full.env_remove(name),
        };
    }
    let faucet = Faucet::spawn(&mut full);
    faucet.until_ready();
    let proof = faucet.proof(&visitor(&scene, 1), IP);
    for _ in 0..3 {
        let refused = faucet.claim(&proof, IP);
        assert_eq!((refused.status, refused.kind()), (503, String::from("storage")), "{refused:?}");
    }
    assert_eq!((ledger(&scene), payments(&scene).len()), (text, 0));
    faucet.kill();
    // The control: there is room again, and the work is still good.
    let faucet = Faucet::start(&scene, &honest, MANY);
    let taken = faucet.claim(&proof, IP);
    assert_eq!(taken.status, 202, "{taken:?}");
    faucet.follow(&taken.json(), "sent");
}
