//! One payment is paid once: the machine under nodes that lie, crashes at every step, blocks that are replaced by
//! others, and people who try again.

use super::*;
use crate::payment::diagnosis::{Facts, diagnose};
use crate::payment::journal::{Line, Refusal};
use crate::payment::plan::{self, PlanContext, Request, plan};
use cairn_ledger::{BlockId, Height, SecretKey};
use cairn_rpc::types::{AccountJson, PendingJson};
use cairn_rpc::{Pebbles, Text, TxState, TxStatus};
use proptest::prelude::*;
use std::sync::OnceLock;

/// Two receivers, so that payments of one purpose and of another take turns.
const RECEIVERS: usize = 2;

fn network() -> &'static Network {
    static LOCAL: OnceLock<Network> = OnceLock::new();
    LOCAL.get_or_init(|| Network::parse(cairn_genesis::LOCAL).expect("shipped"))
}

fn key() -> &'static SecretKey {
    static KEY: OnceLock<SecretKey> = OnceLock::new();
    KEY.get_or_init(|| SecretKey::from_bytes(&[1; 32]).expect("a key"))
}

fn receiver(which: usize) -> Output {
    let amount = Amount::from_pebbles(1_000).expect("an amount");
    Output { to: Address::from_bytes([which as u8 + 7; 32]), amount }
}

fn block(height: u64) -> BlockId {
    BlockId::from_bytes([height as u8; 32])
}

/// What decides everything that is left to chance.
struct Dice {
    words: Vec<u64>,
    place: usize,
}

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        let word = self.words.get(self.place % self.words.len().max(1)).copied().unwrap_or_default();
        let turn = (self.place / self.words.len().max(1)) as u64;
        self.place += 1;
        word.rotate_left((turn % 64) as u32).wrapping_add(turn) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

/// The process died here; the journal is what it is.
struct Crash;

/// Something that somebody wants paid once.
struct Purpose {
    receiver: usize,
    payments: Vec<TxId>,
    /// Their nonces.
    places: Vec<u64>,
    /// Whether the person knows that it was sent, and does not try again.
    done: bool,
}

/// A block: what it holds of the sender, and its work, which no height follows from.
#[derive(Clone, Copy)]
struct Block {
    txid: Option<TxId>,
    work: u64,
}

/// A chain above the first ten blocks.
type Branch = Vec<Block>;

fn height(branch: &[Block]) -> u64 {
    10 + branch.len() as u64
}

fn work(branch: &[Block]) -> u64 {
    branch.iter().map(|block| block.work).sum()
}

/// The payments of the sender in their order, each with its height.
fn mined(branch: &[Block]) -> Vec<(TxId, u64)> {
    branch.iter().zip(11..).filter_map(|(block, height)| Some((block.txid?, height))).collect()
}

/// How many blocks of a branch have less than [`BURIED`] confirmations.
const UNBURIED: usize = BURIED as usize - 1;

/// The chain, the nodes, the wallet's disk, and the person.
struct World {
    dice: Dice,
    chain: Branch,
    /// The branch that was left last: a node may still be on it.
    left: Branch,
    /// What every branch begins with from here on: what is buried stays.
    buried: usize,
    /// How often the last blocks were replaced, and payments with them.
    replaced: (u32, u32),
    /// What miners have: what any node relayed, whatever it said.
    relayed: Vec<Transaction>,
    journal: Vec<u8>,
    /// The most work that the wallet has proven.
    seen: u64,
    /// What the nodes that the wallet asks show.
    view: Branch,
    purposes: Vec<Purpose>,
    /// Payments that were called impossible for ever.
    over: Vec<TxId>,
    serial: u32,
}

impl World {
    fn new(words: Vec<u64>) -> Self {
        Self {
            dice: Dice { words, place: 0 },
            chain: Vec::new(),
            left: Vec::new(),
            buried: 0,
            replaced: (0, 0),
            relayed: Vec::new(),
            journal: Vec::new(),
            seen: 0,
            view: Vec::new(),
            purposes: Vec::new(),
            over: Vec::new(),
            serial: 0,
        }
    }

