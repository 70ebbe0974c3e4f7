//! Whatever stands in a faucet's file, whatever a visitor sends, and whatever a proxy says (docs/testing.md).

use super::book::Limits;
use super::desk::Claim;
use super::grant_log::{Owner, parse};
use super::prefix::{IpPrefix, client};
use super::refusal::shown;
use cairn_fuzz::Target;
use cairn_ledger::{Amount, BlockId};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

#[test]
fn wallet_faucet() {
    let zeros = "0".repeat(64);
    let head = format!("{{\"event\":\"faucet\",\"version\":1,\"genesis_id\":\"{zeros}\",\"address\":\"a\"}}\n");
    let id = "0123456789abcdef0123456789abcdef";
    let gift = format!(
        "{{\"event\":\"granted\",\"time\":1,\"id\":\"{id}\",\"address\":\"b\",\
         \"from\":\"192.0.2.0/24\",\"amount\":\"1\"}}\n"
    );
    let settled = format!("{{\"event\":\"settled\",\"time\":2,\"id\":\"{id}\",\"txid\":\"{zeros}\"}}\n");
    let all = format!("{head}{gift}{settled}");
    let claim = "{\"address\":\"b\",\"window\":3,\"nonce\":\"7\"}";
    let words = [&*head, &*gift, &*settled, "\n", "2001:db8::/64", "::ffff:1.2.3.4, ", "127.0.0.1", "\u{202e}"];
    let owner = Owner { genesis_id: BlockId::from_bytes([0; 32]), address: String::from("a") };
    let limits = Limits { amount: Amount::from_pebbles(1).expect("one"), per_day: 3, per_prefix: 2 };
    let seeds = [&*all, claim, "198.51.100.1, 10.0.0.1"];
    Target::new("wallet_faucet").seeds(seeds).words(words).memory(64 << 10, 100).run(|bytes| {
        let text = String::from_utf8_lossy(bytes);
        assert!(!shown(&text).chars().any(char::is_control));
        let proxy = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let ip = client(proxy, &[&text], &[proxy]);
        assert_eq!(client(ip, &[&text], &[]), ip, "who is no proxy is believed nothing");
        let prefix = IpPrefix::narrow(ip);
        assert_eq!(prefix.to_string().parse(), Ok(prefix));
        let is_claim = serde_json::from_slice::<Claim>(bytes).is_ok();
        let Ok((grants, _)) = parse(Path::new("x"), bytes, &owner) else { return is_claim };
        let book = super::book::Book::new(limits, grants);
        for clock in [0, 1, u64::MAX] {
            let checked = book.check(clock, "c", prefix);
            assert!(checked.is_err() || book.given(clock) < limits.budget().pebbles());
        }
        true
    });
}
