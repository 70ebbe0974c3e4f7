//! What a lying node may try, each lie beside the honest node that is believed.

use crate::chain::{Chain, Lie, json, network, now, with_raw, write_network};
use crate::{harness::Home, node::nobody};
use cairn_ledger::testing::{key, pebbles};
use cairn_ledger::{accounts::AccountProof, codec, keys::Address, pow::Work, units::Amount};
use cairn_rpc::text::{HexBytes, Text};
use cairn_rpc::types::{TransactionJson, TransactionProofJson, TxState, TxStatus};
use serde_json::{Value, json};
use std::{fs, sync::Arc};

/// What the wallet was paid, in pebbles, 8 blocks below the tip.
const PAID: u64 = 1_250_000_000;
/// What it was paid 2 blocks below the tip.
const LATELY: u64 = 50_000_000;

/// A home with a wallet of its own on an easy network, and a chain of 30 blocks that pays it.
fn paid() -> (Home, Chain, Address) {
    paid_since(120_000)
}

/// The same on a network that began so many milliseconds ago: room for a block every two seconds.
fn paid_since(age_ms: u64) -> (Home, Chain, Address) {
    let home = Home::new();
    let spec = network(age_ms);
    write_network(&home, &spec);
    let made = home.json("--chain @easy.toml restore --words-file @words --kdf-memory-mib 8");
    let address = spec.params().prefix.decode(made["address"].as_str().expect("an address")).expect("an address");
    let mut chain = Chain::new(spec);
    chain.grow(21);
    chain.mine(vec![chain.pay(address, PAID)], 2_000);
    chain.grow(5);
    chain.mine(vec![chain.pay(address, LATELY)], 2_000);
    chain.grow(2);
    (home, chain, address)
}

fn line(nodes: &[&str], command: &str) -> String {
    let nodes: String = nodes.iter().map(|node| format!("--node {node} ")).collect();
    format!("--chain @easy.toml {nodes}{command}")
}

fn lie(method: &'static str, tell: impl Fn(Value) -> Value + Send + Sync + 'static) -> Lie {
    Arc::new(move |asked, answer| if asked == method { tell(answer) } else { answer })
}

/// The lie is found out: alone the node is not believed; beside an honest one it is named, whichever is asked
/// first, and the honest one is believed.
fn caught(told: Lie, claim: &str) {
    let (home, chain, _) = paid();
    let (honest, liar) = (chain.serve(), chain.serve_lying(told));
    let error = home.fails(&line(&[&liar], "balance"), 1, "node_lies");
    assert!(error.contains(&liar) && error.contains(claim), "{error}");
    for nodes in [[&*liar, &*honest], [&*honest, &*liar]] {
        let shown = home.json(&line(&nodes, "balance"));
        assert_eq!(shown["balance"], PAID.to_string(), "{shown}");
        assert_eq!(shown["proof"]["node"], *honest, "{shown}");
    }
    let shown = home.run(&line(&[&liar, &honest], "balance"));
    assert!(shown.err.contains(&format!("warning: the node at {liar} lies: ")), "{shown:?}");
    assert!(shown.out.contains("12.5 CRN, proven by "), "{shown:?}");
    // The control: without it there is nothing to say.
    assert!(home.ok(&line(&[&honest], "balance")).contains("12.5 CRN, proven by "));
}

/// The account's proof with another balance in it.
fn with_balance(answer: Value, change: fn(Amount) -> Amount) -> Value {
    with_raw(answer, |raw| {
        let mut proof: AccountProof = codec::decode(&raw, 4_096).expect("a proof");
        proof.leaf.account.balance = change(proof.leaf.account.balance);
        codec::encode(&proof)
    })
}

#[test]
fn lie_balance_too_high() {
    let more = |balance: Amount| balance.checked_add(pebbles(1)).expect("not that much");
    caught(lie("state_getProof", move |answer| with_balance(answer, more)), "proof of the account");
}

#[test]
fn lie_balance_too_low() {
    caught(lie("state_getProof", |answer| with_balance(answer, |_| Amount::ZERO)), "proof of the account");
}

#[test]
fn lie_balance_said_is_not_the_balance_proven() {
    let told = lie("state_getAccount", |mut answer| {
        answer["balance"] = json!("99999999999");
        answer
    });
    caught(told, "it claims a balance of 999.99999999 CRN at block 30, and proves 13 CRN");
}

