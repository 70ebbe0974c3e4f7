//! Text from outside, for a terminal: without control characters, and no longer than people read.

use std::fmt::{self, Display, Write as _};

/// The most characters of one text from outside that are shown or kept: a sentence or two.
pub const SHORT_CHARS: usize = 400;

/// Text from outside, inert and in short: it may be megabytes long.
pub fn in_short(text: &str) -> String {
    let mut short: String = text.chars().take(SHORT_CHARS).collect();
    if short.len() < text.len() {
        short.push_str("...");
    }
    Inert(&short).to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_outside_is_inert() {
        let text = "tea\n\u{1b}[2J\u{202e}evil\u{200b} \u{9b}x é 茶";
        assert_eq!(Inert(text).to_string(), "tea\\u{a}\\u{1b}[2J\\u{202e}evil\\u{200b} \\u{9b}x é 茶");
    }
}
