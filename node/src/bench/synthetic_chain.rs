//! A chain to replay, made by the node's own writer on a network of its own: the real rules, and the easiest
//! target, so that sealing costs nothing.

use super::{BenchError, parts::key};
use cairn_chain::{BlockOutcome, ChainHandle, HeaderOutcome, TemplateRequest, store::DbOptions, verdict::Origin};
use cairn_ledger::chain_spec::{ChainParams, ChainSpec};
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::keys::{Address, SecretKey};
use cairn_ledger::transaction::{MAX_OUTPUTS, Output, TRANSACTION_VERSION, Transaction, TransactionBody};
use cairn_ledger::units::{Amount, Height, Timestamp};
use cairn_ledger::validate::{CheckedTransaction, check_transactions};
use cairn_ledger::{address::AddressPrefix, block::Header, pow::CompactTarget};
use std::{path::Path, sync::Arc, thread};

/// Payments in the chain, each by another signer: enough to keep some cores busy for a second, few enough to
/// be made in some.
const PAYMENTS: u64 = 30_000;
/// Main's, so that a full block is what it is there.
const MAX_BLOCK_BYTES: u64 = 1 << 20;
/// Payments in a block: it is nearly full.
const A_BLOCK: usize = 5_600;
/// Accounts that a block creates at most.
const MAX_NEW_ACCOUNTS: u64 = 16_384;
/// What each signer gets; a payment and its fee take less.
const FUNDS: u64 = 10_000;
/// What an account costs.
const ACCOUNT_PRICE: u64 = 100;
/// What a payment costs.
const FEE: u64 = 200;
/// The easiest target there is.
const EASIEST: CompactTarget = CompactTarget::from_bits(0x207f_ffff);
/// When block 0 was: long ago, as in a synchronisation.
const LONG_AGO: u64 = 1_700_000_000_000;
/// The one who pays the signers.
const TREASURER: u64 = u64::MAX;

/// Makes the chain in a new database, and closes that again, also when `stop` comes first.
pub(super) async fn make(
    database: &Path,
    cores: usize,
    stop: impl Future<Output = ()>,
) -> Result<Arc<ChainSpec>, BenchError> {
    let spec = Arc::new(network());
    let (chain, writer) = cairn_chain::spawn(spec.clone(), database, DbOptions::default())?;
    let filled = tokio::select! {
        filled = fill(&spec, &chain, cores) => filled,
        () = stop => Err(BenchError::Interrupted),
    };
    chain.stop().await;
    writer.ended().await?;
    filled.map(|()| spec)
}

/// Adds the blocks.
async fn fill(spec: &ChainSpec, chain: &ChainHandle, cores: usize) -> Result<(), BenchError> {
    let keys = on_cores(cores, PAYMENTS, key);
    let addresses =
        on_cores(cores, PAYMENTS, |n| keys.get(n as usize).map(SecretKey::address).unwrap_or(Address::ZERO));
    let funds = fund(spec, &addresses);
    for block in funds.chunks((MAX_NEW_ACCOUNTS as usize) / MAX_OUTPUTS) {
        add(spec, chain, block.to_vec()).await?;
    }
    let payments = on_cores(cores, PAYMENTS, |n| {
        // Each pays the next but one: all receivers are there.
        let (from, to) = (n as usize, (n as usize + 2) % addresses.len());
        let outputs = vec![output(addresses[to], 1)];
        pay(spec, &keys[from], Payment { nonce: 0, max_price: 0, outputs })
    });
    for block in payments.chunks(A_BLOCK) {
        add(spec, chain, block.to_vec()).await?;
    }
    Ok(())
}

