//! Light proofs: what honest chains prove, and what is tried against them, each attack beside its honest
//! neighbour.

use crate::support::{cases, resealed};
use cairn_ledger::{
    block::Header,
    codec,
    error::HeaderError,
    hash::Hash,
    history::Node,
    light::{LightError, LightPlan, LightProof, LightRequest, TAIL, VerifiedTip, tail_start},
    light::{Receipt, TransactionProof, TransactionProofError},
    merkle::{InclusionProof, txs_root},
    pow::{CompactTarget, Work},
    testing::{self, HeaderChain, arbitrary_hash, easy_network, seal},
    units::{Height, Timestamp},
};
use proptest::prelude::*;

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

/// A proof as its lists, to be altered: the encoding is five lists.
#[derive(Clone)]
struct Parts {
    peaks: Vec<Node>,
    before: Vec<Header>,
    tail: Vec<Header>,
    sampled: Vec<Header>,
    nodes: Vec<Node>,
}

impl Parts {
    fn of(proof: &LightProof) -> Self {
        type Lists = (
            codec::BoundedVec<Node, 1_000_000>,
            codec::BoundedVec<Header, 1_000_000>,
            codec::BoundedVec<Header, 1_000_000>,
            codec::BoundedVec<Header, 1_000_000>,
            codec::BoundedVec<Node, 1_000_000>,
        );
        let lists: Lists = codec::decode(&codec::encode(proof), codec::MAX_INPUT_BYTES).unwrap();
        Self {
            peaks: lists.0.into_vec(),
            before: lists.1.into_vec(),
            tail: lists.2.into_vec(),
            sampled: lists.3.into_vec(),
            nodes: lists.4.into_vec(),
        }
    }

    fn proof(&self) -> LightProof {
        let mut bytes = Vec::new();
        fn list<T: codec::Encode>(bytes: &mut Vec<u8>, elements: &[T]) {
            bytes.extend((elements.len() as u64).to_le_bytes());
            elements.iter().for_each(|element| bytes.extend(codec::encode(element)));
        }
        list(&mut bytes, &self.peaks);
        list(&mut bytes, &self.before);
        list(&mut bytes, &self.tail);
        list(&mut bytes, &self.sampled);
        list(&mut bytes, &self.nodes);
        LightProof::from_bytes(&bytes).unwrap()
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
            let settled = height.checked_sub(6).unwrap_or(height);
            assert_eq!(tip.settled().unwrap().height.get(), settled);
            assert_eq!(LightProof::from_bytes(&codec::encode(&proof)), Ok(proof));
            let kept: VerifiedTip = codec::decode(&codec::encode(&tip), 4_096).unwrap();
            assert_eq!(kept.restore(&chain.spec), Some(tip));
        }
        chain.grow(1);
    }
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn chains_of_changing_difficulty_are_proven(
        gaps in proptest::collection::vec(500_u64..4_500, 520..900),
        random in any::<u64>(),
    ) {
        let mut chain = chain(0);
        gaps.iter().for_each(|gap| chain.mine(*gap));
        let request = chain.request(random);
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
    assert_eq!(extended.settled(), Some(&chain.headers[1_206]));
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
    let kept = |bytes: &[u8]| codec::decode::<VerifiedTip>(bytes, 4_096).ok().and_then(|tip| tip.restore(&chain.spec));
    assert_eq!(kept(&bytes), Some(tip));
    // A byte of a header in the middle, and one header less.
    let mut torn = bytes.clone();
    torn[8 + 190 + 20] ^= 1;
    assert_eq!(kept(&torn), None);
    let mut fewer = bytes;
    fewer.splice(..8 + 190, 6_u64.to_le_bytes());
    assert_eq!(kept(&fewer), None);
    let other = testing::easy_params();
    let other = cairn_ledger::chain_spec::ChainSpec::new(cairn_ledger::chain_spec::ChainParams {
        name: String::from("other"),
        ..other
    });
    assert_eq!(VerifiedTip::genesis(&other.unwrap()).restore(&chain.spec), None);
}