    fn contents(&self) -> Contents {
        Contents::parse(&self.journal)
    }

    fn where_mined(&self, txid: &TxId) -> Option<Proven<Mined>> {
        let (_, at) = mined(&self.view).into_iter().find(|(mined, _)| mined == txid)?;
        let confirmations = height(&self.view) - at + 1;
        Some(Proven::for_test(Mined { block: block(at), height: at, confirmations }))
    }

    /// What the nodes that answer prove of the sender: the tip, an older one, or that of the branch that was left.
    fn sender(&mut self) -> Proven<Sender> {
        self.view = if self.dice.one_in(8) { self.left.clone() } else { self.chain.clone() };
        let behind = if self.dice.one_in(3) { self.dice.roll(8) as usize } else { 0 };
        self.view.truncate(self.view.len().saturating_sub(behind));
        self.seen_now()
    }

    fn seen_now(&mut self) -> Proven<Sender> {
        let newest = work(&self.view) >= self.seen;
        self.seen = self.seen.max(work(&self.view));
        let nonce = mined(&self.view).len() as u64;
        let deep = self.view.len().saturating_sub(UNBURIED);
        let settled = mined(&self.view[..deep]).len() as u64;
        Proven::for_test(Sender { height: height(&self.view), nonce, settled, balance: Amount::MAX, newest })
    }

    /// The payment in the place of another, when the nodes prove it.
    fn rival(&self, known: &KnownPayment) -> Option<Rival> {
        let (txid, _) = *mined(&self.view).get(known.nonce as usize).filter(|(txid, _)| *txid != known.txid)?;
        let outputs = self.relayed.iter().find(|it| it.id() == txid).map(|it| it.body.outputs.to_vec());
        let pays_the_same = outputs.is_some_and(|outputs| same_purpose(&outputs, &known.outputs));
        Some(Rival { txid, mined: self.where_mined(&txid)?, pays_the_same })
    }

    /// What is proven of a payment: the truth, or less than that.
    fn outcome(&mut self, known: &KnownPayment, sender: Proven<Sender>, contents: &Contents) -> Outcome {
        let (payment_withheld, rival_withheld) = (self.dice.one_in(4), self.dice.one_in(4));
        let evidence = Evidence {
            sender,
            mined: self.where_mined(&known.txid).filter(|_| !payment_withheld),
            rival: self.rival(known).filter(|_| !rival_withheld),
            beside: beside(contents, known, sender.get()),
        };
        let outcome = judge(known, &evidence);
        match outcome {
            Outcome::Mined(at) => {
                assert!(mined(&self.view).contains(&(known.txid, at.height)), "called proven and is not");
            }
            Outcome::Impossible(_) => self.over.push(known.txid),
            Outcome::Open(_) => {}
        }
        outcome
    }