#[test]
fn lie_account_hidden() {
    // The account's own leaf, doctored so that it spans the account.
    caught(
        lie("state_getProof", |answer| {
            with_raw(answer, |raw| {
                let mut proof: AccountProof = codec::decode(&raw, 4_096).expect("a proof");
                proof.leaf.address = Address::from_bytes([0; 32]);
                proof.leaf.next = Address::ZERO;
                codec::encode(&proof)
            })
        }),
        "proof of the account",
    );
}

#[test]
fn lie_account_hidden_behind_the_leaf_of_another() {
    let (home, chain, address) = paid();
    let served = chain.clone();
    let other = move |height: usize| {
        let index = (0..).find(|index| served.leaf_proof(*index, height).leaf.address != address).expect("another");
        codec::encode(&served.leaf_proof(index, height))
    };
    let count = chain.account_proof(&address, 24).count;
    let told = lie("state_getProof", move |answer| {
        with_raw(answer, |raw| {
            let proof: AccountProof = codec::decode(&raw, 4_096).expect("a proof");
            if proof.count == count { other(24) } else { other(30) }
        })
    });
    let error = home.fails(&line(&[&chain.serve_lying(told)], "balance"), 1, "node_lies");
    assert!(error.contains("says nothing about"), "{error}");
    assert!(home.ok(&line(&[&chain.serve()], "balance")).contains("12.5 CRN, proven by "), "the control");
}

#[test]
fn lie_forged_proof() {
    for place in [400, 2_000, 5_000] {
        let told = lie("chain_getProof", move |answer| {
            with_raw(answer, |mut raw| {
                // What continues a kept tip is shorter.
                let place = place % raw.len().max(1);
                raw.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1);
                raw
            })
        });
        let (home, chain, _) = paid();
        let error = home.fails(&line(&[&chain.serve_lying(told)], "balance"), 1, "node_lies");
        assert!(error.contains("proof does not hold") || error.contains("cannot be read"), "{place}: {error}");
        assert!(home.ok(&line(&[&chain.serve()], "balance")).contains("12.5 CRN"), "the control");
    }
}

#[test]
fn lie_chain_with_less_work_that_claims_more() {
    let (home, chain, _) = paid();
    let mut shorter = Chain::new(chain.headers.spec.clone());
    shorter.grow(25);
    let told = lie("chain_tip", |mut answer| {
        answer["work"] = json!(Text(Work::from_u64(1 << 50)));
        answer
    });
    let (honest, behind, liar) = (chain.serve(), shorter.serve(), shorter.serve_lying(told));
    let error = home.fails(&line(&[&liar], "balance"), 1, "node_lies");
    assert!(error.contains("it claims 1125899906842624 hashes of work, and proves 50"), "{error}");
    let shown = home.json(&line(&[&liar, &behind, &honest], "balance"));
    assert_eq!((&shown["balance"], &shown["proof"]["node"]), (&json!(PAID.to_string()), &json!(honest)));
    assert_eq!(shown["proof"]["liars"][0]["node"], liar);
    // One that is merely behind does not lie; it is said to be behind.
    assert_eq!(shown["proof"]["liars"].as_array().map(Vec::len), Some(1));
    let warning = shown["proof"]["warnings"][0].as_str().expect("a warning");
    assert!(warning.contains(&behind) && warning.contains("is behind: it proves block 25"), "{warning}");
    // Alone it is warned about too, for the wallet has seen more work; without that it could not know.
    let run = home.run(&line(&[&behind], "balance"));
    assert!(run.code == Some(0) && run.err.contains("this wallet has seen one with 60"), "{run:?}");
    fs::remove_dir_all(home.path("data/tips")).expect("the kept tip");
    assert_eq!(home.ok(&line(&[&behind], "balance")).lines().nth(2), Some("at       block 19, 6 below the tip"));
}

