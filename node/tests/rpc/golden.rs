//! The JSON of every method's answer, as committed in `golden/<method>.json`.
//!
//! `CAIRN_REGENERATE=1 cargo test --release -p cairn-node --test rpc` writes the files anew; whoever does
//! so changes the contract with every client.

use cairn_ledger::codec::{self, BoundedVec};
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::light::{BareHeader, LightRequest, TransactionProof};
use cairn_ledger::merkle::{InclusionProof, txs_root};
use cairn_ledger::pow::{CompactTarget, Work};
use cairn_ledger::testing::{HeaderChain, arbitrary_hash, easy_network, genesis_state, key, mine, payment, seal};
use cairn_ledger::validate::{ChainContext, CheckedBlock, check_header, check_work};
use cairn_ledger::{accounts::AccountProof, block::Header, transaction::Transaction, units::Height};
use cairn_rpc::text::{HexBytes, Pebbles, Text};
use cairn_rpc::types::{
    AccountJson, AddressHistory, AddressMove, BackupInfo, BanJson, BlockJson, BlockPage, BlockTransactions, ChainMove,
    DifficultyJson, FeeEstimateJson, FoundBlock, Generated, HeaderJson, HeaderPage, HealthJson, HistoryCursor,
    HistoryEntry, LightProofJson, LossesJson, MemoryInfo, MempoolInfo, MiningInfo, NetInfo, NodeInfo, PeerJson,
    PendingJson, Place, PoolCursor, PoolEntry, PoolPage, ProblemJson, ProofJson, ProviderJson, Room, RulesJson,
    SnapshotJson, SnapshotProgressJson, StorageInfo, StretchJson, Submitted, Supply, SyncInfo, SyncPhase, TableSize,
    TrafficJson, TransactionInfo, TransactionJson, TransactionPage, TransactionProofJson, Trust, TxCheck, TxState,
    TxStatus, UploadInfo, WorkJson,
};
use serde::Serialize;
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

fn path(method: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/rpc/golden").join(format!("{method}.json"))
}

/// The committed answer of a method.
pub fn read(method: &str) -> Value {
    let text = std::fs::read_to_string(path(method)).unwrap_or_else(|error| panic!("{method}: {error}"));
    serde_json::from_str(&text).expect("a committed answer is JSON")
}

/// The methods with a committed answer.
pub fn methods() -> Vec<String> {
    let entries = std::fs::read_dir(path("x").with_file_name("")).expect("the golden directory");
    let names = entries.map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> = names.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

/// Block 1 of the easy network, with one payment.
struct Example {
    block: CheckedBlock,
    transaction: Transaction,
}

fn example() -> Example {
    let spec = easy_network();
    let transaction = payment(&spec, &key(1), 0, key(2).address(), 250_000_000, 1_000);
    let genesis = ChainContext::genesis(&spec);
    let block = mine(&spec, &genesis, &genesis_state(&spec), vec![transaction.clone()]);
    let now = block.header.time;
    let sealed = check_work(&spec, block.header).expect("a mined block");
    let linked = check_header(&spec, &genesis, sealed, now).expect("a child of block 0");
    let block = CheckedBlock::check(&spec, linked, block.body).expect("a valid block");
    Example { block, transaction }
}

/// Every method's answer, made of fixed values.
fn answers() -> BTreeMap<&'static str, Value> {
    let mut answers = BTreeMap::new();
    let mut add = |method, answer: Value| assert!(answers.insert(method, answer).is_none(), "{method} twice");
    chain_answers(&mut add);
    proof_answers(&mut add);
    state_answers(&mut add);
    tx_answers(&mut add);
    node_answers(&mut add);
    span_answers(&mut add);
    pool_answers(&mut add);
    answers
}

fn json(answer: impl Serialize) -> Value {
    serde_json::to_value(answer).expect("an answer is JSON")
}

