//! Whatever bytes a peer sends, or stand in a file of the network's (docs/testing.md).

use crate::addrman::book::{AddressBook, Source};
use crate::addrman::{file, ip_groups, node_address::NodeAddress};
use crate::ids::{Multiaddr, PeerId};
use crate::outbound::persistent;
use crate::requests::upload_target::{MAX_FILE_BYTES, UploadTarget};
use crate::wire::compact::{PartialBlock, Unresolved, compact};
use crate::wire::{
    Addresses, BlockTxs, Bodies, CompactBlock, GetAddresses, GetBlockTxs, GetBodies, GetHeaders, GetPool, GetStateRun,
    Headers, MAX_PREFILLED_BYTES, Message, PeerAddress, PeerStatus, PoolAnswer, StateRuns, TxBatch,
};
use cairn_fuzz::Target;
use cairn_ledger::block::{Block, Body};
use cairn_ledger::codec::BoundedVec;
use cairn_ledger::hash::{BlockId, TxId, sha256};
use cairn_ledger::merkle::txs_root;
use cairn_ledger::testing::{arbitrary_hash, checked, easy_network, genesis_state, key, mine, payment};
use cairn_ledger::units::Timestamp;
use cairn_ledger::validate::{ChainContext, CheckedTransaction};
use std::fmt::Debug;

const GENESIS: BlockId = BlockId::from_bytes([3; 32]);

/// The golden bytes of every message.
fn golden() -> Vec<Vec<u8>> {
    let lines = include_str!("wire/wire.golden").lines();
    lines.filter_map(|line| line.split_once(' ')).map(|(_, digits)| hex::decode(digits).expect("hex")).collect()
}

/// Reads a message, and checks that it is written as it was read, and within its bounds.
fn message<M: Message + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Ok(message) = M::from_bytes(bytes) else { return false };
    let written = message.to_bytes();
    assert!(bytes.starts_with(&written) && bytes.len() <= M::MAX_BYTES, "{message:?}");
    assert!(M::OPEN_ENDED || written.len() == bytes.len(), "what is gossiped has one form: {message:?}");
    assert_eq!(M::from_bytes(&written), Ok(message));
    true
}

#[test]
fn network_wire() {
    Target::new("network_wire").seeds(golden()).run(|bytes| {
        let gossip = message::<CompactBlock>(bytes) | message::<TxBatch>(bytes);
        let questions = message::<GetHeaders>(bytes) | message::<GetBodies>(bytes) | message::<GetBlockTxs>(bytes);
        let answers = message::<Headers>(bytes) | message::<Bodies>(bytes) | message::<BlockTxs>(bytes);
        let pool = message::<GetPool>(bytes) | message::<PoolAnswer>(bytes);
        let snapshot = message::<GetStateRun>(bytes) | message::<StateRuns>(bytes);
        let addresses = message::<GetAddresses>(bytes) | message::<Addresses>(bytes);
        if let Ok(status) = PeerStatus::from_bytes(bytes) {
            let name = |name: &str| name.bytes().all(|byte| byte.is_ascii_graphic()) && name.len() <= 32;
            assert!(status.upgrades.iter().all(|upgrade| name(&upgrade.inert_name())));
        }
        gossip | questions | answers | pool | snapshot | addresses | message::<PeerStatus>(bytes)
    });
}

/// A block of nine payments, and they as a pool has them.
fn block() -> (Block, Vec<CheckedTransaction>) {
    let spec = easy_network();
    let payments: Vec<_> = (0..9).map(|n| payment(&spec, &key(n), 0, key(50).address(), 7, 200)).collect();
    let block = mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), payments.clone());
    (block, checked(&spec, payments))
}

/// A compact block from anybody, against a pool and an answer with what was missing.
#[test]
fn network_compact() {
    let (block, pool) = block();
    let body = || block.body.iter().map(|transaction| (transaction, transaction.id()));
    let known: Vec<TxId> = pool.iter().map(CheckedTransaction::txid).take(5).collect();
    let seeds = [
        compact(&block.header, body(), |_| true),
        compact(&block.header, body(), |_| false),
        compact(&block.header, body(), |txid| known.contains(txid)),
    ];
    // A short id stands for a transaction, and has a place for one.
    Target::new("network_compact").seeds(seeds.iter().map(Message::to_bytes)).memory(64 << 10, 128).run(|bytes| {
        let Ok(message) = CompactBlock::from_bytes(bytes) else { return false };
        let (header, prefilled) = (message.header.clone(), message.prefilled.clone());
        let total = message.short_ids.len() + prefilled.len();
        let mut draft = match PartialBlock::begin(message, &pool[..5]) {
            Ok(draft) => draft,
            Err(error) => {
                assert_eq!(error, Unresolved::Misplaced, "the rest depends on the pool");
                return false;
            }
        };
        assert!(prefilled.iter().map(|entry| entry.transaction.size()).sum::<usize>() <= MAX_PREFILLED_BYTES);
        let missing = draft.missing();
        assert!(missing.is_sorted_by(|a, b| a < b) && missing.last().is_none_or(|last| (*last as usize) < total));
        assert!(prefilled.iter().all(|entry| !missing.contains(&entry.place)), "what is there is not asked for");
        let answer: Vec<_> = missing.iter().filter_map(|place| block.body.get(*place as usize).cloned()).collect();
        let (got, expected) = (answer.len(), missing.len());
        match draft.fill(answer) {
            Ok(put) => assert!(put.iter().map(|(place, _)| place).eq(&missing)),
            Err(error) => assert_eq!(error, Unresolved::Count { got, expected }),
        }
        if let Ok(candidates) = draft.finish() {
            let transactions = candidates.iter().map(|candidate| candidate.transaction().clone()).collect();
            let body = Body::new(transactions).expect("a block's transactions");
            let ids: Vec<TxId> = body.iter().map(|transaction| transaction.id()).collect();
            assert_eq!(txs_root(&ids), header.txs_root, "the transactions are those of the header");
            assert!(header.txs_root != block.header.txs_root || body == block.body);
        }
        true
    });
}

