//! Proofs below the tip, after blocks, a reorganisation and a restart.

use super::{Branch, Fixture};
use crate::{KEPT_STATES, ProvenTip, UnknownBlock};
use cairn_ledger::light::{LightRequest, TAIL, VerifiedTip};
use cairn_ledger::testing::{arbitrary_hash, key};
use cairn_ledger::{BlockId, Header};

/// Everybody of interest: the miner, members, one who is paid in the course, and one who never is.
const PEOPLE: [u64; 6] = [0, 1, 2, 60, 61, 99];

/// A branch, and what it was after each of its blocks.
struct Recorded {
    branch: Branch,
    after: Vec<(Header, Branch)>,
}

impl Recorded {
    fn new(branch: Branch) -> Self {
        Self { branch, after: Vec::new() }
    }

    /// Mines `count` blocks that pay old and new accounts, `late` ms late each.
    fn grow(&mut self, count: u64, late: u64) {
        for number in 0..count {
            let payments = match number % 3 {
                0 => vec![self.branch.pay(1, 2, 1_000)],
                1 => vec![self.branch.pay(1, 60 + number % 4, 50), self.branch.pay(2, 100 + number + late, 70)],
                _ => vec![],
            };
            self.branch.mine(payments, late);
            self.after.push((self.branch.context.header().clone(), self.branch.clone()));
        }
    }
}

/// What the node proves of everybody after a block is what a replay says.
async fn check(fixture: &Fixture, recorded: &Recorded, kept: usize) {
    for (depth, (header, branch)) in recorded.after.iter().rev().enumerate() {
        for person in PEOPLE {
            let address = key(person).address();
            let proven = fixture.chain.prove_at(address, header.id()).await.expect("an answer");
            let Some((at, proof)) = proven else {
                assert!(depth > kept, "{depth} below the tip");
                continue;
            };
            assert!(depth <= kept);
            assert_eq!((&at, branch.state_root()), (header, header.state_root));
            let account = proof.verify(&address, &header.state_root).expect("it proves something");
            let balance = account.map(|account| account.balance).unwrap_or_default();
            assert_eq!(balance, branch.state.balance(&address), "key {person}, {depth} below the tip");
            assert_eq!(account.map(|account| account.nonce).unwrap_or_default(), branch.state.nonce(&address));
        }
    }
}

#[tokio::test]
async fn accounts_are_proven_as_they_were_after_each_of_the_last_blocks() {
    let fixture = Fixture::new();
    let mut recorded = Recorded::new(Branch::new(&fixture.spec));
    recorded.grow(KEPT_STATES as u64 + 8, 0);
    fixture.import_all(&recorded.branch.blocks).await;
    check(&fixture, &recorded, KEPT_STATES).await;
    let nobody = BlockId::from_bytes(*arbitrary_hash(1).as_bytes());
    assert_eq!(fixture.chain.prove_at(key(1).address(), nobody).await.expect("an answer"), None);
    // What was kept in memory is found again on the disk.
    let fixture = fixture.restart().await;
    check(&fixture, &recorded, KEPT_STATES).await;
}

#[tokio::test]
async fn accounts_below_the_tip_follow_a_reorganisation() {
    let fixture = Fixture::new();
    let mut left = Recorded::new(Branch::new(&fixture.spec));
    left.grow(12, 0);
    let mut followed = Recorded { branch: left.after[7].1.clone(), after: left.after[..8].to_vec() };
    followed.grow(9, 1);
    fixture.import_all(&left.branch.blocks).await;
    check(&fixture, &left, KEPT_STATES).await;
    fixture.import_all(&followed.branch.blocks[8..]).await;
    fixture.assert_at(&followed.branch).await;
    check(&fixture, &followed, KEPT_STATES).await;
    let (gone, _) = &left.after[10];
    assert_eq!(fixture.chain.prove_at(key(1).address(), gone.id()).await.expect("an answer"), None);
    check(&fixture.restart().await, &followed, KEPT_STATES).await;
}

