//! The help of the command line: commands in groups, and an example for each; and what is made of the same definition,
//! completions and manual pages.

use super::{Cli, CliError, print};
use clap::{Args, Command, CommandFactory};
use std::io::{self, Write};
use std::path::PathBuf;

/// The commands, as somebody meets them.
const GROUPS: [(&str, &[&str]); 4] = [
    ("Run a node", &["run", "status", "doctor", "call", "stop"]),
    ("Set it up", &["init", "config", "token", "genesis"]),
    ("Look after its data", &["backup", "db", "export", "import", "verify"]),
    ("Other", &["bench", "completions", "man"]),
];

/// Lines to copy, each an example of the command that it begins with.
const EXAMPLES: [&str; 29] = [
    "cairn-node run",
    "cairn-node run --chain test --mining.threads 2 --mining.beneficiary ADDRESS",
    "cairn-node run --network.peers /dns4/node.example.org/tcp/9740/p2p/PEER_ID",
    "cairn-node status",
    "cairn-node status --chain test --json",
    "cairn-node doctor",
    "cairn-node doctor --quick --json",
    "cairn-node call chain_tip",
    "cairn-node call chain_getBlock 100 true",
    "cairn-node call net_ban target=203.0.113.7 seconds=60",
    "cairn-node stop",
    "cairn-node init",
    "cairn-node init --chain test --data-dir /srv/cairn",
    "cairn-node config check",
    "cairn-node config check --chain test --json",
    "cairn-node token new --scope submit --name shop --expires 90d",
    "cairn-node token list",
    "cairn-node token revoke 0123abcd",
    "cairn-node genesis show main",
    "cairn-node backup /srv/backup/cairn",
    "cairn-node db stats",
    "cairn-node db check",
    "cairn-node db repair",
    "cairn-node export chain.blocks",
    "cairn-node import chain.blocks --chain test",
    "cairn-node verify --scratch /var/tmp",
    "cairn-node bench",
    "cairn-node completions bash > ~/.local/share/bash-completion/completions/cairn-node",
    "cairn-node man ~/.local/share/man/man1",
];

/// The help of `cairn-node` itself: what clap has no word for is the list of commands.
const TEMPLATE: &str = "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}";

/// The definition of the command line.
pub(crate) fn command() -> Command {
    let plain = Cli::command();
    let listed = groups(&plain);
    let with_examples = plain.mut_subcommands(|command| {
        let of_command = EXAMPLES.iter().filter(|line| line.split(' ').nth(1) == Some(command.get_name()));
        let examples = of_command.fold(String::from("Examples:"), |text, line| format!("{text}\n  {line}"));
        let text = match command.get_after_help() {
            Some(more) => format!("{examples}\n\n{more}"),
            None => examples,
        };
        command.after_help(text)
    });
    with_examples.help_template(TEMPLATE).before_help(listed)
}

/// The commands with what they do, group by group.
fn groups(command: &Command) -> String {
    let mut text = String::new();
    for (heading, names) in GROUPS {
        text += &format!("{heading}:\n");
        for command in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            text += &format!("  {:<11}  {about}\n", command.get_name());
        }
        text.push('\n');
    }
    text + "  cairn-node help COMMAND shows what a command takes, with examples.\n"
}

#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell they are for
    shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// The directory to write them to; it has to be there
    #[arg(value_parser = super::path_parser())]
    directory: PathBuf,
}

pub(super) fn completions(args: &CompletionsArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "cairn-node", &mut script);
    match io::stdout().write_all(&script) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn man(args: &ManArgs) -> Result<(), CliError> {
    clap_mangen::generate_to(command(), &args.directory)?;
    let directory = args.directory.display();
    print(format_args!("Wrote the man pages.\nNext: man {directory}/cairn-node.1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::FromArgMatches;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_is_in_one_group_and_has_examples_that_are_understood() {
        let all: Vec<String> = command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        let all: BTreeSet<&str> = all.iter().map(String::as_str).collect();
        let grouped: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        assert_eq!((grouped.len(), grouped.into_iter().collect::<BTreeSet<_>>()), (all.len(), all.clone()));
        assert_eq!(EXAMPLES.iter().filter_map(|line| line.split(' ').nth(1)).collect::<BTreeSet<_>>(), all);
        for line in EXAMPLES {
            // What is redirected is the shell's.
            let words: Vec<&str> = line.split(" > ").next().unwrap_or(line).split(' ').collect();
            let parsed = command().try_get_matches_from(words).and_then(|matches| Cli::from_arg_matches(&matches));
            assert!(parsed.is_ok(), "{line}: {}", parsed.map(|_| ()).expect_err("refused"));
        }
    }

    #[test]
    fn help_fits_80_columns() {
        let all = command();
        let commands = all.get_subcommands().map(|command| format!("cairn-node {} -h", command.get_name()));
        for line in ["cairn-node -h".to_owned(), "cairn-node help".to_owned()].into_iter().chain(commands) {
            let stopped = command().term_width(80).try_get_matches_from(line.split(' ')).expect_err("help");
            let text = stopped.render().to_string();
            let wide: Vec<&str> = text.lines().filter(|line| line.chars().count() > 80).collect();
            assert_eq!(wide, Vec::<&str>::new(), "{line}");
        }
        let help = command().try_get_matches_from(["cairn-node", "help"]).expect_err("help").render().to_string();
        assert!(help.contains("\nRun a node:\n  run ") && help.contains("\n  stop "), "{help}");
    }
}
