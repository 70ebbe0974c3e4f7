//! One payment is paid once: the machine under nodes that lie, crashes at every step, and people who try again.

use super::*;
use crate::{
    diagnose::{Facts, Remedy, diagnose},
    journal::{Line, Refusal, Told},
    plan::{self, Request, View, plan},
};
use cairn_ledger::{keys::SecretKey, units::Height};
use cairn_rpc::{
    text::{Pebbles, Text},
    types::{AccountJson, PendingJson, TxState, TxStatus},
};
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
    /// Whether the person knows that it was sent, and does not try again.
    done: bool,
}

/// The chain, the nodes, the wallet's disk, and the person.
struct World {
    dice: Dice,
    height: u64,
    /// By nonce.
    mined: Vec<(TxId, u64)>,
    /// What miners have: what any node relayed, whatever it said.
    relayed: Vec<Transaction>,
    journal: Vec<u8>,
    /// The highest tip that the wallet has proven.
    seen: u64,
    purposes: Vec<Purpose>,
    /// Payments that were called impossible.
    over: Vec<TxId>,
    serial: u32,
}

impl World {
    fn new(words: Vec<u64>) -> Self {
        Self {
            dice: Dice { words, place: 0 },
            height: 10,
            mined: Vec::new(),
            relayed: Vec::new(),
            journal: Vec::new(),
            seen: 0,
            purposes: Vec::new(),
            over: Vec::new(),
            serial: 0,
        }
    }

    fn contents(&self) -> Contents {
        Contents::parse(&self.journal)
    }

    fn where_mined(&self, txid: &TxId, tip: u64) -> Option<Proven<Mined>> {
        let (_, height) = self.mined.iter().find(|(mined, height)| mined == txid && *height <= tip)?;
        let confirmations = tip - height + 1;
        Some(Proven::for_test(Mined { block: block(*height), height: *height, confirmations }))
    }

    /// What the nodes that answer prove of the sender: the tip, or an older one.
    fn sender(&mut self) -> Proven<Sender> {
        let behind = if self.dice.one_in(3) { self.dice.roll(8) } else { 0 };
        let height = self.height.saturating_sub(behind);
        let nonce = self.mined.iter().filter(|(_, mined)| *mined <= height).count() as u64;
        let newest = height >= self.seen;
        self.seen = self.seen.max(height);
        Proven::for_test(Sender { height, nonce, balance: Amount::MAX, newest })
    }

    /// What is proven of a payment: the truth, or less than that.
    fn outcome(&mut self, known: &Known, sender: Proven<Sender>) -> Outcome {
        let tip = sender.get().height;
        let withheld = self.dice.one_in(4);
        let mined = self.where_mined(&known.txid, tip).filter(|_| !withheld);
        let rival = self.mined.get(known.nonce as usize).copied().filter(|(txid, _)| *txid != known.txid);
        let withheld = self.dice.one_in(4);
        let rival = rival.and_then(|(txid, _)| Some((txid, self.where_mined(&txid, tip)?))).filter(|_| !withheld);
        let outcome = judge(known, &Evidence { sender, mined, rival });
        match outcome {
            Outcome::Mined(mined) => {
                assert!(self.mined.contains(&(known.txid, mined.height)), "called proven and is not");
            }
            Outcome::Impossible(_) => self.over.push(known.txid),
            Outcome::Open(_) => {}
        }
        outcome
    }

