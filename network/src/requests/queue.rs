//! Answering others: requests wait in line, and are answered in bounded numbers and within the upload that the
//! operator allows, so that neither a flood of them nor whoever reads an answer one byte at a time takes the memory or
//! the turns of others. Who is next is decided in [`upload`](crate::requests::fairness).

use crate::{
    handle::Class,
    requests::{
        fairness::{Reserved, Standing, Upload},
        responder::{self, ServeError},
    },
    service::Service,
    swarm::codec::Received,
};
use cairn_chain::verdict::{Misbehaviour, PeerNumber};
use cairn_common::{clock, tasks::TaskError};
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
/// Requests that wait for their turn; further ones are closed unanswered, of those who only take the newest first.
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
pub(crate) struct Served {
    number: PeerNumber,
    class: Class,
    id: InboundRequestId,
    channel: ResponseChannel<Received>,
    reserved: Reserved,
    answer: Result<Vec<u8>, ServeError>,
}

/// Requests of others, from question to answer.
pub(crate) struct Counter {
    waiting: VecDeque<Request>,
    upload: Upload,
    /// Answers being read.
    pub(crate) serving: JoinSet<Served>,
    /// Answers on their way out, and to whom.
    sending: BTreeMap<(Class, InboundRequestId), PeerNumber>,
}

impl Counter {
    /// With the most bytes a second that answers may take.
    pub(crate) fn new(max_upload: Option<usize>, now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            upload: Upload::new(max_upload, now),
            serving: JoinSet::new(),
            sending: BTreeMap::new(),
        }
    }

    /// When somebody who waits for upload may go on; `None` when nobody does.
    pub(crate) fn due(&self) -> Option<Instant> {
        if self.waiting.is_empty() { None } else { self.upload.free_at() }
    }

    /// Forgets whoever is gone.
    pub(crate) fn forget(&mut self, number: PeerNumber) {
        self.waiting.retain(|request| request.number != number);
        self.sending.retain(|_, to| *to != number);
    }

    fn is_full(&self) -> bool {
        self.serving.len() + self.sending.len() >= SERVING
    }
}

impl Service {
    /// A peer asks for something.
    pub(crate) fn on_request(
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
            Err(error) => return self.report(number, &Misbehaviour::Undecodable(error)),
        };
        let now = Instant::now();
        // It is answers that are weighed, and of some questions their number, too.
        let may_come = self.peers.receive(number, class.protocol(), question.len(), now);
        if !may_come || !self.peers.may_ask(number, now) {
            return self.report(number, &Misbehaviour::Flooding);
        }
        // That we are busy is not its fault: the stream is closed without an answer.
        if self.make_room(number, now) {
            self.counter.waiting.push_back(Request { number, class, id, question, channel });
            self.serve_next();
        }
    }

    /// Whether a peer may stand in line: one that gives, in the place of one that only takes when there is no other.
    fn make_room(&mut self, number: PeerNumber, now: Instant) -> bool {
        if self.counter.waiting.len() < WAITING {
            return true;
        }
        let takes = |number| self.peers.standing(number, now) == Standing::Takes;
        let last = self.counter.waiting.iter().rposition(|request| takes(request.number));
        let displaced = last.filter(|_| !takes(number)).and_then(|at| self.counter.waiting.remove(at));
        displaced.is_some()
    }

    /// Answers those who are next, as far as there is room.
    pub(crate) fn serve_next(&mut self) {
        let now = Instant::now();
        // Who has given up waiting is not looked up an answer for.
        self.counter.waiting.retain(|request| request.channel.is_open());
        // The upload is looked at first: whoever waits for it would wake again and again while there is no place.
        while self.counter.upload.is_free(now) && !self.counter.is_full() {
            // One that has its share of turns already waits for itself.
            let line = self.counter.waiting.iter().map(|request| request.number).enumerate();
            let line = line.filter(|(_, number)| self.peers.has_turn(*number));
            let (places, line): (Vec<usize>, Vec<(PeerNumber, Standing)>) =
                line.map(|(at, number)| (at, (number, self.peers.standing(number, now)))).unzip();
            let Some(at) = self.counter.upload.next(&line).and_then(|next| places.get(next).copied()) else { return };
            let Some(request) = self.counter.waiting.remove(at) else { return };
            let Request { number, class, id, question, channel } = request;
            let reserved = self.counter.upload.begin(number, self.peers.standing(number, now), class);
            let wait = self.peers.begin_serving(number, now);
            let (sources, spent) = (self.sources.clone(), self.upload_target.is_spent(clock::now()));
            self.counter.serving.spawn(async move {
                let answer = responder::answer(sources, class, question, wait, spent).await;
                Served { number, class, id, channel, reserved, answer }
            });
        }
    }

    /// An answer is ready to leave.
    ///
    /// # Errors
    /// The store failed: the node has to stop.
    pub(crate) fn on_served(&mut self, served: Served) -> Result<(), TaskError> {
        let Served { number, class, id, channel, reserved, answer } = served;
        self.counter.upload.settle(&reserved, answer.as_ref().map_or(0, Vec::len));
        let mut leaves = false;
        match answer {
            Ok(bytes) => {
                self.peers.count_bytes(number, bytes.len(), Instant::now());
                self.upload_target.count(bytes.len(), clock::now());
                self.peers.sent(number, class.protocol(), bytes.len());
                let requests = self.requests(class);
                // Whoever asked may be gone.
                leaves = requests.send_response(channel, Ok(bytes)).is_ok();
            }
            Err(ServeError::Undecodable(error)) => self.report(number, &Misbehaviour::Undecodable(error)),
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
    pub(crate) fn on_sent(&mut self, class: Class, id: InboundRequestId, failure: Option<&InboundFailure>) {
        let Some(number) = self.counter.sending.remove(&(class, id)) else { return };
        self.peers.end_serving(number);
        if matches!(failure, Some(InboundFailure::Timeout)) {
            // It asked, and did not take the answer.
            self.report(number, &Misbehaviour::Stalled);
        }
        self.serve_next();
    }
}

fn failed(error: &ServeError) -> TaskError {
    let storage = matches!(error, ServeError::Store(_));
    TaskError::Failed { name: "network", reason: error.to_string(), storage }
}
