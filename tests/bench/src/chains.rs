//! Chains to measure on, made by the ledger's own rules at the easiest target and written as files that
//! `cairn-node import` reads.

use crate::Failure;
use cairn_ledger::block::{BLOCK_OVERHEAD_BYTES, Block, Body};
use cairn_ledger::codec::{BoundedBytes, BoundedVec, encode};
use cairn_ledger::keys::{Address, SecretKey};
use cairn_ledger::testing::{MemoryState, easy_params, genesis_state, key, network_file, pebbles, seal};
use cairn_ledger::transaction::{
    MAX_OUTPUTS, MIN_TRANSACTION_BYTES, Output, TRANSACTION_VERSION, Transaction, TransactionBody,
};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::validate::{
    ChainContext, CheckedTransaction, Execution, check_header, check_transactions, check_work, touched_addresses,
};
use cairn_ledger::{chain_spec::ChainSpec, hash::sha256, light::BareHeader, merkle::txs_root};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::thread;

/// Main's, so that a full block is what it is there.
const MAX_BLOCK_BYTES: u64 = 1 << 20;
/// Local's: a state of ten million accounts in a few hundred blocks.
const MAX_NEW_ACCOUNTS: u64 = 16_384;
/// What each signer has.
const SIGNER_PEBBLES: u64 = 1_000_000;
/// What each account that never signs has.
const OTHER_PEBBLES: u64 = 1_000;
/// More than a pebble for each byte of a payment: every pool takes it.
const FEE: u64 = 400;
/// The one who pays for all accounts.
const TREASURER: u64 = u64::MAX;
/// Payments in a full block.
pub const FULL_BLOCK: usize = (MAX_BLOCK_BYTES as usize - BLOCK_OVERHEAD_BYTES) / MIN_TRANSACTION_BYTES;

/// Which chain: so many accounts, of which so many sign, each so often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Accounts besides the treasurer's.
    pub accounts: u64,
    /// Those that pay, spread evenly over the order of creation.
    pub signers: u64,
    /// Payments of each.
    pub rounds: u64,
    /// Whether each payment creates its receiver's account, or else is to one that is there.
    pub creates: bool,
}

/// A chain's files.
#[derive(Clone, Debug)]
pub struct Files {
    /// The network's file.
    pub network: PathBuf,
    /// Blocks that make the accounts.
    pub base: PathBuf,
    /// Blocks of payments after them.
    pub payments: PathBuf,
    /// How many payments.
    pub count: u64,
}

/// The network all kept chains are on: its blocks are from long ago, as in a synchronisation.
pub fn network(genesis_time: u64) -> ChainSpec {
    let mut params = easy_params();
    params.name = String::from("bench");
    params.max_block_bytes = MAX_BLOCK_BYTES;
    params.max_new_accounts = MAX_NEW_ACCOUNTS;
    params.genesis_time = Timestamp::from_millis(genesis_time);
    params.allocations = vec![(key(TREASURER).address(), pebbles(1_000_000_000_000_000))];
    ChainSpec::new(params).expect("valid parameters")
}

/// When block 0 of kept chains was.
pub const LONG_AGO: u64 = 1_700_000_000_000;

/// Writes the network's file.
pub fn write_network(spec: &ChainSpec, path: &Path) -> Result<(), Failure> {
    Ok(fs::write(path, network_file(spec.params(), true))?)
}

/// The files of a chain in `work`, made unless they are there.
pub fn files(work: &Path, plan: Plan) -> Result<Files, Failure> {
    let spec = network(LONG_AGO);
    let Plan { accounts, signers, rounds, creates } = plan;
    let id = &spec.genesis_id().to_string()[..8];
    let name = format!("{id}-{accounts}-{signers}x{rounds}{}", if creates { "-new" } else { "" });
    let files = Files {
        network: work.join("network.toml"),
        base: work.join(format!("base-{id}-{accounts}-{signers}.blocks")),
        payments: work.join(format!("payments-{name}.blocks")),
        count: signers * rounds,
    };
    write_network(&spec, &files.network)?;
    if files.payments.exists() && files.base.exists() {
        return Ok(files);
    }
    eprintln!("   making a chain of {accounts} accounts and {} payments", files.count);
    let people = People::new(plan);
    let mut chain = Maker::new(&spec);
    let mut base = BlockFile::create(&files.base, &spec)?;
    chain.fund(&people, |block| base.put(block))?;
    base.finish()?;
    let mut payments = BlockFile::create(&files.payments, &spec)?;
    for round in 0..rounds {
        for block in people.payments(&spec, round).chunks(FULL_BLOCK) {
            payments.put(&chain.block(block.to_vec())?)?;
        }
    }
    payments.finish()?;
    Ok(files)
}

