//! What a node asks, and what it is given.

use crate::executor::Nanos;
use cairn_ledger::hash::BlockId;
use cairn_network::transport::Class;
use cairn_network::wire::{Bodies, GetBodies, Headers, Message as _};
use std::collections::BTreeSet;

/// How a question ended.
#[derive(Clone, Copy, Debug)]
pub enum Answered<'a> {
    /// With an answer.
    Bytes(&'a [u8]),
    /// It was closed unanswered.
    Refused,
    /// In silence.
    Timeout,
    /// With the connection.
    Gone,
}

/// An answer of so many bytes says nothing: a list of nothing is its length.
const NOTHING: usize = 8;

/// Questions of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// Asked.
    pub asked: u64,
    /// Answered.
    pub answered: u64,
    /// Closed unanswered by whoever was asked.
    pub refused: u64,
    /// Not answered in time.
    pub timeouts: u64,
    /// Answers that say nothing.
    pub empty: u64,
    /// When the last was asked.
    pub last: Nanos,
}

/// What a node asks.
#[derive(Debug, Default)]
pub struct Questions {
    counts: [Count; 7],
    /// Bodies that it was given.
    bodies: BTreeSet<BlockId>,
    /// How often it asked for one of them again.
    pub asked_again: u64,
    /// Bodies that it asked for, and when.
    asked_for: Vec<(BlockId, Nanos)>,
    headers: BTreeSet<BlockId>,
    /// How many headers it was given for the first time, and again.
    pub headers_given: (u64, u64),
}

impl Questions {
    /// Of one kind.
    pub fn of(&self, class: Class) -> &Count {
        &self.counts[class as usize]
    }

    /// How many bodies it was given.
    pub fn bodies_given(&self) -> usize {
        self.bodies.len()
    }

    /// Whether it was given a body.
    pub fn has_body(&self, id: &BlockId) -> bool {
        self.bodies.contains(id)
    }

    /// Bodies that it asked for, and when.
    pub fn asked_for(&self) -> &[(BlockId, Nanos)] {
        &self.asked_for
    }

    pub(super) fn on_asked(&mut self, class: Class, question: &[u8], now: Nanos) {
        let count = &mut self.counts[class as usize];
        (count.asked, count.last) = (count.asked + 1, now);
        if class == Class::Bodies
            && let Ok(question) = GetBodies::from_bytes(question)
        {
            self.asked_for.extend(question.ids.iter().map(|id| (*id, now)));
            self.asked_again += question.ids.iter().filter(|id| self.bodies.contains(id)).count() as u64;
        }
    }

    pub(super) fn on_answered(&mut self, class: Class, question: &[u8], answer: &Answered<'_>) {
        let count = &mut self.counts[class as usize];
        match answer {
            Answered::Bytes(bytes) => {
                count.answered += 1;
                count.empty += u64::from(bytes.len() <= NOTHING);
            }
            Answered::Refused => count.refused += 1,
            Answered::Timeout => count.timeouts += 1,
            Answered::Gone => {}
        }
        match (class, answer) {
            (Class::Bodies, Answered::Bytes(bytes)) => {
                if let (Ok(question), Ok(answer)) = (GetBodies::from_bytes(question), Bodies::from_bytes(bytes)) {
                    self.bodies.extend(question.ids.iter().take(answer.bodies.len()));
                }
            }
            (Class::Headers, Answered::Bytes(bytes)) => {
                for header in Headers::from_bytes(bytes).into_iter().flat_map(|answer| answer.headers.into_vec()) {
                    match self.headers.insert(header.id()) {
                        true => self.headers_given.0 += 1,
                        false => self.headers_given.1 += 1,
                    }
                }
            }
            _ => {}
        }
    }
}
