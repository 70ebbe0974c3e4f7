//! Questions about what is on its way: transactions of a block, and of a peer's pool.

use crate::{
    handle::{NetworkHandle, RequestError},
    requests::class::Class,
    wire::{BlockTxs, GetBlockTxs, GetPool, Message as _, PoolAnswer},
};
use cairn_chain::verdict::{Misbehaviour, PeerNumber};
use cairn_ledger::{codec::BoundedVec, hash::BlockId, transaction::Transaction};

impl NetworkHandle {
    /// Asks a peer for the transactions at these places of a block, which rise. It gives all of them or, when it
    /// has not got them, none; whether they are the right ones is for the asker to find out.
    ///
    /// # Errors
    /// No answer, or none that is a message or has so many transactions; then the peer has been reported.
    pub(crate) async fn request_block_txs(
        &self,
        peer: PeerNumber,
        id: BlockId,
        places: Vec<u32>,
    ) -> Result<Vec<Transaction>, RequestError> {
        let places = BoundedVec::new(places).map_err(|_| RequestError::TooLong)?;
        let expected = places.len();
        let question = GetBlockTxs { id, places };
        let answer = self.request(peer, Class::BlockTxs, question.to_bytes()).await?;
        // Megabytes take a while to decode: not on a thread that drives the network.
        let decoded = tokio::task::spawn_blocking(move || BlockTxs::from_bytes(&answer)).await;
        let answer = self.judge(peer, decoded.map_err(|_| RequestError::Stopping)?).await?;
        let got = answer.transactions.len();
        if got != 0 && got != expected {
            self.report(peer, Misbehaviour::WrongAnswer).await;
            return Err(RequestError::Refused { reason: format!("{got} transactions instead of {expected}") });
        }
        Ok(answer.transactions.into_vec())
    }

    /// Asks a peer what waits in its pool, or for some of that.
    ///
    /// # Errors
    /// No answer, or none that is a message.
    pub(crate) async fn request_pool(&self, peer: PeerNumber, question: &GetPool) -> Result<PoolAnswer, RequestError> {
        let answer = self.request(peer, Class::Pool, question.to_bytes()).await?;
        let decoded = tokio::task::spawn_blocking(move || PoolAnswer::from_bytes(&answer)).await;
        self.judge(peer, decoded.map_err(|_| RequestError::Stopping)?).await
    }
}
