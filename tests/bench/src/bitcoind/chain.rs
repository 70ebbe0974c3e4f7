//! A chain of payments for Bitcoin Core, made by itself from transactions that are signed here: one input and two
//! outputs each, P2TR by key path (BIP341), every output to a key that nobody has seen before.

use super::{Daemon, Program};
use crate::Failure;
use crate::chains::in_two;
use crate::http::{self, CONNECTIONS};
use crate::node::Scratch;
use bitcoin::consensus::encode::serialize_hex;
use bitcoin::hashes::{Hash, sha256};
use bitcoin::key::{Keypair, TapTweak};
use bitcoin::secp256k1::{All, Message, Secp256k1, SecretKey};
use bitcoin::sighash::{Prevouts, SighashCache, TapSighashType};
use bitcoin::{
    Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Txid, Witness, absolute, taproot, transaction,
};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Payments.
pub const PAYMENTS: u64 = 200_000;
/// Coins that a transaction splits another into: as many as relay policy lets into one.
const SPLIT: u64 = 2_250;
/// Blocks before a mined coin may be spent.
const MATURITY: u64 = 100;
/// What a transaction that splits pays for, and a payment.
const SPLIT_FEE: u64 = 300_000;
const FEE: u64 = 1_500;
/// Payments in a call.
const BATCH: usize = 100;

/// Data directories of stopped daemons, and the payments between them.
pub struct Chain {
    /// All coins are there, each payment's own.
    pub base: PathBuf,
    /// All payments are in blocks.
    pub whole: PathBuf,
    /// Raw transactions, in hex.
    pub payments: Vec<String>,
    /// The height of the base, and the whole chain's.
    pub payments_between: (u64, u64),
}

/// The chain that is kept in `work`, made unless it is there.
pub fn chain(work: &Path, program: &Program) -> Result<Chain, Failure> {
    let kept = work.join(format!("bitcoin-{PAYMENTS}"));
    let (base, whole, file) = (kept.join("base"), kept.join("whole"), kept.join("payments.hex"));
    // Written last.
    let made = kept.join("made");
    if !made.exists() {
        eprintln!("   making a chain of {PAYMENTS} payments for Bitcoin Core");
        // What a killed run has left.
        let _ = fs::remove_dir_all(&kept);
        fs::create_dir_all(&base)?;
        let (daemon, _) = Daemon::start(program, &base, &[])?;
        let payments = fund(&daemon)?;
        let first = daemon.height()?;
        daemon.stop()?;
        fs::write(&file, payments.join("\n"))?;
        let copy = Scratch::copy(work, "whole", &base)?;
        let (daemon, _) = Daemon::start(program, copy.path(), &[])?;
        submit(&daemon, &payments)?;
        mine_all(&daemon)?;
        let last = daemon.height()?;
        daemon.stop()?;
        copy.keep(&whole)?;
        fs::write(&made, format!("{first} {last}"))?;
    }
    let payments = fs::read_to_string(&file)?.lines().map(String::from).collect();
    let heights = fs::read_to_string(&made)?;
    let (first, last) = heights.split_once(' ').ok_or("two heights")?;
    Ok(Chain { base, whole, payments, payments_between: (first.parse()?, last.parse()?) })
}

/// Hands payments in, in batches over several connections.
pub fn submit(daemon: &Daemon, payments: &[String]) -> Result<(), Failure> {
    let mut dealt = vec![Vec::new(); CONNECTIONS];
    for (n, some) in payments.chunks(BATCH).enumerate() {
        let batch: Vec<Value> = some.iter().map(|raw| submission(raw)).collect();
        dealt[n % CONNECTIONS].push(daemon.request(&Value::Array(batch).to_string())?);
    }
    let load = http::load(daemon.rpc, &dealt, None, none_refused)?;
    match load.refused {
        (0, _) => Ok(()),
        (_, first) => Err(format!("a payment was refused: {first}").into()),
    }
}

/// The call that hands a payment in.
pub fn submission(raw: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "sendrawtransaction", "params": [raw]})
}

/// Whether an answer has no error in it.
pub fn none_refused(body: &[u8]) -> bool {
    !body.windows(10).any(|ten| ten == b"\"message\":")
}

/// Blocks until the pool is empty.
fn mine_all(daemon: &Daemon) -> Result<(), Failure> {
    while daemon.call("getmempoolinfo", &json!([]))?["size"].as_u64() != Some(0) {
        mine(daemon, 1)?;
    }
    Ok(())
}

