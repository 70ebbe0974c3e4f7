//! A key of the configuration, whatever its type.

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