/// Attack: a history of invented blocks with great works below a tail that is really mined. Every sample that
/// falls into it asks for a header that does not exist.
#[test]
fn attack_spliced_history() {
    let mut spliced = chain(300);
    for _ in 0..400 {
        // Sixteen times the work, and never mined.
        let header = Header { target: CompactTarget::from_bits(0x2007_ffff), ..spliced.template(2_000) };
        spliced.push(header);
    }
    let invented_work = spliced.tip.total_work();
    for gap in 0..TAIL + 10 {
        let header = spliced.template(20_000 + gap);
        spliced.push(seal(header));
    }
    let request = spliced.request(1);
    let proof = spliced.light_proof(&request);
    let refused = verify(&spliced, &proof, &request);
    let broken =
        matches!(refused, Err(LightError::Header { error: HeaderError::Work { .. } | HeaderError::Target { .. }, .. }));
    assert!(broken, "{refused:?}");
    // With real blocks in the place of the invented ones they lead elsewhere.
    let mut parts = Parts::of(&proof);
    for header in &mut parts.sampled {
        if (301..701).contains(&header.height.get()) {
            *header = resealed(header, |header| header.target = CompactTarget::from_bits(0x207f_ffff));
        }
    }
    let refused = verify(&spliced, &parts.proof(), &request);
    assert!(matches!(refused, Err(LightError::Peak { .. })), "{refused:?}");
    // The control: as many blocks, all mined, have the work they are said to have.
    let honest = chain(300 + 400 + TAIL + 10);
    let request = honest.request(1);
    let tip = verify(&honest, &honest.light_proof(&request), &request).unwrap();
    assert!(tip.total_work() < invented_work);
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

/// Attack: claiming more work than a chain has, in the peaks or in a node.
#[test]
fn attack_chain_with_less_work() {
    let (chain, request, parts) = example();
    let more = |work: Work| work.checked_add(Work::from_u64(1 << 40)).unwrap();
    let mut inflated = parts.clone();
    inflated.peaks[0].work = more(inflated.peaks[0].work);
    let refused = verify(&chain, &inflated.proof(), &request);
    assert!(matches!(refused, Err(LightError::Header { error: HeaderError::HistoryRoot { .. }, .. })), "{refused:?}");
    let mut inflated = parts;
    inflated.nodes[3].work = more(inflated.nodes[3].work);
    assert!(verify(&chain, &inflated.proof(), &request).is_err());
    // The shorter chain proves exactly what it has.
    let shorter = self::chain(1_400);
    let request = shorter.request(1);
    let tip = verify(&shorter, &shorter.light_proof(&request), &request).unwrap();
    assert!(tip.total_work() < chain.tip.total_work());
}

/// Attack: leaving out headers of the tail, where an adversary's own blocks are.
#[test]
fn attack_truncated_tail() {
    let (chain, request, parts) = example();
    let mut truncated = parts.clone();
    truncated.tail.remove(0);
    assert_eq!(verify(&chain, &truncated.proof(), &request), Err(LightError::TailLength { got: 512, expected: 513 }));
    let mut gap = parts.clone();
    gap.tail[100] = gap.tail[101].clone();
    assert!(matches!(verify(&chain, &gap.proof(), &request), Err(LightError::Header { .. })));
    for count in [0, 1] {
        let mut parts = parts.clone();
        parts.before.truncate(count);
        let expected = Err(LightError::BeforeLength { got: count as u64, expected: 2 });
        assert_eq!(verify(&chain, &parts.proof(), &request), expected);
    }
    let mut other = parts;
    other.before[1] = resealed(&other.before[1], |header| header.txs_root = Hash::ZERO);
    assert!(matches!(verify(&chain, &other.proof(), &request), Err(LightError::Header { .. })));
}

/// Attack: samples drawn as if the chain had fewer octaves, so that the blocks near the tail are spared.
#[test]
fn attack_wrong_octave() {
    let (chain, request, _) = example();
    let start = tail_start(chain.tip.header().height).get();
    // With twice the work the octaves begin and end elsewhere.
    let total = chain.tip.total_work().checked_add(chain.tip.total_work()).unwrap();
    let plan = LightPlan::new(&request, chain.history(start), total).unwrap();
    let refused = verify(&chain, &chain.finish(plan), &request);
    assert!(matches!(refused, Err(LightError::SampleMissing { .. })), "{refused:?}");
}

/// Attack: nodes that change places, are left out, or are added; headers the same.
#[test]
fn attack_swapped_node() {
    let (chain, request, parts) = example();
    let refused = |parts: &Parts| verify(&chain, &parts.proof(), &request).unwrap_err();
    let mut swapped = parts.clone();
    swapped.nodes.swap(0, 1);
    assert!(matches!(refused(&swapped), LightError::Peak { .. }));
    let mut fewer = parts.clone();
    fewer.nodes.pop();
    let expected = parts.nodes.len();
    assert_eq!(refused(&fewer), LightError::Nodes { got: expected - 1, expected });
    let mut more = parts.clone();
    more.nodes.push(parts.nodes[0]);
    assert_eq!(refused(&more), LightError::Nodes { got: expected + 1, expected });
    let mut swapped = parts.clone();
    swapped.sampled.swap(0, 1);
    assert!(matches!(refused(&swapped), LightError::SampleOrder { .. }));
    let mut twice = parts.clone();
    twice.sampled.insert(1, twice.sampled[0].clone());
    assert!(matches!(refused(&twice), LightError::SampleOrder { .. }));
    let mut late = parts;
    late.sampled.push(late.tail[0].clone());
    assert_eq!(refused(&late), LightError::SampleOrder { got: Height::new(988) });
}

/// Attack: a whole chain of one's own, from another block 0.
#[test]
fn attack_chain_of_another_network() {
    for blocks in [3, TAIL + 5] {
        let honest = chain(blocks);
        let mut params = testing::easy_params();
        params.name = String::from("other");
        let mut other = HeaderChain::new(cairn_ledger::chain_spec::ChainSpec::new(params).unwrap());
        other.grow(blocks);
        let request = other.request(1);
        let refused = other.light_proof(&request).verify(&honest.spec, &request, now(&other));
        assert!(matches!(refused, Err(LightError::Genesis { .. })), "{blocks}: {refused:?}");
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
    assert_eq!((tip.height().get(), tip.samples()), (100_000, 8 * 32));
    assert!(bytes.len() < 600_000, "got {} bytes", bytes.len());
    // What a wallet gets that verified a tip 512 blocks ago: the headers since.
    let new = &chain.headers[100_000 - 511..];
    assert!(new.iter().map(|header| codec::encode(header).len()).sum::<usize>() + 8 < 120_000);
}

/// A chain whose block 300 has a payment.
fn paid() -> (HeaderChain, TransactionProof) {
    let mut chain = chain(299);
    let key = testing::key(1);
    let transaction = testing::payment(&chain.spec, &key, 0, testing::key(2).address(), 1_000, 10);
    let txids = [transaction.id(), cairn_ledger::hash::TxId::from_bytes([1; 32])];
    let header = Header { txs_root: txs_root(&txids), ..chain.template(2_000) };
    let header = seal(header);
    chain.push(header.clone());
    chain.grow(500);
    let inclusion = InclusionProof::new(&txids, 0).unwrap();
    let history = chain.history_proof(Height::new(300));
    (chain, TransactionProof { header, transaction, inclusion, history })
}

#[test]
fn a_receipt_proves_a_payment_to_who_holds_the_genesis_alone() {
    let (chain, transaction) = paid();
    let request = LightRequest::of_tip(chain.tip.id());
    let receipt = Receipt { tip: chain.tip.id(), light: chain.light_proof(&request), transaction };
    let bytes = codec::encode(&receipt);
    let (tip, mined) = Receipt::from_bytes(&bytes).unwrap().verify(&chain.spec, now(&chain)).unwrap();
    assert_eq!((mined.height.get(), mined.confirmations, tip.height().get()), (300, 501, 800));
    // A proof made for other random bytes is no receipt: its maker may have chosen them.
    let chosen = Receipt { light: chain.light_proof(&chain.request(1)), ..receipt };
    assert!(chosen.verify(&chain.spec, now(&chain)).is_err());
}

/// Attack: a payment that was mined on a branch that the chain left.
#[test]
fn attack_receipt_of_a_reorganised_payment() {
    let (left, transaction) = paid();
    assert!(transaction.verify(left.tip.header()).is_ok(), "the control");
    let mut followed = chain(299);
    followed.grow(600);
    let refused = transaction.verify(followed.tip.header());
    assert!(matches!(refused, Err(TransactionProofError::History { .. })), "{refused:?}");
    // Claimed to be the tip itself, or with another transaction.
    let claimed = TransactionProof { history: None, ..transaction.clone() };
    assert!(matches!(claimed.verify(followed.tip.header()), Err(TransactionProofError::OtherBlock { .. })));
    assert!(claimed.verify(&claimed.header).is_ok(), "a block proves its own");
    let mut other = transaction;
    other.transaction.body.nonce = 1;
    assert!(matches!(other.verify(left.tip.header()), Err(TransactionProofError::Inclusion(_))));
}
