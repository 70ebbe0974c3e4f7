//! Chains that are what they claim, and others.

use super::*;
use cairn_ledger::testing::{HeaderChain, easy_params, key};
use cairn_ledger::validate::LinkedHeader;

/// The fork is block 0; the tip has so many blocks' work.
struct Look {
    spec: ChainSpec,
    tip: Work,
    presync: Presync,
    linked: Vec<Header>,
    /// Headers that were given.
    given: usize,
}

fn spec() -> ChainSpec {
    ChainSpec::new(easy_params()).expect("valid parameters")
}

/// A chain of so many blocks, one interval apart, of a miner of its own.
fn chain(miner: u64, count: u64) -> HeaderChain {
    let mut chain = HeaderChain::new(spec());
    chain.beneficiary = key(miner).address();
    chain.grow(count);
    chain
}

/// The work of so many blocks: two attempts each.
fn work(blocks: u64) -> Work {
    Work::from_u64(2 * blocks)
}

impl Look {
    fn new(tip: u64, claimed: u64, secret: u8) -> Self {
        let spec = spec();
        let presync = Presync::new(ChainContext::genesis(&spec), work(claimed), &[secret; 32]);
        Self { spec, tip: work(tip), presync, linked: Vec::new(), given: 0 }
    }

    fn take(&mut self, headers: &[Header]) -> Step {
        self.given += headers.len();
        let now = Timestamp::from_millis(u64::MAX / 2);
        let rules = PresyncRules { spec: &self.spec, now, tip: self.tip };
        self.presync.take(&rules, headers.to_vec())
    }

    /// Asks a peer with this chain until that ends.
    fn ask(&mut self, headers: &[Header]) -> Step {
        loop {
            let step = self.ask_once(headers);
            match step {
                Step::Ask | Step::Link { is_done: false, .. } => {}
                ended => return ended,
            }
        }
    }

    fn ask_once(&mut self, headers: &[Header]) -> Step {
        let after = self.presync.after();
        // As an honest node answers a locator that ends in block 0.
        let at = headers.iter().position(|header| header.id() == after).unwrap_or(0);
        let step = self.take(&headers[at + 1..headers.len().min(at + 1 + MAX_HEADERS)]);
        if let Step::Link { headers, .. } = &step {
            self.linked.extend(headers.iter().cloned());
        }
        step
    }

    /// Bytes that the presync holds besides itself.
    fn bytes(&self) -> usize {
        let buffered = match &self.presync.pass {
            Pass::First { .. } => 0,
            Pass::Second { buffer, .. } => buffer.capacity() * size_of::<Header>(),
        };
        self.presync.bits.words.capacity() * 8 + buffered
    }
}

#[test]
fn a_long_chain_with_more_work_is_found_and_linked_to_where_it_overtakes() {
    let theirs = chain(1, 20_000);
    for secret in [0, 1, 63, 64, 200] {
        let mut look = Look::new(10_000, 20_000, secret);
        assert!(matches!(look.ask(&theirs.headers), Step::Link { is_done: true, .. }));
        assert_eq!(look.presync.proven(), Some(work(10_001)));
        assert_eq!(look.linked, theirs.headers[1..=10_001], "each once, in order");
        assert!(look.bytes() < 1 << 20, "{}", look.bytes());
    }
}

#[test]
fn a_chain_with_no_more_work_than_claimed_and_than_the_tip_leaves_nothing() {
    for (length, tip) in [(3_000, 3_000), (3_000, 4_000), (10, 10), (2_000, 5_000)] {
        let mut look = Look::new(tip, length, 1);
        assert_eq!(look.ask(&chain(1, length).headers), Step::NoMore);
        assert!(look.linked.is_empty());
    }
}

#[test]
fn presync_a_claim_that_ends_short() {
    for (length, claimed) in [(3_000, 3_001), (4_000, 1_000_000), (0, 10_000)] {
        let mut look = Look::new(5_000, claimed, 1);
        assert_eq!(
            look.ask(&chain(1, length).headers),
            Step::Misbehaviour(Misbehaviour::Unkept),
            "{length} for {claimed}"
        );
        assert!(look.linked.is_empty());
    }
    // The honest twin: its chain has grown since.
    assert_eq!(Look::new(5_000, 2_999, 1).ask(&chain(1, 3_000).headers), Step::NoMore);
}

