//! Whatever bytes stand in the database: a value, written as it was read, or damage (docs/testing.md).

use super::codec::{Table, begin_value, decode_value};
use super::schema::{
    AccountByIndex, AddressLink, BodyByBlock, HeaderById, HeaderRecord, IdByHeight, IndexByAddress, LinkByIndex,
    LocationByTxid, Meta, MetaRecord, UnderWay, UndoByBlock, UndoLeaf, UndoLeaves,
};
use cairn_fuzz::Target;
use cairn_ledger::codec::{BoundedVec, Encode, encode_onto};
use cairn_ledger::testing::{easy_network, genesis_state, key, mine, payment};
use cairn_ledger::{Account, Address, Block, BlockId, Body, ChainContext, Height, Work};

/// A value as it is stored.
fn stored(value: &impl Encode) -> Vec<u8> {
    let mut bytes = Vec::new();
    begin_value(&mut bytes);
    encode_onto(&mut bytes, value);
    bytes
}

/// Reads a table's value, and checks that it is written as it was read.
fn value<T: Table>(bytes: &[u8]) -> bool {
    match decode_value::<T>(b"key", bytes) {
        Ok(value) => {
            assert_eq!(stored(&value), bytes, "one value, one encoding");
            true
        }
        Err(error) => {
            assert!(error.is_storage_failure(), "whatever stands there is damage: {error}");
            false
        }
    }
}

/// Block 1 of the easy network, with a payment.
fn block() -> Block {
    let spec = easy_network();
    let paid = payment(&spec, &key(1), 0, key(100).address(), 5, 1_000);
    mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), vec![paid])
}

#[test]
fn chain_store_value() {
    let (block, id) = (block(), BlockId::from_bytes([7; 32]));
    let (address, account) = (key(1).address(), Account::default());
    let (target, leaf) = (block.header.target, UndoLeaf { index: 2, account, next: Some(address) });
    let header = HeaderRecord {
        header: block.header.clone(),
        total_work: Work::from_u64(9),
        next_target: target,
        completed: BoundedVec::new(easy_history()).expect("few nodes"),
    };
    let undo =
        UndoLeaves { count: 11, leaves: BoundedVec::new(vec![leaf, UndoLeaf { next: None, ..leaf }]).expect("two") };
    let seeds = [
        stored(&MetaRecord::Identity { format: 6, genesis_id: id }),
        stored(&MetaRecord::Tip(id)),
        stored(&MetaRecord::AddressIndex(Height::new(5))),
        stored(&MetaRecord::Reorganisation(UnderWay { from: id, to: id })),
        stored(&header),
        stored(&block.body),
        stored(&Body::default()),
        stored(&undo),
        stored(&id),
        stored(&(5_u64, 7_u32)),
        stored(&3_u64),
        stored(&AddressLink { address, next: Address::ZERO }),
        stored(&account),
    ];
    Target::new("chain_store_value").seeds(seeds).run(|bytes| {
        let meta = value::<Meta>(bytes) | value::<HeaderById>(bytes) | value::<BodyByBlock>(bytes);
        let blocks = value::<UndoByBlock>(bytes) | value::<IdByHeight>(bytes) | value::<LocationByTxid>(bytes);
        let accounts = value::<IndexByAddress>(bytes) | value::<AccountByIndex>(bytes);
        meta | blocks | accounts | value::<LinkByIndex>(bytes)
    });
}

/// Nodes of a history.
fn easy_history() -> Vec<cairn_ledger::mmr::MmrNode> {
    ChainContext::genesis(&easy_network()).history().peaks().to_vec()
}