    /// As the wallet does it: look, decide, sign, write, hand over, note, tell. Any of them may be the last. Gives what
    /// is in the way.
    fn send(&mut self, purpose: Option<usize>, (again, fixed): (Again, Option<u64>)) -> Result<Vec<InTheWay>, Crash> {
        // What cancels another is for nobody.
        let output =
            purpose.map_or_else(|| plan::to_itself(&key().address()), |of| receiver(self.purposes[of].receiver));
        let outputs = vec![output];
        let (contents, sender) = (self.contents(), self.sender());
        let mut payments = Vec::new();
        for known in relevant(&contents, network(), &key().address(), sender.get(), &outputs) {
            let outcome = self.outcome(&known, sender, &contents);
            payments.push((known, outcome));
        }
        let book = Book::new(sender, payments);
        let said = if self.dice.one_in(8) { self.dice.roll(80) } else { sender.get().nonce };
        let decision = match fixed {
            Some(nonce) if nonce < sender.get().nonce => return Ok(Vec::new()),
            Some(nonce) => book.decide_at(&outputs, nonce, again),
            None => book.decide(&outputs, Some(Claimed::new(said)), again),
        };
        let nonce = match decision {
            Decision::Pay { nonce } => nonce,
            Decision::Ask(in_the_way) => {
                self.write(&Line::Asked { time: 1, txids: in_the_way.iter().map(|one| Text(one.txid)).collect() })?;
                return Ok(in_the_way);
            }
        };
        let valid_for = [0, 4, 6, 20][self.dice.roll(4) as usize];
        self.serial += 1;
        let memo = self.serial.to_string();
        let request = Request { outputs, memo, valid_for, nonce: Some(nonce), ..Request::default() };
        let height = Height::new(sender.get().height);
        let view = PlanContext { balance: Amount::MAX, nonce, height, min_fee_rate: 1, new_accounts: 0 };
        let body = plan(network().spec.schedule(), &key().address(), &request, &view).expect("enough");
        let transaction = plan::sign(body, key(), network(), &[0; 32]).expect("valid");
        self.crash()?;
        let payment = Payment::new(1, &transaction, &network().spec.params().prefix);
        let txid = payment.txid.0;
        self.write(&Line::Signed(payment))?;
        if let Some(purpose) = purpose {
            self.purposes[purpose].payments.push(txid);
            self.purposes[purpose].places.push(nonce);
        }
        self.crash()?;
        let mut taken = false;
        for _ in 0..3 {
            taken |= self.record_and_broadcast(&transaction)?;
        }
        if !taken {
            self.write(&Line::Refused(Refusal { time: 1, txid: Text(txid), code: 3020, message: String::new() }))?;
            return Ok(Vec::new());
        }
        self.crash()?;
        // Reported; only then noted.
        if let Some(purpose) = purpose {
            self.purposes[purpose].done = true;
        }
        self.write(&Line::Sent { time: 1, txid: Text(txid) })?;
        Ok(Vec::new())
    }

    /// One node: whether it passes a payment on, and what it says of that, are two things.
    fn record_and_broadcast(&mut self, transaction: &Transaction) -> Result<bool, Crash> {
        if !self.dice.one_in(3) && !self.relayed.contains(transaction) {
            self.relayed.push(transaction.clone());
        }
        self.crash()?;
        Ok(self.dice.one_in(3))
    }

    fn crash(&mut self) -> Result<(), Crash> {
        if self.dice.one_in(12) { Err(Crash) } else { Ok(()) }
    }

    /// A line of the journal; a crash in the middle leaves a torn one, which the next writer cuts off.
    fn write(&mut self, line: &Line) -> Result<(), Crash> {
        let whole = self.journal.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        self.journal.truncate(whole);
        let text = line.to_text().expect("JSON");
        if self.dice.one_in(12) {
            let torn = self.dice.roll(text.len() as u64) as usize;
            self.journal.extend_from_slice(&text.as_bytes()[..torn]);
            return Err(Crash);
        }
        self.journal.extend_from_slice(text.as_bytes());
        Ok(())
    }

    /// The next block: empty, of another wallet with the same words, or with what fits of what was relayed.
    fn mine(&mut self) {
        let nonce = mined(&self.chain).len() as u64;
        let height = height(&self.chain) + 1;
        let last = |transaction: &Transaction| transaction.body.valid_until.get();
        let fits: Vec<TxId> = self
            .relayed
            .iter()
            .filter(|it| it.body.nonce == nonce && (last(it) == 0 || last(it) >= height))
            .map(Transaction::id)
            .collect();
        let txid = match self.dice.roll(8) {
            0 => {
                self.serial += 1;
                let mut bytes = [0xff; 32];
                bytes[..4].copy_from_slice(&self.serial.to_be_bytes());
                Some(TxId::from_bytes(bytes))
            }
            1 | 2 => None,
            word if !fits.is_empty() => Some(fits[word as usize % fits.len()]),
            _ => None,
        };
        let work = 1 + self.dice.roll(3);
        self.chain.push(Block { txid, work });
        self.buried = self.buried.max(self.chain.len().saturating_sub(UNBURIED));
    }

