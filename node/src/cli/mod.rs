//! The command line: what can be asked of the program, and how it answers the shell.
//!
//! # Exit codes
//! 0 done · 1 refused or failed · 2 wrong usage, the configuration included · 3 the storage failed · 5 no room for the
//! data

mod bench;
mod configure;
mod control;
mod cores;
mod db;
mod doctor;
mod error;
mod genesis;
mod help;
mod progress;
mod replay;
mod token;

use crate::config::{self, Environment, Flags, KEYS, Settings};
use crate::{node::Node, system::telemetry};
use cairn_host::shell::{self, complete_commands, quoted};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};
use progress::SyncBar;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub use error::CliError;

/// The Cairn full node.
#[derive(Debug, Parser)]
#[command(name = "cairn-node", version)]
pub struct Cli {
    #[command(subcommand)]
    task: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run a node until it is told to stop (SIGINT, SIGTERM or SIGQUIT)
    #[command(after_help = KEYS_HELP)]
    Run(RunArgs),
    /// Say how a running node is: tip, sync, peers, pool, room
    Status(control::StatusArgs),
    /// Call a method of a running node, and print the answer
    Call(control::CallArgs),
    /// Stop a running node in order, and wait until it has stopped
    Stop(control::StopArgs),
    /// Write a configuration that explains every key and its default
    Init(InitArgs),
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigTask),
    /// Look at networks
    #[command(subcommand)]
    Genesis(GenesisTask),
    /// Let others in: access tokens for JSON-RPC
    #[command(subcommand)]
    Token(token::TokenTask),
    /// Look after the database
    #[command(subcommand)]
    Db(db::DbTask),
    /// Copy the database of a node, running or stopped, to a directory
    ///
    /// A node can be started from there.
    Backup(db::BackupArgs),
    /// Write the chain of a stopped node to a file
    Export(replay::ExportArgs),
    /// Import a file of blocks into a stopped node, through every rule
    ///
    /// An interrupted import goes on where it stopped.
    Import(replay::ImportArgs),
    /// Replay the chain of a stopped node, and compare all accounts
    ///
    /// From block 0 on, through every rule.
    Verify(replay::VerifyArgs),
    /// Say what is wrong with a node, and what to do about it
    ///
    /// The node may be running or stopped. It changes nothing.
    #[command(after_help = KEYS_HELP)]
    Doctor(doctor::DoctorArgs),
    /// Write completions for a shell to standard output
    Completions(help::CompletionsArgs),
    /// Write the manual pages
    Man(help::ManArgs),
    /// Measure this machine: signatures, hashes, disk, replay
    Bench(bench::BenchArgs),
}

/// A path, in which `~` is the home directory.
fn path_parser() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| shell::expand_home(&path, std::env::var_os("HOME")))
}

const KEYS_HELP: &str = "\
Every option with a dot is also a key of DATA/cairn-node.toml (mining.threads is threads under [mining]) and an \
environment variable (CAIRN_NODE_MINING_THREADS). A flag beats the environment, which beats the file.";

#[derive(Debug, Args)]
#[command(mut_arg("data_dir", |data_dir| data_dir.help(DATA_DIR_HELP)))]
struct RunArgs {
    #[command(flatten)]
    node: NodeArgs,
    #[command(flatten)]
    keys: KeyFlags,
}

const DATA_DIR_HELP: &str = "Where to keep the node's data; by default a directory named after the network, in \
                             $XDG_DATA_HOME/cairn or ~/.local/share/cairn";

