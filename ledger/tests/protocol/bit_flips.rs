//! Every bit of a valid header, transaction and block, flipped: never a panic, always the right error.

use crate::support::{Chain, address};
use cairn_ledger::block::{Block, Header};
use cairn_ledger::codec::{self, BoundedBytes, DecodeError};
use cairn_ledger::error::{BlockError, HeaderError, TxError};
use cairn_ledger::validate::{check_transactions, check_work};
use cairn_ledger::{pow::CompactTarget, testing::seal, transaction::Transaction};

fn flipped(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit / 8, flipped)
    })
}

/// A transaction of one output and a memo of five bytes.
fn transaction(chain: &Chain) -> Transaction {
    chain.signed(1, |body| body.memo = BoundedBytes::new(b"cairn".to_vec()).unwrap())
}

#[test]
fn bit_flips_of_a_transaction() {
    let chain = Chain::easy();
    let bytes = codec::encode(&transaction(&chain));
    assert_eq!(bytes.len(), 190);
    for (at, flipped) in flipped(&bytes) {
        let decoded = Transaction::from_bytes(&flipped);
        let verdict = decoded.map(|it| check_transactions(&chain.spec.genesis_id(), vec![it]).map(|_| ()));
        let as_expected = match at {
            0 => matches!(verdict, Ok(Err((0, TxError::Version { .. })))),
            // The high bits of fee, max_price and amount leave their range.
            47..=48 | 55..=56 | 111..=112 => match verdict {
                Err(DecodeError::OutOfRange) => true,
                other => matches!(other, Ok(Err((0, TxError::Signature)))) && [47, 55, 111].contains(&at),
            },
            // Another count moves everything behind it.
            65..=72 | 113..=120 => verdict.is_err(),
            _ => matches!(verdict, Ok(Err((0, TxError::Signature)))),
        };
        assert!(as_expected, "byte {at}: {verdict:?}");
    }
}

/// A network on which a flipped header meets its target once in 2^20: never, for this one.
fn harder() -> Chain {
    let [limit, genesis] = [0x1f00_ffff, 0x1e0f_ffff].map(CompactTarget::from_bits);
    Chain::with_params(|params| (params.pow_limit, params.genesis_target) = (limit, genesis))
}

#[test]
fn bit_flips_of_a_header_lose_its_work() {
    let chain = harder();
    let header = chain.mine(vec![]).header;
    assert!(check_work(&chain.spec, header.clone()).is_ok());
    for (at, flipped) in flipped(&codec::encode(&header)) {
        let flipped = Header::from_bytes(&flipped).unwrap();
        let error = check_work(&chain.spec, flipped).unwrap_err();
        let as_expected = match at {
            50..=53 => !matches!(error, HeaderError::ZeroBeneficiary),
            _ => matches!(error, HeaderError::Work { .. }),
        };
        assert!(as_expected, "byte {at}: {error:?}");
    }
}

/// An attacker who mines each altered header again still meets the rule that guards the field.
#[test]
fn bit_flips_of_a_header_that_is_mined_again() {
    let mut chain = Chain::easy();
    chain.grow(vec![]);
    let block = chain.mine(vec![chain.pay(1, address(2), 5, 1)]);
    for (at, flipped) in flipped(&codec::encode(&block.header)) {
        let header = Header::from_bytes(&flipped).unwrap();
        // The nonce is what mining changes, and a target that is no target cannot be met.
        let again = at < 182 && header.target.decode().is_ok();
        let Some(header) = (if again { resealed_cheaply(header) } else { Some(header) }) else { continue };
        let verdict = chain.connect(Block { header, body: block.body.clone() }).map(|_| ());
        let header_error =
            |wanted: fn(&HeaderError) -> bool| matches!(&verdict, Err(BlockError::Header(it)) if wanted(it));
        let as_expected = match at {
            0..=1 => header_error(|it| matches!(it, HeaderError::Version { .. })),
            2..=9 => header_error(|it| matches!(it, HeaderError::Height { .. })),
            10..=41 => header_error(|it| matches!(it, HeaderError::Parent { .. })),
            // A later time is another valid block; this chain judges at the moment that it names.
            42..=49 => verdict.is_ok() || header_error(|it| matches!(it, HeaderError::TimeNotRising { .. })),
            50..=53 => header_error(|it| {
                use HeaderError::{Target, TargetAboveLimit, TargetForm};
                matches!(it, TargetForm { .. } | TargetAboveLimit { .. } | Target { .. })
            }),
            // Paying somebody else, and committing to other accounts, both show in the state root.
            54..=85 | 118..=149 => matches!(verdict, Err(BlockError::StateRoot { .. })),
            86..=117 => matches!(verdict, Err(BlockError::TxsRoot { .. })),
            150..=181 => header_error(|it| matches!(it, HeaderError::HistoryRoot { .. })),
            _ => verdict.is_ok() || header_error(|it| matches!(it, HeaderError::Work { .. })),
        };
        assert!(as_expected, "byte {at}: {verdict:?}");
    }
}

/// Mines again, unless the flipped target makes that too much for a test.
fn resealed_cheaply(header: Header) -> Option<Header> {
    let cheap = header.target.decode().unwrap().work() < cairn_ledger::pow::Work::from_u64(1_000);
    cheap.then(|| seal(header))
}

#[test]
fn bit_flips_of_a_block() {
    let chain = harder();
    let honest = chain.mine(vec![transaction(&chain), chain.pay(2, address(3), 5, 1)]);
    for (at, flipped) in flipped(&codec::encode(&honest)).filter(|(at, _)| *at >= 190) {
        match Block::from_bytes(&flipped) {
            Err(_) => {
                // Counts, and the high bits of fees, prices and amounts: all that can fail to decode.
                let lists =
                    [190..198, 198 + 65..198 + 73, 198 + 113..198 + 121, 388 + 65..388 + 73, 388 + 113..388 + 121];
                let amounts = [198, 388].map(|start| [start + 47, start + 55, start + 111]).concat();
                let high = amounts.iter().any(|from| (*from..from + 2).contains(&at));
                assert!(high || lists.iter().any(|range| range.contains(&at)), "byte {at}");
            }
            Ok(block) => {
                let verdict = chain.connect(block).map(|_| ());
                assert!(matches!(verdict, Err(BlockError::TxsRoot { .. })), "byte {at}: {verdict:?}");
            }
        }
    }
    assert!(chain.connect(honest).is_ok(), "the honest block is accepted afterwards");
}