    /// As the wallet does it: look, decide, sign, write, hand over, note, tell. Any of them may be the last. Gives what is in
    /// the way.
    fn send(&mut self, purpose: usize, (again, fixed): (bool, Option<u64>)) -> Result<Vec<InTheWay>, Crash> {
        let outputs = vec![receiver(self.purposes[purpose].receiver)];
        let (contents, sender) = (self.contents(), self.sender());
        let mut payments = Vec::new();
        for known in relevant(&contents, (&key().address(), network()), sender.get(), &outputs) {
            let outcome = self.outcome(&known, sender);
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
            Decision::Ask(in_the_way) => return Ok(in_the_way),
        };
        let valid_for = [0, 4, 6, 20][self.dice.roll(4) as usize];
        self.serial += 1;
        let memo = self.serial.to_string();
        let request = Request { outputs, memo, valid_for, nonce: Some(nonce), ..Request::default() };
        let height = Height::new(sender.get().height);
        let view = View { balance: Amount::MAX, nonce, height, min_fee_rate: 1, new_accounts: 0 };
        let body = plan(network().spec.schedule(), &key().address(), &request, &view).expect("enough");
        let transaction = plan::sign(body, key(), network(), &[0; 32]).expect("valid");
        self.crash()?;
        let payment = Payment::new(1, &transaction, &network().spec.params().prefix);
        let txid = payment.txid.0;
        self.write(&Line::Signed(payment))?;
        self.purposes[purpose].payments.push(txid);
        self.crash()?;
        let mut taken = false;
        for _ in 0..3 {
            taken |= self.hand_over(&transaction)?;
        }
        if !taken {
            self.write(&Line::Refused(Refusal { time: 1, txid: Text(txid), code: 3020, message: String::new() }))?;
            return Ok(Vec::new());
        }
        self.crash()?;
        // Told; only then noted.
        self.purposes[purpose].done = true;
        self.write(&Line::Sent(Told { time: 1, txid: Text(txid) }))?;
        Ok(Vec::new())
    }

    /// One node: whether it passes a payment on, and what it says of that, are two things.
    fn hand_over(&mut self, transaction: &Transaction) -> Result<bool, Crash> {
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
        self.height += 1;
        let nonce = self.mined.len() as u64;
        let height = self.height;
        let last = |transaction: &Transaction| transaction.body.valid_until.get();
        let fits: Vec<TxId> = self
            .relayed
            .iter()
            .filter(|it| it.body.nonce == nonce && (last(it) == 0 || last(it) >= height))
            .map(Transaction::id)
            .collect();
        match self.dice.roll(8) {
            0 => self.mined.push((TxId::from_bytes([height as u8; 32]), height)),
            1 | 2 => {}
            word if !fits.is_empty() => self.mined.push((fits[word as usize % fits.len()], height)),
            _ => {}
        }
    }

    /// `why` and `status`: what the person is told of a payment, and the one thing to do.
    fn look(&mut self, txid: TxId) -> Result<(), Crash> {
        let contents = self.contents();
        let Some(payment) = contents.payment(&txid) else { return Ok(()) };
        let transaction = payment.transaction().expect("whole");
        let known = Known::new(payment, &transaction, &contents);
        let sender = self.sender();
        let outcome = self.outcome(&known, sender);
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
        let pays_again = cause.remedy() == Remedy::SendAgain;
        assert_eq!(pays_again, matches!(outcome, Outcome::Impossible(_)), "paying again needs a proof: {cause}");
        if matches!(outcome, Outcome::Mined(_)) {
            let whose = self.purposes.iter_mut().find(|purpose| purpose.payments.contains(&txid));
            if let Some(purpose) = whose {
                purpose.done = true;
            }
            self.write(&Line::Sent(Told { time: 1, txid: Text(txid) }))?;
        }
        Ok(())
    }

