//! Presync: whether a long or deep chain that a peer claims has more work than the tip, found out in memory that does
//! not grow with its length, before any of its headers is stored (after Bitcoin Core's `headerssync`).
//!
//! # Two passes
//! 1. Every header from the fork on is checked by all rules. Kept are the last of them with the peaks of its history
//!    ([`ChainContext`]), and one bit, salted, for each [`SPACING`] headers, at a secret phase. A chain that ends with
//!    no more work than the tip leaves nothing behind.
//! 2. Once its work passes the tip's, the same headers are asked for again. Each goes through a buffer, and leaves it
//!    to be linked when [`FURTHER_BITS`] bits of headers after it were those of the first pass, or when the header is
//!    reached that had enough work. To bring other headers here than at first, one has to guess those bits.
//!
//! Pure: the time, the rules and the tip's work are arguments. A peer's chain may change between two answers, so what
//! does not continue is [`Step::Differs`] and nobody's fault; an answer that ends the chain below what was claimed is
//! its sender's.

use crate::wire::MAX_HEADERS;
use cairn_chain::Misbehaviour;
use cairn_ledger::error::{Fault, HeaderError};
use cairn_ledger::hash::{BlockId, sha256};
use cairn_ledger::units::{Height, Timestamp};
use cairn_ledger::validate::{ChainContext, check_header, check_work};
use cairn_ledger::{block::Header, chain_spec::ChainSpec, pow::Work};
use std::collections::VecDeque;

/// There is one bit for so many headers.
const SPACING: u64 = 64;
/// A header is linked once so many bits of headers after it were right: 2^-32 is the chance of one who guesses.
const FURTHER_BITS: u64 = 32;
/// So many headers wait in the buffer of the second pass.
const BUFFERED: u64 = FURTHER_BITS * SPACING;
/// Bits of one chain at most, a mebibyte of them: of half a billion headers. Difficulty lets no chain have more for
/// centuries.
const MAX_BITS: u64 = 8 << 20;

/// What a chain is judged by.
#[derive(Clone, Copy, Debug)]
pub(super) struct PresyncRules<'a> {
    /// The network's rules.
    pub(super) spec: &'a ChainSpec,
    /// The time.
    pub(super) now: Timestamp,
    /// The work that is to be passed.
    pub(super) tip: Work,
}

/// Thirty-two random bytes, which no peer may know.
pub(super) type PresyncSecret = [u8; 32];

/// What follows from an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Ask for what comes after [`Presync::after`].
    Ask,
    /// Have these headers linked, in order, as part of a branch with more work than the tip. `is_done`: they end it.
    Link { headers: Vec<Header>, is_done: bool },
    /// The chain is as its sender said, and has no more work than ours.
    NoMore,
    /// Its next header is from the future, by this machine's clock.
    Early,
    /// It does not continue as it began: its sender has changed chains, or tries something.
    Differs,
    /// Its sender's own bytes prove it wrong, or it did not keep its claim.
    Misbehaviour(Misbehaviour),
}

/// A chain being looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Presync {
    /// The block that its headers begin after, and the work up to there.
    fork: (BlockId, Work),
    /// The work its sender claims.
    claimed: Work,
    salt: [u8; 16],
    phase: u64,
    bits: Bits,
    pass: Pass,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pass {
    /// Headers are checked, up to the last, and counted.
    First { last: Box<ChainContext>, count: u64 },
    /// They come again.
    Second {
        /// The last header that came.
        last: BlockId,
        /// How many came.
        count: u64,
        /// How many there were when they had enough work.
        length: u64,
        /// The work they had, and what came so far has.
        work: Work,
        total: Work,
        /// Those that were not linked yet.
        buffer: VecDeque<Header>,
    },
}

/// A row of bits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Bits {
    words: Vec<u64>,
    count: u64,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.count.is_multiple_of(64) {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(bit) << (self.count % 64);
        }
        self.count += 1;
    }

    fn get(&self, at: u64) -> Option<bool> {
        let word = self.words.get(usize::try_from(at / 64).ok()?)?;
        (at < self.count).then_some(word >> (at % 64) & 1 == 1)
    }
}

/// What follows from a header that breaks a rule.
impl From<HeaderError> for Step {
    fn from(error: HeaderError) -> Self {
        match error.fault() {
            Fault::Proven => Self::Misbehaviour(Misbehaviour::InvalidHeader(error)),
            Fault::Mutated | Fault::NotYet if matches!(error, HeaderError::TimeAhead { .. }) => Self::Early,
            // By rules that are not known here.
            Fault::Mutated | Fault::NotYet => Self::NoMore,
        }
    }
}

