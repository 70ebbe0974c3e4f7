//! The line of requests against those who would fill it.

use super::*;
use crate::ids::{Multiaddr, PeerId};
use crate::{event::Action, testing::context};
use cairn_ledger::codec::DecodeError;
use std::time::Duration;

struct Line {
    queue: RequestQueue,
    peers: PeerTable,
    cx: Context,
    last: u64,
}

impl Line {
    fn new() -> Self {
        Self::with_upload(None)
    }

    fn with_upload(max_upload: Option<usize>) -> Self {
        let cx = context();
        let queue = RequestQueue::new(max_upload, UploadTarget::new(None, None), cx.now);
        Self { queue, peers: PeerTable::default(), cx, last: 0 }
    }

    fn peer(&mut self) -> PeerNumber {
        self.peers.connected(PeerId::random(), Multiaddr::empty(), true, self.cx.now)
    }

    /// Asks for headers, and says what is to be done.
    fn ask(&mut self, peer: PeerNumber) -> (RequestNumber, Vec<Action>) {
        self.last += 1;
        let number = RequestNumber(self.last);
        let request = Request { number, peer, class: Class::Headers, question: vec![7; 40] };
        self.queue.on_request(request, &mut self.peers, &mut self.cx);
        (number, self.cx.take())
    }

    fn served(&mut self, request: RequestNumber, answer: Received) -> (Vec<Action>, usize) {
        self.queue.on_served(request, answer, &mut self.peers, &mut self.cx);
        (self.cx.take(), self.cx.take_reports().len())
    }

    fn closed(&mut self, request: RequestNumber, is_timeout: bool) -> (Vec<Action>, usize) {
        self.queue.on_closed(request, is_timeout, &mut self.peers, &mut self.cx);
        (self.cx.take(), self.cx.take_reports().len())
    }
}

fn served_now(actions: &[Action]) -> Vec<RequestNumber> {
    let request = |action: &Action| match action {
        Action::Task(TaskAction::Serve { request, .. }) => Some(*request),
        _ => None,
    };
    actions.iter().filter_map(request).collect()
}

#[test]
fn one_peer_has_its_turns_and_no_more_and_others_go_on() {
    let mut line = Line::new();
    let (greedy, honest) = (line.peer(), line.peer());
    let begun: usize = (0..16).map(|_| served_now(&line.ask(greedy).1).len()).sum();
    assert_eq!(begun, 4, "the others wait for the peer's own");
    let (request, actions) = line.ask(honest);
    assert_eq!(served_now(&actions), [request], "nobody waits for somebody else's");
    // With each answer that has left, the next of them begins.
    let first = RequestNumber(1);
    let (actions, _) = line.served(first, Ok(vec![1; 100]));
    assert!(
        matches!(&actions[..], [Action::Swarm(SwarmAction::Answer { request, .. })] if *request == first),
        "{actions:?}"
    );
    let (actions, reports) = line.closed(first, false);
    assert_eq!((served_now(&actions), reports), (vec![RequestNumber(5)], 0));
}

#[test]
fn who_does_not_take_its_answer_is_reported_and_gives_its_place_back() {
    let mut line = Line::new();
    let peer = line.peer();
    let requests: Vec<RequestNumber> = (0..5).map(|_| line.ask(peer).0).collect();
    line.served(requests[0], Ok(vec![1]));
    let (actions, reports) = line.closed(requests[0], true);
    assert_eq!((served_now(&actions), reports), (vec![requests[4]], 1));
    // The control: who gave up before the answer was there has taken nothing, and is not reported; what is read for
    // it keeps its place until it was read.
    assert_eq!(line.closed(requests[1], true).1, 0);
    let (actions, _) = line.served(requests[1], Ok(vec![1]));
    assert!(matches!(&actions[..], [Action::Swarm(SwarmAction::Answer { request, .. })] if *request == requests[1]));
    assert_eq!(line.closed(requests[1], false).1, 0, "the swarm says once more that nobody takes it");
}

#[test]
fn a_question_that_is_none_costs_its_sender_and_its_place_is_free() {
    let mut line = Line::new();
    let peer = line.peer();
    let requests: Vec<RequestNumber> = (0..5).map(|_| line.ask(peer).0).collect();
    let (actions, reports) = line.served(requests[2], Err(DecodeError::OutOfRange));
    assert!(matches!(actions[0], Action::Swarm(SwarmAction::Drop(request)) if request == requests[2]));
    assert_eq!((served_now(&actions), reports), (vec![requests[4]], 1));
}

#[test]
fn when_the_line_is_full_who_only_takes_makes_room_for_who_gives() {
    let mut line = Line::new();
    let peers: Vec<PeerNumber> = (0..100).map(|_| line.peer()).collect();
    let dropped = |actions: &[Action]| {
        actions.iter().filter(|action| matches!(action, Action::Swarm(SwarmAction::Drop(_)))).count()
    };
    for round in 0..20 {
        for peer in &peers {
            line.ask(*peer);
        }
        line.cx.now += Duration::from_secs(60);
        assert!(line.queue.waiting.len() <= WAITING, "round {round}");
    }
    assert_eq!(line.queue.waiting.len(), WAITING);
    let (taker, giver) = (line.peer(), line.peer());
    let (request, actions) = line.ask(taker);
    assert!(
        matches!(&actions[..], [Action::Swarm(SwarmAction::Drop(refused))] if *refused == request),
        "it is closed unanswered"
    );
    line.peers.gave(giver, 1 << 20, line.cx.now);
    let (request, actions) = line.ask(giver);
    assert_eq!(dropped(&actions), 1);
    assert!(line.queue.waiting.iter().any(|waiting| waiting.number == request));
}

#[test]
fn whoever_is_gone_leaves_nothing_in_the_line() {
    let mut line = Line::new();
    let (peer, id) = {
        let peer = line.peer();
        (peer, line.peers.get(peer).map(|peer| peer.id).unwrap_or_else(PeerId::random))
    };
    let requests: Vec<RequestNumber> = (0..8).map(|_| line.ask(peer).0).collect();
    line.peers.disconnected(&id);
    line.queue.forget(peer);
    assert!(line.queue.waiting.is_empty());
    for request in &requests[..4] {
        line.served(*request, Ok(Vec::new()));
    }
    assert!(line.queue.serving.is_empty());
}

/// A line that waited for upload was never looked at again, if that was free by the time somebody asked when it would
/// be.
#[test]
fn a_line_that_waits_for_upload_is_due_also_when_that_is_free_already() {
    let mut line = Line::with_upload(Some(1_000));
    let peer = line.peer();
    let (first, actions) = line.ask(peer);
    assert_eq!(served_now(&actions), [first]);
    let (second, actions) = line.ask(peer);
    assert_eq!(served_now(&actions), [], "what the first answer may take is set aside");
    let (actions, _) = line.served(first, Ok(vec![7; 2_000]));
    assert_eq!(served_now(&actions), [], "the first answer took more than a second's upload");
    let due = line.queue.due().expect("the second waits for upload");
    line.cx.now = due + Duration::from_secs(1);
    assert_eq!(line.queue.due(), Some(due), "whoever asks late is told, too");
    line.queue.serve_next(&mut line.peers, &mut line.cx);
    assert_eq!(served_now(&line.cx.take()), [second]);
    assert_eq!(line.queue.due(), None, "the control: nobody waits");
}
