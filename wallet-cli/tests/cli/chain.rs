//! A node with a real chain in memory, which proves what it says, unless a test has it lie.

use crate::{harness::Home, node::serve};
use cairn_ledger::codec::{self, BoundedVec};
use cairn_ledger::hash::{BlockId, TxId};
use cairn_ledger::light::{BareHeader, LightRequest, TAIL, TransactionProof};
use cairn_ledger::testing::{self, HeaderChain, MemoryState, easy_params, key};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::{
    accounts::AccountProof, block::Block, chain_spec::ChainSpec, keys::Address, merkle::InclusionProof,
    transaction::Transaction,
};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::text::{HexBytes, Pebbles, Text};
use cairn_rpc::types::{
    AccountJson, AddressHistory, HeaderJson, HealthJson, HistoryCursor, HistoryEntry, LightProofJson, NodeInfo,
    PendingJson, ProofJson, Room, RulesJson, SyncInfo, SyncPhase, TransactionJson, TransactionProofJson, Trust,
    TxState, TxStatus, UploadInfo,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{fs, net::TcpListener, sync::Arc, thread, time::UNIX_EPOCH};

/// What a node makes of its true answer to a method.
pub type Lie = Arc<dyn Fn(&str, Value) -> Value + Send + Sync>;

/// What this computer's clock says, in milliseconds since 1970.
pub fn now() -> u64 {
    u64::try_from(UNIX_EPOCH.elapsed().expect("a clock after 1970").as_millis()).expect("before the year 5000")
}

/// The easy network with block 0 `age_ms` before now.
pub fn network(age_ms: u64) -> ChainSpec {
    let mut params = easy_params();
    params.genesis_time = Timestamp::from_millis(now() - age_ms);
    ChainSpec::new(params).expect("valid parameters")
}

/// Writes the network as the file `easy.toml` of a home.
pub fn write_network(home: &Home, spec: &ChainSpec) {
    let text = testing::network_file(spec.params(), true);
    fs::write(home.path("easy.toml"), text).expect("a fresh directory can be written");
}

/// A chain with all its states and blocks.
#[derive(Clone)]
pub struct Chain {
    pub headers: HeaderChain,
    states: Vec<MemoryState>,
    bodies: Vec<Vec<Transaction>>,
}

impl Chain {
    pub fn new(spec: ChainSpec) -> Self {
        let states = vec![testing::genesis_state(&spec)];
        Self { headers: HeaderChain::new(spec), states, bodies: vec![Vec::new()] }
    }

    pub fn spec(&self) -> &ChainSpec {
        &self.headers.spec
    }

    pub fn state(&self) -> &MemoryState {
        self.states.last().expect("the one after block 0 at least")
    }

    /// Mines a block `gap` ms after the tip, through every check.
    pub fn mine(&mut self, transactions: Vec<Transaction>, gap: u64) {
        let (parent, mut state) = (self.headers.tip.clone(), self.state().clone());
        let time = parent.header().time.saturating_add(gap);
        let block = testing::mine_at(self.spec(), &parent, &state, transactions.clone(), time);
        state.follow(self.spec(), &parent, block.clone());
        self.headers.push(block.header);
        self.states.push(state);
        self.bodies.push(transactions);
    }

    pub fn grow(&mut self, count: u64) {
        (0..count).for_each(|_| self.mine(Vec::new(), 2_000));
    }

    /// A payment from test key 1 that fits here.
    pub fn pay(&self, to: Address, amount: u64) -> Transaction {
        let nonce = self.state().nonce(&key(1).address());
        testing::payment(self.spec(), &key(1), nonce, to, amount, 1_000)
    }

    /// The proof of an account, or of its absence, after the block at `height`.
    pub fn account_proof(&self, address: &Address, height: usize) -> AccountProof {
        let leaves = self.states[height].leaves();
        let found = leaves.iter().position(|leaf| leaf.address == *address || leaf.proves_absence_of(address));
        self.leaf_proof(found.expect("a leaf at or below every address"), height)
    }

    /// The proof of the leaf at `index`.
    pub fn leaf_proof(&self, index: usize, height: usize) -> AccountProof {
        let (state, index64) = (&self.states[height], index as u64);
        let path = BoundedVec::new(state.tree().path(index64).expect("a leaf")).expect("a short path");
        AccountProof { count: state.leaves().len() as u64, index: index64, leaf: state.leaves()[index], path }
    }

    /// The proof that a transaction is in this chain, under its tip.
    pub fn transaction_proof(&self, txid: &TxId) -> Option<TransactionProof> {
        let height = self.bodies.iter().position(|body| body.iter().any(|transaction| transaction.id() == *txid))?;
        let txids: Vec<TxId> = self.bodies[height].iter().map(Transaction::id).collect();
        let place = txids.iter().position(|id| id == txid)?;
        Some(TransactionProof {
            header: self.headers.headers[height].clone(),
            transaction: self.bodies[height][place].clone(),
            inclusion: InclusionProof::new(&txids, place)?,
            history: self.headers.history_proof(Height::new(height as u64)),
        })
    }

    /// The true answer to a request.
    pub fn answer(&self, request: &Value) -> Result<Value, RpcError> {
        let parameter = |place: usize| request["params"].get(place).cloned().unwrap_or(Value::Null);
        match request["method"].as_str().expect("a method") {
            "node_info" => Ok(json(self.info())),
            "chain_tip" => {
                let tip = &self.headers.tip;
                Ok(json(HeaderJson::new(tip.header(), tip.total_work(), &self.spec().params().prefix)))
            }
            "chain_getProof" => self.light(read(parameter(0)), read(parameter(1)), read(parameter(2))),
            "chain_getBareHeaders" => self.bare(read(parameter(0)), read(parameter(1)), read(parameter(2))),
            "chain_getRawBlock" => {
                let id: Text<BlockId> = read(parameter(0));
                let place = self.headers.headers.iter().position(|header| header.id() == id.0);
                let place = place.ok_or_else(|| RpcError::new(Code::BlockNotFound, "not on the chain"))?;
                let body = BoundedVec::new(self.bodies[place].clone()).expect("few");
                Ok(json(HexBytes(codec::encode(&Block { header: self.headers.headers[place].clone(), body }))))
            }
            "state_getAccount" => Ok(json(self.account(&read::<String>(parameter(0))))),
            "state_getProof" => self.state_proof(&read::<String>(parameter(0)), read(parameter(1))),
            "state_getHistory" => self.history(&read::<String>(parameter(0)), read(parameter(1))),
            "tx_status" => Ok(json(self.status(read(parameter(0))))),
            "chain_getTransactionProof" => self.transaction(read(parameter(0)), read(parameter(1))),
            other => panic!("the wallet called {other}"),
        }
    }

    fn light(
        &self,
        tip: Text<BlockId>,
        random: Text<cairn_ledger::hash::Hash>,
        known: Option<Text<BlockId>>,
    ) -> Result<Value, RpcError> {
        let (here, all) = (&self.headers.tip, &self.headers.headers);
        if tip.0 != here.id() {
            return Err(RpcError::new(Code::BlockNotFound, "not the tip"));
        }
        let known = known.and_then(|known| all.iter().position(|header| header.id() == known.0));
        let known = known.filter(|known| (all.len() - known) as u64 <= TAIL);
        let (since, raw) = match known {
            Some(known) => (Some(Text(all[known].id())), all[known + 1..].iter().flat_map(codec::encode).collect()),
            None => {
                let request = LightRequest { tip: tip.0, random: random.0 };
                (None, codec::encode(&self.headers.light_proof(&request)))
            }
        };
        let (height, work) = (here.header().height.get(), Text(here.total_work()));
        Ok(json(LightProofJson { tip, height, work, since, raw: HexBytes(raw) }))
    }

    fn bare(&self, after: Text<BlockId>, at: Text<BlockId>, count: u64) -> Result<Value, RpcError> {
        let all = &self.headers.headers;
        let place = |id: BlockId| all.iter().position(|header| header.id() == id);
        let (Some(after), Some(at)) = (place(after.0), place(at.0)) else {
            return Err(RpcError::new(Code::BlockNotFound, "not on the chain"));
        };
        let headers = all[after + 1..=at].iter().take(count as usize);
        Ok(json(HexBytes(headers.flat_map(|header| codec::encode(&BareHeader::from(header))).collect())))
    }

    fn state_proof(&self, address: &str, at: Text<BlockId>) -> Result<Value, RpcError> {
        let key = self.spec().params().prefix.decode(address)?;
        let height = self.headers.headers.iter().position(|header| header.id() == at.0);
        let height = height.ok_or_else(|| RpcError::new(Code::StateNotKept, "not kept"))?;
        let proof = self.account_proof(&key, height);
        let account = (proof.leaf.address == key).then_some(proof.leaf.account);
        Ok(json(ProofJson::new(&self.headers.headers[height], address.to_owned(), account, &proof)))
    }

    fn transaction(&self, txid: Text<TxId>, at: Text<BlockId>) -> Result<Value, RpcError> {
        if at.0 != self.headers.tip.id() {
            return Err(RpcError::new(Code::BlockNotFound, "not the tip"));
        }
        let proof = self.transaction_proof(&txid.0);
        let proof = proof.ok_or_else(|| RpcError::new(Code::TransactionNotFound, "not mined"))?;
        let (block, height) = (Text(proof.header.id()), proof.header.height.get());
        Ok(json(TransactionProofJson { txid, block, height, at, raw: HexBytes(codec::encode(&proof)) }))
    }

    /// Two entries a page, from the index that this node keeps.
    fn history(&self, address: &str, before: Option<Text<HistoryCursor>>) -> Result<Value, RpcError> {
        let (prefix, tip) = (&self.spec().params().prefix, self.headers.tip.id());
        let key = prefix.decode(address)?;
        let mut entries = Vec::new();
        for (header, body) in self.headers.headers.iter().zip(&self.bodies) {
            for (transaction, place) in body.iter().zip(0..) {
                let pays = transaction.body.outputs.iter().any(|output| output.to == key);
                if pays || transaction.body.sender == key {
                    entries.push(HistoryEntry {
                        height: header.height.get(),
                        block: Text(header.id()),
                        time: header.time.millis(),
                        confirmations: self.headers.tip.header().height.get() - header.height.get() + 1,
                        place: Some(place),
                        sent: Pebbles::default(),
                        price: Pebbles::default(),
                        received: Pebbles::default(),
                        transaction: Some(TransactionJson::new(transaction, prefix)),
                    });
                }
            }
        }
        let below = |entry: &HistoryEntry| before.is_none_or(|Text(before)| entry.height < before.height);
        entries.retain(below);
        entries.reverse();
        let more = entries.len() > 2;
        entries.truncate(2);
        let next =
            entries.last().filter(|_| more).map(|last| Text(HistoryCursor { height: last.height, place: 0, tip }));
        let (address, height) = (address.to_owned(), self.headers.tip.header().height.get());
        Ok(json(AddressHistory { address, entries, next, reorganised_above: None, height, block: Text(tip) }))
    }

    pub fn status(&self, txid: Text<TxId>) -> TxStatus {
        let proof = self.transaction_proof(&txid.0);
        let height = proof.as_ref().map(|proof| proof.header.height.get());
        TxStatus {
            txid,
            state: if height.is_some() { TxState::Mined } else { TxState::Unknown },
            block: proof.map(|proof| Text(proof.header.id())),
            height,
            confirmations: height.map_or(0, |height| self.headers.tip.header().height.get() - height + 1),
            reason: None,
        }
    }

    pub fn account(&self, address: &str) -> AccountJson {
        let key = self.spec().params().prefix.decode(address).expect("an address");
        let (balance, nonce) = (Pebbles(self.state().balance(&key)), Text(self.state().nonce(&key)));
        AccountJson {
            address: address.to_owned(),
            exists: self.state().leaves().iter().any(|leaf| leaf.address == key),
            balance,
            nonce,
            pending: PendingJson { balance, nonce, count: 0 },
            height: self.headers.tip.header().height.get(),
            block: Text(self.headers.tip.id()),
        }
    }

    fn info(&self) -> NodeInfo {
        let tip = &self.headers.tip;
        let height = tip.header().height.get();
        NodeInfo {
            version: String::from("0"),
            chain: self.spec().params().name.clone(),
            genesis_id: Text(self.spec().genesis_id()),
            address_prefix: self.spec().params().prefix.to_string(),
            peer_id: String::from("nobody"),
            height,
            tip: Text(tip.id()),
            state_root: Text(tip.header().state_root),
            work: Text(tip.total_work()),
            rules: RulesJson::new(self.spec(), tip.header().height.saturating_add(1)),
            outdated: false,
            rules_notice: None,
            health: HealthJson::default(),
            sync: SyncInfo {
                phase: SyncPhase::CaughtUp,
                headers: height,
                target: height,
                progress: 1.0,
                blocks_per_second: 0.0,
                left_ms: None,
                snapshot: None,
                reason: None,
            },
            peers: 0,
            pooled: 0,
            time: now(),
            uptime_ms: 0,
            address_index: None,
            accounts: 8,
            memory_bytes: None,
            max_memory_bytes: None,
            lowest_body: 0,
            stretches: Vec::new(),
            trust: Trust::Full,
            restored_at: None,
            history_height: None,
            snapshots: Vec::new(),
            damage_mended: 0,
            room: Room::default(),
            upload: UploadInfo::default(),
        }
    }

    /// Serves the chain as it is, and gives the URL.
    pub fn serve(&self) -> String {
        self.serve_lying(Arc::new(|_, answer| answer))
    }

    /// Serves the chain with a lie on top.
    pub fn serve_lying(&self, lie: Lie) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let chain = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = |request: &Value| {
                    let method = request["method"].as_str().expect("a method");
                    // A lie replaces what the node would say, also where that is a refusal.
                    let refused = chain.answer(request);
                    Some(match refused {
                        Ok(answer) => Ok(lie(method, answer)),
                        Err(error) => match lie(method, Value::Null) {
                            Value::Null => Err(error),
                            told => Ok(told),
                        },
                    })
                };
                // A client that goes away is no concern of ours.
                let _gone = serve(&stream, &answer);
            }
        });
        url
    }
}

pub fn json(value: impl Serialize) -> Value {
    serde_json::to_value(value).expect("JSON")
}

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// Changes the bytes in the field `raw` of an answer.
pub fn with_raw(mut answer: Value, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Value {
    let HexBytes(raw) = read(answer["raw"].clone());
    answer["raw"] = json!(HexBytes(change(raw)));
    answer
}