#[test]
fn lie_a_payment_that_was_never_received() {
    let (home, mut chain, address) = paid();
    chain.mine(vec![chain.pay(address, 5)], 2_000);
    let honest = chain.serve();
    let shown = home.json(&line(&[&honest], "history --received"));
    let amounts = |shown: &Value| -> Vec<String> {
        let entries = shown["received"].as_array().unwrap_or_else(|| panic!("{shown}")).iter();
        entries.map(|entry| entry["amount"].as_str().expect("pebbles").to_owned()).collect()
    };
    let all = ["5".to_owned(), LATELY.to_string(), PAID.to_string()];
    assert_eq!(amounts(&shown), all, "newest first, over two pages");
    let proven = |entry: &Value| entry["proven"] == true && entry["status"]["state"] == "mined";
    assert!(shown["received"].as_array().expect("a list").iter().all(proven), "{shown}");
    let limited = home.json(&line(&[&honest], "history --received --limit 1"));
    assert_eq!((amounts(&limited), &limited["more"]), (all[..1].to_vec(), &json!(true)));
    assert!(home.ok(&line(&[&honest], "history --received")).contains("12.5 CRN from"));

    // A payment that exists nowhere, and words that its own bytes contradict.
    let forged = TransactionJson::new(&chain.pay(address, 1_000_000_000), &chain.headers.spec.params().prefix);
    let more = json(&forged);
    let told: Lie = Arc::new(move |asked, mut answer| match asked {
        "state_getHistory" => {
            answer["entries"][0]["transaction"] = more.clone();
            answer
        }
        // It says that it was mined, too, and cannot prove it.
        "tx_status" => {
            answer["state"] = json!("mined");
            answer["height"] = json!(30);
            answer
        }
        _ => answer,
    });
    let error = home.fails(&line(&[&chain.serve_lying(told)], "history --received"), 1, "node_lies");
    assert!(error.contains("does not prove it"), "{error}");
    let told = lie("state_getHistory", |mut answer| {
        answer["entries"][0]["received"] = json!("99999999999");
        answer["entries"][0]["transaction"]["outputs"][0]["amount"] = json!("99999999999");
        answer
    });
    assert_eq!(amounts(&home.json(&line(&[&chain.serve_lying(told)], "history --received"))), all, "the bytes count");
}

#[test]
fn lie_stale_tip() {
    let home = Home::new();
    let spec = network(3 * 3_600_000);
    write_network(&home, &spec);
    home.json("--chain @easy.toml restore --words-file @words --kdf-memory-mib 8");
    let mut stale = Chain::new(spec);
    stale.grow(10);
    let mut fresh = stale.clone();
    fresh.mine(Vec::new(), 3 * 3_600_000 - 60_000);
    let run = home.run(&line(&[&stale.serve()], "balance"));
    assert!(run.code == Some(0) && run.err.starts_with("warning: the newest block is 2 h old"), "{run:?}");
    // The control: nothing to warn of, and only what is new was fetched.
    let shown = home.json(&line(&[&fresh.serve()], "balance"));
    assert_eq!((&shown["proof"]["warnings"], &shown["proof"]["height"]), (&json!([]), &json!(11)));
    assert!(shown["proof"]["bytes"].as_u64() < Some(2_000), "{shown}");
    let run = home.run(&line(&[&stale.serve()], "balance"));
    assert!(run.err.contains("this wallet has seen one with"), "{run:?}");
}

/// Every header, from the place where the last run left off.
#[test]
fn every_header_is_checked_and_the_place_is_kept() {
    let (home, mut chain, _) = paid_since(1_400_000);
    let every = |chain: &Chain| home.json(&line(&[&chain.serve()], "--every-header balance"));
    let shown = every(&chain);
    assert_eq!((&shown["balance"], &shown["proof"]["samples"]), (&json!(PAID.to_string()), &json!(0)));
    assert_eq!(shown["proof"]["bytes"].as_u64().map(|bytes| bytes / 1_000), Some(3), "30 headers, and two accounts");
    chain.grow(600);
    let whole = every(&chain)["proof"]["bytes"].as_u64().expect("bytes");
    assert!(whole > 630 * 112, "no place below a short chain: {whole}");
    chain.grow(2);
    let since = every(&chain)["proof"]["bytes"].as_u64().expect("bytes");
    assert!(since < 530 * 112 && since > 512 * 112, "from 512 below the last tip: {since}");
    // Another chain, which left this one below the place: all of it once more.
    let mut other = Chain::new(chain.headers.spec.clone());
    other.grow(3);
    other.mine(Vec::new(), 2_001);
    other.grow(650);
    assert!(every(&other)["proof"]["bytes"].as_u64() > Some(654 * 112));
    // A header that was not mined, and headers that never come to the tip.
    let told = lie("chain_getBareHeaders", |answer| {
        // There is none from a place on the other chain.
        let Ok(HexBytes(mut raw)) = serde_json::from_value(answer.clone()) else { return answer };
        raw.iter_mut().skip(60).take(1).for_each(|byte| *byte ^= 1);
        json!(HexBytes(raw))
    });
    for told in [told, lie("chain_getBareHeaders", |_| json!(HexBytes(Vec::new())))] {
        let error = home.fails(&line(&[&chain.serve_lying(told)], "--every-header balance"), 1, "node_lies");
        assert!(error.contains("claims the tip") || error.contains("will not prove it"), "{error}");
    }
}

