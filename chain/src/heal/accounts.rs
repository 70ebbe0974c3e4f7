//! What accounts have, made again from a snapshot and the blocks since then.

use super::forward::{Forward, Order};
use super::{Healer, Unhealed};
use crate::store::schema::AccountByIndex;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Accounts that are read at once, as long as that works.
const READ_AT_ONCE: u64 = 64;

impl Healer<'_> {
    /// Makes accounts again that cannot be read, and those that are known to be wrong.
    pub(super) fn heal_accounts(&self, wrong: Option<RangeInclusive<u64>>) -> Result<(), Unhealed> {
        if wrong.is_some() {
            // It may be the addresses that are wrong.
            self.heal_links()?;
        }
        let count = self.store.link_count()?;
        let mut lost: BTreeSet<u64> = wrong.into_iter().flatten().take_while(|index| *index < count).collect();
        let mut anew = self.store.anew::<AccountByIndex>()?;
        for first in (0..count).step_by(READ_AT_ONCE as usize) {
            let indices = first..count.min(first + READ_AT_ONCE);
            let together = self.store.accounts_at(indices.clone());
            for index in indices {
                let account = match &together {
                    Ok(accounts) => accounts.get((index - first) as usize).copied(),
                    Err(_) => self.store.account_at(index).ok().flatten(),
                };
                match account.filter(|_| !lost.contains(&index)) {
                    Some(account) => anew.put(&index, &account)?,
                    None => _ = lost.insert(index),
                }
            }
        }
        if !lost.is_empty() {
            let tip = self.store.expect_header(&self.store.tip()?)?.header().height;
            let mut forward = Forward::new(self, tip, tip, Order::Reduced)?;
            while forward.height() < tip {
                forward.step()?;
            }
            if forward.count() != count {
                return Err(Unhealed::Contradicted);
            }
            for index in lost {
                anew.put(&index, &forward.leaf(index)?.account)?;
                self.note_made();
            }
        }
        Ok(anew.end()?)
    }
}
