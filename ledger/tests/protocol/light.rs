//! Light proofs: what honest chains prove, and what is tried against them, each attack beside its honest
//! neighbour.

use crate::support::{cases, resealed};
use cairn_ledger::chain_spec::{ChainParams, ChainSpec};
use cairn_ledger::codec::{self, BoundedVec};
use cairn_ledger::error::{HeaderError, TxError};
use cairn_ledger::light::{
    BareHeader, LightError, LightProof, LightProver, LightRequest, Receipt, ReceiptError, SAMPLES, Settled, TAIL,
    TransactionProof, TransactionProofError, TreeBoundsError, VerifiedTip, tail_start,
};
use cairn_ledger::merkle::{InclusionProof, txs_root};
use cairn_ledger::mmr::{MmrNode, MmrPosition};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{self, HeaderChain, arbitrary_hash, easy_network, seal};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{block::Header, hash::Hash, transaction::Transaction};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn chain(blocks: u64) -> HeaderChain {
    let mut chain = HeaderChain::new(easy_network());
    chain.grow(blocks);
    chain
}

fn now(chain: &HeaderChain) -> Timestamp {
    chain.tip.header().time
}

fn verify(chain: &HeaderChain, proof: &LightProof, request: &LightRequest) -> Result<VerifiedTip, LightError> {
    proof.verify(&chain.spec, request, now(chain))
}

/// A proof as its lists, to be altered.
#[derive(Clone)]
struct Parts {
    tail: Vec<Header>,
    opened: Vec<Header>,
    nodes: Vec<MmrNode>,
}

impl Parts {
    fn of(proof: &LightProof) -> Self {
        Self { tail: proof.tail.to_vec(), opened: proof.opened.to_vec(), nodes: proof.nodes.to_vec() }
    }

    fn proof(&self) -> LightProof {
        LightProof {
            tail: BoundedVec::new(self.tail.clone()).unwrap(),
            opened: BoundedVec::new(self.opened.clone()).unwrap(),
            nodes: BoundedVec::new(self.nodes.clone()).unwrap(),
        }
    }

    /// The place of a tree of one block, and of one of more.
    fn places(&self) -> [usize; 2] {
        let leaf = |node: &&MmrNode| node.work == Work::from_u64(2);
        let place = |one: bool| self.nodes.iter().position(|node| leaf(&node) == one).unwrap();
        [place(true), place(false)]
    }
}

/// A proof of 1 500 blocks, its request, and that it holds.
fn example() -> (HeaderChain, LightRequest, Parts) {
    let chain = chain(1_500);
    let request = chain.request(1);
    let proof = chain.light_proof(&request);
    let tip = verify(&chain, &proof, &request).unwrap();
    assert_eq!((tip.total_work(), tip.id()), (chain.tip.total_work(), chain.tip.id()), "the control");
    (chain, request, Parts::of(&proof))
}

#[test]
fn chains_of_every_length_around_the_tail_are_proven() {
    let mut chain = chain(0);
    for height in 0..=TAIL + 12 {
        if !(6..TAIL - 2).contains(&height) || height % 100 == 0 {
            let request = chain.request(height);
            let proof = chain.light_proof(&request);
            let tip = verify(&chain, &proof, &request).unwrap_or_else(|error| panic!("{height}: {error}"));
            assert_eq!((tip.height().get(), tip.total_work()), (height, chain.tip.total_work()));
            assert_eq!(tip.samples() > 0, height > TAIL + 1, "{height}: block 0 has no work to sample");
            let settled = tip.settled().unwrap();
            assert_eq!(settled.header.height.get(), height.checked_sub(6).unwrap_or(height));
            assert_eq!(settled.buried, height == 0 || height > 6, "{height}: block 0 has no work to bury it with");
            assert_eq!(LightProof::from_bytes(&codec::encode(&proof)), Ok(proof));
            let kept: VerifiedTip = codec::decode(&codec::encode(&tip), 120_000).unwrap();
            assert_eq!(kept.restore(&chain.spec), Some(tip));
        }
        chain.grow(1);
    }
}

