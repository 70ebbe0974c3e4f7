//! A second ledger: a chain followed by plain arithmetic, which knows nothing of what the first one decides. All nodes
//! run the same ledger, so that where it is wrong they agree; here it shows.
//!
//! From the ledger it takes what a block says, ids, and one signature's check. Work and targets are floating-point
//! numbers, near enough to tell a rule from another.

use crate::executor::NodeId;
use crate::simulation::Simulation;
use cairn_chain::{Reader, StoreError};
use cairn_ledger::block::{HEADER_VERSION, Header};
use cairn_ledger::chain_spec::ChainSpec;
use cairn_ledger::hash::{Hash, Tag, sha256};
use cairn_ledger::keys::Address;
use cairn_ledger::transaction::Transaction;
use cairn_ledger::units::Height;
use cairn_ledger::{BlockId, schnorr};
use std::collections::BTreeMap;

/// How far clocks may be off besides what the rules allow, in milliseconds.
const CLOCKS_MS: u64 = 180_000;

/// An account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Purse {
    balance: u64,
    nonce: u64,
    place: usize,
}

/// The chain so far.
struct Ledger<'a> {
    spec: &'a ChainSpec,
    accounts: BTreeMap<Address, Purse>,
    height: u64,
    id: BlockId,
    time: u64,
    /// What the next block must have.
    target: f64,
    work: f64,
}

type Checked = Result<(), String>;

fn ensure(holds: bool, what: &str) -> Checked {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

/// A target in its compact form as a number.
fn number(bits: u32) -> f64 {
    f64::from(bits & 0x00ff_ffff) * 256_f64.powi((bits >> 24) as i32 - 3)
}

fn bytes_as_number(id: &BlockId) -> f64 {
    id.as_bytes().iter().fold(0.0, |sum, byte| sum * 256.0 + f64::from(*byte))
}

/// The root over a block's transactions, as RFC 6962 has it.
fn body_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [only] => sha256(&[&[0], only.as_bytes()]),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            sha256(&[&[1], body_root(left).as_bytes(), body_root(right).as_bytes()])
        }
    }
}

impl<'a> Ledger<'a> {
    fn new(spec: &'a ChainSpec) -> Self {
        let params = spec.params();
        let accounts = params.allocations.iter().enumerate();
        let purse = |(at, (address, amount)): (usize, &(Address, cairn_ledger::Amount))| {
            (*address, Purse { balance: amount.pebbles(), nonce: 0, place: at + 1 })
        };
        let (accounts, time) = (accounts.map(purse).collect(), params.genesis_time.millis());
        let target = number(params.genesis_target.bits());
        Self { spec, accounts, height: 0, id: spec.genesis_id(), time, target, work: 0.0 }
    }

    fn header(&mut self, header: &Header, latest: u64) -> Checked {
        let params = self.spec.params();
        ensure(header.parent == self.id, "its parent is another")?;
        ensure(header.height.get() == self.height + 1, "its height is not its parent's plus one")?;
        ensure(header.version == HEADER_VERSION, "its version is another")?;
        ensure(header.beneficiary != Address::ZERO, "nobody gets its reward")?;
        ensure(header.time.millis() > self.time, "it is no later than its parent")?;
        ensure(header.time.millis() <= latest, "it is from the future")?;
        let target = number(header.target.bits());
        ensure((target / self.target - 1.0).abs() < 1e-3, "its target is not the one that times demand")?;
        let id = header.id();
        ensure(bytes_as_number(&id) <= target * (1.0 + 1e-9), "its id does not meet its target")?;
        self.work += 2_f64.powi(256) / (target + 1.0);
        if self.height > 0 {
            let gap = (header.time.millis() - self.time).min(params.half_life_ms) as f64;
            let exponent = (gap - params.interval_ms as f64) / params.half_life_ms as f64;
            self.target = (target * exponent.exp2()).min(number(params.pow_limit.bits()));
        }
        (self.height, self.id, self.time) = (self.height + 1, id, header.time.millis());
        Ok(())
    }