/// A wallet whose own clock is behind all nodes' says so instead of calling them liars.
#[test]
fn a_clock_that_is_the_odd_one_out_is_named() {
    let home = Home::new();
    let spec = network(60_000);
    write_network(&home, &spec);
    home.json("--chain @easy.toml restore --words-file @words --kdf-memory-mib 8");
    // The chain is an hour ahead of this computer's clock.
    let mut chain = Chain::new(spec);
    chain.mine(Vec::new(), 3_660_000);
    let ahead = |by: u64| {
        lie("node_info", move |mut answer| {
            answer["time"] = json!(now() + by);
            answer
        })
    };
    let nodes: Vec<String> = (0..2).map(|_| chain.serve_lying(ahead(3_600_000))).collect();
    let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
    let error = home.fails(&line(&nodes, "balance"), 1, "clock_wrong");
    assert!(error.contains("behind the nodes' (2 asked)"), "{error}");
    // The control: a node whose own clock says that its block is from the future.
    let error = home.fails(&line(&[&chain.serve_lying(ahead(0))], "balance"), 1, "node_lies");
    assert!(error.contains("expected at most"), "{error}");
}

/// A wallet whose own clock is ahead of all nodes' says so; nothing is refused for that.
#[test]
fn a_clock_that_is_ahead_of_the_nodes_is_named() {
    let (home, chain, _) = paid();
    let behind = |by: u64| {
        let told = lie("node_info", move |mut answer| {
            answer["time"] = json!(now() - by);
            answer
        });
        let shown = home.json(&line(&[&chain.serve_lying(told)], "balance"));
        shown["proof"]["warnings"].to_string()
    };
    let warnings = behind(3_600_000);
    assert!(warnings.contains("clock is 3600 s ahead of the nodes' (1 asked)"), "{warnings}");
    let warnings = behind(0);
    assert!(!warnings.contains("clock"), "the control: {warnings}");
}

#[test]
fn lie_receipt_for_a_payment_that_was_reorganised_away() {
    let (home, left, address) = paid();
    let spec = left.headers.spec.clone();
    let payment = left.transaction_proof(&{
        let mut chain = Chain::new(spec.clone());
        chain.grow(21);
        chain.pay(address, PAID).id()
    });
    let payment = payment.expect("it was mined on the branch that was left");
    let txid = payment.transaction.id();
    let mut followed = Chain::new(spec);
    followed.grow(20);
    followed.mine(Vec::new(), 2_001);
    followed.grow(20);
    let (block, height) = (Text(payment.header.id()), payment.header.height.get());
    let (tip, raw) = (Text(followed.headers.tip.id()), HexBytes(codec::encode(&payment)));
    let told: Lie = Arc::new(move |asked, answer| match asked {
        "tx_status" => json(TxStatus {
            txid: Text(txid),
            state: TxState::Mined,
            block: Some(block),
            height: Some(height),
            confirmations: 20,
            reason: None,
        }),
        "chain_getTransactionProof" => {
            json(TransactionProofJson { txid: Text(txid), block, height, at: tip, raw: raw.clone() })
        }
        _ => answer,
    });
    let liar = followed.serve_lying(told);
    for command in ["status", "receipt"] {
        let error = home.fails(&line(&[&liar], &format!("{command} {txid}")), 1, "node_lies");
        assert!(error.contains("claims that the payment") && error.contains("is not on the chain"), "{error}");
    }
    // A node that claims it and proves nothing.
    let told = lie("tx_status", move |_| {
        json(TxStatus {
            txid: Text(txid),
            state: TxState::Mined,
            block: Some(block),
            height: Some(height),
            confirmations: 20,
            reason: None,
        })
    });
    let error = home.fails(&line(&[&followed.serve_lying(told)], &format!("status {txid}")), 1, "node_lies");
    assert!(error.contains("does not prove it"), "{error}");
    // Honest nodes: one that never had it, and one on the branch that did.
    assert_eq!(home.json(&line(&[&followed.serve()], &format!("status {txid}")))["state"], "unknown");
    home.fails(&line(&[&followed.serve()], &format!("receipt {txid}")), 1, "no_receipt");
    let status = home.run(&format!("--json {}", line(&[&left.serve()], &format!("status {txid}")))).json();
    assert_eq!((&status["state"], &status["proven"], &status["height"]), (&json!("mined"), &json!(true), &json!(22)));
}