/// A gap between blocks, and how much it changes from block to block.
fn gaps() -> impl Strategy<Value = (u64, u64)> {
    prop_oneof![
        (Just(1), Just(0)),
        (Just(300), 0_u64..100),
        (Just(30_000), 0_u64..900),
        (1_u64..60_000, 0_u64..900),
        (Just(3_600_000), Just(1)),
        (86_400_000_u64..500_000_000, 0_u64..900),
    ]
}

proptest! {
    #![proptest_config(cases(12))]

    /// Whatever an honest miner could make: random times, bursts in which hash rate is a hundredfold, sleeps of days.
    #[test]
    fn chains_of_changing_difficulty_are_proven(
        spans in proptest::collection::vec((gaps(), 1_usize..120), 10..20),
        random in any::<u64>(),
    ) {
        let params = ChainParams {
            interval_ms: 30_000,
            half_life_ms: 3_600_000,
            genesis_target: CompactTarget::from_bits(0x2007_ffff),
            ..testing::easy_params()
        };
        let mut chain = HeaderChain::new(ChainSpec::new(params).unwrap());
        for (gap, blocks) in spans {
            (0..blocks as u64).for_each(|block| chain.mine(gap.0 + block * gap.1 % 977));
        }
        let request = chain.request(random);
        let tip = verify(&chain, &chain.light_proof(&request), &request);
        prop_assert_eq!(tip.map(|tip| tip.total_work()), Ok(chain.tip.total_work()));
        let request = LightRequest::of_tip(chain.tip.id());
        let tip = verify(&chain, &chain.light_proof(&request), &request);
        prop_assert_eq!(tip.map(|tip| tip.total_work()), Ok(chain.tip.total_work()));
    }
}

#[test]
fn a_verified_tip_is_continued_by_headers_alone() {
    let mut chain = chain(700);
    let request = chain.request(1);
    let tip = verify(&chain, &chain.light_proof(&request), &request).unwrap();
    chain.grow(TAIL);
    let new = &chain.headers[701..];
    let extend = |headers: &[Header]| tip.extend(&chain.spec, &chain.tip.id(), headers, now(&chain));
    let extended = extend(new).unwrap();
    assert_eq!((extended.total_work(), extended.samples()), (chain.tip.total_work(), tip.samples()));
    assert_eq!(extended.settled(), Some(Settled { header: &chain.headers[1_206], buried: true }));
    let request = chain.request(2);
    let proven = verify(&chain, &chain.light_proof(&request), &request).unwrap();
    assert_eq!(extended.header_at(Height::new(1_212)), proven.header_at(Height::new(1_212)));
    assert!(codec::encode(&new.to_vec()[..].iter().map(codec::encode).collect::<Vec<_>>()).len() < 120_000);
    // One header left out, one too many, another tip, and from a block that is not the tip.
    assert!(matches!(extend(&new[1..]), Err(LightError::Header { error: HeaderError::Parent { .. }, .. })));
    assert_eq!(extend(&new[..5]), Err(LightError::Tip { got: Some(new[4].id()), expected: chain.tip.id() }));
    let more = [new, &new[..1]].concat();
    assert_eq!(extend(&more), Err(LightError::TooManyHeaders { got: 513, max: 512 }));
    let genesis = VerifiedTip::genesis(&chain.spec);
    let refused = genesis.extend(&chain.spec, &chain.tip.id(), new, now(&chain));
    assert!(matches!(refused, Err(LightError::Header { .. })));
    assert!(genesis.extend(&chain.spec, &chain.headers[300].id(), &chain.headers[1..301], now(&chain)).is_ok());
}

#[test]
fn a_kept_tip_that_does_not_hold_together_is_not_taken_back() {
    let chain = chain(20);
    let request = chain.request(1);
    let tip = verify(&chain, &chain.light_proof(&request), &request).unwrap();
    let bytes = codec::encode(&tip);
    let kept =
        |bytes: &[u8]| codec::decode::<VerifiedTip>(bytes, 120_000).ok().and_then(|tip| tip.restore(&chain.spec));
    assert_eq!(kept(&bytes), Some(tip));
    // A byte of a header in the middle, and one header less.
    let mut torn = bytes.clone();
    torn[8 + 190 + 20] ^= 1;
    assert_eq!(kept(&torn), None);
    let mut fewer = bytes;
    fewer.splice(..8 + 190, 20_u64.to_le_bytes());
    assert_eq!(kept(&fewer), None);
    let other = testing::easy_params();
    let other = ChainSpec::new(ChainParams { name: String::from("other"), ..other });
    assert_eq!(VerifiedTip::genesis(&other.unwrap()).restore(&chain.spec), None);
}

