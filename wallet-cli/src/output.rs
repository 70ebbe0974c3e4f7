//! What the wallet says: text for people, or one JSON object for programs.
//!
//! With `--json`, standard output carries exactly one object, the result or `{"error": {"kind", "message"}}`,
//! and standard error nothing. Otherwise results go to standard output and errors to standard error.

use crate::error::WalletError;
use serde::Serialize;
use std::{
    fmt::{self, Display, Write as _},
    io::{self, Write},
};

/// Where a command writes.
pub struct Output<'a> {
    json: bool,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

/// An error as JSON.
#[derive(Serialize)]
struct ErrorJson<'a> {
    error: ErrorFields<'a>,
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    kind: &'a str,
    message: String,
    /// The payment it is about, when there is one: it is in the journal.
    #[serde(skip_serializing_if = "Option::is_none")]
    txid: Option<String>,
}

impl<'a> Output<'a> {
    /// Writes to these two.
    pub fn new(json: bool, out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self { json, out, err }
    }

    /// The result of a command: its text, or itself as JSON.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn result(&mut self, result: &(impl Serialize + Display)) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut *self.out, result)?;
            writeln!(self.out)?;
        } else {
            write!(self.out, "{result}")?;
        }
        self.out.flush()
    }

    /// A line for people, on the way to the result.
    ///
    /// # Errors
    /// When nobody takes it.
    pub fn note(&mut self, line: impl Display) -> io::Result<()> {
        if !self.json {
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
            writeln!(self.err, "warning: {line}")?;
            self.err.flush()?;
        }
        Ok(())
    }

    /// Why a command failed. Nothing can be done when nobody takes that either.
    pub fn error(&mut self, error: &WalletError) {
        self.failure(error.kind(), &error.to_string(), error.txid().map(|txid| txid.to_string()));
    }

    /// As [`Output::error`], from its parts.
    pub fn failure(&mut self, kind: &str, message: &str, txid: Option<String>) {
        let _unheard = if self.json {
            let fields = ErrorFields { kind, message: String::from(message), txid };
            let text = serde_json::to_string(&ErrorJson { error: fields }).unwrap_or_default();
            writeln!(self.out, "{text}").and_then(|()| self.out.flush())
        } else {
            writeln!(self.err, "error: {message}").and_then(|()| self.err.flush())
        };
    }
}

/// Text from outside, shown without the characters that would move the cursor, hide or reorder what is
/// around it: those appear as escapes.
pub struct Inert<'a>(pub &'a str);

impl Display for Inert<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|letter| {
            if letter.is_control() || is_invisible(letter) {
                write!(f, "{}", letter.escape_unicode())
            } else {
                f.write_char(letter)
            }
        })
    }
}

/// Unicode's format characters: no width, or a change of direction.
fn is_invisible(letter: char) -> bool {
    matches!(letter,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A moment (Unix ms) as `2026-11-01 00:00 UTC`.
pub struct Utc(pub u64);

impl Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.0 / 60_000;
        let (days, minute, hour) = (minutes / 1440, minutes % 60, minutes / 60 % 24);
        // Howard Hinnant, "chrono-compatible low-level date algorithms": years that begin in March, so that
        // a leap day is a year's last; eras of 400 years, which all have 146,097 days.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = era * 400 + year_of_era + u64::from(month <= 2);
        write!(f, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02} UTC")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_inert() {
        let text = "tea\n\u{1b}[2J\u{202e}evil\u{200b} \u{9b}x é 茶";
        assert_eq!(Inert(text).to_string(), "tea\\u{a}\\u{1b}[2J\\u{202e}evil\\u{200b} \\u{9b}x é 茶");
    }

    #[test]
    fn moments_are_shown_in_utc() {
        for (millis, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399_999, "2000-02-28 23:59 UTC"),
            (951_782_400_000, "2000-02-29 00:00 UTC"),
            (951_868_800_000, "2000-03-01 00:00 UTC"),
            (1_793_491_200_000, "2026-11-01 00:00 UTC"),
            (4_107_542_400_000, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(Utc(millis).to_string(), text);
        }
        assert!(Utc(u64::MAX).to_string().ends_with("UTC"));
    }

    #[test]
    fn json_mode_writes_one_object_and_nothing_else() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut output = Output::new(true, &mut out, &mut err);
        output.note("for people").expect("memory");
        output.failure("kind", "a sentence", None);
        assert_eq!(out, b"{\"error\":{\"kind\":\"kind\",\"message\":\"a sentence\"}}\n");
        assert!(err.is_empty());
    }
}
