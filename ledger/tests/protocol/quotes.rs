//! What the checks in `ledger/src/validate` quote stands in docs/protocol.md, and no numbered rule goes without.

use std::{fs, path::Path};

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text under the heading with this number.
fn section<'a>(protocol: &'a str, number: &str) -> &'a str {
    let (_, rest) = ["## ", "### "]
        .iter()
        .find_map(|level| protocol.split_once(&format!("\n{level}{number} ")))
        .unwrap_or_else(|| panic!("no section {number}"));
    rest.split("\n## ").next().and_then(|rest| rest.split("\n### ").next()).unwrap()
}

/// Section and text of each quotation of a file: comments that begin with `>`, each with a number and a colon.
fn quotes(source: &str) -> Vec<(String, String)> {
    let mut quotes: Vec<(String, String)> = Vec::new();
    let lines = source.lines().map(|line| line.trim_start().trim_start_matches('/').trim_start());
    for quoted in lines.filter_map(|line| line.strip_prefix("> ")) {
        match quoted.split_once(": ") {
            Some((number, text)) if number.chars().all(|c| c.is_ascii_digit() || c == '.') => {
                quotes.push((number.to_owned(), text.to_owned()));
            }
            _ => {
                let (_, text) = quotes.last_mut().expect("a quotation begins with a number");
                *text = format!("{text} {quoted}");
            }
        }
    }
    quotes
}

#[test]
fn quotations_stand_in_the_protocol_and_every_rule_is_quoted() {
    let ledger = Path::new(env!("CARGO_MANIFEST_DIR"));
    let protocol = fs::read_to_string(ledger.join("../docs/protocol.md")).unwrap();
    let sources = ["header.rs", "context_free.rs", "connect.rs"].map(|file| ledger.join("src/validate").join(file));
    let quotes: Vec<_> = sources.iter().flat_map(|file| quotes(&fs::read_to_string(file).unwrap())).collect();
    for (number, text) in &quotes {
        assert!(words(section(&protocol, number)).contains(text.as_str()), "{number} does not say {text:?}");
    }
    let mut rules = 0;
    for number in ["5.3", "7.2", "7.3"] {
        for (at, rule) in section(&protocol, number).lines().filter_map(|line| line.split_once(". ")) {
            if at.parse::<u32>().is_ok() {
                rules += 1;
                let rule = words(rule).trim_end_matches([';', '.']).to_owned();
                let is_quoted = |text: &str| text.starts_with(&rule) || rule.starts_with(text);
                assert!(quotes.iter().any(|(at, text)| at == number && is_quoted(text)), "{number} lacks {rule:?}");
            }
        }
    }
    assert_eq!(rules, 6 + 8 + 5);
}
