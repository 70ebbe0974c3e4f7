//! Proofs that each break one rule and are right in everything else.
//!
//! Each is named after the check of the verifier that refuses it, as in `mutations.txt`: a verifier without that check
//! accepts it. The honest twin of each is made in the same way without the breach.

use crate::forge::{Forger, Trick, scaled, work};
use crate::network;
use cairn_ledger::codec::{self, BoundedVec};
use cairn_ledger::hash::{BlockId, Hash, Tag, TxId};
use cairn_ledger::light::{BlockProof, DifficultyBounds, LightProof, LightRequest, Receipt, SAMPLES, TransactionProof};
use cairn_ledger::merkle::{InclusionProof, txs_root};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{HeaderChain, arbitrary_hash, easy_network, key, payment, seal};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{block::Header, chain_spec::ChainSpec, mmr::MmrNode, transaction::Transaction};
use std::{collections::BTreeSet, sync::Arc};

/// What is shown to the verifier.
#[derive(Clone, Debug)]
pub enum Evidence {
    /// A light proof, for this request.
    Light(Vec<u8>, LightRequest),
    /// A receipt.
    Receipt(Vec<u8>),
}

/// A proof that breaks a rule, or its honest twin.
#[derive(Clone, Debug)]
pub struct Breach {
    /// The rule.
    pub rule: &'static str,
    /// The network.
    pub spec: ChainSpec,
    /// The verifier's clock.
    pub now: Timestamp,
    /// What it is shown.
    pub evidence: Evidence,
}

/// Blocks of the honest chain that breaches fork from; each of a power of two after it is a tile of its own.
const HONEST: u64 = 64;
/// How many random bytes the adversary waits for, at most.
const PATIENCE: u64 = 4_000;

/// Every breach with its honest twin.
pub fn all() -> Vec<[Breach; 2]> {
    let mut all = vec![
        any_tip(),
        any_block_0(),
        order_of_opened_headers(),
        number_of_nodes(),
        nothing_left_over(),
        offset_in_the_block(),
        two_before_each_sample(),
        random_bytes_of_the_asker(),
        time_of_the_tip(),
    ];
    all.extend(headers());
    all.extend(leaves());
    all.extend(trees());
    all.extend(receipts());
    all
}

/// An honest chain on which nothing happened yet.
fn honest(spec: ChainSpec, blocks: u64) -> Arc<HeaderChain> {
    let mut chain = HeaderChain::new(spec);
    chain.grow(blocks);
    Arc::new(chain)
}

fn interval(forger: &Forger) -> u64 {
    forger.spec().params().interval_ms
}

fn random(attempt: u64) -> Hash {
    arbitrary_hash(1_000 + attempt)
}

fn light(rule: &'static str, forger: &Forger, proof: &LightProof, random: Hash) -> Breach {
    let request = LightRequest { tip: forger.tip(), random };
    let evidence = Evidence::Light(codec::encode(proof), request);
    Breach { rule, spec: forger.spec().clone(), now: forger.time(), evidence }
}

/// The first proof that can be shown, and that `wanted` likes.
fn patient(
    rule: &'static str,
    forger: &Forger,
    trick: Trick,
    wanted: impl Fn(&LightProof) -> bool,
) -> (Breach, LightProof) {
    let attempts = (0..PATIENCE).map(random);
    let mut shown = attempts.filter_map(|random| Some((random, forger.prove(&random, trick).ok()?)));
    let found = shown.find(|(_, proof)| wanted(proof));
    let (random, proof) = found.unwrap_or_else(|| panic!("{rule}: no random bytes are favourable"));
    (light(rule, forger, &proof, random), proof)
}

fn shown(rule: &'static str, forger: &Forger) -> Breach {
    patient(rule, forger, Trick::None, |_| true).0
}

/// A chain as long as its own tail: no samples.
fn short(change: impl Fn(&mut Forger)) -> Forger {
    let mut forger = Forger::new(&honest(network(), 5), 6);
    change(&mut forger);
    let gap = interval(&forger);
    forger.grow(5, gap);
    forger
}

/// A mined chain with a history before its tail.
fn long(spec: ChainSpec) -> Forger {
    let honest = honest(spec, HONEST - 1);
    let mut forger = Forger::new(&honest, HONEST);
    let gap = interval(&forger);
    forger.grow(600, gap);
    forger
}