#[tokio::test]
async fn a_tip_is_proven_whole_or_since_a_known_one() {
    let fixture = Fixture::new();
    let mut branch = Branch::new(&fixture.spec);
    branch.mine_many(TAIL as usize + 40, 0);
    fixture.import_all(&branch.blocks).await;
    let (reader, tip) = (fixture.chain.reader(), fixture.chain.tip());
    let request = LightRequest { tip: tip.id, random: arbitrary_hash(2) };
    let now = tip.header.time;
    let whole = |known| match reader.prove_tip(&request, known).expect("a store").expect("the tip").1 {
        ProvenTip::Whole(proof) => Some(proof.verify(&fixture.spec, &request, now).expect("it proves the tip")),
        ProvenTip::Since(..) => None,
    };
    let verified = whole(None).expect("nothing is known");
    assert_eq!((verified.id(), verified.total_work()), (tip.id, tip.total_work));
    assert!(verified.samples() > 0);

    let known = |height: usize| branch.blocks[height - 1].header.id();
    let since = reader.prove_tip(&request, Some(known(40))).expect("a store").expect("the tip").1;
    let ProvenTip::Since(from, headers) = since else { panic!("512 blocks are within a tail") };
    assert_eq!((from, headers.len() as u64), (known(40), TAIL));
    let old = LightRequest { tip: known(40), ..request };
    let ProvenTip::Whole(proof) = reader.prove_tip(&old, None).expect("a store").expect("a block").1 else {
        panic!("nothing is known")
    };
    let old: VerifiedTip = proof.verify(&fixture.spec, &old, now).expect("it proves the block");
    let extended = old.extend(&fixture.spec, &tip.id, &headers, now).expect("they follow");
    assert_eq!(extended.total_work(), tip.total_work);
    // One block further down, above the tip, or on no chain: all of it.
    let nobody = BlockId::from_bytes(*arbitrary_hash(1).as_bytes());
    assert!(whole(Some(known(39))).is_some() && whole(Some(nobody)).is_some());
    let unknown = reader.prove_tip(&LightRequest { tip: nobody, ..request }, None).expect("a store");
    assert_eq!(unknown.map(|_| ()), Err(UnknownBlock { id: nobody }));
}

#[tokio::test]
async fn a_transaction_is_proven_under_every_block_above_it_and_under_none_below() {
    let fixture = Fixture::new();
    let mut branch = Branch::new(&fixture.spec);
    branch.mine_many(5, 0);
    let payment = branch.pay(1, 2, 77);
    let txid = payment.id();
    branch.mine(vec![branch.pay(3, 4, 1), payment.clone()], 0);
    branch.mine_many(7, 0);
    fixture.import_all(&branch.blocks).await;
    let reader = fixture.chain.reader();
    for block in &branch.blocks {
        let (at, height) = (&block.header, block.header.height.get());
        let proof = reader.prove_transaction(&txid, &at.id()).expect("a store").expect("on the chain");
        assert_eq!(proof.is_some(), height >= 6, "block {height}");
        if let Some(proof) = proof {
            let headers: Vec<_> = branch.blocks[..height as usize].iter().map(|block| block.header.clone()).collect();
            let genesis = VerifiedTip::genesis(&fixture.spec);
            let tip = genesis.extend(&fixture.spec, &at.id(), &headers, at.time).expect("they follow");
            let mined = proof.verify(&fixture.spec, &tip).expect("it proves the payment");
            assert_eq!((mined.height.get(), mined.confirmations), (6, height - 5));
            assert_eq!(proof.transaction, payment);
        }
    }
    let never = branch.pay(5, 6, 1).id();
    let tip = fixture.chain.tip().id;
    assert_eq!(reader.prove_transaction(&never, &tip).expect("a store"), Ok(None));
}
