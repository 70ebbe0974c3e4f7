//! Requests of others: they wait in line, and are answered in bounded numbers and within the upload that the
//! operator allows, so that neither a flood of them nor whoever reads an answer one byte at a time takes the memory or
//! the turns of others. Who is next is decided in [`fairness`](crate::requests::fairness).

use crate::event::{Context, Received, SwarmAction, TaskAction};
use crate::peers::table::{Peer, PeerTable};
use crate::requests::fairness::{Reserved, Standing, Upload};
use crate::{ids::RequestNumber, requests::class::Class, requests::upload_target::UploadTarget};
use cairn_chain::{Misbehaviour, PeerNumber};
use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

/// Requests being answered at once, each with up to 4 MiB, until the answer has left.
const SERVING: usize = 64;
/// Requests that wait for their turn; further ones are closed unanswered, of those who only take the newest first.
const WAITING: usize = 1024;

/// A request that waits for its turn.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) number: RequestNumber,
    pub(crate) peer: PeerNumber,
    pub(crate) class: Class,
    pub(crate) question: Vec<u8>,
}

/// A request that is being answered.
#[derive(Debug)]
struct Turn {
    peer: PeerNumber,
    class: Class,
    /// What was set aside for its answer, until that is there.
    reserved: Option<Reserved>,
}

/// Requests of others, from question to answer.
#[derive(Debug)]
pub(crate) struct RequestQueue {
    waiting: VecDeque<Request>,
    upload: Upload,
    /// When the upload is free again, if that is what the line waits for.
    upload_free_at: Option<Instant>,
    /// Answers being read, and answers on their way out.
    serving: BTreeMap<RequestNumber, Turn>,
    /// What was given today.
    upload_target: UploadTarget,
}

impl RequestQueue {
    /// With the most bytes a second that answers may take, and what was given today.
    pub(crate) fn new(max_upload: Option<usize>, upload_target: UploadTarget, now: Instant) -> Self {
        let (waiting, upload) = (VecDeque::new(), Upload::new(max_upload, now));
        Self { waiting, upload, upload_free_at: None, serving: BTreeMap::new(), upload_target }
    }

    /// How many requests wait, and how many are being answered.
    pub(crate) fn in_hand(&self) -> (usize, usize) {
        (self.waiting.len(), self.serving.len())
    }

    /// What was given today, and its file.
    pub(crate) fn upload_target(&mut self) -> &mut UploadTarget {
        &mut self.upload_target
    }

