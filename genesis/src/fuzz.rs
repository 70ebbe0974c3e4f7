//! Whatever text: what is a network holds together, and is the same network however often it is read (docs/testing.md).

use crate::{LOCAL, Network, TEST};
use cairn_fuzz::Target;
use cairn_ledger::Height;

const UPGRADES: &str = "[[upgrade]]\nheight = 10\nname = \"cheap\"\naccount_price = \"0.0001\"\n\
                        [[upgrade]]\nheight = 20\nname = \"large\"\nmax_block_bytes = 3_000_000\n";

#[test]
fn genesis_network() {
    let seeds = [LOCAL.to_owned(), TEST.to_owned(), format!("{LOCAL}\n{UPGRADES}")];
    let words = [
        "[[allocations]]\n",
        "[[upgrade]]\n",
        "[defaults]\n",
        "feature = \"x\"\n",
        "18446744073709551615",
        "0x1",
        "1e9",
    ];
    // A parser of TOML keeps the text in pieces.
    Target::new("genesis_network").seeds(seeds).words(words).memory(256 << 10, 256).max_bytes(8 << 10).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return false };
        let network = match Network::parse(text) {
            Ok(network) => network,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return false;
            }
        };
        let again = Network::parse(text).expect("it was read before");
        assert_eq!((again.id(), again.spec.schedule().id()), (network.id(), network.spec.schedule().id()));
        let (spec, last) = (&network.spec, Height::new(u64::MAX));
        assert_eq!(spec.genesis().id(), network.id());
        let halving = spec.params().halving;
        let mut heights = [1, 2, halving, halving.saturating_add(1), u64::MAX];
        heights.sort_unstable();
        let mut supply = spec.supply(Height::GENESIS);
        for height in heights {
            let later = spec.supply(Height::new(height));
            assert!(later >= supply && later <= spec.supply(last), "money is never taken away");
            supply = later;
        }
        assert!(spec.rules_at(last).max_block_bytes > 0);
        true
    });
}
