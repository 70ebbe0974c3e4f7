//! One flipped byte in each table of a node with a million accounts: how long whoever asks waits for a right answer.

use super::snapshot::{OFF, PLAN, network};
use super::{Bench, traffic};
use crate::chains::{self, People};
use crate::node::{self, Node, Scratch, number};
use crate::{Failure, results::Results};
use cairn_ledger::hash::TxId;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;
use std::{fs, fs::File, io};

/// Tables that are read while a node serves, and the control. Undo records are read in reorganisations alone.
const TABLES: &[&str] = &[
    "none",
    "id_by_height",
    "body_by_block",
    "location_by_txid",
    "index_by_address",
    "account_by_index",
    "link_by_index",
    "roots_by_part",
];
/// Accounts that are asked for.
const ACCOUNTS: u64 = 1_500;
/// Payments of a block that are asked for.
const PAYMENTS: usize = 2;

/// A call, and the right answer.
struct Read {
    method: &'static str,
    params: Value,
    answer: Value,
}

/// The ends of keys that are read: of addresses and of ids of payments.
type Ends = HashSet<[u8; 8]>;

/// What is asked for: accounts all over the state, all blocks and some payments of each.
fn reads(node: &Node) -> Result<(Vec<Read>, Ends), Failure> {
    let mut ends = Ends::new();
    let (people, spec) = (People::new(PLAN), chains::network(chains::LONG_AGO));
    // Nodes answer for those alone that somebody may have a key for.
    let step = PLAN.accounts / PLAN.signers * (PLAN.signers / ACCOUNTS);
    let addresses: Vec<_> = (0..ACCOUNTS).map(|n| people.address(n * step)).collect();
    ends.extend(addresses.iter().filter_map(|address| address.as_bytes().last_chunk()));
    let call = |address| ("state_getAccount", json!([spec.params().prefix.encode(address)]));
    let mut calls: Vec<_> = addresses.iter().map(call).collect();
    for height in 0..=node.height()? {
        let block = node.call("chain_getBlock", &json!([height]))?;
        let ids = block["transactions"].as_array().ok_or("a block has transactions")?;
        for id in ids.iter().take(PAYMENTS) {
            let txid: TxId = id.as_str().unwrap_or_default().parse()?;
            ends.extend(txid.as_bytes().last_chunk());
            calls.push(("chain_getTransaction", json!([id])));
        }
        calls.push(("chain_getBlock", json!([height])));
    }
    let read = |(method, params)| Ok(Read { method, answer: node.call(method, &params)?, params });
    Ok((calls.into_iter().map(read).collect::<Result<_, Failure>>()?, ends))
}

/// Flips a byte in the largest file of a table: in a key that is read, where keys are hashes.
fn flip(database: &Path, table: &str, ends: &Ends) -> Result<(), Failure> {
    let mut largest: Option<(Vec<u8>, _)> = None;
    for entry in fs::read_dir(database)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "sst") {
            continue;
        }
        let bytes = fs::read(&path)?;
        // RocksDB writes the table's name near the end.
        let is_of_table = bytes.windows(table.len()).rev().take(1 << 14).any(|window| window == table.as_bytes());
        if is_of_table && largest.as_ref().is_none_or(|(other, _)| other.len() < bytes.len()) {
            largest = Some((bytes, path));
        }
    }
    let (mut bytes, path) = largest.ok_or_else(|| format!("there is no file of {table}"))?;
    let is_read = |window: &[u8]| window.try_into().is_ok_and(|end: [u8; 8]| ends.contains(&end));
    // Where there is nothing but the beginning, that is where the entries are.
    let elsewhere = if bytes.len() > 200_000 { bytes.len() / 3 } else { 40 };
    let at = bytes.windows(8).position(is_read).unwrap_or(elsewhere);
    *bytes.get_mut(at).ok_or("a file has bytes")? ^= 0x10;
    // Other copies share the file: this one gets its own.
    fs::remove_file(&path)?;
    io::copy(&mut bytes.as_slice(), &mut File::create(&path)?)?;
    Ok(())
}

/// Flips a byte in each table in turns, and asks.
pub fn healing(bench: &Bench, results: &mut Results) -> Result<(), Failure> {
    let files = chains::files(&bench.work, PLAN)?;
    let network = network(bench, &files.network)?;
    let data = Scratch::new(&bench.work, "whole")?;
    node::import(&network, data.path(), &files.base, None)?;
    node::import(&network, data.path(), &files.payments, None)?;
    node::settle(&network, data.path())?;
    let copies = TABLES.iter().map(|table| Scratch::copy(&bench.work, table, data.path()));
    let copies = copies.collect::<Result<Vec<_>, _>>()?;
    let well = Node::start(&network, data.path(), &OFF.map(String::from))?;
    let ((reads, ends), peer) = (reads(&well)?, well.address()?);
    for (table, copy) in TABLES.iter().zip(copies) {
        let (seconds, fetched) = (format!("healing.{table}.seconds"), format!("healing.{table}.fetched_kib"));
        results.clear(&seconds);
        results.clear(&fetched);
        if *table != "none" {
            flip(&copy.path().join("db"), table, &ends)?;
        }
        let mut arguments = OFF.map(String::from).to_vec();
        arguments.extend([format!("--network.peers={peer}"), String::from("--rpc.rate=100000")]);
        if *table == "index_by_address" {
            // Where all accounts are in memory, nobody reads it.
            arguments.push(String::from("--memory.max_bytes=256MiB"));
        }
        let mut damaged = Node::start(&network, copy.path(), &arguments)?;
        let mut worst = damaged.started_in.as_secs_f64();
        damaged.until("it has a peer", |node| {
            (node.call("net_info", &json!([])).ok()?["peers"].as_u64()? > 0).then_some(())
        })?;
        for Read { method, params, answer } in &reads {
            let asked = Instant::now();
            let got = damaged.call(method, params)?;
            worst = worst.max(asked.elapsed().as_secs_f64());
            if got != *answer {
                return Err(format!("{table}: {method} {params} gave {got}, expected {answer}").into());
            }
        }
        let info = damaged.call("node_info", &json!([]))?;
        if (number(&info, "damage_mended")? > 0.0) == (*table == "none") {
            return Err(format!("{table}: got {} damages that were mended", info["damage_mended"]).into());
        }
        results.add(&seconds, worst);
        results.add(&fetched, traffic(&damaged, &["headers", "bodies", "snapshot"])? / 1024.0);
        damaged.stop()?;
    }
    well.stop()
}