#[test]
fn presync_other_headers_in_the_second_pass() {
    let (first, other) = (chain(1, 12_000), chain(2, 12_000));
    for changes_at in [0, 1, 63, 64, 3_000, 6_000, 9_990] {
        let mut look = Look::new(10_000, 12_000, 7);
        while look.presync.proven().is_none() {
            assert_eq!(look.ask_once(&first.headers), Step::Ask);
        }
        // The same up to some header, and others from there on, which are valid.
        let mut mixed = HeaderChain::new(spec());
        first.headers[1..=changes_at].iter().for_each(|header| mixed.push(header.clone()));
        mixed.beneficiary = key(3).address();
        mixed.grow(12_000 - changes_at as u64);
        let ended = look.ask(&mixed.headers);
        // Of the last few headers there is no bit: they have the work that they were to have, so they may come.
        if changes_at < 9_900 {
            assert_eq!(ended, Step::Differs, "{changes_at}");
        }
        let false_ones = look.linked.iter().zip(&first.headers[1..]).filter(|(got, right)| got != right);
        assert!(false_ones.count() <= SPACING as usize, "{changes_at}");
    }
    let mut look = Look::new(10_000, 12_000, 7);
    while look.presync.proven().is_none() {
        look.ask_once(&first.headers);
    }
    assert_eq!(look.ask(&other.headers), Step::Differs, "another chain");
    assert!(look.linked.is_empty());
    // The honest twin.
    let mut look = Look::new(10_000, 12_000, 7);
    assert!(matches!(look.ask(&first.headers), Step::Link { is_done: true, .. }));
}

/// The second pass does not check targets: what comes must have the work that was found all the same.
#[test]
fn cheaper_headers_in_the_second_pass_do_not_count() {
    let mut hard = HeaderChain::new(spec());
    // Hasty blocks make the next ones harder.
    (0..60).for_each(|_| hard.mine(400));
    let needed = hard.tip.total_work();
    let mut look = Look::new(0, 60, 7);
    look.tip = needed.checked_sub(Work::from_u64(1)).expect("some work");
    assert_eq!(look.ask_once(&hard.headers), Step::Ask);
    assert_eq!(look.presync.proven(), Some(needed));
    assert_eq!(look.ask(&chain(2, 4_000).headers), Step::Differs);
    assert!(look.linked.is_empty());
}

#[test]
fn presync_endless_headers() {
    let theirs = chain(1, 100_000);
    let mut look = Look::new(10_000_000, 20_000_000, 1);
    let mut most = 0;
    for _ in 0..50 {
        assert_eq!(look.ask_once(&theirs.headers), Step::Ask);
        most = most.max(look.bytes());
    }
    assert!(most < 64 << 10 && look.linked.is_empty(), "{most} bytes for 100 000 headers");
}

#[test]
fn a_chain_that_changes_between_two_answers_is_nobodys_fault() {
    let (first, other) = (chain(1, 6_000), chain(2, 9_000));
    let mut look = Look::new(5_000, 6_000, 1);
    assert_eq!(look.ask_once(&first.headers), Step::Ask);
    assert_eq!(look.ask(&other.headers), Step::Differs);
    assert!(look.linked.is_empty());
}

#[test]
fn headers_that_break_a_rule_end_it() {
    let mut theirs = chain(1, 3_000);
    let mut bad = theirs.headers[2_500].clone();
    bad.history_root = bad.txs_root;
    theirs.headers[2_500] = cairn_ledger::testing::seal(bad);
    let mut look = Look::new(10_000, 20_000, 1);
    assert!(matches!(
        look.ask(&theirs.headers),
        Step::Misbehaviour(Misbehaviour::InvalidHeader(HeaderError::HistoryRoot { .. }))
    ));
    // From the future is no misbehaviour.
    let theirs = chain(1, 100);
    let mut look = Look::new(10_000, 20_000, 1);
    let rules = PresyncRules { spec: &spec(), now: theirs.headers[50].time, tip: work(10_000) };
    assert_eq!(look.presync.take(&rules, theirs.headers[1..].to_vec()), Step::Early);
}

#[test]
fn a_hundred_peers_at_once_take_little_memory() {
    let theirs = chain(1, 20_000);
    let mut looks: Vec<Look> = (0..100).map(|secret| Look::new(15_000, 20_000, secret)).collect();
    for _ in 0..12 {
        looks.iter_mut().for_each(|look| drop(look.ask_once(&theirs.headers)));
    }
    let bytes: usize = looks.iter().map(Look::bytes).sum();
    assert!(bytes < 128 << 20, "{bytes}");
}

/// What leaves the second pass links as any other headers do.
#[test]
fn what_is_linked_is_what_the_rules_accept() {
    let theirs = chain(1, 3_000);
    let mut look = Look::new(2_500, 3_000, 9);
    look.ask(&theirs.headers);
    let mut context = ChainContext::genesis(&look.spec);
    for header in &look.linked {
        let sealed = check_work(&look.spec, header.clone()).expect("work");
        let linked: LinkedHeader = check_header(&look.spec, &context, sealed, header.time).expect("a linked header");
        context = context.extend(&linked);
    }
    assert_eq!(context.total_work(), work(2_501));
}