/// Attack: a history of invented blocks below a tail that is really mined. Every sample that falls into it asks for a
/// header that does not exist.
#[test]
fn attack_spliced_history() {
    let params = ChainParams { genesis_target: CompactTarget::from_bits(0x2000_ffff), ..testing::easy_params() };
    let mut spliced = HeaderChain::new(ChainSpec::new(params).unwrap());
    let mut honest = spliced.clone();
    spliced.grow(30);
    honest.grow(330);
    for _ in 0..300 {
        // By the rule in everything, and never mined.
        let header = spliced.template(2_000);
        spliced.push(header);
    }
    for chain in [&mut spliced, &mut honest] {
        chain.grow(TAIL + 2);
    }
    let request = spliced.request(1);
    let refused = verify(&spliced, &spliced.light_proof(&request), &request);
    assert!(matches!(refused, Err(LightError::Header { error: HeaderError::Work { .. }, .. })), "{refused:?}");
    // With real blocks in the place of the invented ones they are no parents of others, or lead elsewhere.
    let mut parts = Parts::of(&spliced.light_proof(&request));
    for header in &mut parts.opened {
        *header = seal(header.clone());
    }
    assert!(verify(&spliced, &parts.proof(), &request).is_err());
    // The control: as many blocks, all mined.
    let request = honest.request(1);
    let tip = verify(&honest, &honest.light_proof(&request), &request).unwrap();
    assert_eq!(tip.total_work(), spliced.tip.total_work());
}

/// Attack: one fresh block in the middle of a history, which commits to ancestors it does not have. Its
/// parent, time and target are right: only its `history_root` gives it away.
#[test]
fn attack_forged_ancestors_of_a_sample() {
    for forge in [false, true] {
        let mut forged = chain(20);
        let mut header = forged.template(2_000);
        if forge {
            header.history_root = arbitrary_hash(7);
        }
        forged.push(seal(header));
        forged.grow(TAIL + 1);
        // Block 21 is the last before the tail: its octave draws it.
        let request = forged.request(3);
        let result = verify(&forged, &forged.light_proof(&request), &request);
        match result {
            Err(LightError::Header { height, error: HeaderError::HistoryRoot { got, .. } }) => {
                assert!(forge);
                assert_eq!((height.get(), got), (21, arbitrary_hash(7)));
            }
            other => assert!(other.is_ok() && !forge, "{other:?}"),
        }
    }
}

/// Attack: a proof made for random bytes of the prover's choice.
#[test]
fn attack_tip_ground_for_its_samples() {
    let (chain, request, parts) = example();
    let other = LightRequest { random: arbitrary_hash(99), ..request };
    let refused = verify(&chain, &parts.proof(), &other);
    assert!(matches!(refused, Err(LightError::SampleMissing { .. })), "{refused:?}");
    let tip = chain.headers[1_499].id();
    let refused = verify(&chain, &parts.proof(), &LightRequest { tip, ..request });
    assert_eq!(refused, Err(LightError::Tip { got: Some(request.tip), expected: tip }));
}

/// Attack: claiming more work than a chain has, in a tree of blocks or in a single one.
#[test]
fn attack_chain_with_less_work() {
    let (chain, request, parts) = example();
    let [one, many] = parts.places();
    let inflated = |place: usize| {
        let mut inflated = parts.clone();
        inflated.nodes[place].work = inflated.nodes[place].work.checked_add(Work::from_u64(1 << 40)).unwrap();
        verify(&chain, &inflated.proof(), &request).unwrap_err()
    };
    let error = inflated(one);
    assert!(matches!(error, LightError::Tile { blocks: 1, error: TreeBoundsError::Work { .. }, .. }), "{error:?}");
    // In a tree it cannot be seen; but the headers commit to another.
    let error = inflated(many);
    assert!(matches!(error, LightError::Header { error: HeaderError::HistoryRoot { .. }, .. }), "{error:?}");
    // The shorter chain proves exactly what it has.
    let shorter = self::chain(1_400);
    let request = shorter.request(1);
    let tip = verify(&shorter, &shorter.light_proof(&request), &request).unwrap();
    assert!(tip.total_work() < chain.tip.total_work());
}

