//! Answering others: requests wait in line, and are answered in bounded numbers, so that neither a flood of
//! them nor whoever reads an answer one byte at a time takes the memory or the turns of others.

use super::{
    codec::Received,
    mailbox::Class,
    serve::{self, ServeError},
    service::Service,
};
use crate::{
    clock,
    tasks::TaskError,
    verdict::{Offence, PeerNumber},
};
use libp2p::{
    PeerId,
    request_response::{InboundFailure, InboundRequestId, ResponseChannel},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Instant,
};
use tokio::task::JoinSet;

/// Requests being answered at once, each with up to 4 MiB, until the answer has left.
const SERVING: usize = 64;
/// Requests that wait for their turn; further ones are closed unanswered.
const WAITING: usize = 1024;

/// A request.
struct Request {
    number: PeerNumber,
    class: Class,
    id: InboundRequestId,
    question: Vec<u8>,
    channel: ResponseChannel<Received>,
}

/// A request that was answered.
pub(super) struct Served {
    number: PeerNumber,
    class: Class,
    id: InboundRequestId,
    channel: ResponseChannel<Received>,
    answer: Result<Vec<u8>, ServeError>,
}

/// Requests of others, from question to answer.
#[derive(Default)]
pub(super) struct Counter {
    waiting: VecDeque<Request>,
    /// Answers being read.
    pub(super) serving: JoinSet<Served>,
    /// Answers on their way out, and to whom.
    sending: BTreeMap<(Class, InboundRequestId), PeerNumber>,
}

impl Counter {
    /// Forgets whoever is gone.
    pub(super) fn forget(&mut self, number: PeerNumber) {
        self.waiting.retain(|request| request.number != number);
        self.sending.retain(|_, to| *to != number);
    }

    fn is_full(&self) -> bool {
        self.serving.len() + self.sending.len() >= SERVING
    }
}

impl Service {
    /// A peer asks for something.
    pub(super) fn on_request(
        &mut self,
        peer: &PeerId,
        class: Class,
        id: InboundRequestId,
        question: Received,
        channel: ResponseChannel<Received>,
    ) {
        let Some(number) = self.peers.number(peer) else { return };
        let question = match question {
            Ok(question) => question,
            Err(error) => return self.charge(number, &Offence::Undecodable(error)),
        };
        let now = Instant::now();
        // It is answers that are weighed: a question is short.
        let _ = self.peers.receive(number, class.protocol(), question.len(), now);
        if !self.peers.may_ask(number, now) {
            return self.charge(number, &Offence::Flooding);
        }
        // That we are busy is not its fault: the stream is closed without an answer.
        if self.counter.waiting.len() < WAITING {
            self.counter.waiting.push_back(Request { number, class, id, question, channel });
            self.serve_next();
        }
    }

    /// Answers whoever has waited longest and has not its share of turns already.
    fn serve_next(&mut self) {
        let now = Instant::now();
        while !self.counter.is_full() {
            let mut line = self.counter.waiting.iter();
            let Some(at) = line.position(|request| self.peers.has_turn(request.number)) else { return };
            let Some(request) = self.counter.waiting.remove(at) else { return };
            let Request { number, class, id, question, channel } = request;
            let wait = self.peers.begin_serving(number, now);
            let spent = self.daily.is_spent(clock::now());
            let reader = self.judge.chain.reader().clone();
            self.counter.serving.spawn(async move {
                let answer = serve::answer(reader, class, question, wait, spent).await;
                Served { number, class, id, channel, answer }
            });
        }
    }

    /// An answer is ready to leave.
    ///
    /// # Errors
    /// The store failed: the node has to stop.
    pub(super) fn on_served(&mut self, served: Served) -> Result<(), TaskError> {
        let Served { number, class, id, channel, answer } = served;
        let mut leaves = false;
        match answer {
            Ok(bytes) => {
                self.peers.count_bytes(number, bytes.len());
                self.daily.count(bytes.len(), clock::now());
                self.peers.sent(number, class.protocol(), bytes.len());
                let requests = self.requests(class);
                // Whoever asked may be gone.
                leaves = requests.send_response(channel, Ok(bytes)).is_ok();
            }
            Err(ServeError::Undecodable(error)) => self.charge(number, &Offence::Undecodable(error)),
            Err(error @ (ServeError::Store(_) | ServeError::Panicked { .. })) => return Err(failed(&error)),
        }
        if leaves && self.peers.get(number).is_some() {
            self.counter.sending.insert((class, id), number);
        } else {
            self.peers.end_serving(number);
        }
        self.serve_next();
        Ok(())
    }

    /// An answer has left, or never will.
    pub(super) fn on_sent(&mut self, class: Class, id: InboundRequestId, failure: Option<&InboundFailure>) {
        let Some(number) = self.counter.sending.remove(&(class, id)) else { return };
        self.peers.end_serving(number);
        if matches!(failure, Some(InboundFailure::Timeout)) {
            // It asked, and did not take the answer.
            self.charge(number, &Offence::Stalled);
        }
        self.serve_next();
    }
}

fn failed(error: &ServeError) -> TaskError {
    let storage = matches!(error, ServeError::Store(_));
    TaskError::Failed { name: "network", reason: error.to_string(), storage }
}
