//! How values are written for people. Amounts are exact; what is only an order of magnitude is shortened.

use cairn_host::inert::{Inert, SHORT_CHARS};
use cairn_ledger::units::Amount;

/// Digits in groups of three: `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount in CRN, exactly, without the unit: `1,234.5`.
pub fn crn(amount: Amount) -> String {
    let text = amount.to_string();
    let (whole, rest) = text.split_once('.').map_or((&*text, None), |(whole, rest)| (whole, Some(rest)));
    let whole = whole.parse().map(grouped).unwrap_or_else(|_| whole.to_owned());
    rest.map_or(whole.clone(), |rest| format!("{whole}.{rest}"))
}

/// An id: 64 hex digits. `hex::encode` goes character by character.
pub fn hex(bytes: &[u8; 32]) -> String {
    let mut digits = [0; 64];
    // Two digits for each byte.
    let _ = hex::encode_to_slice(bytes, &mut digits);
    String::from_utf8_lossy(&digits).into_owned()
}

/// The start and the end of an id or an address; all of it stands in the page, too.
pub fn short(text: &str) -> String {
    match (text.get(..10), text.len().checked_sub(6).and_then(|from| text.get(from..))) {
        (Some(start), Some(end)) if text.len() > 20 => [start, "…", end].concat(),
        _ => text.to_owned(),
    }
}

/// A large number in short: `812`, `8.1 × 10¹²`.
pub fn magnitude(number: f64) -> String {
    if !number.is_finite() || number < 10_000.0 {
        return format!("{number:.0}");
    }
    // Rust writes 8.1e12.
    let text = format!("{number:.1e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let raise = |digit: char| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit.to_digit(10)? as usize);
    let raised: String = exponent.chars().filter_map(raise).collect();
    format!("{mantissa} × 10{raised}")
}

/// Attempts a second: `1.9 MH/s`.
pub fn hash_rate(rate: f64) -> String {
    scaled(rate, 1_000.0, &["H/s", "kH/s", "MH/s", "GH/s", "TH/s", "PH/s", "EH/s"])
}

/// A number of bytes: `1.4 MiB`.
pub fn bytes(count: u64) -> String {
    scaled(count as f64, 1_024.0, &["bytes", "KiB", "MiB", "GiB", "TiB"])
}

fn scaled(mut value: f64, step: f64, units: &[&str]) -> String {
    let mut place = 0;
    while value >= step && place + 1 < units.len() {
        (value, place) = (value / step, place + 1);
    }
    let unit = units.get(place).unwrap_or(&"");
    if place == 0 || value >= 100.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// A span of time, in its largest unit or two: `42 s`, `3 min 5 s`, `2 h 10 min`, `4 days`.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    let two = |large: u64, unit: &str, small: u64, lesser: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {lesser}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds / 60 % 60, "min"),
        86_400..172_800 => two(1, "day", seconds / 3_600 % 24, "h"),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A moment as RFC 3339 has it, in UTC: `2026-11-29T20:08:42Z`.
pub fn rfc3339(ms: u64) -> String {
    let (date, [hour, minute, second]) = civil(ms);
    format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A moment for people, in UTC: `2026-11-29 20:08:42 UTC`.
pub fn utc(ms: u64) -> String {
    let (date, [hour, minute, second]) = civil(ms);
    format!("{date} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The date of a moment in the Gregorian calendar, and its hour, minute and second. Howard Hinnant's algorithm: years
/// begin in March, so that the leap day is a year's last.
fn civil(ms: u64) -> (String, [u64; 3]) {
    let seconds = ms / 1_000;
    let days = seconds / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (format!("{year:04}-{month:02}-{day:02}"), [seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60])
}

/// What a memo says, as it may be shown: text where it is text, inert and in short, and hex where it is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Memo {
    /// There is none.
    None,
    /// Text.
    Text(String),
    /// Bytes that are no text, in hex.
    Bytes(String),
}

impl Memo {
    /// Reads one.
    pub fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok("") => Self::None,
            Ok(text) => Self::Text(in_short(text)),
            Err(_) => Self::Bytes(in_short(&hex::encode(bytes))),
        }
    }
}

/// Text from outside, inert and in short.
pub fn in_short(text: &str) -> String {
    brief(text, SHORT_CHARS)
}

/// Text from outside, inert and of so many characters at most.
pub fn brief(text: &str, max: usize) -> String {
    let mut short: String = text.chars().take(max).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    Inert(&short).to_string()
}

/// A message as a sentence: it begins with a capital and ends with a full stop.
pub fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let rest = in_short(letters.as_str());
    format!("{}{rest}{}", Inert(&first), if rest.ends_with('.') { "" } else { "." })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_grouped() {
        for (pebbles, text) in [
            (0, "0"),
            (1, "0.00000001"),
            (150_000_000, "1.5"),
            (123_456_789_012_345, "1,234,567.89012345"),
            (100_000_000_000, "1,000"),
        ] {
            assert_eq!(crn(Amount::from_pebbles(pebbles).expect("an amount")), text);
        }
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_164_799, "2024-02-28T23:59:59Z"),
            (1_709_251_200, "2024-03-01T00:00:00Z"),
            (1_795_983_722, "2026-11-29T20:22:02Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(rfc3339(seconds * 1_000), text);
        }
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert!(rfc3339(u64::MAX).ends_with('Z'), "no moment is too late");
    }

    #[test]
    fn large_numbers_and_spans_are_short() {
        assert_eq!((magnitude(812.0), magnitude(8.13e12)), (String::from("812"), String::from("8.1 × 10¹²")));
        assert_eq!(magnitude(9.99e12), "1.0 × 10¹³");
        assert_eq!((hash_rate(0.0), hash_rate(1_894_769.5)), (String::from("0 H/s"), String::from("1.9 MH/s")));
        assert_eq!((bytes(190), bytes(1_500_000)), (String::from("190 bytes"), String::from("1.4 MiB")));
        for (ms, text) in [(59_999, "59 s"), (60_000, "1 min"), (185_000, "3 min 5 s"), (7_800_000, "2 h 10 min")] {
            assert_eq!(span(ms), text);
        }
        assert_eq!((span(90_000_000), span(4 * 86_400_000)), (String::from("1 day 1 h"), String::from("4 days")));
        assert_eq!(short("lcrn1a3qm2h4ajkhdy6zlvr6xdc62em"), "lcrn1a3qm2…dc62em");
        assert_eq!(short("short"), "short");
        assert_eq!(
            (sentence("no peer has it"), sentence("Gone.")),
            (String::from("No peer has it."), String::from("Gone."))
        );
    }

    #[test]
    fn a_memo_is_inert_whatever_it_holds() {
        assert_eq!(Memo::of(b""), Memo::None);
        assert_eq!(Memo::of("tea é 茶".as_bytes()), Memo::Text(String::from("tea é 茶")));
        assert_eq!(Memo::of(b"\x1b[2J\n"), Memo::Text(String::from("\\u{1b}[2J\\u{a}")));
        assert_eq!(Memo::of("\u{202e}evil".as_bytes()), Memo::Text(String::from("\\u{202e}evil")));
        assert_eq!(Memo::of(&[0xff, 0xfe]), Memo::Bytes(String::from("fffe")));
        let Memo::Text(long) = Memo::of("a".repeat(100_000).as_bytes()) else { panic!("it is text") };
        assert!(long.chars().count() <= SHORT_CHARS + 1);
    }
}
