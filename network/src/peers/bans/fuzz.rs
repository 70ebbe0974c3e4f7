//! Whatever stands in the file of the bans, or in an operator's command (docs/testing.md).

use super::*;
use cairn_fuzz::Target;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

#[test]
fn network_bans() {
    let mut bans = Bans::default();
    let until = NOW.saturating_add(3_600_000);
    for target in ["1.2.0.0/16", "1.2.3.4", "2606:4700::/32", "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"] {
        let ban = Ban { until, reason: String::from("a reason"), is_automatic: false };
        bans.insert(target.parse().expect("a target"), ban, NOW);
    }
    let words = [
        "::ffff:1.2.3.4/112",
        "::/64",
        "\"until\":",
        "\\u001b",
        "255.255.255.255",
        "/16",
        "/128",
        "18446744073709551615",
    ];
    Target::new("network_bans").seeds([encode(&bans), b"1.2.3.4".to_vec()]).words(words).memory(64 << 10, 200).run(
        |bytes| {
            let named = str::from_utf8(bytes).ok().and_then(|text| text.parse::<Banned>().ok());
            if let Some(banned) = named {
                assert_eq!(banned.to_string().parse(), Ok(banned), "it is shown as what it means");
            }
            let Ok(bans) = decode(bytes, NOW) else { return named.is_some() };
            let again = decode(&encode(&bans), NOW).map(|again| again.bans);
            assert_eq!(again.as_ref(), Ok(&bans.bans), "what is saved is loaded");
            assert!(bans.bans.len() <= BANS);
            for ban in bans.bans.values() {
                assert!(ban.until > NOW && ban.until <= NOW.saturating_add(LONGEST_MS));
                assert!(!ban.reason.chars().any(char::is_control) && ban.reason.chars().count() <= REASON_CHARS);
            }
            true
        },
    );
}