    fn pay(&mut self, transaction: &Transaction) -> Checked {
        let body = &transaction.body;
        let digest = body.sighash(&self.spec.genesis_id());
        let signed = schnorr::verify(&body.sender, &digest, &transaction.signature);
        ensure(signed.is_ok(), "a payment is not signed by its sender")?;
        ensure(body.valid_until.get() == 0 || body.valid_until.get() >= self.height, "a payment was over")?;
        let purse = *self.accounts.get(&body.sender).ok_or("a payment's sender has no account")?;
        ensure(purse.nonce == body.nonce, "a payment has another nonce than its sender")?;
        let price = self.spec.params().account_price.pebbles();
        let mut absent: Vec<&Address> = body.outputs.iter().map(|output| &output.to).collect();
        absent.sort_unstable();
        absent.dedup();
        absent.retain(|address| !self.accounts.contains_key(*address));
        let created = absent.len() as u64;
        ensure(created * price <= body.max_price.pebbles(), "accounts cost more than a payment allows")?;
        let amounts: u64 = body.outputs.iter().map(|output| output.amount.pebbles()).sum();
        let total = body.fee.pebbles() + amounts + created * price;
        let balance = purse.balance.checked_sub(total).ok_or("a sender has less than it pays")?;
        self.accounts.insert(body.sender, Purse { balance, nonce: purse.nonce + 1, ..purse });
        for output in body.outputs.iter() {
            ensure(output.amount.pebbles() > 0 && output.to != Address::ZERO, "an output is none")?;
            self.credit(output.to, output.amount.pebbles());
        }
        Ok(())
    }

    fn credit(&mut self, address: Address, amount: u64) {
        let place = self.accounts.len() + 1;
        let purse = self.accounts.entry(address).or_insert(Purse { balance: 0, nonce: 0, place });
        purse.balance += amount;
    }

    fn reward(&mut self, beneficiary: Address, fees: u64) {
        let params = self.spec.params();
        let halvings = u32::try_from(self.height / params.halving).unwrap_or(64);
        let reward = params.subsidy.pebbles().checked_shr(halvings).unwrap_or(0) + fees;
        let price = params.account_price.pebbles();
        match self.accounts.contains_key(&beneficiary) {
            true => self.credit(beneficiary, reward),
            false if reward > price => self.credit(beneficiary, reward - price),
            false => {}
        }
    }

    /// The root over all accounts.
    fn state_root(&self) -> Hash {
        let count = self.accounts.len() + 1;
        let zero = Hash::from_bytes([0; 32]);
        let mut level = vec![zero; count.next_power_of_two()];
        let addresses: Vec<&Address> = [&Address::ZERO].into_iter().chain(self.accounts.keys()).collect();
        for (at, address) in addresses.iter().enumerate() {
            let next = addresses.get(at + 1).map_or(&Address::ZERO, |next| *next);
            let Purse { balance, nonce, place } = self.accounts.get(*address).copied().unwrap_or_default();
            let (balance, nonce) = (balance.to_le_bytes(), nonce.to_le_bytes());
            level[place] = sha256(&[&[0], address.as_bytes(), next.as_bytes(), &balance, &nonce]);
        }
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| sha256(&[&[1], pair[0].as_bytes(), pair[1].as_bytes()])).collect();
        }
        Tag::STATE.hash(&[&(count as u64).to_le_bytes(), level[0].as_bytes()])
    }

    fn follow(&mut self, reader: &Reader, latest: u64) -> Checked {
        let unread = |error: StoreError| format!("it cannot be read: {error}");
        let height = Height::new(self.height + 1);
        let linked = reader.header_at(height).map_err(unread)?.ok_or("it is not there")?;
        let stored = reader.block(&linked.id()).map_err(unread)?.ok_or("its body is not there")?;
        let (header, body) = (&stored.block.header, &stored.block.body);
        self.header(header, latest)?;
        let work = linked.total_work().to_f64();
        // The ledger drops fractions.
        ensure((work / self.work - 1.0).abs() < 1e-2, "the work up to it is another")?;
        let ids: Vec<Hash> = body.iter().map(|paid| Hash::from_bytes(*paid.id().as_bytes())).collect();
        ensure(body_root(&ids) == header.txs_root, "its transactions are others")?;
        body.iter().try_for_each(|transaction| self.pay(transaction))?;
        self.reward(header.beneficiary, body.iter().map(|paid| paid.body.fee.pebbles()).sum());
        ensure(self.state_root() == header.state_root, "the accounts after it are others")
    }
}

/// Follows a node's chain from block 0; says what the first ledger has let pass.
///
/// # Errors
/// A sentence that names the block.
pub fn check(simulation: &Simulation, node: NodeId) -> Result<(), String> {
    let Some(running) = simulation.running(node) else { return Ok(()) };
    let (reader, tip) = (running.chain.reader(), running.chain.tip().height().get());
    let latest = simulation.time().millis() + simulation.spec().params().max_future_ms + CLOCKS_MS;
    let mut ledger = Ledger::new(simulation.spec());
    while ledger.height < tip {
        let height = ledger.height + 1;
        ledger.follow(reader, latest).map_err(|what| format!("block {height}: {what}"))?;
    }
    for (address, purse) in &ledger.accounts {
        let stored = reader.account(address).ok().flatten().unwrap_or_default();
        ensure(
            (stored.balance.pebbles(), stored.nonce) == (purse.balance, purse.nonce),
            &format!("{address} has {stored:?}, expected {purse:?}"),
        )?;
    }
    Ok(())
}
