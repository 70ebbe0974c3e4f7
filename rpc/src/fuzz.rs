//! Whatever text: a value has one spelling, and what a node answers is read as it was written (docs/testing.md).

use crate::scope::Scope;
use crate::types::{
    AccountJson, AddressHistory, AddressMove, BanJson, BlockJson, BlockPage, ChainMove, DifficultyJson,
    FeeEstimateJson, FoundBlock, HeaderJson, HeaderPage, HistoryCursor, LightProofJson, MempoolInfo, MiningInfo,
    NetInfo, NodeInfo, PeerJson, PoolCursor, PoolPage, ProofJson, StorageInfo, Submitted, Supply, TransactionInfo,
    TransactionPage, TransactionProofJson, TxCheck, WorkJson,
};
use crate::{HexBytes, Pebbles, Text, TxStatus};
use cairn_fuzz::Target;
use cairn_ledger::hash::{BlockId, Hash, TxId};
use cairn_ledger::pow::CompactTarget;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::fmt::Display;
use std::{fs, path::Path};

/// Reads a value from JSON, and checks that it is written as it was read.
fn one_spelling<T: DeserializeOwned + Serialize>(json: &Value) -> bool {
    let Ok(value) = T::deserialize(json) else { return false };
    assert_eq!(serde_json::to_value(&value).ok().as_ref(), Some(json), "one value, one spelling");
    true
}

fn quoted(text: impl Display) -> String {
    format!("\"{text}\"")
}

#[test]
fn rpc_values() {
    let id = "ab".repeat(32);
    let seeds = [
        quoted(&id),
        quoted("12"),
        quoted(format_args!("7-4294967295-{id}")),
        quoted(format_args!("7-{id}")),
        quoted("00ff"),
        quoted("1e3fffff"),
        quoted("read"),
    ];
    Target::new("rpc_values").seeds(seeds).words(["+", "-", "00", "AB", "\\u0030", "submit", "admin"]).run(|bytes| {
        let Ok(json) = serde_json::from_slice::<Value>(bytes) else { return false };
        let ids = one_spelling::<Text<BlockId>>(&json) | one_spelling::<Text<TxId>>(&json);
        let numbers = one_spelling::<Text<u64>>(&json) | one_spelling::<Pebbles>(&json);
        let cursors = one_spelling::<Text<HistoryCursor>>(&json) | one_spelling::<Text<PoolCursor>>(&json);
        let others = one_spelling::<Text<CompactTarget>>(&json) | one_spelling::<Text<Hash>>(&json);
        ids | numbers | cursors | others | one_spelling::<HexBytes>(&json) | one_spelling::<Scope>(&json)
    });
}

/// Reads an answer, and checks that it is read again as it was.
fn answer<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice::<T>(bytes) else { return false };
    let json = serde_json::to_value(&value).expect("an answer is JSON");
    let again = T::deserialize(&json).map(|again| serde_json::to_value(again).ok());
    assert_eq!(again.ok().flatten(), Some(json));
    true
}

macro_rules! any_answer {
    ($bytes:expr; $($kind:ty),*) => { [$(answer::<$kind>($bytes)),*].contains(&true) };
}

/// What a wallet reads from a node that may be anybody.
#[test]
fn rpc_answers() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/tests/rpc/golden");
    let files = fs::read_dir(golden).expect("the golden answers");
    let mut seeds: Vec<Vec<u8>> =
        files.map(|file| fs::read(file.expect("an entry").path()).expect("readable")).collect();
    seeds.sort();
    let read = |bytes: &[u8]| {
        any_answer!(bytes; AccountJson, AddressHistory, AddressMove, Vec<BanJson>, BlockJson, BlockPage, ChainMove,
            DifficultyJson, FeeEstimateJson, FoundBlock, HeaderJson, HeaderPage, LightProofJson, MempoolInfo,
            MiningInfo, NetInfo, NodeInfo, Vec<PeerJson>, PoolPage, ProofJson, StorageInfo, Submitted, Supply,
            TransactionInfo, TransactionPage, TransactionProofJson, TxCheck, TxStatus, WorkJson, HexBytes, bool)
    };
    seeds.retain(|seed| read(seed));
    assert!(seeds.len() > 30, "most golden answers are of a type that is read here: {}", seeds.len());
    Target::new("rpc_answers").seeds(seeds).memory(64 << 10, 300).run(read);
}