    /// `bump`: whether a payment is open as far as is proven.
    fn may_be_replaced(&mut self, txid: TxId) -> bool {
        let contents = self.contents();
        let Some(payment) = contents.payment(&txid) else { return false };
        let known = Known::new(payment, &payment.transaction().expect("whole"), &contents);
        let sender = self.sender();
        matches!(self.outcome(&known, sender), Outcome::Open(_))
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
        match (self.dice.roll(8), any) {
            (0 | 1, _) => {
                let purpose = open.unwrap_or_else(|| {
                    self.purposes.push(Purpose { receiver: which, payments: Vec::new(), done: false });
                    self.purposes.len() - 1
                });
                let in_the_way = self.send(purpose, (false, None))?;
                let Some(first) = in_the_way.first() else { return Ok(()) };
                if self.are_known(&in_the_way) && self.dice.one_in(2) {
                    self.send(purpose, (true, None))?;
                } else {
                    self.look(first.txid)?;
                }
            }
            (2 | 3, Some(txid)) => self.look(txid)?,
            (4, Some(txid)) => {
                let contents = self.contents();
                let transaction = contents.payment(&txid).and_then(Payment::transaction).expect("whole");
                self.hand_over(&transaction)?;
            }
            (5, Some(txid)) => {
                let nonce = self.contents().payment(&txid).map(|payment| payment.nonce.0);
                let purpose = self.purposes.iter().position(|purpose| purpose.payments.contains(&txid));
                if let Some(purpose) = purpose.filter(|_| self.may_be_replaced(txid)) {
                    self.send(purpose, (false, nonce))?;
                }
            }
            _ => self.mine(),
        }
        Ok(())
    }

