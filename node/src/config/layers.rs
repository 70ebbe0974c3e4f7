//! What is set on the command line, in the environment and in the file, before anybody reads it.

use super::value::{ConfigType, Sourced};
use super::{ConfigError, FILE_NAME};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// What the node's environment variables begin with. Whatever else begins so is refused.
pub const PREFIX: &str = "CAIRN_NODE_";

/// A key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its name, `section.key`.
    pub name: &'static str,
    /// What stands for its value in the help.
    pub value_name: &'static str,
    /// What it does.
    pub help: &'static str,
    /// What holds where nothing was said: a value, or in brackets what decides.
    pub default: &'static str,
}

impl Key {
    /// The value that holds where nothing was said, where that is always the same.
    pub fn default_value(&self) -> Option<&'static str> {
        Some(self.default).filter(|default| !default.starts_with('('))
    }

    /// What holds where nothing was said, in words.
    pub fn default_in_words(&self) -> &'static str {
        self.default.trim_start_matches('(').trim_end_matches(')')
    }

    /// The environment variable with the same meaning.
    pub fn variable(&self) -> String {
        format!("{}{}", PREFIX, self.name.replace('.', "_").to_uppercase())
    }
}

/// The variables that find the configuration's file; every other one is a key's.
pub const CHAIN_VARIABLE: &str = "CAIRN_NODE_CHAIN";
pub const DATA_DIR_VARIABLE: &str = "CAIRN_NODE_DATA_DIR";

/// The command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--chain`.
    pub chain: Option<String>,
    /// `--data-dir`.
    pub data_dir: Option<PathBuf>,
    /// `--section.key` and what followed it, once or more often.
    pub keys: Vec<(&'static str, Vec<String>)>,
}

/// Environment variables.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Those of this process that concern it. What is not UTF-8 is kept as far as it can be shown.
    pub fn of_this_process() -> Self {
        std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(PREFIX) || name == "HOME" || name == "XDG_DATA_HOME")
            .collect()
    }

    /// Those that are no settings, but a service's address.
    pub fn of_services(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|(name, value)| is_of_a_service(name, value)).map(|(name, _)| name.as_str())
    }

    /// A variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(variables.into_iter().collect())
    }
}

/// What a key is set to, before anybody reads it.
#[derive(Clone, Debug)]
pub struct Source {
    /// One text, or several where they are listed.
    pub texts: Vec<String>,
    /// Where it is set.
    pub origin: String,
}

/// What each key is set to, and where.
#[derive(Debug, Default)]
pub struct Layers(BTreeMap<&'static str, Source>);

impl Layers {
    /// Puts file, environment and command line on top of one another.
    ///
    /// # Errors
    /// A key or variable that is not among `keys`, or a file that cannot be read.
    pub fn gather(
        keys: &'static [Key],
        flags: &Flags,
        environment: &Environment,
        data_dir: &Path,
    ) -> Result<Self, ConfigError> {
        let mut layers = Self::default();
        layers.add_file(keys, &data_dir.join(FILE_NAME))?;
        layers.add_environment(keys, environment)?;
        for (key, texts) in &flags.keys {
            layers.0.insert(key, Source { texts: texts.clone(), origin: format!("the flag --{key}") });
        }
        Ok(layers)
    }

    /// Reads the value of `key`, if it is set.
    pub fn read<T: ConfigType>(&self, key: &'static str) -> Result<Option<Sourced<T::Value>>, ConfigError> {
        self.0.get(key).map(|source| Sourced::read::<T>(key, &source.texts, &source.origin)).transpose()
    }

    /// One key, set by a test.
    #[cfg(test)]
    pub fn of(key: &'static str, texts: Vec<String>) -> Self {
        Self([(key, Source { texts, origin: "a test".to_owned() })].into())
    }

    /// What `key` is set to, and where.
    pub fn source(&self, key: &str) -> Option<&Source> {
        self.0.get(key)
    }

    fn add_environment(&mut self, keys: &'static [Key], environment: &Environment) -> Result<(), ConfigError> {
        for (name, value) in environment.0.range(PREFIX.to_owned()..) {
            if !name.starts_with(PREFIX) {
                break;
            }
            if name == CHAIN_VARIABLE || name == DATA_DIR_VARIABLE || is_of_a_service(name, value) {
                continue;
            }
            let Some(key) = keys.iter().find(|key| key.variable() == *name) else {
                let variables = keys.iter().map(Key::variable);
                let known = variables.chain([CHAIN_VARIABLE.to_owned(), DATA_DIR_VARIABLE.to_owned()]);
                return Err(unknown(name, "the environment", known));
            };
            let origin = format!("the environment variable {name}");
            self.0.insert(key.name, Source { texts: vec![value.clone()], origin });
        }
        Ok(())
    }

    fn add_file(&mut self, keys: &'static [Key], path: &Path) -> Result<(), ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(reason) => return Err(ConfigError::Unreadable { path: path.to_owned(), reason }),
        };
        let not_toml = |error| ConfigError::NotToml { path: path.to_owned(), reason: Box::new(error) };
        let table: toml::Table = text.parse().map_err(not_toml)?;
        let origin = path.display().to_string();
        for (name, value) in flatten(&table) {
            let Some(key) = keys.iter().find(|key| key.name == name) else {
                return Err(unknown(&name, &origin, keys.iter().map(|key| key.name.to_owned())));
            };
            let texts = as_texts(value).ok_or_else(|| ConfigError::Value {
                key: key.name,
                got: value.to_string(),
                origin: origin.clone(),
                expected: "a text, a number, true, false or a list of texts".to_owned(),
            })?;
            self.0.insert(key.name, Source { texts, origin: origin.clone() });
        }
        Ok(())
    }
}

