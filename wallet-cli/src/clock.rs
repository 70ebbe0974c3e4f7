//! The time, and how it is shown.

use std::fmt::{self, Display};
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in Unix ms.
#[expect(clippy::disallowed_methods, reason = "the one place where a wallet reads it")]
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
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
}
