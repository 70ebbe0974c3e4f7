//! A faucet as visitors, scripts and its owner have it.

use crate::faucet_scene::{Faucet, GIFT, MANY, command, fail, has, ledger, payments, visitor};
use crate::scene::Scene;
use serde_json::json;

/// More zero bits than any nonce has by chance.
const DEAR: u32 = 18;

#[test]
fn a_gift_is_worked_for_given_once_and_arrives() {
    let scene = Scene::new();
    let faucet = Faucet::start(&scene, &scene.net.honest(), MANY);
    let (ada, ip) = (visitor(&scene, 1), "192.0.2.1");
    let proof = faucet.proof(&ada, ip);
    let taken = faucet.claim(&proof, ip);
    assert_eq!(taken.status, 202, "{taken:?}");
    let grant = taken.json();
    assert_eq!((&grant["state"], &grant["amount"]), (&json!("granted"), &json!(GIFT.to_string())));
    let sent = faucet.follow(&grant, "sent");
    scene.net.mine();
    let mined = faucet.follow(&grant, "mined");
    assert_eq!((&mined["txid"], has(&scene, 1)), (&sent["txid"], GIFT));
    (0..6).for_each(|_| scene.net.mine());
    assert_eq!(faucet.follow(&grant, "settled")["txid"], sent["txid"]);
    // The same proof, and the same address with a new one.
    let again = faucet.claim(&proof, "198.51.100.1");
    assert_eq!((again.status, again.kind()), (409, String::from("used_proof")));
    assert_eq!(again.json()["error"]["grant"], grant["id"]);
    let again = faucet.offer(&ada, "198.51.100.1");
    assert_eq!((again.status, again.kind()), (429, String::from("address_limit")));
    let day = again.json()["error"]["again"].as_u64().expect("a time") - grant["time"].as_u64().expect("a time");
    assert_eq!(day, 24 * 60 * 60 * 1_000);
    assert!(again.head.contains("retry-after: 86"), "{again:?}");
    // The control: somebody else.
    assert_eq!(faucet.take(&visitor(&scene, 2), ip).status, 202);
}

#[test]
fn a_proof_is_for_its_address_its_window_and_its_price_alone() {
    let scene = Scene::new();
    let faucet = Faucet::start(&scene, &scene.net.honest(), MANY);
    let (ada, eve, ip) = (visitor(&scene, 1), visitor(&scene, 2), "192.0.2.1");
    let proof: serde_json::Value = serde_json::from_str(&faucet.proof_of(&ada, ip, DEAR)).expect("JSON");
    let with = |field: &str, value: serde_json::Value| {
        let mut other = proof.clone();
        other[field] = value;
        faucet.claim(&other.to_string(), ip)
    };
    let window = proof["window"].as_u64().expect("a number");
    for other in [window + 1, window - 2, 0, u64::MAX] {
        assert_eq!(with("window", json!(other)).kind(), "old_challenge", "{other}");
    }
    let offer = faucet.offer(&ada, ip).json();
    let weak = fail(offer["challenge"].as_str().expect("hex"), 1).to_string();
    let refused = with("nonce", json!(weak));
    assert_eq!((refused.status, refused.kind()), (409, String::from("weak_proof")));
    assert_eq!(refused.json()["error"]["bits"], 1);
    // Another address: by chance a nonce may be good for a bit or two, so a dearer faucet is asked.
    faucet.kill();
    let dear = Faucet::start(&scene, &scene.net.honest(), &format!("{MANY} --difficulty {DEAR}"));
    let mut stolen = proof.clone();
    stolen["address"] = json!(eve);
    assert_eq!(dear.claim(&stolen.to_string(), ip).kind(), "weak_proof");
    assert_eq!(ledger(&scene).matches("granted").count(), 0);
    // The control: its owner, after the restart.
    assert_eq!(dear.claim(&proof.to_string(), ip).status, 202);
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let scene = Scene::new();
    let faucet = Faucet::start(&scene, &scene.net.honest(), MANY);
    let json = "content-type: application/json";
    for (method, path, headers, body, status, kind) in [
        ("GET", "/nothing", &[][..], "", 404, "no_page"),
        ("GET", "/web/app.js", &[], "", 404, "no_page"),
        ("GET", "/web/../Cargo.toml", &[], "", 404, "no_page"),
        ("GET", "/api/grant/7", &[], "", 404, "no_grant"),
        ("GET", "/api/grant/00000000000000000000000000000000", &[], "", 404, "no_grant"),
        ("GET", "/api/challenge", &[], "", 400, "bad_request"),
        ("GET", "/api/challenge?address=x", &[], "", 400, "bad_address"),
        ("GET", "/api/claim", &[], "", 405, "method"),
        ("POST", "/", &[json], "{}", 405, "method"),
        ("POST", "/api/claim", &[], "{}", 415, "bad_request"),
        ("POST", "/api/claim", &["content-type: text/plain"], "{}", 415, "bad_request"),
        ("POST", "/api/claim", &[json], "", 400, "bad_request"),
        ("POST", "/api/claim", &[json], "{\"address\":1}", 400, "bad_request"),
        ("POST", "/api/claim", &[json], "{\"address\":\"x\",\"window\":1,\"nonce\":\"+1\"}", 400, "bad_request"),
        ("POST", "/api/claim", &[json], "{\"address\":\"x\",\"window\":1,\"nonce\":\"1\"}", 400, "bad_address"),
        ("POST", "/api/claim", &[json], "[[[[[[[[[[[[[[[[[[[[", 400, "bad_request"),
    ] {
        let answer = faucet.ask(method, path, headers, body);
        assert_eq!((answer.status, answer.kind().as_str()), (status, kind), "{method} {path} {body}: {answer:?}");
        assert!(answer.json()["error"]["message"].as_str().is_some_and(|text| text.len() > 15), "{answer:?}");
    }
    assert_eq!(faucet.get("/", &[]).status, 200, "the control");
    assert_eq!(faucet.get("/web/faucet.js", &[]).status, 200);
}