fn any_tip() -> [Breach; 2] {
    let forger = short(|_| ());
    let honest = shown("any_tip", &forger);
    let Evidence::Light(bytes, request) = honest.evidence.clone() else { unreachable!("a light proof") };
    let tip = BlockId::from_bytes([7; 32]);
    [Breach { evidence: Evidence::Light(bytes, LightRequest { tip, ..request }), ..honest.clone() }, honest]
}

fn any_block_0() -> [Breach; 2] {
    let forger = short(|_| ());
    let (honest, proof) = patient("any_block_0", &forger, Trick::None, |_| true);
    let mut tail = proof.tail.to_vec();
    tail[0].state_root = arbitrary_hash(1);
    let forged = LightProof { tail: BoundedVec::new(tail).expect("as many"), ..proof };
    [light("any_block_0", &forger, &forged, random(0)), honest]
}

fn order_of_opened_headers() -> [Breach; 2] {
    let forger = long(network());
    let (honest, proof) = patient("order_of_opened_headers", &forger, Trick::None, |_| true);
    let Evidence::Light(_, request) = &honest.evidence else { unreachable!("a light proof") };
    let mut opened = proof.opened.to_vec();
    opened.push(proof.tail[0].clone());
    let forged = LightProof { opened: BoundedVec::new(opened).expect("few"), ..proof };
    [light("order_of_opened_headers", &forger, &forged, request.random), honest.clone()]
}

fn number_of_nodes() -> [Breach; 2] {
    let forger = long(network());
    let (honest, proof) = patient("number_of_nodes", &forger, Trick::None, |_| true);
    let Evidence::Light(_, request) = &honest.evidence else { unreachable!("a light proof") };
    let mut nodes = proof.nodes.to_vec();
    nodes.push(nodes[0]);
    let forged = LightProof { nodes: BoundedVec::new(nodes).expect("few"), ..proof };
    [light("number_of_nodes", &forger, &forged, request.random), honest.clone()]
}

fn nothing_left_over() -> [Breach; 2] {
    let forger = long(network());
    let (honest, proof) = patient("nothing_left_over", &forger, Trick::None, |_| true);
    let Evidence::Light(_, request) = &honest.evidence else { unreachable!("a light proof") };
    let mut opened: BTreeSet<u64> = proof.opened.iter().map(|header| header.height.get()).collect();
    let more = (1..HONEST).find(|height| !opened.contains(height)).expect("not all were drawn");
    opened.insert(more);
    let start = proof.tail[0].height.get();
    let forged = forger.assemble(start, &opened).expect("it is all there");
    [light("nothing_left_over", &forger, &forged, request.random), honest.clone()]
}

/// A stretch that claims most of the work, and samples that are answered with the block before it.
fn offset_in_the_block() -> [Breach; 2] {
    let honest = honest(network(), HONEST - 1);
    let mut forger = Forger::new(&honest, HONEST);
    let gap = interval(&forger);
    let tree = plausible(&forger, 6, 64 * gap, 0.0, Work::from_u64(1 << 20));
    forger.invent(6, tree);
    forger.grow(600, gap);
    let (forged, _) = patient("offset_in_the_block", &forger, Trick::Nearest, |_| true);
    [forged, shown("offset_in_the_block", &long(network()))]
}

/// A block that was never mined, next to a sample that was.
fn two_before_each_sample() -> [Breach; 2] {
    let rule = "two_before_each_sample";
    let chain = |forge: bool| {
        let mut forger = Forger::new(&honest(network(), HONEST - 1), HONEST);
        let gap = interval(&forger);
        forger.grow(20, gap);
        if forge {
            forger.unmined(gap)
        } else {
            forger.mine(gap)
        }
        // Two more before the last two, which are always opened.
        forger.grow(4 + 513, gap);
        forger
    };
    let unmined = HONEST + 20;
    let beside = |proof: &LightProof| {
        let opened = |height: u64| proof.opened.iter().any(|header| header.height.get() == height);
        opened(unmined + 1) && !opened(unmined)
    };
    let (forged, _) = patient(rule, &chain(true), Trick::Alone, beside);
    [forged, shown(rule, &chain(false))]
}

fn random_bytes_of_the_asker() -> [Breach; 2] {
    let rule = "random_bytes_of_the_asker";
    let forger = long(network());
    let seed = Tag::SAMPLE.hash(&[forger.tip().as_bytes()]);
    let proof = forger.prove_for(&seed, SAMPLES, Trick::None).expect("all of it was mined");
    [light(rule, &forger, &proof, random(1)), shown(rule, &forger)]
}

