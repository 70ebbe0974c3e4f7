//! Every rule broken on purpose, and bytes changed at random.

use super::chain::{Chain, Draft};
use super::{key, payments, rng::Rng};
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::keys::{Address, SecretKey, Signature};
use cairn_ledger::transaction::{MAX_OUTPUTS, Output, Transaction, TransactionBody};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{block::Header, codec::BoundedVec, pow::CompactTarget, testing::pebbles};

/// A block with something wrong, mostly, and the time at which it is judged.
pub fn candidate(rng: &mut Rng, chain: &Chain) -> (Vec<u8>, Timestamp) {
    let mut draft = chain.draft(rng);
    let now = draft.header.time;
    let bytes = match rng.below(8) {
        0 | 1 => {
            break_header(rng, &mut draft.header);
            draft.sealed()
        }
        2 => {
            break_list(rng, &mut draft.transactions);
            if rng.one_in(2) {
                chain.commit(&mut draft);
            }
            draft.sealed()
        }
        3 | 4 => {
            break_transaction(rng, chain, &mut draft);
            chain.commit(&mut draft);
            draft.sealed()
        }
        5 => {
            let bytes = draft.sealed();
            flipped(rng, bytes)
        }
        6 => flipped_transaction(rng, chain, draft),
        _ => return early(rng, chain, draft),
    };
    (bytes, now)
}

/// Judged before its time, to the millisecond.
fn early(rng: &mut Rng, chain: &Chain, draft: Draft) -> (Vec<u8>, Timestamp) {
    let soonest = draft.header.time.millis().saturating_sub(chain.spec.params().max_future_ms);
    let now = rng.pick(&[soonest.saturating_sub(1), soonest, soonest + 1, 0]);
    (draft.sealed(), Timestamp::from_millis(now))
}

fn break_header(rng: &mut Rng, header: &mut Header) {
    let version = header.version;
    match rng.below(11) {
        0 => header.version = rng.pick(&[0, 1, 2, version ^ 1, version << 8, u16::MAX]),
        1 => header.height = Height::new(rng.pick(&[0, header.height.get() + 1, header.height.get() - 1, u64::MAX])),
        2 => header.parent = BlockId::from_bytes(rng.bytes()),
        3 => header.time = Timestamp::from_millis(rng.pick(&[0, header.time.millis().saturating_sub(1), u64::MAX])),
        4 => header.time = Timestamp::from_millis(rng.any_size()),
        5 => header.target = other_target(rng, header.target),
        6 => header.beneficiary = Address::ZERO,
        7 => header.txs_root = Hash::from_bytes(rng.bytes()),
        8 => header.state_root = Hash::from_bytes(rng.bytes()),
        9 => header.history_root = Hash::from_bytes(rng.bytes()),
        _ => header.beneficiary = Address::from_bytes(rng.bytes()),
    }
}

fn other_target(rng: &mut Rng, target: CompactTarget) -> CompactTarget {
    let bits = target.bits();
    let others = [bits + 1, bits - 1, 0x207f_ffff, 0x2100_7fff, 0x2100_8000, 0, 0x1d00_ffff, 0x2000_00ff, 0x0480_0000];
    CompactTarget::from_bits(if rng.one_in(4) { rng.draw() as u32 } else { rng.pick(&others) })
}

fn break_list(rng: &mut Rng, transactions: &mut Vec<Transaction>) {
    if transactions.is_empty() {
        return;
    }
    let (first, last) = (rng.index(transactions.len()), transactions.len() - 1);
    match rng.below(4) {
        0 => transactions.push(transactions[last].clone()),
        1 => transactions.insert(0, transactions[first].clone()),
        2 => drop(transactions.remove(first)),
        _ => transactions.swap(first, last),
    }
}

/// A payment with one thing wrong, or as large as payments get.
fn break_transaction(rng: &mut Rng, chain: &Chain, draft: &mut Draft) {
    draft.transactions.clear();
    let (sender, mut body) = payments::Drafts::default().payment(rng, chain);
    if rng.one_in(16) {
        let known = rng.one_in(2).then(|| sender.address());
        for _ in 0..1 + rng.below(3) {
            enlarge(rng, &mut body, known);
            draft.transactions.push(payments::sign(chain, sender, body.clone()));
            body.nonce += 1;
        }
    } else {
        let signer = break_body(rng, chain, &mut body, sender);
        draft.transactions.push(payments::sign(chain, signer, body));
    }
    let transaction = &mut draft.transactions[0];
    if rng.one_in(8) {
        transaction.signature = other_signature(rng, transaction);
    }
}