#[test]
fn the_page_is_strict_and_text_from_a_link_is_inert() {
    let scene = Scene::new();
    let faucet = Faucet::start(&scene, &scene.net.honest(), "--per-day 5 --explorer http://127.0.0.1:1/");
    let page = faucet.get("/", &[]);
    let policy = "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                  connect-src 'self'; worker-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'";
    assert!(page.head.contains(policy), "{}", page.head);
    for forbidden in ["style=", "onclick", "<style", "javascript:"] {
        assert!(!page.body.contains(forbidden), "{forbidden}");
    }
    assert!(page.body.contains("href=\"http://127.0.0.1:1/\""), "the explorer");
    let nasty = "%3Cscript%3Ealert(1)%3C/script%3E%22%1B%5B2J%E2%80%AE%00%FF";
    for path in [format!("/?address={nasty}"), format!("/api/challenge?address={nasty}"), format!("/{nasty}")] {
        let answer = faucet.get(&path, &[]);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        let is_html = answer.head.contains("text/html");
        assert!(!is_html || !answer.body.contains("<script>alert"), "{path}: {}", answer.body);
        for raw in ['\u{1b}', '\u{202e}', '\0'] {
            assert!(!answer.body.contains(raw), "{path} holds {raw:?}");
        }
        assert!(answer.head.contains("nosniff"), "{}", answer.head);
    }
    // The control: an address that is one comes back as it is, and is no mistake.
    let good = faucet.get(&format!("/?address={}", scene.to), &[]);
    assert!(good.status == 200 && good.body.contains(&format!("value=\"{}\"", scene.to)), "{good:?}");
}

#[test]
fn the_main_network_has_no_faucet_and_a_dry_run_gives_nothing() {
    let scene = Scene::new();
    let error = scene.home.fails("--chain main faucet --amount 1 --per-day 1", 1, "main_network");
    assert!(error.contains("test and local networks"), "{error}");
    let honest = scene.net.honest();
    let line = scene.line(&[&honest], "faucet --amount 0.5 --per-day 4 --dry-run --listen 127.0.0.1:9");
    let dry = scene.home.json(&line);
    assert_eq!((&dry["dry_run"], &dry["budget"], &dry["open"]), (&json!(true), &json!("200000000"), &json!(0)));
    assert!(dry["enough_for"].as_u64().is_some_and(|count| (10..=24).contains(&count)), "{dry}");
    assert!(scene.home.run(&line).out.contains("Nothing was given"));
    assert!(ledger(&scene).is_empty() && payments(&scene).is_empty());
    scene.home.fails(&scene.line(&[&honest], "faucet --amount 0 --per-day 4"), 1, "zero_amount");
}

#[test]
fn one_faucet_of_a_wallet_at_a_time() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    let first = Faucet::start(&scene, &honest, MANY);
    let second = command(&scene, &honest, MANY).output().expect("it runs");
    let text = String::from_utf8(second.stdout).expect("text");
    assert!(second.status.code() == Some(1) && text.contains("faucet_running"), "{text}");
    // The control: after the first has ended, and on a port that is taken.
    let taken = first.address;
    let other = format!("{MANY} --listen {taken}");
    first.kill();
    let listener = std::net::TcpListener::bind(taken).expect("free again");
    let refused = scene.home.run(&scene.line(&[&honest], &format!("faucet --amount 1 {other}")));
    assert!(refused.code == Some(1) && refused.err.contains("name another place with --listen"), "{refused:?}");
    drop(listener);
    assert_eq!(Faucet::start(&scene, &honest, MANY).get("/", &[]).status, 200);
}