fn time_of_the_tip() -> [Breach; 2] {
    let honest = shown("time_of_the_tip", &short(|_| ()));
    let early = honest.now.millis() - honest.spec.params().max_future_ms - 1;
    [Breach { now: Timestamp::from_millis(early), ..honest.clone() }, honest]
}

/// Headers that were not mined, or do not follow from others.
fn headers() -> Vec<[Breach; 2]> {
    let twin = |rule: &'static str| shown(rule, &short(|_| ()));
    let unmined = |rule: &'static str| {
        let mut forger = Forger::new(&honest(network(), HONEST - 1), HONEST);
        let gap = interval(&forger);
        (0..60).for_each(|_| forger.unmined(gap));
        forger.grow(513, gap);
        [patient(rule, &forger, Trick::Unmined, |_| true).0, shown(rule, &long(network()))]
    };
    let orphans = |rule: &'static str| {
        let mut forger = Forger::new(&honest(network(), HONEST - 1), HONEST);
        let gap = interval(&forger);
        for _ in 0..60 {
            let parent = BlockId::from_bytes([9; 32]);
            let header = Header { parent, ..forger.template(gap) };
            forger.mine_header(header);
        }
        forger.grow(513, gap);
        [shown(rule, &forger), shown(rule, &long(network()))]
    };
    let with = |rule: &'static str, change: fn(&mut Header)| {
        let forger = short(|forger| {
            let mut header = forger.template(interval(forger));
            change(&mut header);
            forger.mine_header(header);
        });
        [shown(rule, &forger), twin(rule)]
    };
    vec![
        unmined("work_of_opened_headers"),
        [shown("work_of_the_tail", &short(|forger| forger.unmined(interval(forger)))), twin("work_of_the_tail")],
        with("history_root", |header| header.history_root = arbitrary_hash(2)),
        grafted("history_root"),
        orphans("parent_of_opened_headers"),
        with("parent_of_the_tail", |header| header.parent = BlockId::from_bytes([9; 32])),
    ]
}

/// Honest blocks after a stretch that claims more work than they know of: the work of others, in a history of one's
/// own.
fn grafted(rule: &'static str) -> [Breach; 2] {
    let honest = honest(network(), 4 * HONEST);
    let chain = |claim: u64| {
        let mut forger = Forger::new(&honest, HONEST);
        let gap = interval(&forger);
        if claim > 0 {
            // As long as the honest stretch, and with its difficulty: only its work is another.
            let last = &honest.headers[HONEST as usize + 7];
            let time = last.time.since(forger.time());
            let tree = plausible(&forger, 3, time, 0.0, Work::from_u64(claim));
            forger.invent(3, tree);
        }
        forger.graft(4 * HONEST);
        forger.grow(520, gap);
        forger
    };
    // A stretch of eight blocks of 256 has 2 048.
    [shown(rule, &chain(2_500)), shown(rule, &chain(0))]
}

/// A tree over the next 2^level blocks that says what it can: made `time` ms after the last block, `octaves` easier.
fn plausible(forger: &Forger, level: u32, time: u64, octaves: f64, work: Work) -> MmrNode {
    let first_target = forger.target();
    let next_target = if octaves == 0.0 { first_target } else { scaled(first_target, octaves) };
    let last_time = forger.time().saturating_add(time);
    MmrNode { hash: arbitrary_hash(u64::from(level)), work, last_time, first_target, next_target }
}

/// The least work that such a tree may claim.
fn least(spec: &ChainSpec, tree: &MmrNode, level: u32) -> Work {
    let target = |compact: CompactTarget| compact.decode().expect("a target");
    let (first, next) = (target(tree.first_target), target(tree.next_target));
    let bounds = DifficultyBounds::new(spec).bounds(first, next, 1 << level, 0);
    bounds.expect("no overflow").work
}

/// Block 1 as a leaf that nobody opens.
fn leaves() -> Vec<[Breach; 2]> {
    let chain = |change: fn(&mut MmrNode, &ChainSpec)| {
        let honest = honest(network(), 0);
        let mut forger = Forger::new(&honest, 1);
        let gap = interval(&forger);
        let header = seal(forger.template(gap));
        let mut leaf = MmrNode::leaf(&header, &header.id(), work(&header), forger.target());
        change(&mut leaf, &honest.spec);
        forger.invent(0, leaf);
        forger.grow(700, gap);
        forger
    };
    let breach = |rule, change| [shown(rule, &chain(change)), shown(rule, &chain(|_, _| ()))];
    vec![
        breach("next_target_of_one_block", |leaf, _| leaf.next_target = scaled(leaf.next_target, 1.0)),
        breach("work_of_one_block", |leaf, _| leaf.work = leaf.work.checked_add(Work::from_u64(1)).expect("small")),
        breach("times_join", |leaf, spec| leaf.last_time = spec.genesis().time),
    ]
}