/// Whether Kubernetes puts this variable into every container of a namespace that has a service whose name begins with
/// `cairn-node`; Docker's links have the same form. A setting never has such a name together with such a value.
fn is_of_a_service(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let is_ip = |text: &str| text.parse::<IpAddr>().is_ok();
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let is_url = |text: &str| {
        let (kind, address) = text.split_once("://").unwrap_or_default();
        matches!(kind, "tcp" | "udp" | "sctp") && address.parse::<SocketAddr>().is_ok()
    };
    let words: Vec<&str> = rest.split('_').collect();
    // The name of the service may stand before each: cairn-node-rpc gives CAIRN_NODE_RPC_SERVICE_HOST.
    (0..words.len()).any(|at| match words.get(at..).unwrap_or_default() {
        ["SERVICE", "HOST"] => is_ip(value),
        ["SERVICE", "PORT", ..] => is_port(value),
        ["PORT"] => is_url(value),
        ["PORT", number, "TCP" | "UDP" | "SCTP", what @ ..] if is_port(number) => match what {
            [] => is_url(value),
            ["PROTO"] => matches!(value, "tcp" | "udp" | "sctp"),
            ["PORT"] => is_port(value),
            ["ADDR"] => is_ip(value),
            _ => false,
        },
        _ => false,
    })
}

/// The entries of all sections, as `section.key`. What stands above the first section keeps its name.
fn flatten(table: &toml::Table) -> Vec<(String, &toml::Value)> {
    let mut entries = Vec::new();
    for (section, value) in table {
        match value {
            toml::Value::Table(keys) => {
                entries.extend(keys.iter().map(|(key, value)| (format!("{section}.{key}"), value)));
            }
            value => entries.push((section.clone(), value)),
        }
    }
    entries
}

fn as_texts(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(text) => Some(vec![text.clone()]),
        toml::Value::Integer(number) => Some(vec![number.to_string()]),
        toml::Value::Boolean(flag) => Some(vec![flag.to_string()]),
        toml::Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}

fn unknown(got: &str, origin: &str, known: impl Iterator<Item = String>) -> ConfigError {
    let nearest = known.min_by_key(|known| strsim::levenshtein(got, known)).unwrap_or_default();
    ConfigError::UnknownKey { got: got.to_owned(), origin: origin.to_owned(), nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_tells_of_a_service_is_no_setting_and_what_is_like_it_is_misspelt() {
        for (name, value) in [
            ("SERVICE_HOST", "10.96.0.7"),
            ("SERVICE_HOST", "fd00::7"),
            ("SERVICE_PORT", "8645"),
            ("SERVICE_PORT_RPC", "8645"),
            ("PORT", "tcp://10.96.0.7:8645"),
            ("PORT_8645_TCP", "tcp://10.96.0.7:8645"),
            ("PORT_8645_TCP_PROTO", "tcp"),
            ("PORT_8645_TCP_PORT", "8645"),
            ("PORT_8645_TCP_ADDR", "10.96.0.7"),
            ("PORT_9740_UDP_ADDR", "fd00::7"),
            ("RPC_SERVICE_HOST", "10.96.0.7"),
            ("NETWORK_PORT", "tcp://10.96.0.7:9740"),
            ("P2P_0_PORT_9740_TCP", "tcp://[fd00::7]:9740"),
        ] {
            assert!(is_of_a_service(&format!("{PREFIX}{name}"), value), "{name}={value}");
        }
        for (name, value) in [
            ("PORT", "9740"),
            ("NETWORK_PORT", "9740"),
            ("SERVICE_HOST", "node.example"),
            ("SERVICE", "10.96.0.7"),
            ("HOST", "10.96.0.7"),
            ("PORT_8645_TCP_ADDRESS", "10.96.0.7"),
            ("PORT_TCP_ADDR", "10.96.0.7"),
            ("MINING_THREADS", "1"),
        ] {
            assert!(!is_of_a_service(&format!("{PREFIX}{name}"), value), "{name}={value}");
        }
        assert!(!is_of_a_service("CAIRN_WALLET_SERVICE_HOST", "10.96.0.7"));
    }

    #[test]
    fn only_what_concerns_the_node_is_taken_from_the_environment() {
        let environment = Environment::of_this_process();
        let concerns = |name: &String| name.starts_with(PREFIX) || name == "HOME" || name == "XDG_DATA_HOME";
        assert!(environment.0.keys().all(concerns));
    }
}