/// Attack: leaving out headers of the tail, or before it, where an adversary's own blocks are.
#[test]
fn attack_truncated_tail() {
    let (chain, request, parts) = example();
    let mut truncated = parts.clone();
    truncated.tail.remove(0);
    assert_eq!(verify(&chain, &truncated.proof(), &request), Err(LightError::TailLength { got: 512, expected: 513 }));
    let mut gap = parts.clone();
    gap.tail[100] = gap.tail[101].clone();
    assert!(matches!(verify(&chain, &gap.proof(), &request), Err(LightError::Header { .. })));
    let leaf = |height: u64| chain.node(MmrPosition { level: 0, index: height });
    for missing in [986, 987] {
        // Its leaf instead of its header: bound, but nobody sees that it was mined.
        let mut parts = parts.clone();
        parts.opened.retain(|header| header.height.get() != missing);
        parts.nodes.push(leaf(missing));
        let expected = Err(LightError::HeaderMissing { height: Height::new(missing) });
        let verdict = verify(&chain, &parts.proof(), &request);
        assert!(verdict == expected || matches!(verdict, Err(LightError::Header { .. })), "{missing}: {verdict:?}");
    }
    let mut other = parts;
    *other.opened.last_mut().unwrap() = resealed(other.opened.last().unwrap(), |header| header.txs_root = Hash::ZERO);
    assert!(matches!(verify(&chain, &other.proof(), &request), Err(LightError::Header { .. })));
}

/// Attack: samples drawn as if the chain had fewer octaves, so that the blocks near the tail are spared.
#[test]
fn attack_wrong_octave() {
    let (chain, request, _) = example();
    let start = tail_start(chain.tip.header().height).get();
    // With twice the work the octaves begin and end elsewhere.
    let total = chain.tip.total_work().checked_add(chain.tip.total_work()).unwrap();
    let plan = LightProver::new(&request, &chain.history(start), total).unwrap();
    let refused = verify(&chain, &chain.finish(plan), &request);
    assert!(matches!(refused, Err(LightError::SampleMissing { .. })), "{refused:?}");
}

/// Attack: nodes that change places, are left out, or are added; headers the same.
#[test]
fn attack_swapped_node() {
    let (chain, request, parts) = example();
    let refused = |parts: &Parts| verify(&chain, &parts.proof(), &request).unwrap_err();
    let mut swapped = parts.clone();
    swapped.nodes.swap(0, 3);
    let error = refused(&swapped);
    assert!(matches!(error, LightError::Tile { .. } | LightError::Merge(_)), "{error:?}");
    let mut fewer = parts.clone();
    fewer.nodes.pop();
    let expected = parts.nodes.len();
    assert_eq!(refused(&fewer), LightError::Nodes { got: expected - 1, expected });
    let mut more = parts.clone();
    more.nodes.push(parts.nodes[0]);
    assert_eq!(refused(&more), LightError::Nodes { got: expected + 1, expected });
    let mut swapped = parts.clone();
    swapped.opened.swap(0, 1);
    assert!(matches!(refused(&swapped), LightError::Order { .. }));
    let mut twice = parts.clone();
    twice.opened.insert(1, twice.opened[0].clone());
    assert!(matches!(refused(&twice), LightError::Order { .. }));
    let mut early = parts.clone();
    early.opened.insert(0, chain.headers[0].clone());
    assert_eq!(refused(&early), LightError::Order { got: Height::GENESIS });
    let mut late = parts;
    late.opened.push(late.tail[0].clone());
    assert_eq!(refused(&late), LightError::Order { got: Height::new(988) });
}

