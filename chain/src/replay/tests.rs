//! Chains made by the ledger's own rules, through files and through verification.

use super::*;
use crate::store::schema::{BlockKey, BodyByBlock};
use crate::store::{ChainStore, DbOptions, Durability, StoreError};
use cairn_ledger::testing::{self, MemoryState, easy_params, genesis_state, key, payment, pebbles};
use cairn_ledger::validate::{check_header, check_work};
use cairn_ledger::{Block, BlockError, Body, ChainContext, ChainSpec, HeaderError, Height};
use std::path::{Path, PathBuf};
use std::{fs, future::pending, sync::Arc};
use tempfile::TempDir;

/// A chain by the rules alone, with a payment in every block.
fn chain_of(spec: &Arc<ChainSpec>, length: u64) -> Vec<Block> {
    let (mut context, mut state) = (ChainContext::genesis(spec), genesis_state(spec));
    let mut blocks = Vec::new();
    for n in 0..length {
        let paid = payment(spec, &key(1), n, key(100 + n).address(), 5, 1_000);
        let block = testing::mine(spec, &context, &state, vec![paid]);
        follow(spec, &mut context, &mut state, block.clone());
        blocks.push(block);
    }
    blocks
}

fn follow(spec: &ChainSpec, context: &mut ChainContext, state: &mut MemoryState, block: Block) {
    *context = state.follow(spec, context, block);
}