    /// Blocks that are not buried give way to others with more work, perhaps fewer: what they held may be mined again,
    /// or something else in its place.
    fn reorganise(&mut self) {
        let loose = self.chain.len() - self.buried;
        let keep = self.chain.len() - self.dice.roll(loose as u64 + 1) as usize;
        self.left = self.chain.clone();
        self.chain.truncate(keep);
        while work(&self.chain) <= work(&self.left) {
            self.mine();
        }
        let now = mined(&self.chain);
        let gone = mined(&self.left).iter().filter(|(txid, _)| now.iter().all(|(other, _)| other != txid)).count();
        self.replaced = (self.replaced.0 + 1, self.replaced.1 + gone as u32);
    }

    /// `why` and `status`: what the person is told of a payment, and the one thing to do.
    fn look(&mut self, txid: TxId) -> Result<(), Crash> {
        let contents = self.contents();
        let Some(payment) = contents.payment(&txid) else { return Ok(()) };
        let transaction = payment.transaction().expect("whole");
        let known = KnownPayment::new(payment, &transaction, &contents);
        let sender = self.sender();
        let outcome = self.outcome(&known, sender, &contents);
        let states = [TxState::Mined, TxState::Pooled, TxState::Unknown, TxState::Dropped, TxState::Expired];
        let state = states[self.dice.roll(5) as usize];
        let status = TxStatus { txid: Text(txid), state, block: None, height: None, confirmations: 0, reason: None };
        let nonce = Text(self.dice.roll(20));
        let balance = Pebbles(Amount::ZERO);
        let account = AccountJson {
            address: String::new(),
            exists: true,
            balance,
            nonce,
            pending: PendingJson { balance, nonce, count: 0 },
            height: self.dice.roll(1_000),
            block: Text(block(0)),
        };
        let (sender, min_fee_rate) = (sender.get(), 1 + self.dice.roll(3));
        let (transaction, status, account) = (&transaction, &status, &account);
        let cause = diagnose(&Facts { transaction, outcome, sender, status, account, min_fee_rate });
        let pays_again = cause.remedy() == Some("send");
        let unpaid = matches!(outcome, Outcome::Impossible(why) if is_unpaid(why));
        assert_eq!(pays_again, unpaid, "paying again needs a proof: {cause}");
        if pays_again {
            // Whoever is told so of the last payment of a purpose does it.
            let whose = self.purposes.iter_mut().find(|purpose| purpose.payments.last() == Some(&txid));
            if let Some(purpose) = whose {
                purpose.done = false;
            }
        }
        if matches!(outcome, Outcome::Mined(_)) {
            let whose = self.purposes.iter_mut().find(|purpose| purpose.payments.contains(&txid));
            if let Some(purpose) = whose {
                purpose.done = true;
            }
            self.write(&Line::Sent { time: 1, txid: Text(txid) })?;
        }
        Ok(())
    }

    /// `bump`: whether a payment is open as far as is proven.
    fn may_be_replaced(&mut self, txid: TxId) -> bool {
        let contents = self.contents();
        let Some(payment) = contents.payment(&txid) else { return false };
        let known = KnownPayment::new(payment, &payment.transaction().expect("whole"), &contents);
        let sender = self.sender();
        matches!(self.outcome(&known, sender, &contents), Outcome::Open(_))
    }

    /// Whether all of these are payments of purposes that the person knows to be done.
    fn are_known(&self, in_the_way: &[InTheWay]) -> bool {
        in_the_way
            .iter()
            .all(|one| self.purposes.iter().any(|purpose| purpose.done && purpose.payments.contains(&one.txid)))
    }