/// Attack: more headers than the samples ask for, to make verifying dear.
#[test]
fn attack_superfluous_headers() {
    let (chain, request, parts) = example();
    let opened: BTreeSet<u64> = parts.opened.iter().map(|header| header.height.get()).collect();
    // One that is a tree of its own anyway: the rest of the proof stays what it was.
    let leaf = parts.nodes.iter().position(|node| node.work == Work::from_u64(2)).unwrap();
    let height = (1..988).find(|height| chain.node(MmrPosition { level: 0, index: *height }) == parts.nodes[leaf]);
    let height = height.unwrap();
    assert!(!opened.contains(&height));
    let mut more = parts;
    more.nodes.remove(leaf);
    more.opened.push(chain.headers[height as usize].clone());
    more.opened.sort_by_key(|header| header.height);
    let expected = LightError::Superfluous { height: Height::new(height) };
    assert_eq!(verify(&chain, &more.proof(), &request), Err(expected));
}

/// Attack: a whole chain of one's own, from another block 0.
#[test]
fn attack_chain_of_another_network() {
    for blocks in [3, TAIL + 5] {
        let honest = chain(blocks);
        let mut params = testing::easy_params();
        params.name = String::from("other");
        let mut other = HeaderChain::new(ChainSpec::new(params).unwrap());
        other.grow(blocks);
        let request = other.request(1);
        let refused = other.light_proof(&request).verify(&honest.spec, &request, now(&other));
        let refused = refused.unwrap_err();
        let foreign =
            |error: &HeaderError| matches!(error, HeaderError::Parent { .. } | HeaderError::HistoryRoot { .. });
        let named = match &refused {
            LightError::Genesis { .. } => true,
            LightError::Header { error, .. } => foreign(error),
            _ => false,
        };
        assert!(named, "{blocks}: {refused:?}");
        assert!(verify(&other, &other.light_proof(&request), &request).is_ok());
    }
}

/// A header of the tail that is ahead of the verifier's clock is not believed yet.
#[test]
fn a_tip_from_the_future_is_refused() {
    let (chain, request, parts) = example();
    let early = Timestamp::from_millis(now(&chain).millis() - chain.spec.params().max_future_ms - 1);
    let refused = parts.proof().verify(&chain.spec, &request, early);
    assert!(matches!(refused, Err(LightError::Header { error: HeaderError::TimeAhead { .. }, .. })));
}

#[test]
fn no_byte_of_a_proof_can_be_changed() {
    let chain = chain(TAIL + 40);
    let request = chain.request(5);
    let bytes = codec::encode(&chain.light_proof(&request));
    for place in (0..bytes.len()).step_by(611) {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1 << (place % 8);
        let refused = LightProof::from_bytes(&flipped).map(|proof| verify(&chain, &proof, &request));
        assert!(!matches!(refused, Ok(Ok(_))), "byte {place} of {}", bytes.len());
    }
    for cut in [0, 7, 8, 100, bytes.len() - 1] {
        assert!(LightProof::from_bytes(&bytes[..cut]).is_err());
    }
    assert!(LightProof::from_bytes(&vec![0xff; (4 << 20) + 1]).is_err());
}

/// The sizes that the wallet and the operator are promised, on 100 000 blocks of one difficulty.
#[test]
fn a_proof_of_a_hundred_thousand_blocks_is_small() {
    let chain = chain(100_000);
    let request = chain.request(1);
    let proof = chain.light_proof(&request);
    let bytes = codec::encode(&proof);
    let tip = verify(&chain, &LightProof::from_bytes(&bytes).unwrap(), &request).unwrap();
    assert_eq!((tip.height().get(), tip.samples()), (100_000, 8 * SAMPLES));
    assert!(bytes.len() < 600_000, "got {} bytes", bytes.len());
    // What a wallet gets that verified a tip 512 blocks ago: the headers since.
    let new = &chain.headers[100_000 - 511..];
    assert!(new.iter().map(|header| codec::encode(header).len()).sum::<usize>() + 8 < 120_000);
}

/// A chain whose block 300 has a payment.
fn paid() -> (HeaderChain, TransactionProof) {
    paid_by(|payment| payment)
}

