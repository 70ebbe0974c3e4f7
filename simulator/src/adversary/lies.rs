//! What adversaries say.

use super::{Adversary, Kind};
use cairn_ledger::block::Body;
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::hash::{BlockId, Hash, sha256};
use cairn_ledger::keys::{Address, Signature};
use cairn_ledger::pow::Work;
use cairn_ledger::testing::{key, pebbles};
use cairn_ledger::transaction::{Output, TRANSACTION_VERSION, Transaction, TransactionBody};
use cairn_ledger::units::Height;
use cairn_network::transport::Class;
use cairn_network::wire::{
    Addresses, Bodies, CompactBlock, GetBodies, GetHeaders, GetPool, MAX_ADDRESSES, MAX_BODIES, Message as _,
    PeerAddress, PeerStatus, TxBatch,
};
use std::sync::LazyLock;

/// What comes of an answer.
pub(super) enum Answer {
    /// It goes out as it is.
    Honest,
    /// This goes out.
    Lie(Vec<u8>),
    /// The question is closed unanswered.
    Refusal,
    /// Nothing is ever said.
    Silence,
}

/// What an adversary makes of an answer, or of the status that it sends as a question.
pub(super) fn answer(adversary: &Adversary, class: Class, honest: &[u8]) -> Answer {
    match (adversary.kind, class) {
        (Kind::WithholdBodies | Kind::GarbleBlocks | Kind::Eclipse, Class::Bodies | Class::BlockTxs) => Answer::Refusal,
        (Kind::Refuse, Class::Headers | Class::Bodies | Class::Snapshot) => Answer::Refusal,
        (Kind::Stall, Class::Headers | Class::Bodies | Class::BlockTxs | Class::Pool | Class::Snapshot) => {
            Answer::Silence
        }
        (Kind::WrongAnswers, Class::Headers | Class::Bodies | Class::BlockTxs | Class::Pool | Class::Snapshot) => {
            changed(honest)
        }
        (Kind::WrongBodies, Class::Bodies) => other_bodies(honest),
        (Kind::ClaimWork | Kind::Refuse, Class::Status) => more_work(honest),
        (Kind::PoisonAddresses, Class::Addresses) => addresses((0..MAX_ADDRESSES as u64).map(nobody)),
        (Kind::Eclipse, Class::Addresses) => addresses(adversary.accomplices.iter().take(MAX_ADDRESSES).copied()),
        _ => Answer::Honest,
    }
}

/// One byte in the middle is another; what is empty stays so.
fn changed(honest: &[u8]) -> Answer {
    let mut lie = honest.to_vec();
    // The first eight bytes are a count.
    if lie.len() <= 16 {
        return Answer::Honest;
    }
    let middle = lie.len() / 2;
    lie[middle] ^= 1;
    Answer::Lie(lie)
}

/// Each body lacks its last payment, or has one where there is none.
fn other_bodies(honest: &[u8]) -> Answer {
    let Ok(answer) = Bodies::from_bytes(honest) else { return Answer::Honest };
    if answer.bodies.is_empty() {
        return Answer::Honest;
    }
    let other = |body: Body| {
        let mut body = body.into_vec();
        if body.pop().is_none() {
            body.push(payment(0, 0));
        }
        BoundedVec::new(body).unwrap_or_default()
    };
    let bodies = answer.bodies.into_vec().into_iter().map(other).collect();
    Answer::Lie(Bodies { bodies: BoundedVec::new(bodies).unwrap_or_default() }.to_bytes())
}

fn more_work(honest: &[u8]) -> Answer {
    let Ok(mut status) = PeerStatus::from_bytes(honest) else { return Answer::Honest };
    status.height = status.height.saturating_add(1_000);
    status.total_work = status.total_work.checked_add(Work::from_u64(1 << 40)).unwrap_or(status.total_work);
    status.tip = BlockId::from_bytes(*sha256(&[b"no such block", status.tip.as_bytes()]).as_bytes());
    Answer::Lie(status.to_bytes())
}

