//! What the command lines of node and wallet have in common with shells: paths that begin with `~`, and commands to
//! copy.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// `path` with `home` in the place of a `~` that is its first part. What begins otherwise stays, also `~name`: whose
/// home that is, the system alone knows.
///
/// Shells write the home directory for it, but not behind a `=`, not between quotes, and there is no shell at all
/// before service files and configurations.
pub fn expand_home(path: &Path, home: Option<OsString>) -> PathBuf {
    match (path.strip_prefix("~"), home.filter(|home| !home.is_empty())) {
        (Ok(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.to_path_buf(),
    }
}

/// A word as a shell reads it back.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,=".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// A sentence in which each command of `program` that stands between backticks is one that works when it is copied:
/// `complete` gets what follows the program's name and writes the whole command, with the options that lead to what the
/// sentence is about. The backticks go.
///
/// Sentences are made where nobody knows how the program was started; this is for the place where they are shown.
pub fn complete_commands(sentence: &str, program: &str, complete: impl Fn(&str) -> String) -> String {
    let (mut text, mut rest) = (String::with_capacity(sentence.len()), sentence);
    while let Some((before, after)) = rest.split_once('`') {
        text.push_str(before);
        let command = after.split_once('`').and_then(|(inside, after)| {
            let command = inside.strip_prefix(program)?;
            (command.is_empty() || command.starts_with(' ')).then_some((command, after))
        });
        (rest, text) = match command {
            Some((command, after)) => (after, text + &complete(command)),
            None => (after, text + "`"),
        };
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_between_backticks_get_the_options_and_nothing_else_does() {
        let complete =
            |text: &str| complete_commands(text, "wallet", |command| format!("wallet --chain local{command}"));
        for (text, expected) in [
            (
                "make one with `wallet new`, or see `wallet list`.",
                "make one with wallet --chain local new, or see wallet --chain local list.",
            ),
            ("`wallet`", "wallet --chain local"),
            ("the wallet new", "the wallet new"),
            ("`walletx new` and `cairn-node run`", "`walletx new` and `cairn-node run`"),
            ("an open ` and `wallet new`", "an open ` and wallet --chain local new"),
            ("`", "`"),
            ("", ""),
        ] {
            assert_eq!(complete(text), expected);
        }
    }

    #[test]
    fn words_are_quoted_as_a_shell_reads_them() {
        for (word, expected) in [
            ("a/b-c:1", "a/b-c:1"),
            ("my wallets", "'my wallets'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("~/x", "'~/x'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn a_tilde_is_the_home_directory_at_the_beginning_alone() {
        let expanded =
            |path: &str| expand_home(Path::new(path), Some(OsString::from("/home/ada"))).display().to_string();
        for (path, expected) in [
            ("~/wallets", "/home/ada/wallets"),
            ("~/", "/home/ada/"),
            ("~", "/home/ada/"),
            ("~bob/x", "~bob/x"),
            ("a/~/x", "a/~/x"),
            ("./~/x", "./~/x"),
            ("/x", "/x"),
            ("", ""),
        ] {
            assert_eq!(expanded(path).trim_end_matches('/'), expected.trim_end_matches('/'), "{path}");
        }
        assert_eq!(expand_home(Path::new("~/x"), None), Path::new("~/x"));
        assert_eq!(expand_home(Path::new("~/x"), Some(OsString::new())), Path::new("~/x"));
    }
}
