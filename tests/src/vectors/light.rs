//! Light proofs and receipts: of chains as miners make them, of chains whose headers or histories lie, and with bytes
//! and lists altered on the way.

use super::{broken::flipped, hex, hex_of, key, rng::Rng};
use cairn_ledger::codec::{BoundedVec, encode};
use cairn_ledger::hash::{BlockId, Hash, TxId};
use cairn_ledger::light::{
    BlockProof, DifficultyBounds, LightProof, LightProver, LightRequest, Receipt, TransactionProof, tail_start,
};
use cairn_ledger::merkle::{InclusionProof, txs_root};
use cairn_ledger::mmr::{Mmr, MmrNode, MmrPosition, MmrProof};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{payment, seal};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{
    block::Header, chain_spec::ChainSpec, keys::Address, transaction::Transaction, validate::target_after,
};

/// A target of more work than this is made easier by long gaps; a chain does not begin there.
pub const HARDEST: u32 = 0x2001_0000;

/// A chain of headers with all nodes of its history, some of which may say what is not true.
pub struct Headers {
    spec: ChainSpec,
    /// From block 0 up, and one payment in each above it.
    headers: Vec<Header>,
    payments: Vec<Payment>,
    history: Mmr,
    nodes: Vec<Vec<MmrNode>>,
    /// A lie is told once in so many blocks; never, if zero.
    lies: u64,
}

/// A transaction, and the ids of all in its block.
struct Payment {
    transaction: Transaction,
    ids: Vec<TxId>,
    place: usize,
}

impl Payment {
    /// Among up to seven others.
    fn new(rng: &mut Rng, spec: &ChainSpec, nonce: u64) -> Self {
        let transaction = payment(spec, key(0), nonce, key(1).address(), 1 + rng.below(9), 0);
        let mut ids: Vec<TxId> = (0..1 + rng.below(8)).map(|_| TxId::from_bytes(rng.bytes())).collect();
        let place = rng.index(ids.len());
        ids[place] = transaction.id();
        Self { transaction, ids, place }
    }
}

impl Headers {
    /// Block 0 of a chain of a given honesty.
    pub fn new(rng: &mut Rng, spec: ChainSpec) -> Self {
        let genesis = spec.genesis().clone();
        let leaf = MmrNode::leaf(&genesis, &spec.genesis_id(), Work::ZERO, genesis.target);
        let lies = rng.pick(&[0, 0, 20, 200, 1_000]);
        let payments = vec![Payment::new(rng, &spec, 0)];
        let history = Mmr::of_genesis(leaf);
        Self { nodes: vec![vec![leaf]], headers: vec![genesis], history, payments, lies, spec }
    }

    fn tip(&self) -> &Header {
        self.headers.last().expect("block 0")
    }

    fn lies(&self, rng: &mut Rng) -> bool {
        self.lies > 0 && rng.one_in(self.lies)
    }

    /// Mines a block, and appends what its maker says of it.
    pub fn grow(&mut self, rng: &mut Rng) {
        let height = self.tip().height.next().expect("a low height");
        let target = self.history.next_target().expect("block 0");
        let gap = self.gap(rng, target);
        let payment = Payment::new(rng, &self.spec, height.get());
        let mut header = Header {
            version: self.spec.rules_at(height).version,
            height,
            parent: self.tip().id(),
            time: self.tip().time.saturating_add(gap),
            target,
            beneficiary: key(0).address(),
            txs_root: txs_root(&payment.ids),
            state_root: Hash::from_bytes(rng.bytes()),
            history_root: self.history.commitment(),
            nonce: 0,
        };
        let times = [self.tip().time, header.time];
        let next_target = target_after(&self.spec, height, target, times);
        if self.lies(rng) {
            lie_in_header(rng, &mut header);
        }
        let sealed = if self.lies(rng) { header } else { seal(header) };
        let work = target.decode().expect("a normal form").work();
        let mut leaf = MmrNode::leaf(&sealed, &sealed.id(), work, next_target);
        if self.lies(rng) {
            lie_in_leaf(rng, &mut leaf);
        }
        self.append(sealed, payment, leaf);
    }

    fn append(&mut self, header: Header, payment: Payment, leaf: MmrNode) {
        // What does not even merge cannot be committed to.
        let Ok((history, completed)) = self.history.append(leaf) else { return };
        for (level, node) in core::iter::once(leaf).chain(completed).enumerate() {
            self.nodes.resize(self.nodes.len().max(level + 1), Vec::new());
            self.nodes[level].push(node);
        }
        self.history = history;
        self.headers.push(header);
        self.payments.push(payment);
    }