/// A book's file with whatever body, under the checksum that fits it: a mutation would never find that.
fn sealed(body: &[u8]) -> Vec<u8> {
    [b"cairnab1".as_slice(), sha256(&[GENESIS.as_bytes(), body]).as_bytes(), body].concat()
}

#[test]
fn network_address_book() {
    let mut book = AddressBook::new([9; 16], true);
    let now = Timestamp::from_millis(1_700_000_000_000);
    for n in 1..12 {
        book.add(place(n), Source::Search, now);
    }
    (1..6).for_each(|n| book.reached(place(n), now));
    book.failed(&place(3), now);
    book.set_anchors(&[place(2)]);
    let body = file::encode(&book, &GENESIS).split_off(40);
    let empty = file::encode(&AddressBook::new([9; 16], true), &GENESIS).split_off(40);
    Target::new("network_address_book").seeds([body, empty]).run(|bytes| {
        assert!(bytes.len() < 40 || file::decode(bytes, &GENESIS, true).is_err(), "without its checksum");
        let Ok(mut book) = file::decode(&sealed(bytes), &GENESIS, true) else { return false };
        book.check();
        let saved = file::encode(&book, &GENESIS);
        let again = file::decode(&saved, &GENESIS, true).expect("what was written");
        assert!(again.entries().eq(book.entries()), "what is saved is loaded");
        let public = file::decode(&sealed(bytes), &GENESIS, false).expect("the same file");
        assert!(public.entries().all(|(address, _)| !ip_groups::is_private(address.ip())));
        // Whatever its clocks say, it can be used.
        for address in book.sample(64, now) {
            book.failed(&address, now);
            book.reached(address, now);
        }
        book.check();
        true
    });
}

/// The n-th of some places.
fn place(n: u8) -> NodeAddress {
    let ip = std::net::Ipv4Addr::new(n, 2, 3, 4).to_ipv6_mapped().octets();
    let wire = PeerAddress { key: *arbitrary_hash(n.into()).as_bytes(), ip, port: 9740, quic: n.is_multiple_of(2) };
    NodeAddress::from_wire(&wire, true).expect("a place")
}

/// Places, as peers and operators write them.
#[test]
fn network_place() {
    let own = PeerId::from_bytes(&[&[0, 0x24, 8, 1, 0x12, 0x20][..], &[7; 32]].concat()).expect("an Ed25519 key");
    let peer = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    let seeds =
        ["/ip4/1.2.3.4/tcp/5", "/ip6/2606:4700::1/udp/9/quic-v1", "/dns4/node.example/tcp/1", "/ip4/10.0.0.1/tcp/5"];
    let seeds = seeds.map(|text| format!("{text}/p2p/{peer}"));
    let words =
        ["/p2p-circuit", "/ip4/127.0.0.1", "/ip6/::1", "/tcp/0", "/udp/1", "/quic-v1", "/p2p/", "/ip6zone/x", peer];
    Target::new("network_place").seeds(seeds).words(words).run(|bytes| {
        let upload = UploadTarget::new(Some(5), bytes.get(..MAX_FILE_BYTES.min(bytes.len())));
        let _ = (upload.today(Timestamp::from_millis(u64::MAX)), upload.is_spent(Timestamp::from_millis(1)));
        let raw = Multiaddr::try_from(bytes.to_vec()).ok();
        let text = str::from_utf8(bytes).unwrap_or_default();
        let named = persistent::parse(text, own).ok();
        for address in raw.iter().chain(named.as_ref().map(|(_, address)| address)) {
            let _ = (ip_groups::neighbourhood(address), ip_groups::is_reachable(address, true));
            let peer = ip_groups::peer_of(address).unwrap_or(own);
            for allow_private in [false, true] {
                let Some(place) = NodeAddress::new(peer, address, allow_private) else { continue };
                let wire = place.to_wire().expect("a place that has passed");
                assert_eq!(NodeAddress::from_wire(&wire, allow_private), Some(place), "it crosses the wire as it is");
                assert_eq!(NodeAddress::new(peer, &place.multiaddr(), allow_private), Some(place));
                assert!(allow_private || !ip_groups::is_private(place.ip()));
            }
        }
        let addresses = raw.into_iter().chain(named.clone().map(|(_, address)| address)).collect::<Vec<_>>();
        let mut book = AddressBook::new([1; 16], false);
        let learnt = book.learn(own, &addresses, Source::Search, Timestamp::from_millis(1));
        assert!(learnt.iter().all(|place| place.peer() == own && !ip_groups::is_private(place.ip())));
        named.is_some()
    });
}

/// Answers about addresses: what is taken from them is a place that could be told to others.
#[test]
fn network_addresses() {
    let addresses = BoundedVec::new((1..5).filter_map(|n| place(n).to_wire()).collect()).expect("four");
    Target::new("network_addresses").seeds([Addresses { addresses }.to_bytes()]).run(|bytes| {
        let Ok(Addresses { addresses }) = Addresses::from_bytes(bytes) else { return false };
        for wire in addresses.iter() {
            let Some(place) = NodeAddress::from_wire(wire, false) else { continue };
            assert!(!ip_groups::is_private(place.ip()) && place.to_wire().is_some());
            assert_eq!(NodeAddress::new(place.peer(), &place.multiaddr(), false), Some(place));
        }
        true
    });
}
