//! The fuzzer against decoders that are wrong, each beside one that is not.

use super::*;
use crate::mode::Mode;

/// What the suite's run says of a decoder.
fn suite(target: Target, check: impl Fn(&[u8]) -> bool) -> Result<(), String> {
    Session::new(&target, &check).run(Mode::Suite)
}

#[test]
fn a_decoder_that_panics_is_found_and_its_input_made_short() {
    let found = suite(Target::new("test_panic").seeds([vec![7; 300]]), |bytes| {
        assert!(!bytes.contains(&0xff), "the forbidden byte");
        true
    });
    let found = found.expect_err("some mutation writes the byte");
    assert!(found.contains("the forbidden byte") && found.contains("input of 1 bytes: ff"), "{found}");
    assert_eq!(suite(Target::new("test_panic").seeds([vec![7; 300]]), |_| true), Ok(()), "the control");
}

#[test]
fn a_length_bomb_is_found_by_the_memory_it_takes() {
    let decode = |bytes: &[u8], reserve: bool| {
        let Some((length, rest)) = bytes.split_first_chunk::<4>() else { return false };
        let length = u32::from_le_bytes(*length) as usize % (64 << 20);
        let list: Vec<u8> = if reserve { Vec::with_capacity(length) } else { Vec::new() };
        std::hint::black_box(list);
        length == rest.len()
    };
    let seed = [3, 0, 0, 0, 1, 2, 3];
    let found = suite(Target::new("test_bomb").seeds([seed]), |bytes| decode(bytes, true));
    assert!(found.is_err_and(|found| found.contains("bytes of memory")));
    assert_eq!(suite(Target::new("test_bomb").seeds([seed]), |bytes| decode(bytes, false)), Ok(()), "the control");
}

#[test]
fn a_seed_that_is_refused_is_told_of() {
    let found = suite(Target::new("test_seed").seeds(["text"]), |_| false);
    assert!(found.is_err_and(|found| found.contains("a seed is not understood") && found.contains("\"text\"")));
}

#[test]
fn words_reach_what_chance_does_not() {
    let check = |bytes: &[u8]| {
        assert!(!bytes.windows(8).any(|window| window == b"cairnab1"), "the word is there");
        true
    };
    assert!(suite(Target::new("test_words").seeds(["x"]).words(["cairnab1"]), check).is_err());
    assert_eq!(suite(Target::new("test_words").seeds(["x"]), check), Ok(()), "the control");
}

#[test]
fn mutations_stay_within_their_bound_and_follow_from_the_dice() {
    let inputs = |seed: u64| -> Vec<Vec<u8>> {
        let mut rng = rng::Rng::new(seed);
        let mut bytes = b"begin".to_vec();
        let mut next = || {
            mutate::mutate(&mut rng, &mut bytes, &[b"word".to_vec()], b"another one", 64);
            bytes.clone()
        };
        (0..2_000).map(|_| next()).collect()
    };
    assert!(inputs(1).iter().all(|bytes| bytes.len() <= 64));
    assert!(inputs(1).iter().any(|bytes| bytes.len() > 32));
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2), "the control");
}