#[test]
fn a_receipt_is_verified_offline_and_no_altered_one_is() {
    let (home, chain, address) = paid();
    let mut before = Chain::new(chain.headers.spec.clone());
    before.grow(21);
    let txid = before.pay(address, PAID).id();
    let receipt = home.ok(&line(&[&chain.serve()], &format!("receipt {txid}")));
    fs::write(home.path("receipt"), &receipt).expect("written");
    let text = home.ok("--chain @easy.toml verify-receipt @receipt");
    assert!(text.starts_with("The payment was mined.") && text.contains("buried  9 deep"), "{text}");
    // Somebody else, who has nothing but the network's file.
    let other = Home::new();
    write_network(&other, &chain.headers.spec);
    fs::write(other.path("receipt"), &receipt).expect("written");
    let shown = other.json("--chain @easy.toml verify-receipt @receipt");
    assert_eq!((&shown["work_above"], &shown["work"]), (&json!("16"), &json!("60")));
    other.json("--chain @easy.toml verify-receipt @receipt --min-work 16");
    let cheap = other.fails("--chain @easy.toml verify-receipt @receipt --min-work 17", 1, "bad_receipt");
    assert!(cheap.contains("16 hashes of work lie above the payment, expected at least 17"), "{cheap}");
    assert_eq!((&shown["height"], &shown["confirmations"]), (&json!(22), &json!(9)));
    assert_eq!(shown["outputs"][0]["amount"], PAID.to_string());
    assert_eq!(shown["sender"], chain.headers.spec.params().prefix.encode(&key(1).address()));

    let file: Value = serde_json::from_str(&receipt).expect("JSON");
    let refused = |file: &Value| {
        fs::write(other.path("altered"), file.to_string()).expect("written");
        other.fails("--chain @easy.toml verify-receipt @altered", 1, "bad_receipt")
    };
    for place in [40, 3_000, 5_900] {
        let altered = with_raw(file.clone(), |mut raw| {
            raw[place] ^= 1;
            raw
        });
        refused(&altered);
    }
    let claim = |field: &str, value: Value| {
        let mut claim = file.clone();
        claim[field] = value;
        claim
    };
    assert!(refused(&claim("txid", json!("ab".repeat(32)))).contains("proves"));
    assert!(refused(&claim("genesis_id", json!("ab".repeat(32)))).contains("--chain"));
    assert!(refused(&claim("cairn_receipt", json!(2))).contains("version 2"));
    refused(&json!({"not": "a receipt"}));
}

#[test]
fn without_verifying_it_is_said_aloud() {
    let (home, chain, _) = paid();
    let told = lie("state_getAccount", |mut answer| {
        answer["balance"] = json!("99999999999");
        answer
    });
    let run = home.run(&line(&[&chain.serve_lying(told)], "--trust-node balance"));
    assert!(run.err.starts_with("warning: --trust-node: nothing of this is verified"), "{run:?}");
    assert!(run.out.contains("999.99999999 CRN, as the node says; nothing is verified"), "{run:?}");
    let shown = home.json(&line(&[&chain.serve()], "--trust-node balance"));
    assert_eq!(shown["proof"], Value::Null);
}

/// A receipt tells nothing of what came after it: when that may be much, it says so.
#[test]
fn a_receipt_older_than_a_day_is_called_so() {
    for (age_ms, old) in [(25 * 3_600_000, true), (23 * 3_600_000, false)] {
        let (home, chain, address) = paid_since(age_ms);
        let mut before = Chain::new(chain.headers.spec.clone());
        before.grow(21);
        let txid = before.pay(address, PAID).id();
        let receipt = home.ok(&line(&[&chain.serve()], &format!("receipt {txid}")));
        fs::write(home.path("receipt"), &receipt).expect("written");
        let shown = home.json("--chain @easy.toml verify-receipt @receipt");
        assert_eq!(shown["old"], old, "{shown}");
        assert!(shown["age_ms"].as_u64() > Some(age_ms - 120_000), "{shown}");
        let text = home.ok("--chain @easy.toml verify-receipt @receipt");
        assert_eq!(text.contains("It is old: the payment may have been left behind since."), old, "{text}");
    }
}

/// A node that was named and told nothing is not passed over in silence.
#[test]
fn a_node_that_does_not_answer_is_named_beside_one_that_does() {
    let (home, chain, _) = paid();
    let (honest, silent) = (chain.serve(), nobody());
    for nodes in [[&*silent, &*honest], [&*honest, &*silent]] {
        let shown = home.json(&line(&nodes, "balance"));
        assert_eq!(shown["balance"], PAID.to_string(), "{shown}");
        let warnings = shown["proof"]["warnings"].to_string();
        assert!(warnings.contains(&format!("the node at {silent} was of no help")), "{warnings}");
    }
    assert_eq!(home.json(&line(&[&honest], "balance"))["proof"]["warnings"], json!([]), "the control");
}