    fn check(&self) {
        for purpose in &self.purposes {
            let paid = purpose.payments.iter().filter(|txid| self.mined.iter().any(|(mined, _)| mined == *txid));
            assert!(paid.count() <= 1, "paid twice");
        }
        for txid in &self.over {
            assert!(!self.mined.iter().any(|(mined, _)| mined == txid), "called impossible, and mined");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// Random answers of several nodes, crashes in every step and random retries: never are two payments of one purpose
    /// mined, never is a payment called impossible that is mined later, never is anybody told to pay again without a
    /// proof, and nothing is called proven that is not.
    #[test]
    fn one_purpose_is_paid_once_whatever_nodes_say(words in prop::collection::vec(any::<u64>(), 60..400)) {
        let mut world = World::new(words);
        for _ in 0..120 {
            // A crash ends a command; the person goes on.
            let _crashed = world.step();
            world.check();
        }
        // Whatever still can be mined is.
        for _ in 0..40 {
            world.mine();
        }
        world.check();
    }
}

/// The control of the property: the world does pay, refuse, expire and crash.
#[test]
fn the_world_of_the_property_has_every_fate() {
    let (mut paid, mut over, mut refused, mut told) = (0, 0, 0, 0);
    for seed in 0..40_u64 {
        let words =
            (0..200_u64).map(|place| (seed * 1_000 + place).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17));
        let mut world = World::new(words.collect());
        for _ in 0..120 {
            let _crashed = world.step();
        }
        let all = world.purposes.iter().flat_map(|purpose| &purpose.payments);
        paid += all.filter(|txid| world.mined.iter().any(|(mined, _)| mined == *txid)).count();
        over += world.over.len();
        refused += world.contents().refusals.len();
        told += world.contents().told.len();
    }
    assert!(paid > 20 && over > 20 && refused > 20 && told > 20, "{paid} {over} {refused} {told}");
}

fn known(nonce: u64, valid_until: u64, told: bool) -> Known {
    Known {
        txid: TxId::from_bytes([nonce as u8; 32]),
        nonce,
        outputs: vec![receiver(0)],
        most: 100,
        valid_until,
        signed: 0,
        told,
    }
}

fn sender(height: u64, nonce: u64, newest: bool) -> Proven<Sender> {
    Proven::for_test(Sender { height, nonce, balance: Amount::from_pebbles(1_000).expect("an amount"), newest })
}

#[test]
fn only_a_proof_closes_a_payment() {
    let mined = Mined { block: block(9), height: 9, confirmations: 2 };
    let by = TxId::from_bytes([99; 32]);
    let judged = |sender, mined: Option<Mined>, rival: Option<Mined>| {
        let rival = rival.map(|rival| (by, Proven::for_test(rival)));
        judge(&known(5, 20, false), &Evidence { sender, mined: mined.map(Proven::for_test), rival })
    };
    assert_eq!(judged(sender(10, 6, true), Some(mined), None), Outcome::Mined(mined));
    assert_eq!(judged(sender(19, 5, true), None, None), Outcome::Open(Open::Unused));
    let expired = Impossible::Expired { valid_until: 20, height: 20 };
    assert_eq!(judged(sender(20, 5, true), None, None), Outcome::Impossible(expired));
    assert_eq!(judged(sender(20, 5, false), None, None), Outcome::Open(Open::Unused), "an older tip closes nothing");
    assert_eq!(judged(sender(30, 6, true), None, None), Outcome::Open(Open::NonceUsed), "it may be the one mined");
    let replaced = Impossible::Replaced { by, height: 9 };
    assert_eq!(judged(sender(10, 6, true), None, Some(mined)), Outcome::Impossible(replaced));
    assert_eq!(judged(sender(10, 6, false), None, Some(mined)), Outcome::Open(Open::NonceUsed));
}

#[test]
fn a_second_payment_is_asked_about_while_one_is_open_or_nobody_was_told() {
    let mined = Outcome::Mined(Mined { block: block(9), height: 9, confirmations: 2 });
    let open = Outcome::Open(Open::Unused);
    let expired = Outcome::Impossible(Impossible::Expired { valid_until: 8, height: 9 });
    let used = Outcome::Open(Open::NonceUsed);
    let ask = |told, outcome, again| {
        let book = Book::new(sender(10, 5, true), vec![(known(5, 0, told), outcome)]);
        book.decide(&[receiver(0)], None, again)
    };
    for (told, outcome) in [(true, open), (false, open), (false, mined), (false, used)] {
        assert!(matches!(ask(told, outcome, false), Decision::Ask(_)), "{told} {outcome:?}");
        assert!(matches!(ask(told, outcome, true), Decision::Pay { .. }), "{told} {outcome:?}");
    }
    for (told, outcome) in [(true, mined), (true, used), (true, expired), (false, expired)] {
        assert!(matches!(ask(told, outcome, false), Decision::Pay { .. }), "the control: {told} {outcome:?}");
    }
    // Another receiver is another purpose.
    let book = Book::new(sender(10, 5, true), vec![(known(5, 0, true), open)]);
    assert_eq!(book.decide(&[receiver(1)], None, false), Decision::Pay { nonce: 6 });
}

#[test]
fn no_open_nonce_is_taken_and_a_retry_takes_that_of_the_expired() {
    let open = Outcome::Open(Open::Unused);
    let expired = Outcome::Impossible(Impossible::Expired { valid_until: 8, height: 9 });
    let other = |nonce| Known { outputs: vec![receiver(1)], ..known(nonce, 0, true) };
    let book = |payments| Book::new(sender(10, 5, true), payments);
    let pay = |book: &Book, said: u64| book.decide(&[receiver(0)], Some(Claimed::new(said)), false);
    assert_eq!(pay(&book(vec![]), 0), Decision::Pay { nonce: 5 });
    assert_eq!(pay(&book(vec![(other(5), open), (other(7), open)]), 5), Decision::Pay { nonce: 6 });
    assert_eq!(pay(&book(vec![]), 7), Decision::Pay { nonce: 7 }, "another wallet with the same words");
    assert_eq!(pay(&book(vec![]), u64::MAX), Decision::Pay { nonce: 69 }, "no further than a pool goes");
    assert_eq!(pay(&book(vec![(other(5), expired), (known(6, 8, true), expired)]), 5), Decision::Pay { nonce: 6 });
}

#[test]
fn open_payments_hold_their_money_once_for_each_nonce() {
    let open = Outcome::Open(Open::Unused);
    let dear = Known { most: 300, ..known(5, 0, true) };
    let book = Book::new(sender(10, 5, true), vec![(known(5, 0, true), open), (dear, open), (known(6, 0, true), open)]);
    assert_eq!(book.available(None).pebbles(), 600);
    assert_eq!(book.available(Some(5)).pebbles(), 900);
    assert_eq!(book.waiting(), 2);
}