/// Directories and files of one test.
struct Fixture {
    spec: Arc<ChainSpec>,
    directory: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        Self { spec: Arc::new(testing::easy_network()), directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A file of these blocks.
    fn file(&self, name: &str, blocks: &[Block]) -> PathBuf {
        let path = self.path(name);
        let mut file = BlockFileWriter::create(&path, self.spec.genesis_id()).expect("a new file");
        blocks.iter().for_each(|block| file.put(block).expect("room"));
        file.finish().expect("room");
        path
    }

    async fn import(&self, file: &Path, into: &str) -> Result<Imported, ReplayError> {
        let file = BlockFile::open(file, self.spec.genesis_id())?;
        import(self.spec.clone(), &self.path(into), DbOptions::default(), file, &mut |_| {}, pending()).await
    }

    fn export(
        &self,
        from: &str,
        to: &Path,
        range: (Option<u64>, Option<u64>),
        append: bool,
    ) -> Result<Exported, ReplayError> {
        let (from_height, to_height) = (range.0.map(Height::new), range.1.map(Height::new));
        let what = Export { from: from_height, to: to_height, append };
        export(&self.spec, &self.path(from), DbOptions::default(), to, what, &mut |_, _| {})
    }

    async fn verify(&self, database: &str) -> Result<Verified, VerifyError> {
        let (database, scratch) = (self.path(database), self.path("scratch"));
        let found =
            verify(self.spec.clone(), &database, DbOptions::default(), &scratch, &mut |_, _| {}, pending()).await;
        let left = fs::read_dir(&scratch).expect("the scratch directory").count();
        assert_eq!(left, 0, "the scratch state is gone, whatever came of it");
        found
    }

    fn store(&self, name: &str) -> ChainStore {
        ChainStore::open(&self.path(name), &self.spec, DbOptions::default()).expect("a database")
    }
}

#[tokio::test]
async fn a_chain_survives_the_way_through_a_file() {
    let fixture = Fixture::new();
    let blocks = chain_of(&fixture.spec, 40);
    let first = fixture.import(&fixture.file("made", &blocks), "a").await.expect("a good file");
    assert_eq!((first.replayed.blocks, first.replayed.transactions, first.replayed.known), (40, 40, 0));
    assert_eq!((first.tip.id, first.followed), (blocks[39].header.id(), true));

    let copy = fixture.path("copy");
    let exported = fixture.export("a", &copy, (None, None), false).expect("a chain");
    assert_eq!((exported.blocks, exported.to.get()), (40, 40));
    assert_eq!(fs::read(&copy).expect("it is there"), fs::read(fixture.path("made")).expect("it is there"));
    let second = fixture.import(&copy, "b").await.expect("a good file");
    assert_eq!(second.tip, first.tip);
    assert!(!fixture.path("copy.part").exists());
}

#[tokio::test]
async fn an_import_goes_on_where_it_stopped() {
    let fixture = Fixture::new();
    let blocks = chain_of(&fixture.spec, 30);
    fixture.import(&fixture.file("half", &blocks[..12]), "a").await.expect("a good file");
    let rest = fixture.import(&fixture.file("whole", &blocks), "a").await.expect("a good file");
    assert_eq!((rest.replayed.known, rest.replayed.blocks), (12, 18));
    assert_eq!(rest.tip.id, blocks[29].header.id());
    // Stopped before it could do anything, it says so and the chain stays whole.
    let file = BlockFile::open(&fixture.path("whole"), fixture.spec.genesis_id()).expect("a good file");
    let database = fixture.path("b");
    let stopped =
        import(fixture.spec.clone(), &database, DbOptions::default(), file, &mut |_| {}, std::future::ready(())).await;
    assert!(matches!(stopped, Err(ReplayError::Interrupted)), "{stopped:?}");
    assert_eq!(fixture.import(&fixture.path("whole"), "b").await.expect("a good file").tip, rest.tip);
}

#[tokio::test]
async fn a_broken_end_is_named_and_what_came_before_stays() {
    let fixture = Fixture::new();
    let blocks = chain_of(&fixture.spec, 6);
    let whole = fs::read(fixture.file("whole", &blocks)).expect("it is there");
    let last = whole.len() as u64 - 4 - blocks[5].size() as u64;
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("cut", whole[..whole.len() - 1].to_vec(), "ends inside a block"),
        ("cut in the length", whole[..last as usize + 2].to_vec(), "ends inside a block"),
        ("garbage", [&whole[..], b"garbage after the end"].concat(), "expected 198 to 3145728"),
        ("a record of no block", [&whole[..last as usize], &300_u32.to_le_bytes(), &[0; 300]].concat(), "at byte"),
    ];
    for (name, bytes, said) in cases {
        let path = fixture.path(&format!("{name}.blocks"));
        fs::write(&path, &bytes).expect("room");
        let error = fixture.import(&path, name).await.expect_err(name).to_string();
        assert!(error.contains(said), "{name}: {error}");
        let at = fixture.store(name);
        let tip = at.expect_header(&at.tip().expect("a tip")).expect("its header").header().height.get();
        assert_eq!(tip, if name == "garbage" { 6 } else { 5 }, "{name}");
    }
}

