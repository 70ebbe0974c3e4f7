//! `cairn-node status`, `call` and `stop`: a running node, asked and told from the command line.

use cairn_tests::network::TestNetwork;
use cairn_tests::node::{Node, offline};
use serde_json::{Value, json};
use std::{path::Path, process::Output, sync::Arc};

/// Runs `cairn-node ARGUMENTS` beside the node of a directory.
fn run(network: &TestNetwork, directory: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = offline(network, directory, arguments).output().expect("cairn-node runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code(), text(stdout), text(stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_node_says_how_it_is_and_is_called_by_name_and_by_position() {
    let network = Arc::new(TestNetwork::new());
    let node = Node::start(&network, "asked", &[]).await;
    node.generate(3, 0).await;
    let ask = |arguments: &[&str]| run(&network, node.directory(), arguments);

    let (code, text, said) = ask(&["status"]);
    assert_eq!((code, said.as_str()), (Some(0), ""), "{text}");
    for part in ["tip       block 3\n", "sync      ", "peers     0", "pool      0 payments", "mining    off", " free"] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let (code, text, _) = ask(&["status", "--json"]);
    let status: Value = serde_json::from_str(&text).expect("one JSON object");
    assert_eq!((code, &status["node"]["height"], &status["mempool"]["count"]), (Some(0), &json!(3), &json!(0)));

    let (code, text, _) = ask(&["call", "chain_getHeader", "2"]);
    assert_eq!((code, serde_json::from_str::<Value>(&text).expect("JSON")["height"].clone()), (Some(0), json!(2)));
    assert_eq!(ask(&["call", "chain_getRawBlock", "0"]).1.trim().len() % 2, 0, "a text is shown as it is");
    assert_eq!(ask(&["call", "net_ban", "target=203.0.113.7", "seconds=60"]).0, Some(0));
    let (_, bans, _) = ask(&["call", "net_listBans"]);
    assert!(bans.contains("203.0.113.7") && bans.contains("by the operator"), "{bans}");

    for (arguments, says) in [
        (&["call", "chain_getHeader", "99"][..], "2001"),
        (&["call", "net_ban", "target=203.0.113.8", "secnds=60"], "there is no parameter \"secnds\""),
        (&["call", "chain_tip", "1"], "it takes no parameters"),
        (&["call", "chain_getHeadr", "1"], "did you mean chain_getHeader?"),
        (&["call", "chain_subscribeHeads"], "there is no method"),
        (&["call", "net_ban", "target=203.0.113.8", "60"], "all of them by name, or all in order"),
    ] {
        let (code, text, said) = ask(arguments);
        assert_eq!((code, text.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    assert!(!ask(&["call", "net_listBans"]).1.contains("203.0.113.8"), "what was refused was not run");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_told_to_stop_stops_in_order_and_who_told_it_waits() {
    let network = Arc::new(TestNetwork::new());
    let mut node = Node::start(&network, "stopped", &[]).await;
    node.generate(2, 0).await;
    let directory = node.directory().to_owned();
    let (code, text, said) = run(&network, &directory, &["stop"]);
    assert_eq!((code, text.as_str(), said.as_str()), (Some(0), "The node has stopped.\n", ""));
    assert!(node.ends().await.success(), "it ends well");
    assert!(node.log().contains("told to stop by node_stop"), "{}", node.log());
    for command in ["status", "stop", "call"] {
        let method: &[&str] = if command == "call" { &["chain_tip"] } else { &[] };
        let (code, _, said) = run(&network, &directory, &[&[command], method].concat());
        assert_eq!(code, Some(1), "{command}: {said}");
        let start = format!("cairn-node run --chain {}", network.file().display());
        assert!(said.contains("no node runs on") && said.contains(&start), "{command}: {said}");
    }
    node.restart().await;
    assert_eq!(node.info().await.height, 2, "nothing was lost");
}