/// So many blocks, whose coins are the key's that splits.
pub fn mine(daemon: &Daemon, blocks: u64) -> Result<(), Failure> {
    let script = script(&Secp256k1::new(), &key("splits", 0));
    daemon.call("generatetodescriptor", &json!([blocks, format!("raw({})", script.to_hex_string())])).map(drop)
}

/// Splits mined coins into one for each payment, and signs the payments.
fn fund(daemon: &Daemon) -> Result<Vec<String>, Failure> {
    let secp = Secp256k1::new();
    let splits = PAYMENTS.div_ceil(SPLIT);
    for _ in 0..(splits + MATURITY).div_ceil(20) {
        mine(daemon, 20)?;
    }
    let mut coins = Vec::new();
    for n in 0..splits {
        let block = daemon.call("getblock", &json!([daemon.call("getblockhash", &json!([n + 1]))?, 2]))?;
        let mined = &block["tx"][0];
        let txid: Txid = mined["txid"].as_str().ok_or("a transaction has an id")?.parse()?;
        let value = Amount::from_btc(mined["vout"][0]["value"].as_f64().ok_or("an output has a value")?)?;
        let each = Amount::from_sat((value.to_sat() - SPLIT_FEE) / SPLIT);
        let to = |coin| TxOut { value: each, script_pubkey: script(&secp, &key("pays", n * SPLIT + coin)) };
        let outputs = (0..SPLIT).map(to).collect();
        let splitting = key("splits", 0);
        let spent = TxOut { value, script_pubkey: script(&secp, &splitting) };
        let split = signed(&secp, &splitting, OutPoint::new(txid, 0), spent, outputs)?;
        daemon.call("sendrawtransaction", &json!([serialize_hex(&split)]))?;
        coins.push((split.compute_txid(), each));
    }
    mine_all(daemon)?;
    let pay = |n: u64| -> Result<String, String> {
        let secp = Secp256k1::new();
        let (txid, value) = coins[(n / SPLIT) as usize];
        let to = |n| script(&secp, &key("is paid", n));
        let paid = Amount::from_sat(value.to_sat() * 6 / 10);
        let outputs = vec![
            TxOut { value: paid, script_pubkey: to(2 * n) },
            TxOut { value: value - paid - Amount::from_sat(FEE), script_pubkey: to(2 * n + 1) },
        ];
        let pays = key("pays", n);
        let spent = TxOut { value, script_pubkey: script(&secp, &pays) };
        let coin = OutPoint::new(txid, u32::try_from(n % SPLIT).expect("below the split"));
        let payment = signed(&secp, &pays, coin, spent, outputs).map_err(|error| error.to_string())?;
        Ok(serialize_hex(&payment))
    };
    in_two(PAYMENTS, pay).into_iter().collect::<Result<_, _>>().map_err(Failure::from)
}

/// The n-th key of those who do something.
fn key(does: &str, n: u64) -> SecretKey {
    let seed = sha256::Hash::hash(&[does.as_bytes(), &n.to_le_bytes()].concat());
    SecretKey::from_slice(&seed[..]).expect("a hash is a key, almost surely")
}

/// What a coin of this key is locked with.
fn script(secp: &Secp256k1<All>, key: &SecretKey) -> ScriptBuf {
    ScriptBuf::new_p2tr(secp, key.x_only_public_key(secp).0, None)
}

/// A transaction that spends one coin.
fn signed(
    secp: &Secp256k1<All>,
    key: &SecretKey,
    coin: OutPoint,
    spent: TxOut,
    output: Vec<TxOut>,
) -> Result<Transaction, Failure> {
    let input =
        TxIn { previous_output: coin, script_sig: ScriptBuf::new(), sequence: Sequence::MAX, witness: Witness::new() };
    let (version, lock_time) = (transaction::Version::TWO, absolute::LockTime::ZERO);
    let mut transaction = Transaction { version, lock_time, input: vec![input], output };
    let sighash_type = TapSighashType::Default;
    let digest =
        SighashCache::new(&transaction).taproot_key_spend_signature_hash(0, &Prevouts::All(&[spent]), sighash_type)?;
    let pair = Keypair::from_secret_key(secp, key).tap_tweak(secp, None).to_keypair();
    let signature = secp.sign_schnorr_no_aux_rand(&Message::from_digest(digest.to_byte_array()), &pair);
    let witness = Witness::p2tr_key_spend(&taproot::Signature { signature, sighash_type });
    transaction.input.first_mut().ok_or("one input")?.witness = witness;
    Ok(transaction)
}
