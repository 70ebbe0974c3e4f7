//! `wallet watch` at a real terminal: all nodes are asked, what is proven is shown, and a liar is named.

use crate::scene::{PAID, Scene, with};
use cairn_rpc::error::RpcError;
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{sync::mpsc, thread};

/// The terminal's lines and columns.
const SIZE: (usize, usize) = (40, 120);
/// How long a screen may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a terminal shows after these bytes: text, and the jumps between pieces of it.
fn shown(bytes: &str) -> String {
    let mut grid = vec![vec![' '; SIZE.1]; SIZE.0];
    let (mut row, mut column, mut letters) = (0, 0, bytes.chars().peekable());
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' && letters.next_if_eq(&'[').is_some() {
            let mut text = String::new();
            while let Some(next) = letters.next_if(|next| !next.is_ascii_alphabetic()) {
                text.push(next);
            }
            if letters.next() == Some('H') {
                let mut places = text.split(';').map(|part| part.parse::<usize>().map_or(0, |place| place - 1));
                (row, column) = (places.next().unwrap_or(0), places.next().unwrap_or(0));
            }
        } else if !letter.is_control() {
            if let Some(cell) = grid.get_mut(row).and_then(|line| line.get_mut(column)) {
                *cell = letter;
            }
            column += 1;
        }
    }
    grid.into_iter().map(|line| line.into_iter().collect::<String>() + "\n").collect()
}

/// The screen of `wallet watch` once it shows all of `expected`; then `q` ends it.
fn watched(scene: &Scene, nodes: &[&str], expected: &[&str]) -> String {
    let wallet = scene.home.command(&scene.line(nodes, "watch"));
    let words: Vec<String> =
        [wallet.get_program()].into_iter().chain(wallet.get_args()).map(|it| it.display().to_string()).collect();
    let line = format!("stty rows {} cols {}; exec {}", SIZE.0, SIZE.1, words.join(" "));
    let mut script = Command::new("script");
    script.args(["-qfec", &line, "/dev/null"]).envs(wallet.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child =
        script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script, of util-linux, makes a terminal");
    let (mut output, mut keys) = (child.stdout.take().expect("piped"), child.stdin.take().expect("piped"));
    let (tell, told) = mpsc::channel();
    let reader = thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(read @ 1..) = output.read(&mut buffer) {
            let _over = tell.send(buffer[..read].to_vec());
        }
    });
    let (mut bytes, began) = (Vec::new(), Instant::now());
    let mut screen = String::new();
    while began.elapsed() < PATIENCE && !expected.iter().all(|part| screen.contains(part)) {
        if let Ok(more) = told.recv_timeout(Duration::from_millis(200)) {
            bytes.extend(more);
            screen = shown(&String::from_utf8_lossy(&bytes));
        }
    }
    keys.write_all(b"q").expect("it reads keys");
    drop(keys);
    assert!(child.wait().expect("it ends").success(), "{screen}");
    reader.join().expect("no panic");
    screen
}

#[test]
fn lie_on_the_screen_is_named_and_what_is_proven_is_shown() {
    let scene = Scene::new();
    let honest = scene.net.honest();
    let liar = scene.net.liar(|method, answer: &Result<Value, RpcError>| match answer {
        Ok(truth) if method == "state_getAccount" => {
            let told = with(truth.clone(), &[("balance", json!("99999999999"))]);
            Some(crate::node::Reply::Answer(Ok(told)))
        }
        _ => None,
    });
    assert_eq!(PAID, 1_250_000_000);
    // The control: the same node, telling the truth.
    let screen = watched(&scene, &[&liar.url], &["│12.5 CRN", "block 16", "q ends"]);
    assert!(screen.contains("Balance, proven at the tip") && screen.contains("│12.5 CRN"), "{screen}");
    assert!(!screen.contains("Beware") && liar.told() == 0, "{screen}");
    liar.lies(true);
    for nodes in [[&*liar.url, &*honest], [&*honest, &*liar.url]] {
        let lie = "lies: it claims a balance";
        let expected = if nodes[0] == liar.url { vec!["│12.5 CRN", lie] } else { vec!["│12.5 CRN"] };
        let screen = watched(&scene, &nodes, &expected);
        assert!(expected.iter().all(|part| screen.contains(part)) && !screen.contains("│999"), "{screen}");
    }
    let screen = watched(&scene, &[&liar.url], &["Beware", "no node could be believed"]);
    assert!(screen.contains("no node could be believed") && screen.contains("asking the nodes"), "{screen}");
    assert!(liar.told() > 0);
}