/// The same with another payment in its place, as a miner may put into its own block.
fn paid_by(change: impl FnOnce(Transaction) -> Transaction) -> (HeaderChain, TransactionProof) {
    let mut chain = chain(299);
    let key = testing::key(1);
    let transaction = testing::payment(&chain.spec, &key, 0, testing::key(2).address(), 1_000, 10);
    let transaction = change(transaction);
    let txids = [transaction.id(), cairn_ledger::hash::TxId::from_bytes([1; 32])];
    let header = Header { txs_root: txs_root(&txids), ..chain.template(2_000) };
    let header = seal(header);
    chain.push(header.clone());
    chain.grow(500);
    let inclusion = InclusionProof::new(&txids, 0).unwrap();
    let history = chain.history_proof(Height::new(300));
    (chain, TransactionProof { header, transaction, inclusion, history })
}

/// The tip of a chain, every header of it checked.
fn checked_tip(chain: &HeaderChain) -> VerifiedTip {
    let bare: Vec<BareHeader> = chain.headers[1..].iter().map(BareHeader::from).collect();
    VerifiedTip::genesis(&chain.spec).extend_bare(&chain.spec, &bare, now(chain)).unwrap()
}

#[test]
fn a_receipt_proves_a_payment_to_who_holds_the_genesis_alone() {
    let (chain, transaction) = paid();
    let request = LightRequest::of_tip(chain.tip.id());
    let receipt = Receipt { tip: chain.tip.id(), light: chain.light_proof(&request), transaction };
    let bytes = codec::encode(&receipt);
    let (tip, mined) = Receipt::from_bytes(&bytes).unwrap().verify(&chain.spec, now(&chain)).unwrap();
    assert_eq!((mined.height.get(), mined.confirmations, tip.height().get()), (300, 501, 800));
    assert_eq!((mined.work_above, tip.total_work()), (Work::from_u64(2 * 500), Work::from_u64(2 * 800)));
    assert_eq!(tip.samples() % 96, 0, "more samples than of a proof whose asker sends random bytes");
    // A proof made for other random bytes is no receipt: its maker may have chosen them.
    let chosen = Receipt { light: chain.light_proof(&chain.request(1)), ..receipt };
    assert!(chosen.verify(&chain.spec, now(&chain)).is_err());
}

/// Attack: a payment that its sender never signed, in a block of the attacker's own.
#[test]
fn attack_receipt_of_an_unsigned_payment() {
    for (forged, expected) in [(false, true), (true, false)] {
        let (chain, proof) = paid_by(|mut payment| {
            if forged {
                payment.body.outputs = BoundedVec::new(vec![payment.body.outputs[0]; 2]).unwrap();
            }
            payment
        });
        let request = LightRequest::of_tip(chain.tip.id());
        let receipt = Receipt { tip: chain.tip.id(), light: chain.light_proof(&request), transaction: proof };
        let verdict = receipt.verify(&chain.spec, now(&chain));
        assert_eq!(verdict.is_ok(), expected, "{verdict:?}");
        if forged {
            let unsigned = TransactionProofError::Transaction(TxError::Signature);
            assert_eq!(verdict.unwrap_err(), ReceiptError::Transaction(unsigned));
        }
    }
}

/// Attack: a payment that was mined on a branch that the chain left.
#[test]
fn attack_receipt_of_a_reorganised_payment() {
    let (left, transaction) = paid();
    let verify = |proof: &TransactionProof, chain: &HeaderChain| proof.verify(&chain.spec, &checked_tip(chain));
    assert!(verify(&transaction, &left).is_ok(), "the control");
    let mut followed = chain(299);
    followed.grow(600);
    let refused = verify(&transaction, &followed);
    assert!(matches!(refused, Err(TransactionProofError::History { .. })), "{refused:?}");
    // Claimed to be the tip itself, or with another transaction.
    let claimed = TransactionProof { history: None, ..transaction.clone() };
    assert!(matches!(verify(&claimed, &followed), Err(TransactionProofError::OtherBlock { .. })));
    let mut short = chain(299);
    short.push(claimed.header.clone());
    let mined = verify(&claimed, &short).unwrap();
    assert_eq!((mined.confirmations, mined.work_above), (1, Work::ZERO), "a block proves its own");
    let mut other = transaction;
    other.transaction = testing::payment(&left.spec, &testing::key(1), 1, testing::key(2).address(), 1_000, 10);
    assert!(matches!(verify(&other, &left), Err(TransactionProofError::Inclusion(_))));
}