    fn gap(&self, rng: &mut Rng, target: CompactTarget) -> u64 {
        let (interval, half_life) = (self.spec.params().interval_ms, self.spec.params().half_life_ms);
        match rng.below(8) {
            _ if target.bits() < HARDEST => half_life + rng.below(half_life),
            0 => 1,
            1 => half_life * (1 + rng.below(5)),
            2 => 1 + rng.below(half_life),
            _ => 1 + rng.below(2 * interval),
        }
    }

    fn node(&self, position: &MmrPosition) -> MmrNode {
        self.nodes[position.level as usize][position.index as usize]
    }

    fn history(&self, count: u64) -> Mmr {
        let peaks = Mmr::peak_positions(count).iter().map(|position| self.node(position)).collect();
        Mmr::from_peaks(count, peaks).expect("as many peaks as positions")
    }

    /// The proof of the tip as a node makes it; `None` where the tail is too light for any.
    fn prove(&self, request: &LightRequest) -> Option<LightProof> {
        if self.tip().height.get() as usize + 1 != self.headers.len() {
            // The tip lies about its height; nobody can tell where its tail begins.
            return None;
        }
        let start = tail_start(self.tip().height).get();
        let mut plan = LightProver::new(request, &self.history(start), self.history.total_work()).ok()?;
        loop {
            let wanted = plan.wanted();
            if wanted.is_empty() {
                break;
            }
            plan.take(wanted.iter().map(|position| self.node(position)).collect());
        }
        let opened = plan.heights().into_iter().map(|height| self.headers[height.get() as usize].clone()).collect();
        plan.assemble(self.headers[start as usize..].to_vec(), opened).ok()
    }

    /// The line of a proof drawn at random, perhaps altered.
    pub fn proof(&self, rng: &mut Rng) -> Option<String> {
        let mut request = LightRequest { tip: self.tip().id(), random: Hash::from_bytes(rng.bytes()) };
        let mut proof = self.prove(&request)?;
        let (now, mut bytes) = (self.now(rng), encode(&proof));
        match rng.below(8) {
            0 => bytes = flipped(rng, bytes),
            1 => request.random = Hash::from_bytes(rng.bytes()),
            2 => request.tip = BlockId::from_bytes(rng.bytes()),
            3 => {
                alter(rng, &mut proof);
                bytes = encode(&proof);
            }
            _ => (),
        }
        let verdict = match LightProof::from_bytes(&bytes).map(|proof| proof.verify(&self.spec, &request, now)) {
            Err(_) => "decode".to_owned(),
            Ok(Err(_)) => "refused".to_owned(),
            Ok(Ok(verified)) => {
                let settled = verified.settled().filter(|settled| settled.buried);
                let height = settled.map_or("-".to_owned(), |settled| settled.header.height.to_string());
                format!("valid {} {height}", verified.total_work())
            }
        };
        let (tip, random) = (hex(&request.tip), hex(&request.random));
        Some(format!("light {tip} {random} {} {} {verdict}", now.millis(), hex_of(&bytes)))
    }

    fn now(&self, rng: &mut Rng) -> Timestamp {
        let early = self.tip().time.millis().saturating_sub(self.spec.params().max_future_ms);
        let now = if rng.one_in(20) { rng.pick(&[early, early.saturating_sub(1)]) } else { self.tip().time.millis() };
        Timestamp::from_millis(now)
    }

    /// The line of a receipt for the payment of some block, perhaps altered.
    pub fn receipt(&self, rng: &mut Rng) -> Option<String> {
        let light = self.prove(&LightRequest::of_tip(self.tip().id()))?;
        let place = 1 + rng.index(self.headers.len() - 1);
        let payment = &self.payments[place];
        let mut transaction = payment.transaction.clone();
        if rng.one_in(8) {
            transaction.body.nonce ^= 1;
        }
        let inclusion = InclusionProof::new(&payment.ids, payment.place).expect("a place in the list");
        let header = self.headers[place].clone();
        let history = self.place(header.height);
        let transaction = TransactionProof { header, transaction, inclusion, history };
        let mut bytes = encode(&Receipt { tip: self.tip().id(), light, transaction });
        if rng.one_in(4) {
            // The proof of the chain was altered elsewhere: here what follows it.
            let after = bytes.len() - rng.index(bytes.len().min(1_500));
            let end = flipped(rng, bytes.split_off(after.min(bytes.len() - 1)));
            bytes.extend(end);
        }
        let now = self.now(rng);
        let verdict = match Receipt::from_bytes(&bytes).map(|receipt| receipt.verify(&self.spec, now)) {
            Err(_) => "decode".to_owned(),
            Ok(Err(_)) => "refused".to_owned(),
            Ok(Ok((tip, mined))) => {
                let (work, above) = (tip.total_work(), mined.work_above);
                format!("valid {} {} {} {work} {above}", hex(&mined.block), mined.height, mined.confirmations)
            }
        };
        Some(format!("receipt {} {} {verdict}", now.millis(), hex_of(&bytes)))
    }