    /// What somebody at the keyboard does next: pays, tries again, asks, hands over again, pays more, or waits.
    fn step(&mut self) -> Result<(), Crash> {
        let which = self.dice.roll(RECEIVERS as u64) as usize;
        let open = self.purposes.iter().position(|purpose| purpose.receiver == which && !purpose.done);
        let any = {
            let all: Vec<TxId> = self.contents().payments.iter().map(|payment| payment.txid.0).collect();
            if all.is_empty() { None } else { Some(all[self.dice.roll(all.len() as u64) as usize]) }
        };
        match (self.dice.roll(10), any) {
            (0 | 1, _) => {
                let purpose = open.unwrap_or_else(|| {
                    self.purposes.push(Purpose {
                        receiver: which,
                        payments: Vec::new(),
                        places: Vec::new(),
                        done: false,
                    });
                    self.purposes.len() - 1
                });
                let purpose = Some(purpose);
                let in_the_way = self.send(purpose, (Again::No, None))?;
                let Some(first) = in_the_way.first() else { return Ok(()) };
                if self.are_known(&in_the_way) && self.dice.one_in(2) {
                    self.send(purpose, (Again::Known, None))?;
                } else {
                    self.look(first.txid)?;
                }
            }
            (2 | 3, Some(txid)) => self.look(txid)?,
            (4, Some(txid)) => {
                let contents = self.contents();
                let transaction = contents.payment(&txid).and_then(Payment::transaction).expect("whole");
                self.record_and_broadcast(&transaction)?;
            }
            (5, Some(txid)) => {
                let nonce = self.contents().payment(&txid).map(|payment| payment.nonce.0);
                let purpose = self.purposes.iter().position(|purpose| purpose.payments.contains(&txid));
                if purpose.is_some() && self.may_be_replaced(txid) {
                    self.send(purpose, (Again::No, nonce))?;
                }
            }
            (6, Some(txid)) if self.dice.one_in(3) && self.may_be_replaced(txid) => {
                let nonce = self.contents().payment(&txid).map(|payment| payment.nonce.0);
                self.send(None, (Again::Any, nonce))?;
            }
            (7, _) if self.dice.one_in(2) => self.reorganise(),
            _ => self.mine(),
        }
        Ok(())
    }

    /// The purposes, those together that are for one receiver and had payments in one place: which of them such a
    /// payment was for, nobody can tell.
    fn groups(&self) -> Vec<Vec<&Purpose>> {
        let mut groups: Vec<Vec<&Purpose>> = Vec::new();
        for purpose in &self.purposes {
            let shares = |other: &&Purpose| {
                other.receiver == purpose.receiver && other.places.iter().any(|place| purpose.places.contains(place))
            };
            let (joined, apart): (Vec<_>, Vec<_>) = groups.into_iter().partition(|group| group.iter().any(shares));
            groups = apart;
            groups.push(joined.into_iter().flatten().chain([purpose]).collect());
        }
        groups
    }

    fn check(&self) {
        let mined = mined(&self.chain);
        for group in self.groups() {
            let payments = group.iter().flat_map(|purpose| &purpose.payments);
            let paid = payments.filter(|txid| mined.iter().any(|(mined, _)| mined == *txid)).count();
            assert!(paid <= group.len(), "{} wanted, {paid} paid", group.len());
        }
        for txid in &self.over {
            assert!(!mined.iter().any(|(mined, _)| mined == txid), "called impossible, and mined");
        }
    }

