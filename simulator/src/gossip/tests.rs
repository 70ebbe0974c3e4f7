//! Gossip between nodes that are all connected, and rules of one node alone.

use super::*;
use crate::executor::random;

/// Nodes that are all connected to each other, and frames that arrive at once.
struct Net {
    nodes: Vec<Gossip>,
    now: Nanos,
    random: ChaCha8Rng,
    frames: VecDeque<(NodeId, NodeId, Frame)>,
    sent: usize,
}

impl Net {
    fn new(count: u32) -> Self {
        let mut nodes: Vec<Gossip> = (0..count).map(|_| Gossip::default()).collect();
        let mut frames = VecDeque::new();
        for (one, node) in nodes.iter_mut().enumerate() {
            for other in (0..count).filter(|other| *other as usize != one) {
                let outcome = node.add(NodeId(other), other as usize > one, 0);
                frames.extend(outcome.frames.into_iter().map(|(to, frame)| (NodeId(one as u32), to, frame)));
            }
        }
        let mut net = Self { nodes, now: 0, random: random(1, 1), frames, sent: 0 };
        net.settle();
        (0..10).for_each(|_| net.beat());
        net
    }

    fn take(&mut self, from: u32, outcome: Outcome) {
        self.sent += outcome.frames.iter().filter(|(_, frame)| matches!(frame, Frame::Message { .. })).count();
        self.frames.extend(outcome.frames.into_iter().map(|(to, frame)| (NodeId(from), to, frame)));
        if let Some((number, ..)) = outcome.judge {
            let mut outcome = Outcome::default();
            assert!(self.nodes[from as usize].on_verdict(number, true, self.now, &mut outcome));
            self.take(from, outcome);
        }
    }

    fn settle(&mut self) {
        while let Some((from, to, frame)) = self.frames.pop_front() {
            let outcome = self.nodes[to.0 as usize].on_frame(from, frame, self.now);
            self.take(to.0, outcome);
        }
    }

    fn beat(&mut self) {
        self.now += HEARTBEAT;
        for node in 0..self.nodes.len() as u32 {
            let outcome = self.nodes[node as usize].heartbeat(self.now, &mut self.random);
            self.take(node, outcome);
        }
        self.settle();
    }

    fn publish(&mut self, node: u32, id: MessageId) {
        let data: Arc<[u8]> = vec![7; 100].into();
        let outcome = self.nodes[node as usize].publish(Topic::Txs, id, data, (self.now, &mut self.random));
        self.take(node, outcome.expect("it is new"));
        self.settle();
    }
}

#[test]
fn meshes_keep_their_size_and_a_message_reaches_everybody_without_everybody_sending_to_everybody() {
    let mut net = Net::new(40);
    for node in &net.nodes {
        for mesh in &node.meshes {
            assert!((MESH.0..=MESH.2).contains(&mesh.peers.len()), "{}", mesh.peers.len());
        }
    }
    net.publish(3, [1; 20]);
    assert!(net.nodes.iter().all(|node| node.seen.contains_key(&[1; 20])));
    assert!((39..40 * MESH.2).contains(&net.sent), "{}", net.sent);
    let again = net.nodes[3].publish(Topic::Txs, [1; 20], vec![].into(), (net.now, &mut net.random));
    assert!(again.is_none(), "it is known");
}

#[test]
fn a_block_goes_to_all_peers_of_whoever_found_it_and_a_payment_to_as_many_as_a_mesh_has() {
    let mut gossip = Gossip::default();
    let grafted: usize = (0..20).map(|peer| gossip.add(NodeId(peer), true, 0).frames.len()).sum();
    assert_eq!(grafted, 2 * MESH.0, "whoever comes is in each mesh that is too small");
    let (data, mut random): (Arc<[u8]>, _) = (vec![1; 100].into(), random(1, 1));
    let mut sent = |topic, id| {
        let outcome = gossip.publish(topic, [id; 20], data.clone(), (0, &mut random)).expect("it is new");
        outcome.frames.into_iter().map(|(peer, _)| peer).collect::<BTreeSet<_>>().len()
    };
    assert_eq!((sent(Topic::Blocks, 1), sent(Topic::Txs, 2)), (20, MESH.1));
}

/// Who promised a message has three seconds for it; then another is asked.
#[test]
fn what_one_was_asked_for_nobody_else_is_until_it_is_late() {
    let mut gossip = Gossip::default();
    (0..3).for_each(|peer| drop(gossip.add(NodeId(peer), true, 0)));
    let mut asked = |peer, now| {
        let outcome = gossip.on_frame(NodeId(peer), Frame::IHave(Topic::Txs, vec![[5; 20]]), now);
        !outcome.frames.is_empty()
    };
    assert_eq!((asked(0, 1), asked(1, HEARTBEAT), asked(2, 1 + PROMISED)), (true, false, true));
}

/// Whoever is in nobody's mesh hears of a message at the next heartbeat, and asks for it.
#[test]
fn ids_are_told_to_those_outside_the_mesh() {
    let mut net = Net::new(8);
    let lonely = NodeId(7);
    for node in &mut net.nodes {
        for mesh in &mut node.meshes {
            mesh.peers.remove(&lonely);
        }
    }
    for mesh in &mut net.nodes[7].meshes {
        mesh.peers.clear();
    }
    // One whose mesh is as large as it should be sends to nobody else.
    let from = (0..7).find(|node| net.nodes[*node].meshes[1].peers.len() >= MESH.1).expect("one of them");
    net.publish(from as u32, [2; 20]);
    assert!(!net.nodes[7].seen.contains_key(&[2; 20]), "the control");
    net.beat();
    assert!(net.nodes[7].seen.contains_key(&[2; 20]));
}

#[test]
fn what_is_refused_travels_no_further_and_what_is_old_is_forgotten() {
    let mut gossip = Gossip::default();
    (0..6).for_each(|peer| drop(gossip.add(NodeId(peer), true, 0)));
    let data: Arc<[u8]> = vec![1; 5_000].into();
    let frame = Frame::Message { topic: Topic::Txs, id: [3; 20], data };
    gossip.heartbeat(HEARTBEAT, &mut random(1, 1));
    let outcome = gossip.on_frame(NodeId(0), frame.clone(), HEARTBEAT);
    let (number, ..) = outcome.judge.expect("it is to be judged");
    assert!(outcome.frames.iter().all(|(to, frame)| to.0 != 0 && matches!(frame, Frame::IDontWant(_))));
    assert!(!outcome.frames.is_empty(), "it is large");
    let mut after = Outcome::default();
    assert!(!gossip.on_verdict(number, false, 0, &mut after) && after.frames.is_empty());
    assert!(gossip.on_frame(NodeId(1), frame.clone(), 2 * HEARTBEAT).judge.is_none(), "it was judged");
    assert!(gossip.on_frame(NodeId(1), frame, 2 * REMEMBERED).judge.is_some(), "nobody knows it any more");
}
