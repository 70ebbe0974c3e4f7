//! Every check of the verifier is needed: without it, a proof that breaks one rule gets through.

#[expect(clippy::allow_attributes, reason = "what a mutant leaves unused differs from one to the other")]
mod mutants {
    use cairn_ledger::hash::{BlockId, Hash};
    use cairn_ledger::{chain_spec::ChainSpec, units::Timestamp};

    type Light = fn(&[u8], &ChainSpec, (BlockId, Hash), Timestamp) -> Result<(), String>;
    type Kept = fn(&[u8], &ChainSpec, Timestamp) -> Result<(), String>;

    /// A verifier with one check less.
    pub struct Mutant {
        pub name: &'static str,
        pub light: Light,
        pub receipt: Kept,
    }

    #[allow(dead_code, unused, missing_docs, unfulfilled_lint_expectations, clippy::all)]
    mod all {
        use super::Mutant;
        include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
    }

    pub use all::MUTANTS;
}

extern crate alloc;

use cairn_adversary::breaches::{self, Breach, Evidence};
use mutants::{MUTANTS, Mutant};

fn verdict(mutant: &Mutant, breach: &Breach) -> Result<(), String> {
    match &breach.evidence {
        Evidence::Light(bytes, request) => {
            (mutant.light)(bytes, &breach.spec, (request.tip, request.random), breach.now)
        }
        Evidence::Receipt(bytes) => (mutant.receipt)(bytes, &breach.spec, breach.now),
    }
}

#[test]
fn every_breach_is_refused_and_its_honest_twin_is_not() {
    for [breach, twin] in breaches::all() {
        let refused = breach.verdict().expect_err(breach.rule);
        assert_eq!(twin.verdict(), Ok(()), "{}: the honest twin of what is refused because {refused}", breach.rule);
    }
}

#[test]
fn without_any_one_check_a_breach_gets_through() {
    let all = breaches::all();
    for mutant in MUTANTS {
        let aimed = all.iter().filter(|[breach, _]| breach.rule == mutant.name);
        let verdicts: Vec<Result<(), String>> = aimed.map(|[breach, _]| verdict(mutant, breach)).collect();
        assert!(!verdicts.is_empty(), "{}: no breach is aimed at it", mutant.name);
        assert!(verdicts.iter().any(Result::is_ok), "{}: {verdicts:?}", mutant.name);
        // It is the check that makes the difference: the mutant still takes what is honest.
        for [_, twin] in
            all.iter().filter(|[breach, _]| breach.rule == mutant.name && mutant.name != "random_bytes_of_the_asker")
        {
            assert_eq!(verdict(mutant, twin), Ok(()), "{}", mutant.name);
        }
    }
    let named = |rule: &str| MUTANTS.iter().any(|mutant| mutant.name == rule);
    assert!(all.iter().all(|[breach, _]| named(breach.rule)), "each breach is aimed at a check");
}