impl Presync {
    /// Begins with the chain after `fork` of a peer that claims so much work.
    pub(super) fn new(fork: ChainContext, claimed: Work, secret: &PresyncSecret) -> Self {
        let mut salt = [0; 16];
        salt.copy_from_slice(&secret[..16]);
        let phase = u64::from(secret[16]) % SPACING;
        let (base, last) = ((fork.id(), fork.total_work()), Box::new(fork));
        Self { fork: base, claimed, salt, phase, bits: Bits::default(), pass: Pass::First { last, count: 0 } }
    }

    /// The header after which more are asked for.
    pub(super) fn after(&self) -> BlockId {
        match &self.pass {
            Pass::First { last, .. } => last.id(),
            Pass::Second { last, .. } => *last,
        }
    }

    /// The block that its headers begin after.
    pub(super) fn fork(&self) -> BlockId {
        self.fork.0
    }

    /// The work that the chain was found to have, once it was found to be enough.
    pub(super) fn proven(&self) -> Option<Work> {
        match &self.pass {
            Pass::First { .. } => None,
            Pass::Second { work, .. } => Some(*work),
        }
    }

    /// How high it has come in this pass.
    pub(super) fn height(&self) -> Option<Height> {
        match &self.pass {
            Pass::First { last, .. } => Some(last.header().height),
            Pass::Second { buffer, .. } => buffer.back().map(|header| header.height),
        }
    }

    /// Takes an answer in: the headers after [`after`](Self::after), in order.
    pub(super) fn take(&mut self, rules: &PresyncRules<'_>, headers: Vec<Header>) -> Step {
        let is_full = headers.len() >= MAX_HEADERS;
        let (Ok(step) | Err(step)) = match &self.pass {
            Pass::First { .. } => self.take_first(rules, headers, is_full),
            Pass::Second { .. } => self.take_second(rules, headers, is_full),
        };
        step
    }

    fn take_first(&mut self, rules: &PresyncRules<'_>, headers: Vec<Header>, is_full: bool) -> Result<Step, Step> {
        for header in headers {
            let Pass::First { last, count } = &mut self.pass else { break };
            let sealed = check_work(rules.spec, header)?;
            if sealed.header().parent != last.id() {
                return Err(Step::Differs);
            }
            let linked = check_header(rules.spec, last, sealed, rules.now)?;
            if is_marked(self.phase, *count) {
                self.bits.push(salted(&self.salt, &linked.id()));
            }
            **last = last.extend(&linked);
            *count += 1;
            let (length, work) = (*count, last.total_work());
            if work > rules.tip {
                let ((last, total), buffer) = (self.fork, VecDeque::new());
                self.pass = Pass::Second { last, count: 0, length, work, total, buffer };
                return Ok(Step::Ask);
            }
            if self.bits.count >= MAX_BITS {
                return Ok(Step::NoMore);
            }
        }
        let has = match &self.pass {
            Pass::First { last, .. } => last.total_work(),
            Pass::Second { work, .. } => *work,
        };
        Ok(match is_full {
            true => Step::Ask,
            // Whoever claims more than the tip's work and has less wastes our time, and our slot.
            false if has < self.claimed => Step::Misbehaviour(Misbehaviour::Unkept),
            false => Step::NoMore,
        })
    }

    fn take_second(&mut self, rules: &PresyncRules<'_>, headers: Vec<Header>, is_full: bool) -> Result<Step, Step> {
        let Pass::Second { last, count, length, work, total, buffer } = &mut self.pass else {
            return Ok(Step::Differs);
        };
        for header in headers {
            if total >= work {
                break;
            }
            let sealed = check_work(rules.spec, header)?;
            // As many headers that have less work are others, too.
            if sealed.header().parent != *last || count == length {
                return Err(Step::Differs);
            }
            // Before the first mark of all there is none if the phase is 0.
            let place = (*count + self.phase) / SPACING;
            let bit = || self.bits.get(place.saturating_sub(self.phase.div_ceil(SPACING)));
            if is_marked(self.phase, *count) && bit() != Some(salted(&self.salt, &sealed.id())) {
                return Err(Step::Differs);
            }
            (*last, *count) = (sealed.id(), *count + 1);
            *total = total.checked_add(sealed.work()).ok_or(Step::Differs)?;
            buffer.push_back(sealed.header().clone());
        }
        let is_done = total >= work;
        if !is_done && !is_full {
            return Err(Step::Differs);
        }
        let ready = if is_done { buffer.len() } else { buffer.len().saturating_sub(BUFFERED as usize) };
        Ok(match ready {
            0 => Step::Ask,
            _ => Step::Link { headers: buffer.drain(..ready).collect(), is_done },
        })
    }
}

/// Whether the header at this place after the fork leaves a bit.
fn is_marked(phase: u64, place: u64) -> bool {
    (place + phase).is_multiple_of(SPACING)
}

/// The bit of a header.
fn salted(salt: &[u8; 16], id: &BlockId) -> bool {
    sha256(&[salt, id.as_bytes()]).as_bytes()[0] & 1 == 1
}

#[cfg(test)]
mod tests;