/// A chain of many blocks with a few payments each.
#[derive(Clone, Copy, Debug)]
pub struct SmallBlocks {
    /// Its height.
    pub blocks: u64,
    /// Payments in each block but those, at its beginning, that make the accounts.
    pub payments: usize,
}

/// The network's file and the blocks' of such a chain in `work`, made unless they are there.
pub fn small_blocks(work: &Path, chain: SmallBlocks) -> Result<(PathBuf, PathBuf), Failure> {
    /// Those who pay, in turns.
    const PAYERS: u64 = 2_000;
    let spec = network(LONG_AGO);
    let path = work.join("network.toml");
    write_network(&spec, &path)?;
    let file =
        work.join(format!("small-{}-{}x{}.blocks", &spec.genesis_id().to_string()[..8], chain.blocks, chain.payments));
    if file.exists() {
        return Ok((path, file));
    }
    eprintln!("   making a chain of {} blocks with {} payments each", chain.blocks, chain.payments);
    let people = People::new(Plan { accounts: PAYERS, signers: PAYERS, rounds: 1, creates: false });
    let (mut maker, mut blocks, mut height) = (Maker::new(&spec), BlockFile::create(&file, &spec)?, 0);
    maker.fund(&people, |block| {
        height += 1;
        blocks.put(block)
    })?;
    for round in 0.. {
        for some in people.payments(&spec, round).chunks(chain.payments) {
            if height == chain.blocks {
                blocks.finish()?;
                return Ok((path, file));
            }
            height += 1;
            blocks.put(&maker.block(some.to_vec())?)?;
        }
    }
    Err("there are no more rounds".into())
}

/// Those who have accounts.
pub struct People {
    plan: Plan,
    signers: Vec<(SecretKey, Address)>,
}

impl People {
    /// Makes the signers' keys, on two threads.
    pub fn new(plan: Plan) -> Self {
        let signers = in_two(plan.signers, |n| {
            let key = key(n);
            let address = key.address();
            (key, address)
        });
        Self { plan, signers }
    }

    /// The address of the n-th account, whether it signs or not.
    pub fn address(&self, n: u64) -> Address {
        let stride = self.plan.accounts / self.plan.signers;
        match self.signers.get(usize::try_from(n / stride).unwrap_or(usize::MAX)) {
            Some((_, address)) if n.is_multiple_of(stride) => *address,
            // Nobody knows a key for it; as a receiver it is as good as any.
            _ => Address::from_bytes(*sha256(&[b"an account", &n.to_le_bytes()]).as_bytes()),
        }
    }

    /// One payment of each signer, to somebody new or to an account that is there, in a mixed order of receivers.
    pub fn payments(&self, spec: &ChainSpec, nonce: u64) -> Vec<Transaction> {
        in_two(self.plan.signers, |n| {
            if self.plan.creates {
                let to = sha256(&[b"somebody new", &nonce.to_le_bytes(), &n.to_le_bytes()]);
                let price = spec.params().account_price.pebbles();
                let (key, sender) = &self.signers[n as usize];
                let output = Output { to: Address::from_bytes(*to.as_bytes()), amount: pebbles(7) };
                return sign(spec, (key, *sender), (nonce, price), vec![output]);
            }
            let mixed = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ nonce.wrapping_mul(0xbf58_476d_1ce4_e5b9);
            self.payment(spec, n, nonce, (mixed >> 16) % self.plan.accounts)
        })
    }

    /// The payment of the n-th signer with this nonce, to an account that is there.
    pub fn payment(&self, spec: &ChainSpec, n: u64, nonce: u64, to: u64) -> Transaction {
        let (key, sender) = &self.signers[n as usize];
        sign(spec, (key, *sender), (nonce, 0), vec![Output { to: self.address(to), amount: pebbles(7) }])
    }
}

/// `make` of 0 .. count, in order, on two threads.
pub fn in_two<T: Send>(count: u64, make: impl Fn(u64) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let half = scope.spawn(|| (0..count / 2).map(&make).collect::<Vec<_>>());
        let rest: Vec<T> = (count / 2..count).map(&make).collect();
        let mut all = half.join().expect("making panicked");
        all.extend(rest);
        all
    })
}

fn sign(
    spec: &ChainSpec,
    (key, sender): (&SecretKey, Address),
    (nonce, max_price): (u64, u64),
    outputs: Vec<Output>,
) -> Transaction {
    let body = TransactionBody {
        version: TRANSACTION_VERSION,
        sender,
        nonce,
        fee: pebbles(FEE * outputs.len() as u64),
        max_price: pebbles(max_price),
        valid_until: Height::GENESIS,
        outputs: BoundedVec::new(outputs).expect("at most 1 024"),
        memo: BoundedBytes::default(),
    };
    body.sign(key, &spec.genesis_id(), &[7; 32])
}

