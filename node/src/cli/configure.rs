//! `cairn-node init` and `cairn-node config check`: the configuration, written and explained.

use super::{CliError, print};
use crate::config::{self, ConfigError, Environment, FILE_NAME, Flags, KEYS, Settings};
use std::{
    fs::{DirBuilder, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
};

/// How wide the help in the file is.
const WIDTH: usize = 100;

/// Writes a configuration in which every key is explained and none is set.
pub(super) fn init(flags: &Flags) -> Result<(), CliError> {
    let data_dir = Settings::load(flags, &Environment::of_this_process())?.data_dir;
    DirBuilder::new().recursive(true).mode(0o700).create(&data_dir)?;
    let path = data_dir.join(FILE_NAME);
    // What is there may hold somebody's settings.
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = file.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => CliError::ConfigExists { path: path.clone() },
        _ => CliError::System(error),
    })?;
    file.write_all(template().as_bytes())?;
    file.sync_all()?;
    print(format_args!("Wrote {}: every key is explained there; remove the # of those you set.", path.display()))
}

/// The file: sections, and each key as a comment.
fn template() -> String {
    let mut text = String::from(
        "# The configuration of a Cairn node. As it stands, nothing is set and the defaults hold.\n\
         # A flag beats the environment, which beats this file. See: cairn-node config check\n",
    );
    let mut section = "";
    for key in KEYS {
        let Some((of, name)) = key.name.split_once('.') else { continue };
        if of != section {
            section = of;
            text += &format!("\n[{section}]\n");
        }
        text += &wrapped(key.help);
        text += &format!("# {name} = {}\n", key.value_name);
    }
    text
}

/// A help text as comments of bounded width.
fn wrapped(help: &str) -> String {
    let (mut text, mut line) = (String::new(), String::from("#"));
    for word in help.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text += &format!("{line}\n");
            line = String::from("#");
        }
        line += &format!(" {word}");
    }
    format!("{text}{line}\n")
}

/// Checks the configuration, and says of each value where it comes from.
pub(super) fn check(flags: &Flags) -> Result<(), CliError> {
    let explained = explain(flags, &Environment::of_this_process())?;
    print(format_args!("{explained}"))
}

fn explain(flags: &Flags, environment: &Environment) -> Result<String, ConfigError> {
    let settings = Settings::load(flags, environment)?;
    settings.check_usable()?;
    let mut text = format!(
        "The configuration is good. Network {}, data in {}.",
        settings.spec.params().name,
        settings.data_dir.display()
    );
    for (key, said) in config::said(flags, environment, &settings.data_dir)? {
        text += &match said {
            Some((value, origin)) => format!("\n{key} = {value}  ({origin})"),
            None => format!("\n{key}  (default)"),
        };
    }
    for variable in config::passed_over(environment) {
        text +=
            &format!("\n{variable}  (a service's address, as Kubernetes tells of one: no setting, and passed over)");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_init_writes_is_toml_that_sets_nothing_and_explains_every_key() {
        let text = template();
        let table: toml::Table = text.parse().expect("TOML");
        assert!(table.values().all(|section| section.as_table().is_some_and(toml::Table::is_empty)));
        for key in KEYS {
            let (_, name) = key.name.split_once('.').expect("a section");
            assert!(text.contains(&format!("# {name} = {}", key.value_name)), "{}", key.name);
        }
        assert!(text.lines().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn each_value_is_explained_with_its_origin_and_a_wrong_one_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
        let path = directory.path().join(FILE_NAME);
        std::fs::write(&path, "[mining]\nduty = 20\n").expect("written");
        let environment = [("CAIRN_NODE_RPC_RATE".to_owned(), "7".to_owned())].into_iter().collect();
        let text = explain(&flags, &environment).expect("good");
        for line in [
            format!("mining.duty = 20  ({})", path.display()),
            "rpc.rate = 7  (the environment variable CAIRN_NODE_RPC_RATE)".to_owned(),
            "mining.threads  (default)".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} in\n{text}");
        }
        std::fs::write(&path, "[mining]\nduty = 0\n").expect("written");
        assert!(explain(&flags, &environment).is_err());
    }
}