/// Trees that say of blocks nobody looks into what no blocks can be.
fn trees() -> Vec<[Breach; 2]> {
    let level = HONEST.ilog2();
    let chain = |spec: ChainSpec, time: u64, octaves: f64, change: &dyn Fn(&mut MmrNode, Work)| {
        let mut forger = Forger::new(&honest(spec, HONEST - 1), HONEST);
        let gap = interval(&forger);
        let mut tree = plausible(&forger, level, time, octaves, Work::ZERO);
        tree.work = least(forger.spec(), &tree, level);
        let least = tree.work;
        change(&mut tree, least);
        forger.invent(level, tree);
        // So many that hardly a sample falls on the tree.
        let after = if work_of(forger.target()) < 8.0 { 5_000 } else { 900 };
        forger.grow(after, gap);
        forger
    };
    let half_lives = |spec: &ChainSpec, count: u64| count * spec.params().half_life_ms;
    let (main, easy) = (network(), easy_network());
    let even = HONEST * main.params().interval_ms;
    let nothing = |_: &mut MmrNode, _: Work| ();
    let twin = |rule: &'static str| shown(rule, &chain(network(), even, 0.0, &nothing));
    let down = |work: u64| move |tree: &mut MmrNode, _: Work| tree.work = Work::from_u64(work);
    vec![
        [
            shown(
                "targets_join",
                &chain(main.clone(), even, 0.0, &|tree, _| {
                    tree.first_target = scaled(tree.first_target, 1.0);
                    tree.next_target = tree.first_target;
                }),
            ),
            twin("targets_join"),
        ],
        two_trees_above_the_limit(),
        [
            shown("time_of_a_tree", &chain(main.clone(), 32, -0.54, &nothing)),
            shown("time_of_a_tree", &chain(main.clone(), 64, -0.54, &nothing)),
        ],
        [
            // From 256 to 2 within eight half-lives: 256, 128, 64 and so on at least, not 200 together.
            shown("work_falls_by_steps", &chain(main.clone(), half_lives(&main, 9), 6.9, &down(200))),
            shown("work_falls_by_steps", &chain(main.clone(), half_lives(&main, 9), 6.9, &nothing)),
        ],
        [
            shown("work_rises_by_steps", &chain(easy.clone(), 128_000, -6.0, &down(200))),
            shown("work_rises_by_steps", &chain(easy.clone(), 128_000, -6.0, &nothing)),
        ],
        [
            shown("difficulty_falls_with_time", &chain(main.clone(), 64, 1.0, &nothing)),
            shown("difficulty_falls_with_time", &chain(main.clone(), half_lives(&main, 2), 1.0, &nothing)),
        ],
        [
            shown("difficulty_rises_with_blocks", &chain(easy.clone(), 128_000, -6.6, &nothing)),
            shown("difficulty_rises_with_blocks", &chain(easy, 128_000, -6.3, &nothing)),
        ],
    ]
}

fn work_of(target: CompactTarget) -> f64 {
    target.decode().map_or(0.0, |target| target.work().to_f64())
}

/// Difficulty below the least there is, between two trees.
fn two_trees_above_the_limit() -> [Breach; 2] {
    let rule = "target_of_a_tree";
    let chain = |between: u32| {
        // Blocks 2 and 3, and 4 to 7, are tiles: block 0 is opened.
        let mut forger = Forger::new(&honest(easy_network(), 1), 2);
        let (gap, limit) = (interval(&forger), forger.target());
        for (level, next) in [(1, CompactTarget::from_bits(between)), (2, limit)] {
            let work = Work::from_u64(2 << level);
            let tree = MmrNode { next_target: next, ..plausible(&forger, level, 200_000, 0.0, work) };
            forger.invent(level, tree);
        }
        forger.grow(1_500, gap);
        forger
    };
    [shown(rule, &chain(0x2100_80ff)), shown(rule, &chain(0x207f_ffff))]
}

