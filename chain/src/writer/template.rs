//! Blocks on the tip, complete but for their nonce.

use super::Writer;
use crate::message::{Template, TemplateRequest};
use crate::state::{Source, accounts::missing, not_loaded};
use crate::store::StoreError;
use cairn_ledger::validate::{ConnectError, Execution, touched_addresses};
use cairn_ledger::{
    Address, CheckedTransaction, Timestamp, block::BLOCK_OVERHEAD_BYTES, error::ExecutionError, light::BareHeader,
    merkle::txs_root,
};

impl Writer {
    /// Makes a block on the tip, complete but for its nonce.
    pub(crate) fn template(&mut self, request: TemplateRequest) -> Result<Template, StoreError> {
        let TemplateRequest { beneficiary, time, mut transactions } = request;
        loop {
            match self.try_template(beneficiary, time, transactions)? {
                Ok(template) => return Ok(template),
                Err(without_culprit) => transactions = without_culprit,
            }
        }
    }

    /// The template with those of `transactions` that fit; `Err` gives them back without one that spoilt the
    /// execution.
    fn try_template(
        &mut self,
        beneficiary: Address,
        time: Timestamp,
        mut transactions: Vec<CheckedTransaction>,
    ) -> Result<Result<Template, Vec<CheckedTransaction>>, StoreError> {
        let touched = touched_addresses(&beneficiary, &transactions);
        let slice = self.healing(|writer| {
            let source = Source { store: &writer.live, workers: &writer.workers };
            writer.state.slice(source, &touched)
        })?;
        let parent = self.tip.header();
        let height = parent.height.next().unwrap_or(parent.height);
        let mut execution = Execution::new(&self.spec, height, slice);
        let max = usize::try_from(self.spec.rules_at(height).max_block_bytes).unwrap_or(usize::MAX);
        let (mut fits, mut size) = (Vec::with_capacity(transactions.len()), BLOCK_OVERHEAD_BYTES);
        for (place, checked) in transactions.iter().enumerate() {
            let larger = size + checked.transaction().size();
            let applied = (larger <= max).then(|| execution.apply(checked));
            fits.push(matches!(applied, Some(Ok(()))));
            match applied {
                Some(Ok(())) => size = larger,
                Some(Err(ConnectError::Rule(ExecutionError::BalanceOverflow { .. }))) => {
                    transactions.remove(place);
                    return Ok(Err(transactions));
                }
                Some(Err(ConnectError::NotLoaded(error))) => return Err(not_loaded(error)),
                Some(Err(ConnectError::Rule(_))) | None => {}
            }
        }
        let mut fits = fits.into_iter();
        transactions.retain(|_| fits.next().unwrap_or(false));
        let fees = execution.fees();
        let change = execution.finish(&beneficiary).map_err(|_| missing(&beneficiary))?;
        let txids: Vec<_> = transactions.iter().map(CheckedTransaction::txid).collect();
        let (txs_root, update) =
            self.workers.join(|| txs_root(&txids), || self.state.tree.update(change.count, &change.leaf_hashes()));
        let update = update.map_err(not_loaded)?;
        let time = time.max(parent.time.saturating_add(1));
        let bare = BareHeader { time, beneficiary, txs_root, state_root: update.state_root(), nonce: 0 };
        let header = bare.complete(&self.spec, &self.tip);
        let not_before = Timestamp::from_millis(header.time.millis().saturating_sub(self.spec.params().max_future_ms));
        Ok(Ok(Template { header, transactions, fees, not_before }))
    }
}
