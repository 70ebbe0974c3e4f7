//! Whatever text: what is shown of it is inert, and what is quoted is one word (docs/testing.md).

use crate::inert::{Inert, SHORT_CHARS, in_short};
use crate::{quoted, shell::complete_and_fold};
use cairn_fuzz::Target;

/// A word as `sh` reads it, if it is one word.
fn unquoted(text: &str) -> Option<String> {
    let (mut word, mut rest) = (String::new(), text.chars());
    while let Some(letter) = rest.next() {
        match letter {
            '\'' => loop {
                match rest.next()? {
                    '\'' => break,
                    letter => word.push(letter),
                }
            },
            '\\' => word.push(rest.next()?),
            letter if letter.is_whitespace() || "\"`$&|;<>()*?[]#~{}!\\".contains(letter) => return None,
            letter => word.push(letter),
        }
    }
    Some(word)
}

#[test]
fn host_text() {
    let seeds = ["tea\n\u{1b}[2J\u{202e}evil", "it's `wallet new`, or  not", "note  clock       a b c d e f g", "~/x"];
    let words = ["\u{1b}[", "\u{9b}", "\u{202e}", "\u{200b}", "\u{a0}", "'", "`wallet", "`", "\\", "  "];
    Target::new("host_text").seeds(seeds).words(words).memory(64 << 10, 400).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return false };
        let shown = Inert(text).to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert_eq!(Inert(&shown).to_string(), shown, "what is inert stays as it is");
        let short = in_short(text);
        assert!(!short.chars().any(char::is_control) && short.len() <= 12 * SHORT_CHARS, "{short:?}");
        assert_eq!(unquoted(&quoted(text)).as_deref(), Some(text), "one word, and the same");
        let folded = complete_and_fold(text, "wallet", |command| format!("wallet{command}"), 40);
        let letters = |text: &str| text.chars().filter(|letter| !letter.is_whitespace() && *letter != '`').count();
        assert_eq!(letters(&folded), letters(text), "nothing is lost where lines are broken");
        true
    });
}
