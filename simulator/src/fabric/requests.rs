//! Requests, one stream each: an answer, a refusal, or none in time.

use super::host::{Asked, Question};
use super::{Fabric, FabricEvent, Wire};
use crate::executor::{Nanos, NodeId};
use crate::watch::Answered;
use cairn_network::transport::{AnswerSender, Class, Event, Received, RequestError, RequestNumber};
use rand_chacha::rand_core::RngCore;

/// How long an answer may take, small and large.
const TIMEOUTS: (Nanos, Nanos) = (10_000_000_000, 20_000_000_000);

impl Fabric {
    /// Asks a peer; `answer`: who waits, if it is not the network's state.
    pub(super) fn ask(
        &mut self,
        node: NodeId,
        to: NodeId,
        class: Class,
        question: Vec<u8>,
        answer: Option<AnswerSender>,
    ) {
        let number = self.host(node).number();
        let Some(connection) = self.peek(node).connection_for(to, number) else {
            if let Some(answer) = answer {
                let _ = answer.send(Err(RequestError::Gone));
            }
            return;
        };
        let limit = match class {
            Class::Bodies | Class::Pool | Class::Snapshot => TIMEOUTS.1,
            Class::Status | Class::Addresses | Class::Headers | Class::BlockTxs => TIMEOUTS.0,
        };
        let now = self.now();
        self.watch.on_asked((node, to), class, &question, now);
        let (since, deadline) = (now, now + limit);
        let asked = Asked { class, to, connection, question: question.clone(), answer, since, deadline };
        self.host(node).asked.insert(number, asked);
        self.plan_timeout(node);
        self.send(connection, node, to, Wire::Request { number, class, question });
    }

    pub(super) fn on_request(
        &mut self,
        (connection, from, to): (u64, NodeId, NodeId),
        number: u64,
        class: Class,
        question: Vec<u8>,
    ) {
        let peer = self.peek(from).peer;
        let host = self.host(to);
        let request = RequestNumber(host.number());
        host.questions.insert(request, Question { from, connection, number });
        host.tell(Event::Request { peer, class, request, question: Ok(question) });
    }

    /// Answers a question of a peer's. What comes of it at once is an event.
    pub(super) fn answer(&mut self, node: NodeId, request: RequestNumber, answer: Vec<u8>) -> Option<Event> {
        let closed = Event::RequestClosed { request, is_timeout: false };
        let Some(question) = self.host(node).questions.remove(&request) else { return Some(closed) };
        self.send(
            question.connection,
            node,
            question.from,
            Wire::Response { number: question.number, answer: Ok(answer) },
        );
        self.tell(node, closed);
        None
    }

    /// Closes a question of a peer's unanswered.
    pub(super) fn drop_request(&mut self, node: NodeId, request: RequestNumber) {
        if let Some(question) = self.host(node).questions.remove(&request) {
            self.send(question.connection, node, question.from, Wire::Refused { number: question.number });
        }
    }

    pub(super) fn on_response(&mut self, node: NodeId, number: u64, answer: Received) {
        let percent = self.answers_lost_percent;
        let host = self.host(node);
        // Its deadline is still ahead.
        if percent > 0 && host.random.next_u32() % 100 < percent {
            let from = host.asked.get(&number).map(|asked| asked.to);
            from.into_iter().for_each(|from| self.watch.on_lost(node, from));
            return;
        }
        let Some(asked) = host.asked.remove(&number) else { return };
        let (waited, now) = (self.now().saturating_sub(asked.since), self.now());
        let answered = answer.as_deref().map_or(Answered::Refused, Answered::Bytes);
        self.watch.on_answered((node, asked.to), (asked.class, &asked.question), &answered, (waited, now));
        let Asked { class, to, answer: sender, .. } = asked;
        let peer = self.peek(to).peer;
        match sender {
            None => self.tell(node, Event::Answer { peer, class, answer }),
            Some(sender) => {
                let bytes = answer.as_ref().map(Vec::len).map_err(|error| *error);
                self.tell(node, Event::Answered { peer, class, bytes });
                // Whoever asked may have given up.
                let _ = sender.send(answer.map_err(RequestError::Undecodable));
            }
        }
    }

    pub(super) fn on_refused(&mut self, node: NodeId, number: u64) {
        if let Some(asked) = self.host(node).asked.remove(&number) {
            self.fail(node, asked, RequestError::Refused { reason: String::from("the stream was closed") });
        }
    }

    /// Plans the end of a node's wait for answers. Nearly all come long before: one event is planned for all.
    fn plan_timeout(&mut self, node: NodeId) {
        let host = self.host(node);
        let Some(first) = host.asked.values().map(|asked| asked.deadline).min() else { return };
        if host.timeout.is_none_or(|planned| planned > first) {
            host.timeout = Some(first);
            self.plan(first, FabricEvent::Timeout { node, life: self.peek(node).life });
        }
    }

    pub(super) fn on_timeout(&mut self, node: NodeId, life: u32) {
        let now = self.now();
        let host = self.host(node);
        if host.life != life || host.timeout != Some(now) {
            return;
        }
        host.timeout = None;
        let late = host.asked.iter().filter(|(_, asked)| asked.deadline <= now).map(|(number, _)| *number);
        for number in late.collect::<Vec<u64>>() {
            if let Some(asked) = self.host(node).asked.remove(&number) {
                self.fail(node, asked, RequestError::Timeout);
            }
        }
        self.plan_timeout(node);
    }

    fn fail(&mut self, node: NodeId, asked: Asked, error: RequestError) {
        let (peer, now) = (self.peek(asked.to).peer, self.now());
        let answered = match &error {
            RequestError::Timeout => Answered::Timeout,
            RequestError::Gone => Answered::Gone,
            _ => Answered::Refused,
        };
        let waited = now.saturating_sub(asked.since);
        self.watch.on_answered((node, asked.to), (asked.class, &asked.question), &answered, (waited, now));
        match asked.answer {
            Some(sender) => {
                let _ = sender.send(Err(error));
            }
            None if asked.class == Class::Status && matches!(error, RequestError::Timeout) => {
                self.tell(node, Event::NoStatus { peer, is_timeout: true });
            }
            None => {}
        }
    }

    /// A connection has ended: what was asked over it is not answered, and nobody waits for answers.
    pub(super) fn forget_requests(&mut self, connection: u64, node: NodeId) {
        let host = self.host(node);
        let lost: Vec<u64> =
            host.asked.iter().filter(|(_, asked)| asked.connection == connection).map(|(number, _)| *number).collect();
        let lost: Vec<Asked> = lost.iter().filter_map(|number| host.asked.remove(number)).collect();
        let mut open: Vec<RequestNumber> = host
            .questions
            .iter()
            .filter(|(_, question)| question.connection == connection)
            .map(|(request, _)| *request)
            .collect();
        open.sort_unstable();
        for request in open {
            host.questions.remove(&request);
            host.tell(Event::RequestClosed { request, is_timeout: false });
        }
        for asked in lost {
            // As production does: over another connection, if one stands.
            if self.peek(node).connection_to(asked.to).is_some() {
                self.ask(node, asked.to, asked.class, asked.question, asked.answer);
            } else {
                self.fail(node, asked, RequestError::Gone);
            }
        }
    }
}