#[test]
fn other_files_and_other_networks_are_refused_by_name() {
    let fixture = Fixture::new();
    let mut params = easy_params();
    params.name = String::from("other");
    let other = ChainSpec::new(params).expect("a network").genesis_id();
    let file = fixture.file("ours", &[]);
    let refused = BlockFile::open(&file, other).expect_err("another network");
    assert!(matches!(&refused, FileError::OtherNetwork { got, .. } if *got == fixture.spec.genesis_id()), "{refused}");
    let good = fs::read(&file).expect("it is there");
    let cases: [(&[u8], &str); 5] = [
        (b"", "no file of blocks"),
        (b"PK\x03\x04 a zip", "it begins with 504b03042061207a, expected 636169726e626c6b"),
        (b"cairnblk", "no file of blocks"),
        (b"cairnblk\x02\0\0\0", "has version 2, this program reads version 1"),
        (&good[..30], "ends inside"),
    ];
    for (bytes, said) in cases {
        fs::write(&file, bytes).expect("room");
        let error = BlockFile::open(&file, fixture.spec.genesis_id()).expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
    let missing = BlockFile::open(&fixture.path("nothing"), other).expect_err("no such file").to_string();
    assert!(missing.contains("cannot use"), "{missing}");
}

#[tokio::test]
async fn a_file_is_as_little_trusted_as_a_peer() {
    let fixture = Fixture::new();
    let blocks = chain_of(&fixture.spec, 8);
    let mut altered = blocks.clone();
    altered[4].body = Body::default();
    let error = fixture.import(&fixture.file("altered body", &altered), "a").await.expect_err("another body");
    assert!(
        matches!(error, ReplayError::InvalidBlock { height, error: BlockError::TxsRoot { .. }, .. } if height.get() == 5),
        "{error}"
    );
    let mut altered = blocks.clone();
    altered[4].header.state_root = altered[3].header.state_root;
    altered[4].header = testing::seal(altered[4].header.clone());
    let error = fixture.import(&fixture.file("altered root", &altered[..5]), "b").await.expect_err("another root");
    assert!(
        matches!(error, ReplayError::InvalidBlock { height, error: BlockError::StateRoot { .. }, .. } if height.get() == 5),
        "{error}"
    );
    let mut altered = blocks.clone();
    altered[4].header.time = altered[3].header.time;
    altered[4].header = testing::seal(altered[4].header.clone());
    let error = fixture.import(&fixture.file("altered time", &altered), "c").await.expect_err("another time");
    let wrong_header = |error: &HeaderError| matches!(error, HeaderError::TimeNotRising { .. });
    assert!(matches!(&error, ReplayError::InvalidHeader { error, .. } if wrong_header(error)), "{error}");
    let error = fixture.import(&fixture.file("a gap", &blocks[3..]), "d").await.expect_err("a gap");
    assert!(matches!(error, ReplayError::Orphan { height, .. } if height.get() == 4), "{error}");
    // The control: untouched, the same blocks are good, also where the altered ones were refused.
    for database in ["a", "b", "c", "d"] {
        let whole = fixture.file(&format!("whole {database}"), &blocks);
        let imported = fixture.import(&whole, database).await.expect("a good file");
        assert_eq!(imported.tip.id, blocks[7].header.id(), "{database}");
    }
}

#[tokio::test]
async fn an_export_is_continued_and_never_with_a_gap() {
    let fixture = Fixture::new();
    let blocks = chain_of(&fixture.spec, 20);
    let made = fixture.file("made", &blocks);
    fixture.import(&made, "a").await.expect("a good file");
    let path = fixture.path("grown");
    assert_eq!(fixture.export("a", &path, (None, Some(7)), false).expect("a range").blocks, 7);
    let exists = fixture.export("a", &path, (None, None), false).expect_err("it exists");
    assert!(matches!(exists, ReplayError::File(FileError::Exists { .. })), "{exists}");
    // A record that an earlier run had not finished.
    let torn = [&fs::read(&path).expect("it is there")[..], &300_u32.to_le_bytes(), &[7; 50]].concat();
    fs::write(&path, torn).expect("room");
    for wrong in [(Some(9), None), (Some(7), None), (None, Some(21)), (Some(0), None)] {
        let refused = fixture.export("a", &path, wrong, true).expect_err("a gap");
        assert!(matches!(refused, ReplayError::Range { .. }), "{wrong:?}: {refused}");
    }
    assert_eq!(fixture.export("a", &path, (None, None), true).expect("the rest").blocks, 13);
    assert_eq!(fs::read(&path).expect("it is there"), fs::read(&made).expect("it is there"));
    assert_eq!(fixture.export("a", &path, (None, None), true).expect("nothing more").blocks, 0);

    // A file of another branch is not continued.
    let mut other = Vec::from(&blocks[..3]);
    other[2].header.time = other[2].header.time.saturating_add(1);
    other[2].header = testing::seal(other[2].header.clone());
    let foreign = fixture.file("foreign", &other);
    let refused = fixture.export("a", &foreign, (None, None), true).expect_err("another branch");
    assert!(matches!(refused, ReplayError::OtherBranch { height, .. } if height.get() == 3), "{refused}");
}

#[tokio::test]
async fn a_branch_with_less_work_is_kept_and_said_not_to_be_followed() {
    let fixture = Fixture::new();
    let blocks = chain_of(&fixture.spec, 6);
    fixture.import(&fixture.file("long", &blocks), "a").await.expect("a good file");
    // The same chain up to block 2, then another block 3.
    let (mut context, mut state) = (ChainContext::genesis(&fixture.spec), genesis_state(&fixture.spec));
    blocks[..2].iter().for_each(|block| follow(&fixture.spec, &mut context, &mut state, block.clone()));
    let other = testing::mine(&fixture.spec, &context, &state, vec![]);
    let branch = [&blocks[..2], &[other]].concat();
    let imported = fixture.import(&fixture.file("branch", &branch), "a").await.expect("a good file");
    assert_eq!((imported.followed, imported.tip.id), (false, blocks[5].header.id()));
}

/// The first `stem` blocks of a chain, and others on them; the one at `spoilt` promises a state that it does not lead
/// to.
fn another_chain(spec: &Arc<ChainSpec>, chain: &[Block], (stem, length): (usize, usize), spoilt: usize) -> Vec<Block> {
    let (mut context, mut state) = (ChainContext::genesis(spec), genesis_state(spec));
    let mut blocks = chain[..stem].to_vec();
    blocks.iter().for_each(|block| follow(spec, &mut context, &mut state, block.clone()));
    for n in stem..length {
        let paid = payment(spec, &key(2), state.nonce(&key(2).address()), key(900 + n as u64).address(), 5, 1_000);
        let mut block = testing::mine(spec, &context, &state, vec![paid]);
        if n == spoilt {
            block.header.state_root = testing::arbitrary_hash(1);
            block.header = testing::seal(block.header);
            let linked = check_work(spec, block.header.clone()).expect("work");
            let linked = check_header(spec, &context, linked, block.header.time).expect("linked");
            context = context.extend(&linked);
        } else {
            follow(spec, &mut context, &mut state, block.clone());
        }
        blocks.push(block);
    }
    blocks
}

#[tokio::test]
async fn a_better_chain_of_any_length_is_followed_in_one_run_however_deep_it_forks() {
    let fixture = Fixture::new();
    let ours = chain_of(&fixture.spec, 200);
    let theirs = another_chain(&fixture.spec, &ours, (10, 230), usize::MAX);
    fixture.import(&fixture.file("ours", &ours), "a").await.expect("a good file");
    // The control: up to there it has less work, and forks too deep to be kept.
    let shorter = fixture.import(&fixture.file("shorter", &theirs[..190]), "a").await.expect_err("less work");
    assert!(matches!(shorter, ReplayError::Unwanted { height } if height.get() == 11), "{shorter}");
    let followed = fixture.import(&fixture.file("theirs", &theirs), "a").await.expect("a good file");
    assert_eq!((followed.followed, followed.tip.id), (true, theirs[229].header.id()));
    assert_eq!(followed.replayed.blocks + followed.replayed.known, 230);
    assert!(followed.replayed.blocks >= 40, "{:?}", followed.replayed);
    let again = fixture.import(&fixture.path("theirs"), "a").await.expect("a good file");
    assert_eq!((again.replayed.known, again.replayed.blocks), (230, 0));
    fixture.verify("a").await.expect("as a fresh replay gives it");
}

#[tokio::test]
async fn a_better_chain_with_an_invalid_block_is_refused_by_its_name_and_nothing_is_lost() {
    let fixture = Fixture::new();
    let ours = chain_of(&fixture.spec, 100);
    fixture.import(&fixture.file("ours", &ours), "a").await.expect("a good file");
    let theirs = another_chain(&fixture.spec, &ours, (10, 103), 80);
    let error = fixture.import(&fixture.file("theirs", &theirs), "a").await.expect_err("an invalid block");
    let named = |error: &ReplayError| matches!(error, ReplayError::InvalidBlock { height, .. } if height.get() == 81);
    assert!(named(&error), "{error}");
    let honest = another_chain(&fixture.spec, &ours, (10, 103), usize::MAX);
    let store = fixture.store("a");
    assert_eq!(store.tip().expect("a tip"), ours[99].header.id());
    drop(store);
    let imported = fixture.import(&fixture.file("honest", &honest), "a").await.expect("the control");
    assert_eq!((imported.followed, imported.tip.id), (true, honest[102].header.id()));
    fixture.verify("a").await.expect("as a fresh replay gives it");
}

#[tokio::test]
async fn verification_agrees_with_an_honest_store_and_names_a_doctored_account() {
    let fixture = Fixture::new();
    let blocks = chain_of(&fixture.spec, 25);
    fixture.import(&fixture.file("made", &blocks), "a").await.expect("a good file");
    let verified = fixture.verify("a").await.expect("an honest store");
    assert_eq!((verified.replayed.blocks, verified.replayed.payments, verified.tip), (25, 25, blocks[24].header.id()));
    assert_eq!(verified.state_root, blocks[24].header.state_root);

    // Somebody gives an account money on the disk.
    let store = fixture.store("a");
    let address = key(103).address();
    let (index, mut leaf) = store.account(&address).expect("it can be read").expect("an account");
    leaf.account.balance = pebbles(1_000_000);
    let mut batch = store.batch(0);
    store.put_leaf(&mut batch, index, &leaf);
    batch.write(Durability::Synced).expect("room");
    drop(store);
    let error = fixture.verify("a").await.expect_err("a doctored store");
    assert!(matches!(&error, VerifyError::Account { address: found, .. } if *found == address), "{error}");
    assert!(error.is_storage_failure() && error.to_string().contains("0.01 nonce 0"), "{error}");
}

fn key_of(block: &Block) -> BlockKey {
    BlockKey { height: block.header.height, id: block.header.id() }
}

#[tokio::test]
async fn verification_names_a_stored_block_that_breaks_a_rule_or_is_missing() {
    let fixture = Fixture::new();
    let blocks = chain_of(&fixture.spec, 10);
    fixture.import(&fixture.file("made", &blocks), "a").await.expect("a good file");
    let store = fixture.store("a");
    let mut batch = store.batch(0);
    batch.put::<BodyByBlock>(&key_of(&blocks[6]), &blocks[5].body);
    batch.write(Durability::Synced).expect("room");
    drop(store);
    let error = fixture.verify("a").await.expect_err("another body");
    assert!(
        matches!(&error, VerifyError::Replay(ReplayError::InvalidBlock { height, .. }) if height.get() == 7),
        "{error}"
    );
    assert!(error.is_storage_failure());

    let store = fixture.store("a");
    let mut batch = store.batch(0);
    batch.delete::<BodyByBlock>(&key_of(&blocks[6]));
    batch.write(Durability::Synced).expect("room");
    drop(store);
    let error = fixture.verify("a").await.expect_err("no body");
    let missing = |error: &StoreError| matches!(error, StoreError::Missing { table: "body_by_block", .. });
    assert!(matches!(&error, VerifyError::Replay(ReplayError::Store(error)) if missing(error)), "{error}");
}

#[tokio::test]
async fn a_verification_that_is_stopped_says_so_and_cleans_up() {
    let fixture = Fixture::new();
    fixture.import(&fixture.file("made", &chain_of(&fixture.spec, 5)), "a").await.expect("a good file");
    let (database, scratch) = (fixture.path("a"), fixture.path("scratch"));
    let stopped = std::future::ready(());
    let found = verify(fixture.spec.clone(), &database, DbOptions::default(), &scratch, &mut |_, _| {}, stopped).await;
    assert!(matches!(found, Err(VerifyError::Replay(ReplayError::Interrupted))), "{found:?}");
    assert_eq!(fs::read_dir(&scratch).expect("it was made").count(), 0);
    // The stored chain was only read.
    let (handle, writer) = crate::spawn(fixture.spec.clone(), &database, DbOptions::default()).expect("a whole store");
    assert_eq!(handle.tip().height().get(), 5);
    handle.stop().await;
    writer.ended().await.expect("no failure");
}
