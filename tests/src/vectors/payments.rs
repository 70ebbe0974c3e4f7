//! Transactions that fit the accounts of a chain's tip, mostly.

use super::{chain::Chain, key, rng::Rng};
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::keys::{Address, SecretKey};
use cairn_ledger::transaction::{Output, TRANSACTION_VERSION, Transaction, TransactionBody};
use cairn_ledger::{testing::pebbles, units::Height};
use std::collections::BTreeMap;

/// Keys that send; those past the funded ones have an account once somebody has paid them.
const SENDERS: u64 = 9;

/// What the payments drafted for one block leave of balances and nonces.
#[derive(Default)]
pub struct Drafts {
    touched: BTreeMap<Address, (u64, u64)>,
}

impl Drafts {
    fn account(&self, chain: &Chain, address: &Address) -> (u64, u64) {
        let stored = || (chain.state.balance(address).pebbles(), chain.state.nonce(address));
        self.touched.get(address).copied().unwrap_or_else(stored)
    }

    fn exists(&self, chain: &Chain, address: &Address) -> bool {
        self.touched.contains_key(address) || chain.has_account(address)
    }

    /// A signed payment at the end of the block so far.
    pub fn payment(&mut self, rng: &mut Rng, chain: &Chain) -> (&'static SecretKey, TransactionBody) {
        let mut tries = (0..8).map(|_| key(rng.below(SENDERS)));
        let sender = tries.find(|key| self.exists(chain, &key.address())).unwrap_or(key(0));
        let (balance, nonce) = self.account(chain, &sender.address());
        let outputs: Vec<Output> = (0..rng.pick(&[1, 1, 1, 2, 3, 7])).map(|_| output(rng, chain, balance)).collect();
        let mut created: Vec<Address> = outputs.iter().map(|output| output.to).collect();
        created.sort();
        created.dedup();
        created.retain(|address| !self.exists(chain, address));
        let price = chain.account_price() * created.len() as u64;
        let fee = rng.pick(&[0, 1, 1 + balance / 1_000]);
        let height = chain.tip.header().height.get() + 1;
        let later = height + rng.below(9);
        let body = TransactionBody {
            version: TRANSACTION_VERSION,
            sender: sender.address(),
            nonce,
            fee: pebbles(fee),
            max_price: pebbles(rng.pick(&[price, price, price + 1, (1 << 53) - 1])),
            valid_until: Height::new(rng.pick(&[0, 0, height, later, u64::MAX])),
            outputs: BoundedVec::new(outputs).expect("few outputs"),
            memo: BoundedBytes::new(memo(rng)).expect("a short memo"),
        };
        self.keep(chain, &body, price);
        (sender, body)
    }

    /// Books a payment; one that does not fit is left out of the books, and makes its block invalid.
    fn keep(&mut self, chain: &Chain, body: &TransactionBody, price: u64) {
        let (balance, nonce) = self.account(chain, &body.sender);
        if let Some(rest) = balance.checked_sub(body.total()).and_then(|rest| rest.checked_sub(price)) {
            self.touched.insert(body.sender, (rest, nonce + 1));
            for output in body.outputs.iter() {
                let (balance, nonce) = self.account(chain, &output.to);
                self.touched.insert(output.to, (balance + output.amount.pebbles(), nonce));
            }
        }
    }
}

fn output(rng: &mut Rng, chain: &Chain, balance: u64) -> Output {
    let to = match rng.below(6) {
        0 => Address::from_bytes(rng.bytes()),
        1 => neighbour(rng, chain),
        2 => key(rng.below(4 * SENDERS)).address(),
        _ => chain.some_account(rng),
    };
    let to = if to == Address::ZERO { key(0).address() } else { to };
    let any = 1 + rng.below(1 + balance / 20);
    let amount = rng.pick(&[1, 1 + balance / 100, any]);
    let amount = if rng.one_in(100) { balance.max(1) } else { amount };
    Output { to, amount: pebbles(amount) }
}

/// One above or below an account in sorted order.
fn neighbour(rng: &mut Rng, chain: &Chain) -> Address {
    let mut bytes = *chain.some_account(rng).as_bytes();
    bytes[31] = if rng.one_in(2) { bytes[31].wrapping_add(1) } else { bytes[31].wrapping_sub(1) };
    Address::from_bytes(bytes)
}

fn memo(rng: &mut Rng) -> Vec<u8> {
    vec![b'm'; rng.pick(&[0, 0, 0, 1, 255, 256])]
}

/// Signs with the sender's key, for this chain.
pub fn sign(chain: &Chain, sender: &SecretKey, body: TransactionBody) -> Transaction {
    body.sign(sender, &chain.spec.genesis_id(), &[0; 32])
}
