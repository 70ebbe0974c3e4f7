//! The help of the command line: commands in groups, and an example for each.

use super::Arguments;
use clap::{Command, CommandFactory, builder::Resettable};
use std::fmt::Write as _;

/// The commands, as somebody meets them.
const GROUPS: [(&str, &[&str]); 7] = [
    ("Begin", &["new", "restore", "pair", "list", "accounts", "watch-only"]),
    ("Be paid", &["receive", "address", "balance", "watch"]),
    ("Pay", &["send", "status", "why", "history", "bump", "cancel", "resend", "repair", "faucet"]),
    ("Names", &["label", "labels", "import-labels", "export-labels"]),
    ("Prove", &["receipt", "verify-receipt", "sign-message", "verify-message"]),
    ("Keys elsewhere, and of several people", &["sign", "broadcast", "shared", "cosign"]),
    ("Look after it", &["change-password", "verify-backup", "completions", "man"]),
];

/// Lines to copy. `TXID` and `ADDRESS` stand for a payment's id and an address.
const EXAMPLES: [(&str, &[&str]); 35] = [
    ("new", &["wallet new", "wallet --chain test --wallet savings new"]),
    ("restore", &["wallet restore", "wallet restore --words-file words.txt --discover"]),
    ("pair", &["wallet pair < line-from-token-new"]),
    ("list", &["wallet list"]),
    ("accounts", &["wallet accounts", "wallet accounts add --label rent", "wallet accounts discover"]),
    ("watch-only", &["wallet --wallet till watch-only ADDRESS"]),
    ("receive", &["wallet receive", "wallet receive --amount 1.5 --memo \"for the tea\" --wait"]),
    ("address", &["wallet address"]),
    ("balance", &["wallet balance", "wallet --json balance"]),
    ("watch", &["wallet watch"]),
    (
        "send",
        &[
            "wallet send ADDRESS 1.5 --memo \"for the tea\" --wait",
            "wallet send \"cairn:ADDRESS?amount=1.5\"",
            "wallet send Bob 1.5",
            "wallet send ADDRESS all",
            "wallet send --csv wages.csv --fee-rate 5",
        ],
    ),
    ("status", &["wallet status TXID"]),
    ("why", &["wallet why TXID"]),
    ("history", &["wallet history --limit 10", "wallet history --received"]),
    ("bump", &["wallet bump TXID", "wallet bump TXID --fee-rate 5"]),
    ("cancel", &["wallet cancel TXID"]),
    ("resend", &["wallet resend TXID"]),
    ("repair", &["wallet repair"]),
    (
        "faucet",
        &[
            "wallet --chain test faucet --amount 10 --per-day 100 --dry-run",
            "wallet --chain test faucet --amount 10 --per-day 100 --proxy 127.0.0.1",
        ],
    ),
    ("label", &["wallet label ADDRESS Bob", "wallet label TXID \"rent, May\""]),
    ("labels", &["wallet labels"]),
    ("import-labels", &["wallet import-labels labels.jsonl"]),
    ("export-labels", &["wallet export-labels labels.jsonl"]),
    ("receipt", &["wallet receipt TXID > receipt.json"]),
    ("verify-receipt", &["wallet verify-receipt receipt.json --min-work 1000000"]),
    ("sign-message", &["wallet sign-message \"I am Bob\""]),
    ("verify-message", &["wallet verify-message ADDRESS SIGNATURE \"I am Bob\""]),
    ("sign", &["wallet send ADDRESS 1.5 --unsigned pay.json", "wallet sign pay.json"]),
    ("broadcast", &["wallet broadcast pay.signed.json --wait"]),
    (
        "shared",
        &[
            "wallet --wallet ours shared new ADDRESS ADDRESS",
            "wallet shared new ADDRESS ADDRESS ADDRESS --threshold 2 --ceremony c.json",
            "wallet shared join c.json --as ours",
        ],
    ),
    ("cosign", &["wallet --wallet ours cosign pay.json"]),
    ("change-password", &["wallet change-password"]),
    ("verify-backup", &["wallet verify-backup"]),
    ("completions", &["wallet completions bash > ~/.local/share/bash-completion/completions/wallet"]),
    ("man", &["wallet man ~/.local/share/man/man1"]),
];

