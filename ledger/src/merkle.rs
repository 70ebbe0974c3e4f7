//! The root over a block's transactions: RFC 6962, with its 0x00 and 0x01 prefixes.
//!
//! No leaf is ever duplicated to fill a level, so no two lists share a root (CVE-2012-2459), and the
//! prefixes keep an inner node from posing as a leaf.

use crate::hash::{Hash, TxId, sha256};
use alloc::vec::Vec;

/// `MTH` of RFC 6962 §2.1 over transaction ids; for an empty list, SHA-256 of nothing.
pub fn txs_root(txids: &[TxId]) -> Hash {
    // Complete subtrees from left to right, each with the number of its levels, as in a binary counter.
    let mut complete: Vec<(u32, Hash)> = Vec::new();
    for txid in txids {
        let mut node = (0, sha256(&[&[0x00], txid.as_bytes()]));
        while let Some((level, left)) = complete.pop_if(|(level, _)| *level == node.0) {
            node = (level.saturating_add(1), inner(&left, &node.1));
        }
        complete.push(node);
    }
    let bagged = complete.into_iter().rev().map(|(_, hash)| hash).reduce(|right, left| inner(&left, &right));
    bagged.unwrap_or_else(|| sha256(&[]))
}

fn inner(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[0x01], left.as_bytes(), right.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 §2.1, word for word.
    fn specification(txids: &[TxId]) -> Hash {
        match txids {
            [] => sha256(&[]),
            [txid] => sha256(&[&[0], txid.as_bytes()]),
            _ => {
                let (left, right) = txids.split_at(txids.len().next_power_of_two() / 2);
                inner(&specification(left), &specification(right))
            }
        }
    }

    fn txids(count: u8) -> Vec<TxId> {
        (0..count).map(|byte| TxId::from_bytes([byte; 32])).collect()
    }

    #[test]
    fn the_root_is_that_of_the_specification() {
        for count in 0..70 {
            assert_eq!(txs_root(&txids(count)), specification(&txids(count)), "{count}");
        }
    }

    #[test]
    fn a_duplicated_last_transaction_changes_the_root() {
        for count in 1..20 {
            let honest = txids(count);
            let mut doubled = honest.clone();
            doubled.push(*honest.last().unwrap());
            assert_ne!(txs_root(&honest), txs_root(&doubled), "{count}");
        }
    }

    #[test]
    fn an_inner_node_does_not_pose_as_a_leaf() {
        let four = txids(4);
        let pair = |at: usize| {
            let leaf = |txid: &TxId| sha256(&[&[0], txid.as_bytes()]);
            TxId::from_bytes(*inner(&leaf(&four[at]), &leaf(&four[at + 1])).as_bytes())
        };
        assert_ne!(txs_root(&four), txs_root(&[pair(0), pair(2)]));
    }
}