#[test]
fn every_header_is_checked_without_what_follows_from_others() {
    let mut chain = chain(40);
    chain.mine(9_000);
    chain.grow(TAIL);
    let bare: Vec<BareHeader> = chain.headers[1..].iter().map(BareHeader::from).collect();
    let bytes: Vec<u8> = bare.iter().flat_map(codec::encode).collect();
    assert_eq!(bytes.len(), bare.len() * 112);
    assert_eq!(bytes.chunks(112).map(|raw| BareHeader::from_bytes(raw).unwrap()).collect::<Vec<_>>(), bare);
    let genesis = VerifiedTip::genesis(&chain.spec);
    let whole = genesis.extend_bare(&chain.spec, &bare, now(&chain)).unwrap();
    assert_eq!((whole.id(), whole.total_work(), whole.samples()), (chain.tip.id(), chain.tip.total_work(), 0));
    // In pieces, each from where the last one ended.
    let pieces = bare.chunks(100).try_fold(genesis.clone(), |tip, piece| {
        let kept: VerifiedTip = codec::decode(&codec::encode(&tip), 120_000).unwrap();
        kept.restore(&chain.spec).unwrap().extend_bare(&chain.spec, piece, now(&chain))
    });
    assert_eq!(pieces, Ok(whole));
    // Anything else in a header is another header, which was not mined, or breaks a rule.
    let mut other = bare.clone();
    other[17].state_root = arbitrary_hash(1);
    assert!(matches!(genesis.extend_bare(&chain.spec, &other, now(&chain)), Err(LightError::Header { .. })));
    let mut shorter = bare;
    shorter.remove(30);
    assert!(matches!(genesis.extend_bare(&chain.spec, &shorter, now(&chain)), Err(LightError::Header { .. })));
}

/// A state root costs one block's work to fake. After difficulty has fallen, six blocks above it are worth little.
#[test]
fn accounts_are_read_where_enough_work_lies_above() {
    let params = ChainParams { genesis_target: CompactTarget::from_bits(0x2007_ffff), ..testing::easy_params() };
    let mut chain = HeaderChain::new(ChainSpec::new(params).unwrap());
    chain.grow(40);
    let at = |chain: &HeaderChain| {
        let tip = checked_tip(chain);
        let settled = tip.settled().unwrap();
        (settled.header.height.get(), settled.buried)
    };
    assert_eq!(at(&chain), (34, true), "blocks of one work");
    // Twelve blocks after pauses: an eighth and less of the work.
    (0..12).for_each(|_| chain.mine(20_000));
    let (height, buried) = at(&chain);
    assert!(buried && height < 40, "{height}: six of the last twelve are not worth one of those before");
    let young = self::chain(5);
    assert_eq!(at(&young), (5, false));
    assert_eq!(at(&self::chain(0)), (0, true), "everybody knows block 0");
}

#[test]
fn a_chain_on_which_hardly_anybody_mines_any_more_is_noticed() {
    let mut chain = HeaderChain::new(easy_network());
    for _ in 0..1_500 {
        chain.mine(60_000);
    }
    let late = |minutes: u64| checked_tip(&chain).slowed(now(&chain).saturating_add(minutes * 60_000));
    assert_eq!(late(0), None, "as fast as ever");
    assert_eq!(late(40), None);
    assert!(late(50).is_some_and(|times| times > 4.0), "ten of sixty blocks in the last hour");
    let request = chain.request(1);
    let proven = verify(&chain, &chain.light_proof(&request), &request).unwrap();
    let after = |minutes: u64| proven.slowed(now(&chain).saturating_add(minutes * 60_000)).is_some();
    assert_eq!((after(0), after(50)), (false, true), "known from a proof, too");
    let young = self::chain(100);
    assert_eq!(checked_tip(&young).slowed(now(&young).saturating_add(3_000_000)), None, "not two hours old");
}