/// The help of `wallet` itself: what clap has no word for is the list of commands.
///
/// It is the short one, whichever way it is asked for: with a paragraph for each option the commands would have left
/// the screen.
const TEMPLATE: &str = "\
{about-with-newline}
Keys live in an encrypted file on this machine; payments go through a node.
Begin with wallet new; alone, wallet shows where you stand.

{usage-heading} {usage}

{before-help}Options of every command:
{options}";

/// The definition of the command line.
pub fn command() -> Command {
    let plain = Arguments::command();
    let listed = groups(&plain);
    let with_examples = EXAMPLES.iter().fold(plain, |command, (name, lines)| {
        let text = lines.iter().fold(String::from("Examples:"), |text, line| format!("{text}\n  {line}"));
        command.mut_subcommand(name, |command| command.after_help(text))
    });
    with_examples.help_template(TEMPLATE).before_help(listed).long_about(Resettable::Reset)
}

/// The commands with what they do, group by group.
fn groups(command: &Command) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        writeln!(text, "{heading}:").expect("a String takes all");
        for command in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            writeln!(text, "  {:<15}  {about}", command.get_name()).expect("a String takes all");
        }
        text.push('\n');
    }
    text + "  wallet help COMMAND shows what a command takes, with examples.\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{FromArgMatches, error::ErrorKind};
    use std::collections::BTreeSet;

    /// A line as a shell splits it, with something real for what stands for something. What is redirected is the
    /// shell's.
    fn words(line: &str) -> Vec<String> {
        let (line, _) = line.split_once(['<', '>']).unwrap_or((line, ""));
        let quoted = line.split('"').zip([false, true].into_iter().cycle());
        let words = quoted.flat_map(|(text, quoted)| {
            if quoted { vec![text.to_owned()] } else { text.split_whitespace().map(str::to_owned).collect() }
        });
        words.map(|word| word.replace("TXID", &"0".repeat(64)).replace("ADDRESS", "lcrn1x")).collect()
    }

    #[test]
    fn every_command_is_in_one_group_and_has_examples_that_are_understood() {
        let all: Vec<String> = command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!((grouped.len(), grouped.into_iter().collect::<BTreeSet<_>>()), (all.len(), all.clone()));
        assert_eq!(EXAMPLES.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), all);
        for (name, lines) in EXAMPLES {
            assert!(lines.iter().any(|line| words(line).contains(&name.to_owned())), "{name}");
            for line in lines {
                let parsed = command().try_get_matches_from(words(line));
                let parsed = parsed.and_then(|matches| Arguments::from_arg_matches(&matches));
                assert!(parsed.is_ok(), "{line}: {}", parsed.map(|_| ()).expect_err("refused"));
            }
        }
    }

    #[test]
    fn help_fits_80_columns() {
        let shown = |line: &str| {
            let stopped = command().term_width(80).try_get_matches_from(line.split(' ')).expect_err("help");
            assert!(
                matches!(stopped.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand),
                "{line}"
            );
            stopped.render().to_string()
        };
        let all = command();
        let commands = all.get_subcommands().map(|command| format!("wallet {} -h", command.get_name()));
        for line in
            ["wallet -h".to_owned(), "wallet --help".to_owned(), "wallet help".to_owned()].into_iter().chain(commands)
        {
            let text = shown(&line);
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert_eq!(wide, Vec::<&str>::new(), "{line}");
        }
        let help = shown("wallet help");
        // A paragraph for each option would push the commands off the screen.
        for command in ["", "send ", "bump "] {
            assert_eq!(shown(&format!("wallet {command}--help")), shown(&format!("wallet {command}-h")), "{command}");
        }
        assert!(help.find("\nPay:\n  send ").is_some_and(|place| place < help.find("--chain").unwrap_or(0)), "{help}");
        assert!(shown("wallet help send").contains("\n  wallet send ADDRESS all\n"));
    }
}
