//! What the command lines of node and wallet have in common with shells: paths that begin with `~`, commands to copy,
//! and lines that fit the terminal.

use std::path::{Path, PathBuf};
use std::{ffi::OsString, io::IsTerminal};

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

/// Stands for the spaces of a command while lines are broken: a command that is broken cannot be copied.
const KEPT_SPACE: char = '\u{a0}';
/// A line that begins with words and two spaces after them, up to so many columns, has what follows in a column.
const WIDEST_LABEL: usize = 24;

/// As [`complete_commands`], with lines of at most `columns` characters: what is longer goes on below, under the column
/// in which its text began. Words and commands stay whole, however long they are.
pub fn complete_and_fold(sentence: &str, program: &str, complete: impl Fn(&str) -> String, columns: usize) -> String {
    let keep = |command: &str| complete(command).replace(' ', &KEPT_SPACE.to_string());
    let text = complete_commands(sentence, program, keep);
    let lines: Vec<String> = text.split('\n').map(|line| fold(&keep_last_command(line, program), columns)).collect();
    lines.join("\n").replace(KEPT_SPACE, " ")
}

/// A line may end in a command that was complete before.
fn keep_last_command(line: &str, program: &str) -> String {
    let (before, command) = line.split_at(line.find(&format!("{program} --")).unwrap_or(line.len()));
    before.to_owned() + &command.replace(' ', &KEPT_SPACE.to_string())
}

fn fold(line: &str, columns: usize) -> String {
    if line.chars().count() <= columns {
        return line.to_owned();
    }
    let start = text_column(line);
    let (label, text) = line.split_at(line.char_indices().nth(start).map_or(line.len(), |(at, _)| at));
    let (mut folded, mut width) = (label.to_owned(), start);
    for (place, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if place == 0 {
            width += length;
        } else if width + 1 + length <= columns {
            folded.push(' ');
            width += 1 + length;
        } else {
            folded.truncate(folded.trim_end_matches(' ').len());
            folded.push('\n');
            folded.extend(std::iter::repeat_n(' ', start));
            width = start + length;
        }
        folded.push_str(word);
    }
    folded
}

/// The column in which the text of a line begins: after its label, or its indentation.
fn text_column(line: &str) -> usize {
    let letters: Vec<char> = line.chars().take(WIDEST_LABEL).collect();
    let indent = letters.iter().take_while(|letter| **letter == ' ').count();
    let gap = letters.windows(3).rposition(|three| matches!(three, [' ', ' ', letter] if *letter != ' '));
    gap.map_or(indent, |gap| gap + 2)
}

/// How many columns the terminal has that standard output goes to; `None` for a pipe or a file.
pub fn terminal_columns() -> Option<usize> {
    let (width, _) = std::io::stdout().is_terminal().then(terminal_size::terminal_size).flatten()?;
    Some(usize::from(width.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_under_the_column_of_their_text_and_commands_stay_whole() {
        let complete = |command: &str| format!("wallet --chain local{command}");
        let shown = |text: &str, columns| complete_and_fold(text, "wallet", complete, columns);
        for (text, expected) in [
            ("short", "short"),
            (
                "note  clock       a b c d e f g",
                "note  clock       a b\n                  c d\n                  e f\n                  g",
            ),
            ("one two three four five six", "one two three four\nfive six"),
            ("  one two three four five", "  one two three four\n  five"),
            ("try `wallet new`, or not at all", "try\nwallet --chain local new,\nor not at all"),
            ("Next: go on with wallet --chain local new", "Next: go on with\nwallet --chain local new"),
            ("a\nb", "a\nb"),
            ("", ""),
        ] {
            assert_eq!(shown(text, 22), expected, "{text}");
        }
        let long = "x".repeat(100);
        assert_eq!(shown(&long, 22), long, "there is no place to break it");
        assert_eq!(shown(&format!("a {long} b"), 22), format!("a\n{long}\nb"));
    }

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
