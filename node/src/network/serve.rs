//! Answers to other nodes, read from the stored chain.

use super::{
    mailbox::Class,
    wire::{Bodies, GetBodies, GetHeaders, Headers, MAX_HEADERS, Message},
};
use crate::chain::{Reader, StoreError};
use cairn_ledger::{
    block::{BLOCK_OVERHEAD_BYTES, HEADER_BYTES, block_size},
    codec::{BoundedVec, DecodeError},
    hash::BlockId,
};
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum ServeError {
    /// The question is no message.
    #[error("the question is no message: {0}")]
    Undecodable(#[from] DecodeError),
    /// The store failed: the node has to stop.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The reader panicked: a bug.
    #[error("reading panicked: {reason}")]
    Panicked {
        /// What it said.
        reason: String,
    },
}

/// How far below the tip a block is news, which is given even when the day's upload is spent: those who follow the
/// tip go on, those who catch up ask others.
const NEWS_BLOCKS: u64 = 8;

/// Answers a question after waiting for so long. When the day's upload is `spent`, bodies below the news are not given:
/// an answer may always be shorter than the question.
pub(super) async fn answer(
    reader: Reader,
    class: Class,
    question: Vec<u8>,
    wait: Duration,
    spent: bool,
) -> Result<Vec<u8>, ServeError> {
    tokio::time::sleep(wait).await;
    let read = tokio::task::spawn_blocking(move || match class {
        Class::Headers => headers(&reader, &question),
        Class::Bodies => bodies(&reader, &question, spent),
    });
    read.await.map_err(|error| ServeError::Panicked { reason: error.to_string() })?
}

fn headers(reader: &Reader, question: &[u8]) -> Result<Vec<u8>, ServeError> {
    let GetHeaders { locator } = GetHeaders::from_bytes(question)?;
    let headers = reader.headers_after(&locator, MAX_HEADERS)?;
    Ok(Headers { headers: BoundedVec::new(headers).unwrap_or_default() }.to_bytes())
}

fn bodies(reader: &Reader, question: &[u8], spent: bool) -> Result<Vec<u8>, ServeError> {
    let GetBodies { ids } = GetBodies::from_bytes(question)?;
    let (mut bodies, mut room) = (Vec::new(), Bodies::MAX_BYTES - (BLOCK_OVERHEAD_BYTES - HEADER_BYTES));
    let newest = if spent { reader.tip_height()?.get() } else { 0 };
    for id in ids.iter() {
        if spent && !is_news(reader, id, newest)? {
            break;
        }
        let Some(body) = reader.body(id)? else { break };
        let size = block_size(&body) - HEADER_BYTES;
        if size > room {
            break;
        }
        room -= size;
        bodies.push(body);
    }
    Ok(Bodies { bodies: BoundedVec::new(bodies).unwrap_or_default() }.to_bytes())
}

/// Whether a block is among the last below the height `newest`, or above.
fn is_news(reader: &Reader, id: &BlockId, newest: u64) -> Result<bool, StoreError> {
    let header = reader.header(id)?;
    Ok(header.is_some_and(|header| header.header().height.get().saturating_add(NEWS_BLOCKS) > newest))
}