/// Everybody's account, block by block, in payments of 1 024 outputs.
pub fn funding<'a>(spec: &'a ChainSpec, people: &'a People) -> impl Iterator<Item = Vec<Transaction>> + 'a {
    let treasurer = key(TREASURER);
    let (sender, stride) = (treasurer.address(), people.plan.accounts / people.plan.signers);
    let output = move |n: u64| {
        let amount = if n.is_multiple_of(stride) { SIGNER_PEBBLES } else { OTHER_PEBBLES };
        Output { to: people.address(n), amount: pebbles(amount) }
    };
    let most = spec.params().account_price.pebbles() * MAX_OUTPUTS as u64;
    let (accounts, outputs) = (people.plan.accounts, MAX_OUTPUTS as u64);
    (0..accounts).step_by(MAX_NEW_ACCOUNTS as usize).map(move |first| {
        let end = accounts.min(first + MAX_NEW_ACCOUNTS);
        let pay = (first..end).step_by(MAX_OUTPUTS).map(|first| {
            let some = first..end.min(first + outputs);
            sign(spec, (&treasurer, sender), (first / outputs, most), some.map(output).collect())
        });
        pay.collect()
    })
}

/// A chain under construction, with all accounts in memory.
pub struct Maker<'a> {
    spec: &'a ChainSpec,
    context: ChainContext,
    state: MemoryState,
}

impl<'a> Maker<'a> {
    /// Block 0.
    pub fn new(spec: &'a ChainSpec) -> Self {
        Self { spec, context: ChainContext::genesis(spec), state: genesis_state(spec) }
    }

    /// Makes everybody's account.
    pub fn fund(&mut self, people: &People, mut put: impl FnMut(&Block) -> Result<(), Failure>) -> Result<(), Failure> {
        funding(self.spec, people).try_for_each(|transactions| put(&self.block(transactions)?))
    }

    /// The next block, with these transactions, which must all fit.
    pub fn block(&mut self, transactions: Vec<Transaction>) -> Result<Block, Failure> {
        let beneficiary = key(TREASURER).address();
        let parent = self.context.header();
        let height = parent.height.next().ok_or("no more heights")?;
        let all = check(self.spec, &transactions);
        let slice = self.state.slice(&touched_addresses(&beneficiary, &all));
        let mut execution = Execution::new(self.spec, height, slice);
        for transaction in &all {
            execution.apply(transaction)?;
        }
        let change = execution.finish(&beneficiary)?;
        let update = self.state.update(&change);
        let time = parent.time.saturating_add(self.spec.params().interval_ms);
        let txs_root = txs_root(&all.iter().map(CheckedTransaction::txid).collect::<Vec<_>>());
        let bare = BareHeader { time, beneficiary, txs_root, state_root: update.state_root(), nonce: 0 };
        let header = seal(bare.complete(self.spec, &self.context));
        let linked = check_header(self.spec, &self.context, check_work(self.spec, header.clone())?, header.time)?;
        self.context = self.context.extend(&linked);
        self.state.apply(&change, update);
        Ok(Block { header, body: Body::new(transactions)? })
    }
}

/// Checks valid transactions on two threads.
fn check(spec: &ChainSpec, transactions: &[Transaction]) -> Vec<CheckedTransaction> {
    let check = |some: &[Transaction]| check_transactions(&spec.genesis_id(), some.to_vec()).expect("valid");
    let (left, right) = transactions.split_at(transactions.len() / 2);
    thread::scope(|scope| {
        let left = scope.spawn(|| check(left));
        let right = check(right);
        let mut all = left.join().expect("checking panicked");
        all.extend(right);
        all
    })
}

/// A file as `cairn-node export` writes it: `"cairnblk" ‖ version u32 ‖ genesis id ‖ (length u32 ‖ block)*`.
pub struct BlockFile {
    path: PathBuf,
    growing: PathBuf,
    writer: BufWriter<File>,
}

impl BlockFile {
    /// Begins a file, which has its name once it is whole.
    pub fn create(path: &Path, spec: &ChainSpec) -> Result<Self, Failure> {
        let growing = path.with_extension("part");
        let mut writer = BufWriter::with_capacity(1 << 20, File::create(&growing)?);
        writer.write_all(b"cairnblk")?;
        writer.write_all(&1_u32.to_le_bytes())?;
        writer.write_all(spec.genesis_id().as_bytes())?;
        Ok(Self { path: path.to_owned(), growing, writer })
    }

    /// Adds a block.
    pub fn put(&mut self, block: &Block) -> Result<(), Failure> {
        let bytes = encode(block);
        self.writer.write_all(&u32::try_from(bytes.len())?.to_le_bytes())?;
        Ok(self.writer.write_all(&bytes)?)
    }

    /// Names it.
    pub fn finish(mut self) -> Result<(), Failure> {
        self.writer.flush()?;
        Ok(fs::rename(&self.growing, &self.path)?)
    }
}
