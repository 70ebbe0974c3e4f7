//! `cairn-node init` and `cairn-node config check`: the configuration, written and explained.

use super::{CliError, print};
use crate::config::{ConfigError, Environment, FILE_NAME, Flags, KEYS, Key, Layers, Settings, Source};
use serde_json::json;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::{fmt, path::PathBuf};

/// How wide the help in the file is.
const WIDTH: usize = 100;

/// Writes a configuration in which every key is explained with its default, and none is set.
pub(super) fn init(flags: &Flags, as_json: bool) -> Result<(), CliError> {
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
    if as_json {
        return print(format_args!("{:#}", json!({"file": path})));
    }
    print(format_args!("Wrote {}: every key is explained there; remove the # of those you set.", path.display()))
}

/// The file: sections, and each key as a comment.
fn template() -> String {
    let mut text = String::from(
        "# The configuration of a Cairn node. As it stands, nothing is set and the defaults hold; where a\n\
         # default is one value, it stands behind its key. A flag beats the environment, which beats this\n\
         # file. See: cairn-node config check\n",
    );
    let mut section = "";
    for key in KEYS {
        let Some((of, name)) = key.name.split_once('.') else { continue };
        if of != section {
            section = of;
            text += &format!("\n[{section}]\n");
        }
        let value = match key.default_value() {
            Some(value) if value.parse::<u64>().is_ok() || value.parse::<bool>().is_ok() => value.to_owned(),
            Some(value) => format!("{value:?}"),
            None => key.value_name.to_owned(),
        };
        let more = match key.default_value() {
            Some(_) => key.value_name.to_owned(),
            None => format!("default: {}", key.default_in_words()),
        };
        text += &wrapped(&format!("{} ({more})", key.help));
        text += &format!("# {name} = {value}\n");
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

/// A configuration that is good.
struct Explained {
    network: String,
    data_dir: PathBuf,
    /// Every key, with what it is set to.
    values: Vec<(&'static Key, Option<Source>)>,
    /// Variables of the environment that look like settings and are none.
    passed_over: Vec<String>,
}

/// Checks the configuration, and says of each value where it comes from.
pub(super) fn check(flags: &Flags, as_json: bool) -> Result<(), CliError> {
    let explained = explain(flags, &Environment::of_this_process());
    if as_json {
        let shown = match &explained {
            Ok(explained) => explained.as_json(),
            Err(error) => json!({"good": false, "error": error.to_string()}),
        };
        print(format_args!("{shown:#}"))?;
    }
    let explained = explained?;
    if as_json { Ok(()) } else { print(format_args!("{explained}")) }
}

fn explain(flags: &Flags, environment: &Environment) -> Result<Explained, ConfigError> {
    let settings = Settings::load(flags, environment)?;
    settings.check_usable()?;
    let layers = Layers::gather(KEYS, flags, environment, &settings.data_dir)?;
    Ok(Explained {
        network: settings.spec.params().name.clone(),
        values: KEYS.iter().map(|key| (key, layers.source(key.name).cloned())).collect(),
        data_dir: settings.data_dir,
        passed_over: environment.of_services().map(str::to_owned).collect(),
    })
}

impl Explained {
    fn as_json(&self) -> serde_json::Value {
        let value = |(key, source): &(&Key, Option<Source>)| match source {
            Some(Source { texts, origin }) => {
                json!({"key": key.name, "value": texts.join(","), "origin": origin})
            }
            None => {
                let words = key.default_in_words();
                json!({"key": key.name, "value": key.default_value(), "origin": "default", "default": words})
            }
        };
        let values: Vec<_> = self.values.iter().map(value).collect();
        json!({"good": true, "network": self.network, "data_dir": self.data_dir, "values": values, "passed_over": self.passed_over})
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The configuration is good. Network {}, data in {}.", self.network, self.data_dir.display())?;
        self.values.iter().try_for_each(|(key, source)| match source {
            Some(Source { texts, origin }) => write!(f, "\n{} = {}  ({origin})", key.name, texts.join(",")),
            None => match key.default_value() {
                Some(value) => write!(f, "\n{} = {value}  (default)", key.name),
                None => write!(f, "\n{}  (default: {})", key.name, key.default_in_words()),
            },
        })?;
        self.passed_over.iter().try_for_each(|variable| {
            write!(f, "\n{variable}  (a service's address, as Kubernetes tells of one: no setting, and passed over)")
        })
    }
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
            assert!(text.contains(&format!("# {name} = ")), "{}", key.name);
        }
        assert!(text.lines().all(|line| line.len() <= WIDTH));
    }

    #[test]
    fn a_default_in_the_file_may_be_uncommented_and_changes_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
        let load = || Settings::load(&flags, &Environment::default()).map(|settings| format!("{settings:?}"));
        let unset = load().expect("defaults");
        let mut set = 0;
        let text = template();
        let uncommented =
            text.lines().map(|line| match line.strip_prefix("# ").map(|key| (key, key.parse::<toml::Table>())) {
                Some((key, Ok(table))) if !table.is_empty() => {
                    set += 1;
                    key
                }
                _ => line,
            });
        let uncommented: Vec<&str> = uncommented.collect();
        std::fs::write(directory.path().join(FILE_NAME), uncommented.join("\n")).expect("written");
        assert_eq!(load().expect("its own defaults are good"), unset);
        assert_eq!(set, KEYS.iter().filter(|key| key.default_value().is_some()).count());
    }

    #[test]
    fn each_value_is_explained_with_its_origin_and_a_wrong_one_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        let flags = Flags { data_dir: Some(directory.path().to_owned()), ..Flags::default() };
        let path = directory.path().join(FILE_NAME);
        std::fs::write(&path, "[mining]\nduty = 20\n").expect("written");
        let environment = [("CAIRN_NODE_RPC_RATE".to_owned(), "7".to_owned())].into_iter().collect();
        let explained = explain(&flags, &environment).expect("good");
        let text = explained.to_string();
        for line in [
            format!("mining.duty = 20  ({})", path.display()),
            "rpc.rate = 7  (the environment variable CAIRN_NODE_RPC_RATE)".to_owned(),
            "mining.threads = 0  (default)".to_owned(),
            "mining.beneficiary  (default: none)".to_owned(),
        ] {
            assert!(text.contains(&line), "{line} in\n{text}");
        }
        let shown = explained.as_json();
        let value = |key: &str| {
            shown["values"].as_array().and_then(|all| all.iter().find(|value| value["key"] == key)).expect(key).clone()
        };
        assert_eq!((&shown["good"], value("mining.duty")["value"].as_str()), (&json!(true), Some("20")));
        assert_eq!(
            value("mining.threads"),
            json!({"key": "mining.threads", "value": "0", "origin": "default", "default": "0"})
        );
        assert_eq!(value("mining.beneficiary")["value"], json!(null));
        std::fs::write(&path, "[mining]\nduty = 0\n").expect("written");
        assert!(explain(&flags, &environment).is_err());
    }
}