fn addresses(list: impl Iterator<Item = PeerAddress>) -> Answer {
    let addresses = BoundedVec::new(list.collect()).unwrap_or_default();
    Answer::Lie(Addresses { addresses }.to_bytes())
}

/// An address at which nobody is: 198.18.0.0/15 is nobody's, and looks public enough in 199.x.
fn nobody(n: u64) -> PeerAddress {
    let hash = numbered(b"nobody", n);
    let bytes = hash.as_bytes();
    let mut ip = [0; 16];
    ip[10..12].copy_from_slice(&[0xff, 0xff]);
    ip[12..].copy_from_slice(&[199, bytes[0], bytes[1], 1 + bytes[2] % 250]);
    PeerAddress { key: *bytes, ip, port: 9740, quic: false }
}

fn numbered(what: &[u8], n: u64) -> Hash {
    sha256(&[what, &n.to_le_bytes()])
}

/// Bytes that are no message.
pub(super) fn garbage(n: u64) -> Vec<u8> {
    numbered(b"garbage", n).as_bytes().repeat(20)
}

/// A block's message with one payment more, which nobody has; its header is right.
pub(super) fn garbled(message: &[u8]) -> Option<Vec<u8>> {
    let mut block = CompactBlock::from_bytes(message).ok()?;
    let mut ids = block.short_ids.into_vec();
    // Accomplices' need no more of it.
    if ids.last() == Some(b"nobody") {
        return None;
    }
    ids.push(*b"nobody");
    block.short_ids = BoundedVec::new(ids).ok()?;
    Some(block.to_bytes())
}

/// A batch of payments of those who have money and never pay, whose signatures are wrong.
pub(super) fn payments(n: u64) -> Vec<u8> {
    let transactions = (0..8).map(|at| payment(n, at)).collect();
    TxBatch { transactions: BoundedVec::new(transactions).unwrap_or_default() }.to_bytes()
}

fn payment(n: u64, at: u64) -> Transaction {
    static WALLETS: LazyLock<Vec<Address>> = LazyLock::new(|| (16..20).map(|n| key(n).address()).collect());
    let wallets = &*WALLETS;
    let (sender, bytes) = (wallets[at as usize % wallets.len()], numbered(b"signature", n * 8 + at));
    let body = TransactionBody {
        version: TRANSACTION_VERSION,
        sender,
        nonce: 0,
        fee: pebbles(10_000),
        max_price: pebbles(0),
        valid_until: Height::new(1 << 40),
        outputs: BoundedVec::new(vec![Output { to: sender, amount: pebbles(n * 8 + at + 1) }]).unwrap_or_default(),
        memo: BoundedBytes::default(),
    };
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(bytes.as_bytes());
    signature[32..].copy_from_slice(bytes.as_bytes());
    Transaction { body, signature: Signature::from_bytes(signature) }
}

/// Questions whose answers are large, or cost much to look for.
pub(super) fn questions(n: u64) -> Vec<(Class, Vec<u8>)> {
    let id = |at: u64| BlockId::from_bytes(*numbered(b"unknown", n * 1_000 + at).as_bytes());
    let ids: Vec<BlockId> = (0..MAX_BODIES as u64).map(id).collect();
    let bodies = GetBodies { ids: BoundedVec::new(ids).unwrap_or_default() };
    let headers = GetHeaders { locator: BoundedVec::new(vec![id(0)]).unwrap_or_default() };
    let pool = GetPool { key: [n as u8; 16], sums: BoundedVec::default(), wanted: BoundedVec::default() };
    let all =
        [(Class::Bodies, bodies.to_bytes()), (Class::Headers, headers.to_bytes()), (Class::Pool, pool.to_bytes())];
    (0..12).flat_map(|_| all.clone()).collect()
}