fn network() -> ChainSpec {
    let params = ChainParams {
        name: String::from("bench"),
        prefix: AddressPrefix::new("bcrn").expect("it is a prefix"),
        interval_ms: 2_000,
        half_life_ms: 20_000,
        max_future_ms: 5_000,
        max_block_bytes: MAX_BLOCK_BYTES,
        max_new_accounts: MAX_NEW_ACCOUNTS,
        account_price: pebbles(ACCOUNT_PRICE),
        subsidy: pebbles(0),
        halving: 1,
        genesis_time: Timestamp::from_millis(LONG_AGO),
        pow_limit: EASIEST,
        genesis_target: EASIEST,
        allocations: vec![(key(TREASURER).address(), pebbles(1_000_000_000_000))],
    };
    ChainSpec::new(params).expect("these parameters are within every bound")
}

fn pebbles(count: u64) -> Amount {
    Amount::from_pebbles(count).expect("a small number")
}

fn output(to: Address, amount: u64) -> Output {
    Output { to, amount: pebbles(amount) }
}

/// Payments of many outputs to all signers.
fn fund(spec: &ChainSpec, addresses: &[Address]) -> Vec<Transaction> {
    let treasurer = key(TREASURER);
    let outputs = addresses.chunks(MAX_OUTPUTS).map(|some| some.iter().map(|to| output(*to, FUNDS)).collect());
    let most = MAX_OUTPUTS as u64 * ACCOUNT_PRICE;
    outputs
        .zip(0..)
        .map(|(outputs, nonce)| pay(spec, &treasurer, Payment { nonce, max_price: most, outputs }))
        .collect()
}

struct Payment {
    nonce: u64,
    max_price: u64,
    outputs: Vec<Output>,
}

fn pay(spec: &ChainSpec, from: &SecretKey, payment: Payment) -> Transaction {
    let Payment { nonce, max_price, outputs } = payment;
    let body = TransactionBody {
        version: TRANSACTION_VERSION,
        sender: from.address(),
        nonce,
        fee: pebbles(FEE),
        max_price: pebbles(max_price),
        valid_until: Height::GENESIS,
        outputs: BoundedVec::new(outputs).expect("at most as many as a transaction may have"),
        memo: BoundedBytes::default(),
    };
    body.sign(from, &spec.genesis_id(), &[0; 32])
}

/// `make` of 0 .. count, in order, on so many cores.
fn on_cores<T: Send>(cores: usize, count: u64, make: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let share = count.div_ceil(cores.max(1) as u64).max(1);
    thread::scope(|scope| {
        let make = &make;
        let starts = (0..count).step_by(usize::try_from(share).unwrap_or(usize::MAX));
        let threads: Vec<_> = starts
            .map(|start| scope.spawn(move || (start..count.min(start + share)).map(make).collect::<Vec<T>>()))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("making panicked")).collect()
    })
}

/// Makes a block of these transactions and connects it.
async fn add(spec: &ChainSpec, chain: &ChainHandle, transactions: Vec<Transaction>) -> Result<(), BenchError> {
    let count = transactions.len();
    let refusal = |got: String| BenchError::Refusal { got };
    let transactions: Vec<CheckedTransaction> =
        check_transactions(&spec.genesis_id(), transactions).map_err(|(_, error)| refusal(error.to_string()))?;
    let time = chain.tip().header.time.saturating_add(spec.params().interval_ms);
    let request = TemplateRequest { beneficiary: key(TREASURER).address(), transactions, time };
    let template = chain.template(request).await?;
    if template.transactions.len() != count {
        return Err(refusal(format!("{} of {count} transactions in the template", template.transactions.len())));
    }
    let body = template.body();
    let header = seal(template.header);
    let outcome = chain.link_headers(Origin::Local, vec![header]).await?.pop();
    let Some(HeaderOutcome::Linked(linked)) = outcome else { return Err(refusal(format!("{outcome:?}"))) };
    match chain.import(linked, body).await?.outcome().await? {
        BlockOutcome::Connected => Ok(()),
        other => Err(refusal(format!("{other:?}"))),
    }
}

/// Finds a nonce: every second one does.
fn seal(mut header: Header) -> Header {
    let (seal, target) = (header.seal(), header.target.decode().expect("the difficulty rule gives normal forms"));
    while !target.is_met_by(&seal.id(header.nonce)) {
        header.nonce += 1;
    }
    header
}
