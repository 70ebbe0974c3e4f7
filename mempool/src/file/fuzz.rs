//! Whatever bytes: of a damaged file every whole record is kept, and nothing else (docs/testing.md).

use super::{MAGIC, Saved, decode, encode};
use cairn_fuzz::Target;
use cairn_ledger::testing::{easy_network, key, payment};
use cairn_ledger::{BlockId, Timestamp};

#[test]
fn mempool_file() {
    let spec = easy_network();
    let id = spec.genesis_id();
    let record = |nonce| Saved {
        added: Timestamp::from_millis(1_000 + nonce),
        transaction: payment(&spec, &key(1), nonce, key(2).address(), 5, 500),
    };
    let saved: Vec<Saved> = (0..3).map(record).collect();
    let seeds = (0..=3).map(|count| encode(&id, &saved[..count]));
    let other = encode(&BlockId::ZERO, &[]);
    Target::new("mempool_file").seeds(seeds).words([MAGIC.to_vec(), other]).run(|bytes| {
        let Ok(loaded) = decode(&id, bytes) else { return false };
        let whole = encode(&id, &loaded.saved);
        let lost = loaded.lost.map_or(0, |lost| lost.bytes);
        assert_eq!(whole.len() as u64 + lost, bytes.len() as u64, "each byte is kept or told of");
        let again = decode(&id, &whole).expect("what was written");
        assert_eq!((&again.saved, again.lost), (&loaded.saved, None));
        match loaded.lost {
            None => assert_eq!(whole, bytes, "one file for one pool"),
            Some(lost) => assert_eq!(bytes.get(..lost.at as usize), whole.get(..lost.at as usize)),
        }
        true
    });
}