/// Who is to sign it.
fn break_body(
    rng: &mut Rng,
    chain: &Chain,
    body: &mut TransactionBody,
    sender: &'static SecretKey,
) -> &'static SecretKey {
    let height = chain.tip.header().height.get() + 1;
    match rng.below(13) {
        0 => body.version = rng.draw() as u8,
        1 => body.sender = Address::ZERO,
        2 => body.sender = Address::from_bytes(rng.bytes()),
        3 => body.nonce = rng.pick(&[u64::MAX, u64::MAX - 1, body.nonce + 1, body.nonce.wrapping_sub(1)]),
        4 => body.fee = pebbles(rng.pick(&[0, (1 << 53) - 1])),
        5 => body.max_price = pebbles(body.max_price.pebbles().saturating_sub(1)),
        6 => body.max_price = pebbles(rng.pick(&[0, chain.account_price()])),
        7 => body.valid_until = Height::new(rng.pick(&[height, height - 1, 1, 2])),
        8 => body.outputs = BoundedVec::default(),
        9 => edit_output(rng, body, |_, output| output.amount = pebbles(0)),
        10 => edit_output(rng, body, |rng, output| {
            let amount = if rng.one_in(3) { pebbles(0) } else { output.amount };
            *output = Output { to: Address::ZERO, amount };
        }),
        11 => edit_output(rng, body, |rng, output| output.amount = pebbles(rng.draw() >> 11)),
        _ => {
            let other = key(40 + rng.below(3));
            body.sender = other.address();
            body.nonce = 0;
            return other;
        }
    }
    sender
}

fn edit_output(rng: &mut Rng, body: &mut TransactionBody, edit: impl FnOnce(&mut Rng, &mut Output)) {
    let mut outputs = body.outputs.to_vec();
    let place = rng.index(outputs.len());
    edit(rng, &mut outputs[place]);
    body.outputs = BoundedVec::new(outputs).expect("as many as before");
}

/// As many outputs as a transaction may have, to new accounts or to a known one: with others like it, too many bytes
/// or too many accounts.
fn enlarge(rng: &mut Rng, body: &mut TransactionBody, known: Option<Address>) {
    let output = |rng: &mut Rng| Output { to: known.unwrap_or(Address::from_bytes(rng.bytes())), amount: pebbles(1) };
    let outputs = (0..MAX_OUTPUTS).map(|_| output(rng)).collect();
    body.outputs = BoundedVec::new(outputs).expect("at most as many as allowed");
    body.max_price = pebbles((1 << 53) - 1);
    body.fee = pebbles(0);
}

fn other_signature(rng: &mut Rng, transaction: &Transaction) -> Signature {
    let mut bytes = *transaction.signature.as_bytes();
    match rng.below(4) {
        0 => bytes[rng.index(64)] ^= 1 << rng.below(8),
        1 => bytes[..32].fill(0xff),
        2 => bytes[32..].fill(0xff),
        _ => bytes.fill(0),
    }
    Signature::from_bytes(bytes)
}

/// Bits flipped, bytes cut off or added.
pub fn flipped(rng: &mut Rng, mut bytes: Vec<u8>) -> Vec<u8> {
    match rng.below(8) {
        0 => bytes.truncate(rng.index(bytes.len())),
        1 => bytes.extend(vec![0; 1 + rng.index(9)]),
        _ => {
            for _ in 0..=rng.below(3) {
                let place = rng.index(bytes.len());
                bytes[place] ^= 1 << rng.below(8);
            }
        }
    }
    bytes
}

/// Bits of one transaction flipped, and all above it made to fit: what only the rules of transactions can refuse.
fn flipped_transaction(rng: &mut Rng, chain: &Chain, mut draft: Draft) -> Vec<u8> {
    if let Some(first) = draft.transactions.first() {
        let bytes = flipped(rng, cairn_ledger::codec::encode(first));
        if let Ok(other) = Transaction::from_bytes(&bytes) {
            draft.transactions[0] = other;
        }
    }
    chain.commit(&mut draft);
    draft.sealed()
}
