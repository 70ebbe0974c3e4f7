//! `mining_*`: the miner.

use crate::{context::Context, error::refused};
use cairn_ledger::{block::Seal, codec::encode, hash::Hash, keys::Address, pow::Work};
use cairn_miner::{GenerateError, MAX_GENERATE};
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::methods::MiningServer;
use cairn_rpc::text::{HexBytes, Pebbles, Text};
use cairn_rpc::types::{FoundBlock, Generated, MiningInfo, WorkJson};
use jsonrpsee::core::{RpcResult, async_trait};

#[async_trait]
impl MiningServer for Context {
    async fn mining_info(&self) -> RpcResult<MiningInfo> {
        let (tip, info) = (self.handles.chain.tip(), self.handles.miner.info());
        let id = tip.id;
        let next_target = self.read(move |reader| reader.target_after(&id)).await?;
        let next_target = next_target.expect("the tip is stored, and what is stored stays");
        Ok(MiningInfo {
            threads: self.mining.threads as u64,
            duty: self.mining.duty,
            beneficiary: self.mining.beneficiary.map(|address| self.prefix().encode(&address)),
            hash_rate: info.hash_rate,
            blocks_found: info.blocks_found,
            paused: info.paused,
            next_height: tip.height().saturating_add(1).get(),
            next_target: Text(next_target),
            next_work: Text(next_target.decode().map_or(Work::ZERO, |target| target.work())),
        })
    }

    async fn generate(&self, blocks: u64, beneficiary: Option<String>) -> RpcResult<Generated> {
        if !self.local {
            let message = "blocks are generated on local networks only; elsewhere they are mined";
            return Err(RpcError::new(Code::GenerateNotAllowed, message).into());
        }
        if !(1..=MAX_GENERATE).contains(&blocks) {
            return Err(refused(GenerateError::Count { got: blocks }).into());
        }
        let beneficiary = self.beneficiary(beneficiary)?;
        let made = self.handles.miner.generate(blocks, beneficiary).await.map_err(refused)?;
        Ok(Generated { blocks: made.blocks.into_iter().map(Text).collect(), stopped: made.stopped })
    }

    async fn get_template(&self, beneficiary: Option<String>) -> RpcResult<WorkJson> {
        let beneficiary = self.beneficiary(beneficiary)?;
        let template = self.handles.miner.work(beneficiary).await.map_err(refused)?;
        let header = &template.header;
        let reward = self.spec.subsidy(header.height);
        let earns = reward.checked_add(template.fees).unwrap_or(reward);
        Ok(WorkJson {
            seal: Text(Hash::from_bytes(*header.seal().as_bytes())),
            target: Text(header.target),
            height: header.height.get(),
            parent: Text(header.parent),
            time: header.time.millis(),
            transactions: template.transactions.len() as u64,
            earns: Pebbles(earns),
            header: HexBytes(encode(header)),
        })
    }

    async fn submit_work(&self, seal: Text<Hash>, nonce: Text<u64>) -> RpcResult<FoundBlock> {
        let seal = Seal::from_bytes(*seal.0.as_bytes());
        let block = self.handles.miner.solved(seal, nonce.0).await.map_err(refused)?;
        Ok(FoundBlock { block: Text(block) })
    }
}

impl Context {
    /// Who is named, or else the miner's own.
    fn beneficiary(&self, named: Option<String>) -> Result<Address, RpcError> {
        let beneficiary = match named {
            Some(text) => Some(self.address(&text)?),
            None => self.mining.beneficiary,
        };
        beneficiary.ok_or_else(|| {
            RpcError::new(Code::NoBeneficiary, "say who receives the rewards: name a beneficiary, here or to the miner")
        })
    }
}