    /// With an honest node, and once everything is buried, each payment is known to be mined or over, or can be handed
    /// over again: nobody is left without an answer.
    fn settle(&mut self) {
        for _ in 0..40 {
            self.mine();
            self.check();
        }
        (0..BURIED).for_each(|_| self.chain.push(Block { txid: None, work: 1 }));
        self.view = self.chain.clone();
        let (contents, sender) = (self.contents(), self.seen_now());
        for payment in &contents.payments {
            let known = KnownPayment::new(payment, &payment.transaction().expect("whole"), &contents);
            let (mined_at, rival) = (self.where_mined(&known.txid), self.rival(&known));
            let beside = beside(&contents, &known, sender.get());
            let evidence = Evidence { sender, mined: mined_at, rival, beside };
            match judge(&known, &evidence) {
                Outcome::Mined(_) => assert!(mined(&self.chain).iter().any(|(txid, _)| *txid == known.txid)),
                Outcome::Impossible(why) => {
                    assert!(!mined(&self.chain).iter().any(|(txid, _)| *txid == known.txid), "{why}");
                }
                Outcome::Open(open) => assert_eq!(open, Open::Unused),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Random answers of several nodes, blocks that give way to others, crashes in every step and random retries: never
    /// are two payments of one purpose mined, never is a payment called impossible for ever that is mined later, never
    /// is anybody told to pay again without a proof, nothing is called proven that is not, and in the end everybody has
    /// an answer.
    #[test]
    fn one_purpose_is_paid_once_whatever_nodes_say(words in prop::collection::vec(any::<u64>(), 60..400)) {
        let mut world = World::new(words);
        for _ in 0..160 {
            // A crash ends a command; the person goes on.
            let _crashed = world.step();
            world.check();
        }
        world.settle();
    }
}

/// The control of the property: the world does pay, refuse, expire and crash.
#[test]
fn the_world_of_the_property_has_every_fate() {
    let (mut paid, mut over, mut refused, mut told, mut gone) = (0, 0, 0, 0, 0);
    for seed in 0..80_u64 {
        let words =
            (0..200_u64).map(|place| (seed * 1_000 + place).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        let mut world = World::new(words.collect());
        for _ in 0..120 {
            let _crashed = world.step();
        }
        let all = world.purposes.iter().flat_map(|purpose| &purpose.payments);
        let mined = mined(&world.chain);
        paid += all.filter(|txid| mined.iter().any(|(mined, _)| mined == *txid)).count();
        over += world.over.len();
        refused += world.contents().refusals.len();
        told += world.contents().reported.len();
        gone += world.replaced.1;
    }
    let all = [paid, over, refused, told, gone as usize];
    assert!(all.iter().all(|count| *count > 20), "{all:?}");
}

fn known(nonce: u64, valid_until: u64, reported: bool) -> KnownPayment {
    KnownPayment {
        txid: TxId::from_bytes([nonce as u8; 32]),
        nonce,
        outputs: vec![receiver(0)],
        most: 100,
        valid_until,
        signed: 0,
        reported,
        asked: false,
    }
}

fn sender(height: u64, nonce: u64, newest: bool) -> Proven<Sender> {
    let balance = Amount::from_pebbles(1_000).expect("an amount");
    Proven::for_test(Sender { height, nonce, settled: nonce, balance, newest })
}

/// Another payment with the same nonce, so deep in the chain.
fn rival(confirmations: u64, pays_the_same: bool) -> Rival {
    let mined = Proven::for_test(Mined { block: block(9), height: 9, confirmations });
    Rival { txid: TxId::from_bytes([99; 32]), mined, pays_the_same }
}

#[test]
fn only_a_proof_closes_a_payment() {
    let mined = Mined { block: block(9), height: 9, confirmations: 2 };
    let judged = |sender, mined: Option<Mined>, rival: Option<Rival>| {
        judge(&known(5, 20, false), &Evidence { sender, mined: mined.map(Proven::for_test), rival, beside: None })
    };
    assert_eq!(judged(sender(10, 6, true), Some(mined), None), Outcome::Mined(mined));
    assert_eq!(judged(sender(19, 5, true), None, None), Outcome::Open(Open::Unused));
    for height in [20, 24] {
        let expiring = Open::Expiring { valid_until: 20, height };
        assert_eq!(
            judged(sender(height, 5, true), None, None),
            Outcome::Open(expiring),
            "its last block may be replaced"
        );
    }
    let expired = Impossible::Expired { valid_until: 20, height: 25, beside: None };
    assert_eq!(judged(sender(25, 5, true), None, None), Outcome::Impossible(expired));
    assert_eq!(judged(sender(25, 5, false), None, None), Outcome::Open(Open::Unused), "an older tip closes nothing");
    assert_eq!(judged(sender(30, 6, true), None, None), Outcome::Open(Open::NonceUsed), "it may be the one mined");
    let (shallow, deep) = (rival(BURIED - 1, false), rival(BURIED, false));
    assert_eq!(judged(sender(10, 6, true), None, Some(shallow)), Outcome::Open(Open::Overtaken(shallow)));
    let replaced = Outcome::Impossible(Impossible::Replaced(deep));
    assert_eq!(judged(sender(10, 6, true), None, Some(deep)), replaced);
    assert_eq!(judged(sender(10, 6, false), None, Some(deep)), Outcome::Open(Open::Overtaken(deep)));
}

/// The attack: a branch of a block or two in which another payment took the place, and that is left again once the
/// owner has paid anew: both would be mined.
#[test]
fn what_blocks_that_are_not_buried_say_leads_to_no_second_payment() {
    let decide = |nonce: u64, outcome| {
        let book = Book::new(sender(24, 6, true), vec![(known(nonce, 20, true), outcome)]);
        book.decide(&[receiver(0)], None, Again::No)
    };
    let overtaken = |confirmations, same| Outcome::Open(Open::Overtaken(rival(confirmations, same)));
    for confirmations in 1..BURIED {
        let left = BURIED - confirmations;
        let ask = vec![InTheWay { txid: known(5, 20, true).txid, why: Hindrance::Unsettled { left } }];
        assert_eq!(decide(5, overtaken(confirmations, false)), Decision::Ask(ask), "{confirmations}");
        assert_eq!(decide(5, overtaken(confirmations, true)), Decision::Pay { nonce: 6 }, "one of the two is enough");
    }
    let replaced = |same| Outcome::Impossible(Impossible::Replaced(rival(BURIED, same)));
    assert_eq!(decide(5, replaced(false)), Decision::Pay { nonce: 6 }, "the control: it is buried");
    // Just expired: its own place is the only one, and another is free once its last block is buried.
    let expiring = |height| Outcome::Open(Open::Expiring { valid_until: 20, height });
    let expired = Outcome::Impossible(Impossible::Expired { valid_until: 20, height: 25, beside: None });
    let other = KnownPayment { outputs: vec![receiver(1)], ..known(6, 0, true) };
    for (height, left) in [(20, 5), (24, 1)] {
        assert_eq!(decide(6, expiring(height)), Decision::Pay { nonce: 6 });
        let payments = vec![(known(6, 20, true), expiring(height)), (other.clone(), Outcome::Open(Open::Unused))];
        let asked = Book::new(sender(height, 6, true), payments).decide(&[receiver(0)], None, Again::No);
        let ask = vec![InTheWay { txid: known(6, 20, true).txid, why: Hindrance::Unsettled { left } }];
        assert_eq!(asked, Decision::Ask(ask), "{height}");
    }
    let payments = vec![(known(6, 20, true), expired), (other, Outcome::Open(Open::Unused))];
    let paid = Book::new(sender(25, 6, true), payments).decide(&[receiver(0)], None, Again::No);
    assert_eq!(paid, Decision::Pay { nonce: 7 }, "the control: it is buried");
}

#[test]
fn a_second_payment_is_asked_about_while_one_is_open_or_nobody_was_told() {
    let mined = Outcome::Mined(Mined { block: block(9), height: 9, confirmations: 2 });
    let open = Outcome::Open(Open::Unused);
    let expired = Outcome::Impossible(Impossible::Expired { valid_until: 4, height: 9, beside: None });
    let used = Outcome::Open(Open::NonceUsed);
    let decide = |told, asked, outcome, again| {
        let book = Book::new(sender(10, 6, true), vec![(KnownPayment { asked, ..known(5, 0, told) }, outcome)]);
        book.decide(&[receiver(0)], None, again)
    };
    for (told, outcome) in [(true, open), (false, open), (false, mined), (true, used), (false, used)] {
        assert!(matches!(decide(told, false, outcome, Again::No), Decision::Ask(_)), "{told} {outcome:?}");
        assert!(matches!(decide(told, true, outcome, Again::No), Decision::Ask(_)), "{told} {outcome:?}");
        assert!(matches!(decide(told, true, outcome, Again::Known), Decision::Pay { .. }), "{told} {outcome:?}");
        assert!(matches!(decide(told, false, outcome, Again::Any), Decision::Pay { .. }), "{told} {outcome:?}");
        let unasked = decide(told, false, outcome, Again::Known);
        assert_eq!(matches!(unasked, Decision::Pay { .. }), told, "nobody agreed to what nobody knows: {outcome:?}");
    }
    for (told, outcome) in [(true, mined), (true, expired), (false, expired)] {
        let decision = decide(told, false, outcome, Again::No);
        assert!(matches!(decision, Decision::Pay { .. }), "the control: {told} {outcome:?}");
    }
    // Another receiver is another purpose.
    let book = Book::new(sender(10, 5, true), vec![(known(5, 0, true), open)]);
    assert_eq!(book.decide(&[receiver(1)], None, Again::No), Decision::Pay { nonce: 6 });
}

#[test]
fn no_open_nonce_is_taken_and_a_retry_takes_that_of_the_expired() {
    let open = Outcome::Open(Open::Unused);
    let expired = Outcome::Impossible(Impossible::Expired { valid_until: 4, height: 9, beside: None });
    let other = |nonce| KnownPayment { outputs: vec![receiver(1)], ..known(nonce, 0, true) };
    let book = |payments| Book::new(sender(10, 5, true), payments);
    let pay = |book: &Book, said: u64| book.decide(&[receiver(0)], Some(Claimed::new(said)), Again::No);
    assert_eq!(pay(&book(vec![]), 0), Decision::Pay { nonce: 5 });
    assert_eq!(pay(&book(vec![(other(5), open), (other(7), open)]), 5), Decision::Pay { nonce: 6 });
    assert_eq!(pay(&book(vec![]), 7), Decision::Pay { nonce: 7 }, "another wallet with the same words");
    assert_eq!(pay(&book(vec![]), u64::MAX), Decision::Pay { nonce: 69 }, "no further than a pool goes");
    assert_eq!(pay(&book(vec![(other(5), expired), (known(6, 8, true), expired)]), 5), Decision::Pay { nonce: 6 });
}

#[test]
fn open_payments_hold_their_money_once_for_each_nonce() {
    let open = Outcome::Open(Open::Unused);
    let dear = KnownPayment { most: 300, ..known(5, 0, true) };
    let book = Book::new(sender(10, 5, true), vec![(known(5, 0, true), open), (dear, open), (known(6, 0, true), open)]);
    assert_eq!(book.available(None).pebbles(), 600);
    assert_eq!(book.available(Some(5)).pebbles(), 900);
    assert_eq!(book.waiting(), 2);
}

/// The attack: of two payments in one place the owner is told that one expired, and pays anew; a block of the other's
/// that is mined after all, in the place of newer ones, pays twice.
#[test]
fn what_expired_is_not_paid_anew_while_one_in_its_place_is_not_buried_either() {
    let payment = |valid_for: u64| {
        let request = Request { outputs: vec![receiver(0)], valid_for, ..Request::default() };
        let height = Height::new(10);
        let view = PlanContext { balance: Amount::MAX, nonce: 5, height, min_fee_rate: 1, new_accounts: 0 };
        let body = plan(network().spec.schedule(), &key().address(), &request, &view).expect("enough");
        let transaction = plan::sign(body, key(), network(), &[0; 32]).expect("valid");
        Payment::new(1, &transaction, &network().spec.params().prefix)
    };
    // Until block 15 and until block 18.
    let (early, late) = (payment(5), payment(8));
    let contents = Contents { payments: vec![early.clone(), late.clone()], ..Contents::default() };
    let early = KnownPayment::new(&early, &early.transaction().expect("whole"), &contents);
    for (height, other) in [(17, Some(late.txid.0)), (20, Some(late.txid.0)), (22, Some(late.txid.0)), (23, None)] {
        let sender = sender(height, 5, true);
        assert_eq!(beside(&contents, &early, sender.get()), other, "at {height}");
    }
}

/// Whether the money is still to be paid.
const fn is_unpaid(why: Impossible) -> bool {
    match why {
        Impossible::Replaced(rival) => !rival.pays_the_same,
        Impossible::Expired { beside, .. } => beside.is_none(),
    }
}
