//! What the wallet says: text for people, or one JSON object for programs.
//!
//! With `--json`, standard output carries exactly one object, the result or `{"error": {"kind", "message"}}`,
//! and standard error nothing. Otherwise results go to standard output and errors to standard error.

use cairn_host::Inert;
use cairn_host::shell::{complete_and_fold, complete_commands};
use cairn_ledger::TxId;
use serde::Serialize;
use serde_json::json;
use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Read, Write};

/// What an error begins with.
const ERROR: &str = "error:";
/// What the line begins with that says what to do next.
const NEXT: &str = "Next: ";
/// The longest answer that is read: whoever types more has not read the question.
const MAX_ANSWER_BYTES: u64 = 1_024;

/// How text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As it is: for pipes and files, and where `NO_COLOR` is set (no-color.org).
    Plain,
    /// Errors red, what to do next bold.
    Coloured,
}

impl Style {
    /// For a terminal, unless the user wants no colours.
    pub fn of(terminal: bool, no_color: Option<&std::ffi::OsStr>) -> Self {
        let wanted = no_color.is_none_or(std::ffi::OsStr::is_empty);
        if terminal && wanted { Self::Coloured } else { Self::Plain }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Self::Plain => String::from(text),
            Self::Coloured => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// Where a command writes.
pub struct Output<'a> {
    json: bool,
    style: Style,
    /// The options that every command named between backticks is given, so that it works when it is copied.
    pub leading: String,
    /// How wide the terminal is that text goes to, if it is one: lines are made to fit.
    pub columns: Option<usize>,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl<'a> Output<'a> {
    /// Writes to these two.
    pub fn new(json: bool, style: Style, out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self { json, style, leading: String::new(), columns: None, out, err }
    }

    fn complete(&self, text: &str) -> String {
        let complete = |command: &str| format!("wallet{}{command}", self.leading);
        match self.columns.filter(|_| !self.json) {
            Some(columns) => complete_and_fold(text, "wallet", complete, columns),
            None => complete_commands(text, "wallet", complete),
        }
    }

    /// Whether somebody can be asked: a person at a terminal, and not a program.
    pub fn can_ask(&self) -> bool {
        !self.json && io::stdin().is_terminal()
    }

    /// Asks a question; only `y` and `yes` mean yes.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn ask(&mut self, question: &str) -> io::Result<bool> {
        write!(self.out, "{question}")?;
        self.out.flush()?;
        let mut answer = String::new();
        io::stdin().lock().take(MAX_ANSWER_BYTES).read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Text that is for other programs, whatever the mode: completions.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.out.flush()
    }

    /// The result of a command: its text for people, itself as JSON for programs.
    pub fn result(&mut self, result: &impl Serialize, text: impl Display) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut *self.out, result)?;
            writeln!(self.out)?;
        } else {
            for line in self.complete(&text.to_string()).split_inclusive('\n') {
                let (text, end) = line.strip_suffix('\n').map_or((line, ""), |text| (text, "\n"));
                let text = if text.starts_with(NEXT) { self.style.paint("1", text) } else { String::from(text) };
                write!(self.out, "{text}{end}")?;
            }
        }
        self.out.flush()
    }

    /// A line for people, on the way to the result.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn note(&mut self, line: impl Display) -> io::Result<()> {
        if !self.json {
            let line = self.complete(&inert_lines(&line.to_string()));
            writeln!(self.out, "{line}")?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// Something to beware of: on standard error, or within the object with `--json`.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn warn(&mut self, line: impl Display) -> io::Result<()> {
        if !self.json {
            let line = self.complete(&inert_lines(&format!("warning: {line}")));
            writeln!(self.err, "{line}")?;
            self.err.flush()?;
        }
        Ok(())
    }

    /// Why a command failed, with commands that can be copied, and the payment it is about. Nothing can be done when
    /// nobody takes that either.
    pub fn failure(&mut self, kind: &str, message: &str, txid: Option<TxId>) {
        let message = &inert_lines(message);
        let _unheard = if self.json {
            let mut error = json!({ "kind": kind, "message": self.complete(message) });
            if let Some(txid) = txid {
                error["txid"] = json!(txid.to_string());
            }
            writeln!(self.out, "{}", json!({ "error": error })).and_then(|()| self.out.flush())
        } else {
            let text = self.complete(&format!("{ERROR} {message}"));
            let message = text.strip_prefix(ERROR).unwrap_or(&text);
            writeln!(self.err, "{}{message}", self.style.paint("1;31", ERROR)).and_then(|()| self.err.flush())
        };
    }
}

/// Sentences with nothing in them that moves the cursor: an error may quote a file that came from anybody.
fn inert_lines(text: &str) -> String {
    let lines: Vec<String> = text.split('\n').map(|line| Inert(line).to_string()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a parser says of a file quotes it: a wallet, or a ceremony of shared keys, that somebody sent could once
    /// clear the screen, and write what it liked there.
    #[test]
    fn what_a_file_says_moves_no_cursor() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output::new(false, Style::Plain, &mut out, &mut err);
        output.note("Done.\u{1b}[2J\nall well").expect("memory");
        output.warn("\u{9b}2J").expect("memory");
        output.failure("kind", "unknown field `\u{1b}[2J`\ngo on", None);
        assert_eq!(String::from_utf8_lossy(&out), "Done.\\u{1b}[2J\nall well\n");
        assert_eq!(String::from_utf8_lossy(&err), "warning: \\u{9b}2J\nerror: unknown field `\\u{1b}[2J`\ngo on\n");
    }

    #[test]
    fn colours_are_for_terminals_whose_users_want_them() {
        use std::ffi::OsStr;
        assert_eq!(Style::of(true, None), Style::Coloured);
        assert_eq!(Style::of(true, Some(OsStr::new(""))), Style::Coloured, "no-color.org: empty counts as unset");
        assert_eq!(Style::of(true, Some(OsStr::new("1"))), Style::Plain);
        assert_eq!(Style::of(false, None), Style::Plain);
        for (style, shown) in
            [(Style::Plain, "Done.\nNext: go on\n"), (Style::Coloured, "Done.\n\u{1b}[1mNext: go on\u{1b}[0m\n")]
        {
            let (mut out, mut err) = (Vec::new(), Vec::new());
            Output::new(false, style, &mut out, &mut err).result(&(), "Done.\nNext: go on\n").expect("memory");
            assert_eq!(String::from_utf8(out).as_deref(), Ok(shown));
        }
    }

    #[test]
    fn json_mode_writes_one_object_and_nothing_else() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output::new(true, Style::Plain, &mut out, &mut err);
        output.note("for people").expect("memory");
        output.failure("kind", "a sentence", None);
        assert_eq!(out, b"{\"error\":{\"kind\":\"kind\",\"message\":\"a sentence\"}}\n");
        assert!(err.is_empty());
    }
}