fn chain_answers(add: &mut impl FnMut(&'static str, Value)) {
    let prefix = easy_network().params().prefix;
    let Example { block, transaction } = example();
    let header = HeaderJson::new(block.header().header(), block.header().total_work(), &prefix);
    let transaction = TransactionJson::new(&transaction, &prefix);
    let answer =
        |transactions| BlockJson { header: header.clone(), size: block.to_block().size() as u64, transactions };
    add("chain_tip", json(&header));
    add("chain_getHeader", json(&header));
    add("chain_subscribeHeads", json(&header));
    add("chain_getRawBlock", json(HexBytes(codec::encode(&block.to_block()))));
    add("chain_getBlock", json(answer(BlockTransactions::Ids(vec![transaction.txid]))));
    add("chain_getBlock.full", json(answer(BlockTransactions::Full(vec![transaction.clone()]))));
    add(
        "chain_getTransaction",
        json(TransactionInfo {
            transaction,
            state: TxState::Mined,
            block: Some(header.id),
            height: Some(1),
            confirmations: 1,
        }),
    );
}

fn proof_answers(add: &mut impl FnMut(&'static str, Value)) {
    let mut chain = HeaderChain::new(easy_network());
    let transaction = payment(&chain.spec, &key(1), 0, key(2).address(), 250_000_000, 1_000);
    let txid = transaction.id();
    let header = seal(Header { txs_root: txs_root(&[txid]), ..chain.template(2_000) });
    chain.push(header.clone());
    chain.grow(2);
    let (tip, work) = (chain.tip.id(), Text(chain.tip.total_work()));
    let request = LightRequest::of_tip(tip);
    let light = chain.light_proof(&request);
    let verified = light.verify(&chain.spec, &request, chain.tip.header().time).expect("the example proves something");
    let answer = |since, raw| LightProofJson { tip: Text(tip), height: 3, work, since, raw: HexBytes(raw) };
    add("chain_getProof", json(answer(None, codec::encode(&light))));
    let known = Text(chain.headers[2].id());
    add("chain_getProof.since", json(answer(Some(known), codec::encode(&chain.headers[3]))));
    let bare = chain.headers[1..].iter().flat_map(|header| codec::encode(&BareHeader::from(header)));
    add("chain_getBareHeaders", json(HexBytes(bare.collect())));
    let inclusion = InclusionProof::new(&[txid], 0).expect("place 0 of 1");
    let history = chain.history_proof(header.height);
    let block = Text(header.id());
    let proof = TransactionProof { header, transaction, inclusion, history };
    assert!(proof.verify(&chain.spec, &verified).is_ok(), "the example proves something");
    let raw = HexBytes(codec::encode(&proof));
    add(
        "chain_getTransactionProof",
        json(TransactionProofJson { txid: Text(txid), block, height: 1, at: Text(tip), raw }),
    );
}

fn span_answers(add: &mut impl FnMut(&'static str, Value)) {
    let spec = easy_network();
    let prefix = spec.params().prefix;
    let Example { block, transaction } = example();
    let header = HeaderJson::new(block.header().header(), block.header().total_work(), &prefix);
    let tip = header.id;
    let block = BlockJson {
        header: header.clone(),
        size: block.to_block().size() as u64,
        transactions: BlockTransactions::Ids(vec![Text(transaction.id())]),
    };
    let mined = TransactionInfo {
        transaction: TransactionJson::new(&transaction, &prefix),
        state: TxState::Mined,
        block: Some(tip),
        height: Some(1),
        confirmations: 1,
    };
    add("chain_getHeaders", json(HeaderPage { headers: vec![header.clone()], next: Some(2) }));
    add("chain_getBlocks", json(BlockPage { blocks: vec![block], next: Some(2) }));
    let next = Some(Place { height: 2, place: 0 });
    add("chain_getTransactions", json(TransactionPage { transactions: vec![mined.clone()], next }));
    let amount = |height| Pebbles(spec.supply(Height::new(height)));
    let next_reward = Pebbles(spec.subsidy(Height::new(2)));
    let burned = Some(Pebbles(cairn_ledger::testing::pebbles(3_000)));
    let supply = Supply { height: 1, issued: amount(1), burned, next_reward, in_the_end: amount(u64::MAX) };
    add("chain_supply", json(supply));
    add(
        "chain_difficulty",
        json(DifficultyJson {
            height: 120,
            window: 120,
            span_ms: 240_000,
            mean_interval_ms: 2_000,
            interval_ms: 2_000,
            work: Text(Work::from_u64(480)),
            hash_rate: 2.5,
            next_target: Text(CompactTarget::from_bits(0x1e1f_ffff)),
        }),
    );
    add("chain_subscribeMoves", json(ChainMove { disconnected: vec![], connected: vec![header.clone()], tip }));
    let mined_block = &header;
    let entry = HistoryEntry {
        height: 1,
        block: tip,
        time: mined_block.time,
        confirmations: 1,
        place: Some(0),
        sent: Pebbles(cairn_ledger::testing::pebbles(transaction.body.total() + 1_000)),
        price: Pebbles(cairn_ledger::testing::pebbles(1_000)),
        received: Pebbles(cairn_ledger::testing::pebbles(0)),
        transaction: Some(TransactionJson::new(&transaction, &prefix)),
    };
    let next = Some(Text(HistoryCursor { height: 1, place: 0, tip: tip.0 }));
    let address = prefix.encode(&transaction.body.sender);
    let (entries, reorganised_above) = (vec![entry], Some(0));
    let history = AddressHistory { address, entries, next, reorganised_above, height: 1, block: tip };
    add("state_getHistory", json(history));
    add("state_subscribeAddress", json(AddressMove { disconnected: vec![], connected: vec![mined], tip }));
}

fn pool_answers(add: &mut impl FnMut(&'static str, Value)) {
    let spec = easy_network();
    let prefix = spec.params().prefix;
    let Example { block, transaction } = example();
    let (txid, fee) = (transaction.id(), Pebbles(transaction.body.fee));
    let entry =
        PoolEntry { transaction: TransactionJson::new(&transaction, &prefix), added: 1_793_491_200_000, ready: true };
    let next = Some(Text(PoolCursor { added: entry.added, txid }));
    let min_fee = Pebbles(cairn_ledger::testing::pebbles(transaction.size() as u64));
    let (size, price) = (transaction.size() as u64, Pebbles(spec.params().account_price));
    add("tx_check", json(TxCheck { txid: Text(txid), size, fee, min_fee, new_accounts: 1, price }));
    add("mempool_content", json(PoolPage { transactions: vec![entry.clone()], next }));
    add("mempool_ofSender", json(vec![entry]));
    add(
        "mempool_feeEstimate",
        json(FeeEstimateJson {
            fee_rate: 2,
            blocks: 1,
            block_bytes: 1_000_000,
            bytes_ahead: 999_900,
            bytes_pooled: 5_000_000,
        }),
    );
    let header = block.header().header();
    add(
        "mining_getTemplate",
        json(WorkJson {
            seal: Text(cairn_ledger::hash::Hash::from_bytes(*header.seal().as_bytes())),
            target: Text(header.target),
            height: 1,
            parent: Text(header.parent),
            time: header.time.millis(),
            transactions: 1,
            earns: Pebbles(cairn_ledger::testing::pebbles(1_000)),
            header: HexBytes(codec::encode(header)),
        }),
    );
    add("mining_submit", json(FoundBlock { block: Text(block.header().id()) }));
    let table = TableSize { name: String::from("body_by_block"), bytes: 1_234, entries: 7 };
    let memory = MemoryInfo {
        process: Some(100_000_000),
        database_cache: 1_000_000,
        database_writes: 2_000_000,
        database_indexes: 3_000,
        pool: 354,
    };
    add("node_backup", json(BackupInfo { directory: String::from("/backups/today"), bytes: 5_000, height: 7 }));
    add("node_storage", json(StorageInfo { tables: vec![table], bytes: 1_234, memory }));
}

fn state_answers(add: &mut impl FnMut(&'static str, Value)) {
    let spec = easy_network();
    let prefix = spec.params().prefix;
    let leaf = spec.genesis_leaves()[1];
    let shown = prefix.encode(&leaf.address);
    let (balance, block) = (Pebbles(leaf.account.balance), Text(spec.genesis_id()));
    let pending = PendingJson { balance, nonce: Text(1), count: 1 };
    add(
        "state_getAccount",
        json(AccountJson { address: shown.clone(), exists: true, balance, nonce: Text(0), pending, height: 0, block }),
    );
    let state = genesis_state(&spec);
    let path = BoundedVec::new(state.tree().path(1).expect("leaf 1 is there")).expect("a short path");
    let proof = AccountProof { count: state.leaves().len() as u64, index: 1, leaf, path };
    let root = spec.genesis().state_root;
    assert_eq!(proof.verify(&leaf.address, &root), Ok(Some(leaf.account)), "the example proves something");
    add("state_getProof", json(ProofJson::new(spec.genesis(), shown, Some(leaf.account), &proof)));
}

fn tx_answers(add: &mut impl FnMut(&'static str, Value)) {
    let txid = Text(TxId::from_bytes(*arbitrary_hash(1).as_bytes()));
    let block = Text(BlockId::from_bytes(*arbitrary_hash(2).as_bytes()));
    add("tx_submit", json(Submitted { txid }));
    let status = |state, reason| TxStatus { txid, state, block: None, height: None, confirmations: 0, reason };
    add("tx_status.unknown", json(status(TxState::Unknown, None)));
    add("tx_status.pooled", json(status(TxState::Pooled, None)));
    add("tx_status.dropped", json(status(TxState::Dropped, Some(String::from("replaced")))));
    add("tx_status.expired", json(status(TxState::Expired, None)));
    let mined = TxStatus { block: Some(block), height: Some(7), confirmations: 3, ..status(TxState::Mined, None) };
    add("tx_subscribeStatus", json(&mined));
    add("tx_status", json(mined));
}

fn node_answers(add: &mut impl FnMut(&'static str, Value)) {
    let spec = easy_network();
    let block = Text(BlockId::from_bytes(*arbitrary_hash(2).as_bytes()));
    let work = Text(Work::from_u64(1 << 40));
    let target = CompactTarget::from_bits(0x1e1f_ffff);
    let peer_id = String::from("12D3KooWGMYMmN1RGUYjWaSV6P3XtnBjwnosnJGNMnttfVCRnd6g");
    let address = String::from("/ip4/127.0.0.1/tcp/29740");
    add(
        "node_info",
        json(NodeInfo {
            version: String::from("0.1.0"),
            chain: spec.params().name.clone(),
            genesis_id: Text(spec.genesis_id()),
            address_prefix: spec.params().prefix.to_string(),
            peer_id: peer_id.clone(),
            height: 7,
            tip: block,
            state_root: Text(arbitrary_hash(3)),
            work,
            rules: RulesJson::new(&spec, Height::new(8)),
            outdated: false,
            rules_notice: Some(String::from("1 of 3 peers have other upgrades")),
            health: HealthJson {
                ready: false,
                problems: vec![ProblemJson {
                    kind: String::from("no_bodies"),
                    blocking: true,
                    message: String::from("no peer has block 8"),
                    advice: String::from("name such a node"),
                }],
            },
            sync: SyncInfo {
                phase: SyncPhase::Stalled,
                headers: 9,
                target: 14,
                progress: 0.5,
                blocks_per_second: 1.5,
                left_ms: Some(4_000),
                snapshot: Some(SnapshotProgressJson { height: 2_880, here: 3, runs: Some(9) }),
                reason: Some("no peer has block 8".to_owned()),
            },
            peers: 1,
            pooled: 2,
            time: 1_793_491_200_000,
            uptime_ms: 60_000,
            address_index: None,
            accounts: 8,
            memory_bytes: None,
            max_memory_bytes: None,
            lowest_body: 0,
            stretches: vec![StretchJson { from: 4_096, to: 8_191, drawn: true }],
            trust: Trust::Work,
            restored_at: Some(600),
            history_height: Some(300),
            snapshots: vec![SnapshotJson { height: 600, state_root: Text(arbitrary_hash(9)), accounts: 8 }],
            damage_mended: 0,
            room: Room {
                used_bytes: 5_000_000,
                free_bytes: 900_000_000_000,
                max_bytes: Some(100_000_000_000),
                growth_bytes_per_day: Some(10_000_000),
                days_until_full: Some(9_999),
            },
            upload: UploadInfo { today_bytes: 1_000, max_bytes_per_day: None },
        }),
    );
    add(
        "mempool_info",
        json(MempoolInfo {
            count: 2,
            bytes: 354,
            max_count: 100_000,
            max_bytes: 64 << 20,
            senders: 1,
            min_fee_rate: 1,
        }),
    );
    add(
        "mining_info",
        json(MiningInfo {
            threads: 1,
            duty: 100,
            beneficiary: Some(spec.params().prefix.encode(&key(0).address())),
            hash_rate: 1_500_000.5,
            blocks_found: 3,
            paused: None,
            next_height: 8,
            next_target: Text(target),
            next_work: Text(target.decode().expect("in normal form").work()),
        }),
    );
    add("mining_generate", json(Generated { blocks: vec![block], stopped: None }));
    add(
        "net_info",
        json(NetInfo {
            peer_id: peer_id.clone(),
            listening: vec![format!("{address}/p2p/{peer_id}")],
            external: vec![],
            peers: 1,
            inbound: 1,
            outbound: 0,
            protocol_prefix: String::from("/cairn/9d31591f"),
            reach: String::from("public"),
            reach_reason: String::from("on a network of private addresses whoever has its address reaches it"),
            known_new: 3,
            known_tried: 1,
            bans: 1,
            admitted: None,
            clock_ahead_ms: Some(-120),
            losses: LossesJson { dropped: 118, repeated: 1, crowded_out: 0, unlooked: 4, sent_again: 2 },
        }),
    );
    add(
        "net_peers",
        json(vec![PeerJson {
            peer_id: peer_id.clone(),
            address,
            inbound: true,
            agent: Some(String::from("cairn-node/0.1.0")),
            height: Some(7),
            tip: Some(block),
            work: Some(work),
            latency_ms: Some(1),
            connected_ms: 60_000,
            mesh: vec![String::from("blocks"), String::from("txs")],
            score: 0,
            useful_ms: Some(1_000),
            traffic: vec![TrafficJson { protocol: String::from("status"), received: 321, sent: 642 }],
        }]),
    );
    add("net_addPeer", json(()));
    add("net_ban", json(()));
    add("node_stop", json(()));
    add("net_unban", json(true));
    let (target, reason) = (String::from("203.0.0.0/16"), String::from("by the operator"));
    add("net_listBans", json(vec![BanJson { target, until: 1_793_494_800_000, reason }]));
    add("net_admit", json(true));
    add("net_revoke", json(true));
    add("net_findProviders", json(vec![ProviderJson { peer_id, connected: true, own: false }]));
}

#[test]
fn every_answer_has_its_committed_shape() {
    let regenerate = std::env::var_os("CAIRN_REGENERATE").is_some();
    for (method, answer) in answers() {
        if regenerate {
            std::fs::write(path(method), format!("{answer:#}\n")).expect("the golden directory can be written");
        }
        assert_eq!(answer, read(method), "{method}");
    }
    let committed: Vec<String> = answers().keys().map(|method| (*method).to_owned()).collect();
    assert_eq!(methods(), committed, "no file is left over");
}