/// Receipts of payments that were not made, or not on this chain.
fn receipts() -> Vec<[Breach; 2]> {
    let spec = network();
    let pay = |nonce: u64| payment(&spec, &key(1), nonce, key(2).address(), 1_000, 10);
    let mut unsigned = pay(0);
    unsigned.body.outputs = BoundedVec::new(vec![unsigned.body.outputs[0]; 2]).expect("two");
    let (signed, other) = (pay(0), pay(1));
    let own = |payment: &Transaction| Paid::new(payment, payment);
    let (honest, elsewhere) = (own(&signed), own(&other));
    vec![
        [own(&unsigned).receipt("signature", true), honest.receipt("signature", true)],
        [Paid::new(&other, &signed).receipt("place_in_the_block", true), honest.receipt("place_in_the_block", true)],
        [honest.with_block_of("place_of_the_block", &elsewhere, true), honest.receipt("place_of_the_block", true)],
        [
            honest.with_block_of("block_is_the_tip", &elsewhere, false),
            Paid { blocks: 0, ..Paid::new(&signed, &signed) }.receipt("block_is_the_tip", false),
        ],
    ]
}

/// A short chain with a payment.
struct Paid {
    payment: Transaction,
    /// What the block commits to.
    txids: Vec<TxId>,
    /// Blocks above it.
    blocks: u64,
}

impl Paid {
    fn new(committed: &Transaction, shown: &Transaction) -> Self {
        Self { payment: shown.clone(), txids: vec![committed.id(), TxId::from_bytes([1; 32])], blocks: 5 }
    }

    fn chain(&self) -> (Forger, Header) {
        let mut forger = Forger::new(&honest(network(), 5), 6);
        let gap = interval(&forger);
        let header = Header { txs_root: txs_root(&self.txids), ..forger.template(gap) };
        forger.mine_header(header);
        let header = forger.header(forger.count() - 1).expect("the last").clone();
        forger.grow(self.blocks, gap);
        (forger, header)
    }

    fn proof(&self, forger: &Forger, header: Header, below: bool) -> TransactionProof {
        let height = header.height.get();
        let next_target = forger.header(height + 1).map_or(header.target, |next| next.target);
        let siblings = forger.siblings(height).map(|bytes| codec::decode(&bytes, bytes.len()).expect("siblings"));
        let history = siblings.filter(|_| below).map(|siblings| BlockProof { next_target, siblings });
        let inclusion = InclusionProof::new(&self.txids, 0).expect("a place");
        TransactionProof { header, transaction: self.payment.clone(), inclusion, history }
    }

    fn receipt(&self, rule: &'static str, below: bool) -> Breach {
        let (forger, header) = self.chain();
        let transaction = self.proof(&forger, header, below);
        Self::shown(rule, &forger, transaction)
    }

    /// A receipt under this chain's tip for the payment in another chain's block.
    fn with_block_of(&self, rule: &'static str, other: &Self, below: bool) -> Breach {
        let ((forger, _), (branch, header)) = (self.chain(), other.chain());
        let transaction = other.proof(&branch, header, below);
        Self::shown(rule, &forger, transaction)
    }

    fn shown(rule: &'static str, forger: &Forger, transaction: TransactionProof) -> Breach {
        let light = forger.prove(&Hash::ZERO, Trick::None).expect("all of it was mined");
        let receipt = Receipt { tip: forger.tip(), light, transaction };
        let evidence = Evidence::Receipt(codec::encode(&receipt));
        Breach { rule, spec: forger.spec().clone(), now: forger.time(), evidence }
    }
}

impl Breach {
    /// What the real verifier says.
    ///
    /// # Errors
    /// Why it refuses.
    pub fn verdict(&self) -> Result<(), String> {
        match &self.evidence {
            Evidence::Light(bytes, request) => {
                let proof = LightProof::from_bytes(bytes).map_err(|error| error.to_string())?;
                proof.verify(&self.spec, request, self.now).map(drop).map_err(|error| error.to_string())
            }
            Evidence::Receipt(bytes) => {
                let receipt = Receipt::from_bytes(bytes).map_err(|error| error.to_string())?;
                receipt.verify(&self.spec, self.now).map(drop).map_err(|error| error.to_string())
            }
        }
    }

    /// The height it claims, for messages.
    pub fn height(&self) -> Option<Height> {
        match &self.evidence {
            Evidence::Light(bytes, _) => LightProof::from_bytes(bytes).ok()?.tail.last().map(|tip| tip.height),
            Evidence::Receipt(bytes) => Some(Receipt::from_bytes(bytes).ok()?.transaction.header.height),
        }
    }
}