    fn place(&self, height: Height) -> Option<BlockProof> {
        let positions = MmrProof::positions(height, self.tip().height.get())?;
        let nodes = positions.iter().map(|trees| trees.iter().map(|position| self.node(position)).collect());
        let siblings = MmrProof::from_nodes(&nodes.collect::<Vec<Vec<MmrNode>>>()).expect("nodes of one history");
        let next_target = self.nodes[0][height.get() as usize].next_target;
        Some(BlockProof { next_target, siblings })
    }
}

fn lie_in_header(rng: &mut Rng, header: &mut Header) {
    match rng.below(6) {
        0 => header.parent = BlockId::from_bytes(rng.bytes()),
        1 => header.history_root = Hash::from_bytes(rng.bytes()),
        2 => header.version ^= 1,
        3 => header.beneficiary = Address::ZERO,
        4 => header.height = header.height.next().expect("a low height"),
        _ => header.target = CompactTarget::from_bits(header.target.bits() - 1),
    }
}

/// What no header says: a lie here leads the blocks after it astray.
fn lie_in_leaf(rng: &mut Rng, leaf: &mut MmrNode) {
    let next = leaf.next_target.bits();
    match rng.below(4) {
        0 | 1 => {
            let other =
                CompactTarget::from_bits(rng.pick(&[next - 1, next - 0x100, next + 1, 0x2010_0000, 0x207f_ffff]));
            leaf.next_target = if other.decode().is_ok() { other } else { leaf.next_target };
        }
        2 => leaf.work = leaf.work.checked_add(Work::from_u64(1 + rng.below(500))).unwrap_or_default(),
        _ => leaf.last_time = leaf.last_time.saturating_add(1 + rng.below(5)),
    }
}

/// Something moved, doubled, left out or changed in one of the lists.
fn alter(rng: &mut Rng, proof: &mut LightProof) {
    match rng.below(3) {
        0 => edit(rng, &mut proof.tail, |rng, header| header.nonce ^= rng.below(4)),
        1 => edit(rng, &mut proof.opened, |rng, header| header.nonce ^= rng.below(4)),
        _ => edit(rng, &mut proof.nodes, |rng, node| match rng.below(5) {
            0 => node.hash = Hash::from_bytes(rng.bytes()),
            1 => node.work = node.work.checked_add(Work::from_u64(rng.any_size())).unwrap_or_default(),
            2 => node.last_time = node.last_time.saturating_add(rng.any_size()),
            3 => node.first_target = CompactTarget::from_bits(node.first_target.bits() ^ 1),
            _ => node.next_target = CompactTarget::from_bits(node.next_target.bits() ^ 1),
        }),
    }
}

fn edit<T: Clone, const MAX: usize>(
    rng: &mut Rng,
    list: &mut BoundedVec<T, MAX>,
    change: impl FnOnce(&mut Rng, &mut T),
) {
    let mut elements = list.to_vec();
    if elements.is_empty() {
        return;
    }
    let (place, other) = (rng.index(elements.len()), rng.index(elements.len()));
    match rng.below(6) {
        0 => drop(elements.remove(place)),
        1 => elements.insert(place, elements[other].clone()),
        2 => elements.swap(place, other),
        _ => change(rng, &mut elements[place]),
    }
    *list = BoundedVec::new(elements).unwrap_or_default();
}

/// The bounds of a tree of blocks that nobody looked into.
pub fn tile(rng: &mut Rng, spec: &ChainSpec) -> String {
    let limit = spec.difficulty().pow_limit.to_compact().bits();
    let target = |rng: &mut Rng| loop {
        let any = (4 + rng.below(29) as u32) << 24 | rng.draw() as u32 & 0x7f_ffff;
        let target = CompactTarget::from_bits(rng.pick(&[limit, 0x1d1f_ffff, any]));
        if target.bits() <= limit && target.decode().is_ok() {
            return target;
        }
    };
    let (first, next) = (target(rng), target(rng));
    let blocks = 1 << rng.below(30);
    let time = blocks + rng.any_size() / 2;
    let decoded = |target: CompactTarget| target.decode().expect("a normal form");
    let verdict = match DifficultyBounds::new(spec).bounds(decoded(first), decoded(next), blocks, time) {
        Some(bounds) => format!("{} {} {}", bounds.work, bounds.easier, bounds.harder),
        None => "refused".to_owned(),
    };
    format!("tile {first} {next} {blocks} {time} {verdict}")
}