#[derive(Debug, Subcommand)]
enum ConfigTask {
    /// Say whether it is good, and where each value comes from
    #[command(after_help = KEYS_HELP)]
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct InitArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct CheckArgs {
    #[command(flatten)]
    run: RunArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Which node.
#[derive(Debug, Args)]
struct NodeArgs {
    /// The network: main, test, local or a genesis file; main by default
    #[arg(long, value_name = "NAME|FILE")]
    chain: Option<String>,
    /// Where the node's data is
    #[arg(long, value_name = "DATA", value_parser = path_parser())]
    data_dir: Option<PathBuf>,
}

impl NodeArgs {
    /// The options that lead to this node.
    fn hints(&self) -> Hints {
        Hints::to(self.chain.as_deref(), self.data_dir.as_deref())
    }

    fn settings(self) -> Result<Settings, CliError> {
        Ok(Settings::load(&self.flags(), &Environment::of_this_process())?)
    }

    fn flags(self) -> Flags {
        Flags { chain: self.chain, data_dir: self.data_dir, keys: Vec::new() }
    }
}

/// The settings of a node that has a database.
fn with_database(flags: &Flags) -> Result<Settings, CliError> {
    let settings = Settings::load(flags, &Environment::of_this_process())?;
    let path = settings.data_dir.join("db");
    if path.is_dir() { Ok(settings) } else { Err(CliError::NoDatabase { path }) }
}

/// The options that lead to a node.
fn leading(chain: Option<&str>, data_dir: Option<&Path>) -> String {
    let data_dir = data_dir.map(|path| path.display().to_string());
    let options = [("--chain", chain), ("--data-dir", data_dir.as_deref())];
    let options = options.into_iter().filter_map(|(option, value)| Some(format!(" {option} {}", quoted(value?))));
    options.collect()
}

impl RunArgs {
    fn flags(self) -> Flags {
        Flags { keys: self.keys.0, ..self.node.flags() }
    }
}

#[derive(Debug, Subcommand)]
enum GenesisTask {
    /// Print a network's rules and its block 0
    Show {
        /// main, test, local or a genesis file
        #[arg(value_name = "FILE")]
        chain: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

/// A flag for every key of the configuration.
#[derive(Debug)]
struct KeyFlags(Vec<(&'static str, Vec<String>)>);

impl Args for KeyFlags {
    fn augment_args(command: Command) -> Command {
        command.args(KEYS.iter().map(|key| {
            let section = key.name.split('.').next();
            let arg = Arg::new(key.name).long(key.name).value_name(key.value_name);
            let arg = arg.help(format!("{} [default: {}]", key.help, key.default_in_words()));
            arg.action(ArgAction::Append).allow_hyphen_values(true).help_heading(section)
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for KeyFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let values = |name| matches.get_many::<String>(name).map(|values| values.cloned().collect());
        Ok(Self(KEYS.iter().filter_map(|key| Some((key.name, values(key.name)?))).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The options that lead to the node that a command was about.
#[derive(Debug)]
pub struct Hints(String);

impl Hints {
    fn of(matches: &ArgMatches) -> Self {
        let mut innermost = matches;
        while let Some((_, inner)) = innermost.subcommand() {
            innermost = inner;
        }
        let chain = innermost.try_get_one::<String>("chain").ok().flatten();
        let data_dir = innermost.try_get_one::<PathBuf>("data_dir").ok().flatten();
        Self::to(chain.map(String::as_str), data_dir.map(PathBuf::as_path))
    }

    fn to(chain: Option<&str>, data_dir: Option<&Path>) -> Self {
        Self(leading(chain, data_dir))
    }

    /// A sentence in which commands for the same node work when they are copied.
    pub fn complete(&self, sentence: &str) -> String {
        complete_commands(sentence, "cairn-node", |command| self.command(command))
    }

    /// The same for standard output, with lines that fit if it is a terminal.
    fn complete_to_show(&self, text: &str) -> String {
        match shell::terminal_columns() {
            Some(columns) => shell::complete_and_fold(text, "cairn-node", |command| self.command(command), columns),
            None => self.complete(text),
        }
    }

    fn command(&self, command: &str) -> String {
        format!("cairn-node{command}{}", self.0)
    }
}

impl Cli {
    /// Reads the command line of this process; shows help, or what is wrong with it, and ends the process then.
    pub fn read() -> (Self, Hints) {
        let matches = help::command().get_matches();
        let cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        (cli, Hints::of(&matches))
    }

    /// Does what was asked.
    ///
    /// # Errors
    /// Says what was refused or what failed; [`CliError::exit_code`] says it to the shell.
    pub fn run(self) -> Result<(), CliError> {
        match self.task {
            None => Ok(help::command().print_help()?),
            Some(Task::Run(run)) => run_node(run.flags()),
            Some(Task::Status(args)) => control::status(args),
            Some(Task::Call(args)) => control::call(args),
            Some(Task::Stop(args)) => control::stop(args),
            Some(Task::Init(InitArgs { node, json })) => configure::init(&node.flags(), json),
            Some(Task::Config(ConfigTask::Check(CheckArgs { run, json }))) => configure::check(&run.flags(), json),
            Some(Task::Genesis(GenesisTask::Show { chain, json })) => show_genesis(chain, json),
            Some(Task::Token(task)) => token::run(task),
            Some(Task::Db(task)) => db::run(task),
            Some(Task::Backup(args)) => db::backup(args),
            Some(Task::Completions(args)) => help::completions(&args),
            Some(Task::Man(args)) => help::man(&args),
            Some(Task::Export(args)) => replay::export(args),
            Some(Task::Import(args)) => replay::import(args),
            Some(Task::Verify(args)) => replay::verify(args),
            Some(Task::Doctor(args)) => doctor::run(args),
            Some(Task::Bench(args)) => bench::run(args),
        }
    }
}

fn run_node(flags: Flags) -> Result<(), CliError> {
    let settings = Settings::load(&flags, &Environment::of_this_process())?;
    settings.check_usable()?;
    let bar = SyncBar::new();
    telemetry::start(&settings.log, settings.log_directory.as_deref(), settings.log_format, bar.clone())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("cairn").build()?;
    let run = Node::run(settings, |handles| bar.clone().start(handles.sync.watch()));
    Ok(runtime.block_on(run)?)
}

fn show_genesis(file: String, json: bool) -> Result<(), CliError> {
    let network = config::read_chain(&file).map_err(|reason| CliError::Chain { file, reason })?;
    let shown = if json { genesis::as_json(&network) } else { genesis::as_text(&network) };
    print(format_args!("{shown}"))
}

/// Prints a line. A reader that wants no more of it, such as `head`, is no failure.
fn print(line: std::fmt::Arguments<'_>) -> Result<(), CliError> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigError;

    fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
        Cli::from_arg_matches(&help::command().try_get_matches_from([&["cairn-node"], arguments].concat())?)
    }

    #[test]
    fn the_command_line_is_well_formed() {
        help::command().debug_assert();
        assert!(parse(&[]).expect("alone").task.is_none());
    }

    #[test]
    fn hints_lead_to_the_same_node() {
        let hint = |arguments: &[&str]| {
            let matches = help::command().try_get_matches_from([&["cairn-node"], arguments].concat()).expect("good");
            Hints::of(&matches).complete("make one with `cairn-node token new`, or not")
        };
        assert_eq!(hint(&["run"]), "make one with cairn-node token new, or not");
        assert_eq!(
            hint(&["token", "list", "--chain", "local", "--data-dir", "my node"]),
            "make one with cairn-node token new --chain local --data-dir 'my node', or not"
        );
        assert_eq!(hint(&["genesis", "show", "main"]), "make one with cairn-node token new --chain main, or not");
    }

    #[test]
    fn every_key_is_a_flag() {
        for key in KEYS {
            let cli = parse(&["run", &format!("--{}", key.name), "7"]).expect(key.name);
            let Some(Task::Run(run)) = cli.task else { panic!("not run") };
            assert_eq!(run.keys.0, [(key.name, vec!["7".to_owned()])]);
        }
    }

    #[test]
    fn wrong_usage_ends_with_2() {
        for arguments in [&["run", "--mining.thread", "1"][..], &["walk"], &["genesis", "show"]] {
            assert_eq!(parse(arguments).expect_err("wrong usage").exit_code(), 2, "{arguments:?}");
        }
        assert_eq!(CliError::Config(ConfigError::NoHome).exit_code(), 2);
    }
}