    /// When somebody who waits for upload may go on; `None` when nobody does.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.upload_free_at.filter(|_| !self.waiting.is_empty())
    }

    /// Forgets whoever is gone: what it asked for is not read any more, or not sent.
    pub(crate) fn forget(&mut self, peer: PeerNumber) {
        self.waiting.retain(|request| request.peer != peer);
        self.serving.retain(|_, turn| turn.peer != peer || turn.reserved.is_some());
    }

    /// A peer asks for something.
    pub(crate) fn on_request(&mut self, request: Request, peers: &mut PeerTable, cx: &mut Context) {
        let (now, peer) = (cx.now, request.peer);
        // It is answers that are weighed, and of some questions their number, too.
        let may_come = peers.receive(peer, request.class.protocol(), request.question.len(), now);
        if !may_come || !peers.may_ask(peer, now) {
            return cx.refuse(request.number, peer, Misbehaviour::Flooding);
        }
        // That we are busy is not its fault: the stream is closed without an answer.
        if self.make_room(peer, peers, cx) {
            self.waiting.push_back(request);
            self.serve_next(peers, cx);
        } else {
            cx.push(SwarmAction::Drop(request.number));
        }
    }

    /// Whether a peer may stand in line: one that gives, in the place of one that only takes when there is no other.
    fn make_room(&mut self, peer: PeerNumber, peers: &PeerTable, cx: &mut Context) -> bool {
        if self.waiting.len() < WAITING {
            return true;
        }
        let takes = |peer| peers.standing(peer, cx.now) == Standing::Takes;
        let last = self.waiting.iter().rposition(|request| takes(request.peer));
        let displaced = last.filter(|_| !takes(peer)).and_then(|at| self.waiting.remove(at));
        displaced.map(|request| cx.push(SwarmAction::Drop(request.number))).is_some()
    }

    /// Answers those who are next, as far as there is room.
    pub(crate) fn serve_next(&mut self, peers: &mut PeerTable, cx: &mut Context) {
        // The upload is looked at first: whoever waits for it would wake again and again while there is no place.
        while self.upload.is_free(cx.now) && self.serving.len() < SERVING {
            let Some((request, standing)) = self.take_next(peers, cx.now) else { break };
            let Request { number, peer, class, question } = request;
            let reserved = self.upload.begin(peer, standing, class, cx.now);
            self.serving.insert(number, Turn { peer, class, reserved: Some(reserved) });
            let wait = peers.begin_serving(peer, cx.now);
            let is_spent = self.upload_target.is_spent(cx.clock);
            let since = peers.get(peer).map_or(cx.now, Peer::connected_at);
            cx.push(TaskAction::Serve { request: number, class, question, wait, since, is_spent });
        }
        // As of this look at the line: by a later clock it may be free already, and then nobody would look again.
        self.upload_free_at = self.upload.free_at(cx.now);
    }

    /// Takes the one out of the line who is next. One that has its share of turns already waits for itself.
    fn take_next(&mut self, peers: &PeerTable, now: Instant) -> Option<(Request, Standing)> {
        let line = self.waiting.iter().map(|request| request.peer).filter(|peer| peers.has_turn(*peer));
        let line: Vec<_> = line.map(|peer| (peer, peers.standing(peer, now))).collect();
        let (peer, standing) = *line.get(self.upload.next(&line)?)?;
        let at = self.waiting.iter().position(|request| request.peer == peer)?;
        Some((self.waiting.remove(at)?, standing))
    }

    /// An answer is ready to leave, or the question is none.
    pub(crate) fn on_served(
        &mut self,
        request: RequestNumber,
        answer: Received,
        peers: &mut PeerTable,
        cx: &mut Context,
    ) {
        let Some(turn) = self.serving.get_mut(&request) else { return };
        let (peer, class) = (turn.peer, turn.class);
        if let Some(reserved) = turn.reserved.take() {
            self.upload.settle(&reserved, answer.as_ref().map_or(0, Vec::len), cx.now);
        }
        match answer {
            Ok(bytes) => {
                peers.count_bytes(peer, bytes.len(), cx.now);
                self.upload_target.count(bytes.len(), cx.clock);
                peers.sent(peer, class.protocol(), bytes.len());
                cx.push(SwarmAction::Answer { request, answer: bytes });
            }
            Err(error) => {
                cx.refuse(request, peer, Misbehaviour::Undecodable(error));
                self.end(request, peers);
            }
        }
        if peers.get(peer).is_none() {
            self.end(request, peers);
        }
        self.serve_next(peers, cx);
    }

    fn end(&mut self, request: RequestNumber, peers: &mut PeerTable) -> Option<PeerNumber> {
        let turn = self.serving.remove(&request)?;
        peers.end_serving(turn.peer);
        Some(turn.peer)
    }

    /// An answer has left, or never will: whoever asked has given up, or its line broke.
    pub(crate) fn on_closed(
        &mut self,
        request: RequestNumber,
        is_timeout: bool,
        peers: &mut PeerTable,
        cx: &mut Context,
    ) {
        self.waiting.retain(|waiting| waiting.number != request);
        // What is still being read is not sent any more, but takes its place until it was read.
        if self.serving.get(&request).is_none_or(|turn| turn.reserved.is_some()) {
            return;
        }
        if let Some(peer) = self.end(request, peers).filter(|_| is_timeout) {
            // It asked, and did not take the answer.
            cx.report(peer, Misbehaviour::Stalled);
        }
        self.serve_next(peers, cx);
    }
}

#[cfg(test)]
mod tests;
