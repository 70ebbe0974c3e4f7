//! The whole network as a machine.

use super::*;
use crate::event::{Connection, Endpoint, Gossiped, SwarmAction, TaskAction, Topic};
use crate::gossip::judge::{Finding, Judged};
use crate::ids::{ConnectionNumber, RequestNumber};
use crate::pool_sync::rounds::{FetchedPool, Outcome};
use crate::snapshots::Snapshots;
use crate::testing::{context, multiaddr, status};
use crate::wire::{Message as _, PeerStatus, SnapshotName, StretchName};
use crate::{
    discovery::resource::Resource, handle::NetworkEvent, outbound::persistent::Reason, requests::class::Class,
};
use cairn_chain::store::{Kept, Stretch};
use cairn_chain::{Misbehaviour, PeerNumber, Verdict};
use cairn_ledger::hash::{BlockId, Hash};
use cairn_ledger::testing::{easy_network, genesis_state, mine};
use cairn_ledger::units::Height;
use cairn_ledger::{error::HeaderError, validate::ChainContext};

fn state(cx: &Context) -> NetworkState {
    pruned_state(LowestBody::default(), cx)
}

fn pruned_state(lowest_body: LowestBody, cx: &Context) -> NetworkState {
    let files =
        NetworkFiles { node_key: "key".into(), book: "book".into(), bans: "bans".into(), upload: "upload".into() };
    let setup = Setup {
        own: PeerId::random(),
        spec: Arc::new(easy_network()),
        config: NetworkConfig { allow_private: true, ..NetworkConfig::default() },
        files,
        access: Access::default(),
        book: AddressBook::new([7; 16], true),
        upload_target: UploadTarget::new(None, None),
        recent_blocks: RecentBlocks::default(),
        lowest_body,
        stretches: StretchOptions { blocks: 100, ..StretchOptions::default() },
        snapshot_every: 300,
    };
    NetworkState::new(setup, cx.now)
}

fn connect(state: &mut NetworkState, peer: PeerId, n: u64, cx: &mut Context) -> Vec<Action> {
    let endpoint = Endpoint {
        remote: multiaddr("/ip4/10.0.0.9/tcp/7"),
        local: Some(multiaddr("/ip4/10.0.0.1/tcp/1")),
        is_relayed: false,
    };
    let connection = ConnectionNumber(n);
    state.on_event(Event::Connected(Connection { peer, number: connection, dial: None, endpoint, is_first: true }), cx)
}

fn tell(state: &mut NetworkState, peer: PeerId, status: &PeerStatus, cx: &mut Context) -> Vec<Action> {
    let answer = Ok(status.to_bytes());
    state.on_event(Event::Answer { peer, class: Class::Status, answer }, cx)
}

fn is_disconnect(action: &Action, of: PeerId) -> bool {
    matches!(action, Action::Swarm(SwarmAction::Disconnect(peer)) if *peer == of)
}

fn asks(actions: &[Action]) -> usize {
    let is_status = |action: &&Action| matches!(action, Action::Swarm(SwarmAction::Ask { class: Class::Status, .. }));
    actions.iter().filter(is_status).count()
}

#[test]
fn who_was_told_of_the_tip_by_an_answer_is_not_asked_in_the_next_round_but_in_one_a_minute_later() {
    let (mut cx, spec) = (context(), easy_network());
    let (mut state, peer, silent) = (state(&cx), PeerId::random(), PeerId::random());
    let begun = cx.now;
    for (n, peer) in [(1, peer), (2, silent)] {
        assert_eq!(asks(&connect(&mut state, peer, n, &mut cx)), 1);
        tell(&mut state, peer, &status(&spec, cx.clock), &mut cx);
    }
    cx.now = begun + Duration::from_secs(58);
    let question = Ok(status(&spec, cx.clock).to_bytes());
    let (class, request) = (Class::Status, RequestNumber(7));
    state.on_event(Event::Request { peer, class, request, question }, &mut cx);
    cx.now = begun + Duration::from_secs(61);
    assert_eq!(asks(&state.on_event(Event::Tick, &mut cx)), 1, "only the one that has not asked");
    cx.now = begun + Duration::from_secs(122);
    assert_eq!(asks(&state.on_event(Event::Tick, &mut cx)), 2, "a minute later both");
}

#[test]
fn a_node_that_prunes_tells_its_lowest_body_and_provides_no_full_history() {
    for (lowest, provides) in [(0, true), (7, false)] {
        let mut cx = context();
        let mut state = pruned_state(LowestBody::new(Height::new(lowest)), &cx);
        let actions = connect(&mut state, PeerId::random(), 1, &mut cx);
        let [Action::Swarm(SwarmAction::Ask { class: Class::Status, question, .. })] = &actions[..] else {
            panic!("{actions:?}")
        };
        assert_eq!(PeerStatus::from_bytes(question).expect("a status").lowest_body, Height::new(lowest));
        let actions = state.on_event(Event::Tick, &mut cx);
        let is_providing = |action: &Action| matches!(action, Action::Swarm(SwarmAction::Provide(_)));
        assert_eq!(actions.iter().any(is_providing), provides, "{actions:?}");
    }
}

#[test]
fn a_node_that_prunes_tells_peers_what_it_keeps_and_the_dht_which_stretches_are_whole() {
    let stretch = |from, to, is_drawn| Stretch { from: Height::new(from), to: Height::new(to), is_drawn };
    let kept = vec![stretch(100, 200, false), stretch(200, 230, false), stretch(300, 350, true)];
    let lowest = LowestBody::of(Kept::new(Height::new(350), kept));
    let mut cx = context();
    let mut state = pruned_state(lowest, &cx);
    let actions = connect(&mut state, PeerId::random(), 1, &mut cx);
    let [Action::Swarm(SwarmAction::Ask { class: Class::Status, question, .. })] = &actions[..] else {
        panic!("{actions:?}")
    };
    let told = PeerStatus::from_bytes(question).expect("a status");
    let name = |(from, to)| StretchName { from: Height::new(from), to: Height::new(to) };
    assert_eq!(told.stretches.to_vec(), [(100, 200), (200, 230), (300, 350)].map(name));
    let has = |height| told.keeps(Height::new(height));
    assert_eq!([99, 100, 229, 230, 299, 300, 350, 351].map(has), [false, true, true, false, false, true, true, true]);
    let actions = state.on_event(Event::Tick, &mut cx);
    let genesis = easy_network().genesis_id();
    let provided = |action: &Action| match action {
        Action::Swarm(SwarmAction::Provide(resource)) => Some(*resource),
        _ => None,
    };
    let provided: Vec<Resource> = actions.iter().filter_map(provided).collect();
    assert_eq!(provided, [1, 3].map(|number| Resource::stretch(&genesis, number, 100)), "not what is being fetched");
    let knows = |action: &Action| matches!(action, Action::Swarm(SwarmAction::KnowStretches { blocks: 100, count: 1 }));
    assert!(actions.iter().any(knows), "as many as the chain has: {actions:?}");
    assert!(!state.on_event(Event::Tick, &mut cx).iter().any(knows), "told once");
}

/// A node that had just made a snapshot once told nobody for a minute: who waited for it gave up.
#[test]
fn peers_and_the_dht_are_told_of_a_new_snapshot_before_long() {
    let (mut cx, spec) = (context(), easy_network());
    let (mut state, peer) = (state(&cx), PeerId::random());
    connect(&mut state, peer, 1, &mut cx);
    tell(&mut state, peer, &status(&spec, cx.clock), &mut cx);
    let name = SnapshotName { height: Height::new(300), state_root: Hash::from_bytes([7; 32]) };
    let read = || Event::SnapshotsRead(Snapshots { held: vec![name], roots: vec![name.state_root] });
    let actions = state.on_event(read(), &mut cx);
    let provides = |resource: &Resource| *resource == Resource::snapshot(&name.state_root);
    let is_provided =
        |action: &Action| matches!(action, Action::Swarm(SwarmAction::Provide(resource)) if provides(resource));
    assert!(actions.iter().any(is_provided), "{actions:?}");
    cx.now += Duration::from_secs(5);
    let actions = state.on_event(Event::Tick, &mut cx);
    let told = actions.iter().find_map(|action| match action {
        Action::Swarm(SwarmAction::Ask { class: Class::Status, question, .. }) => PeerStatus::from_bytes(question).ok(),
        _ => None,
    });
    assert_eq!(told.map(|status| status.snapshots.to_vec()), Some(vec![name]));
    // The control: what was told is not told again at once.
    state.on_event(read(), &mut cx);
    cx.now += Duration::from_secs(5);
    assert_eq!(asks(&state.on_event(Event::Tick, &mut cx)), 0);
}

#[test]
fn who_was_told_of_another_tip_is_asked() {
    let (mut cx, spec) = (context(), easy_network());
    let (mut state, peer) = (state(&cx), PeerId::random());
    connect(&mut state, peer, 1, &mut cx);
    tell(&mut state, peer, &status(&spec, cx.clock), &mut cx);
    cx.now += Duration::from_secs(50);
    Arc::make_mut(&mut cx.tip).id = BlockId::from_bytes([9; 32]);
    state.on_event(Event::MovesMissed, &mut cx);
    assert_eq!(asks(&state.on_event(Event::Tick, &mut cx)), 1);
    cx.now += Duration::from_secs(2);
    state.on_event(Event::MovesMissed, &mut cx);
    assert_eq!(asks(&state.on_event(Event::Tick, &mut cx)), 0, "the same tip is not told again at once");
}

#[test]
fn peers_tell_each_other_where_they_stand_and_sync_hears_of_it() {
    let (mut cx, spec) = (context(), easy_network());
    let (mut state, peer) = (state(&cx), PeerId::random());
    let actions = connect(&mut state, peer, 1, &mut cx);
    assert!(matches!(&actions[..], [Action::Swarm(SwarmAction::Ask { class: Class::Status, .. })]), "{actions:?}");
    assert_eq!(tell(&mut state, peer, &status(&spec, cx.clock), &mut cx).len(), 0);
    assert!(matches!(state.next_for_sync(), Some(NetworkEvent::PeerUp { peer: PeerNumber(1), .. })));
    let closed = Event::Closed { peer, connection: ConnectionNumber(1), is_last: true, cause: None };
    let actions = state.on_event(closed, &mut cx);
    assert!(matches!(&actions[..], [Action::Task(TaskAction::ForgetPeer(PeerNumber(1)))]));
    assert!(matches!(state.next_for_sync(), Some(NetworkEvent::PeerDown { peer: PeerNumber(1) })));
}

#[test]
fn a_node_of_another_network_is_parted_from_and_nobody_hears_of_it() {
    let (mut cx, spec) = (context(), easy_network());
    let (mut state, peer) = (state(&cx), PeerId::random());
    connect(&mut state, peer, 1, &mut cx);
    let mut other = status(&spec, cx.clock);
    other.genesis_id = BlockId::from_bytes(*Hash::ZERO.as_bytes());
    let actions = tell(&mut state, peer, &other, &mut cx);
    assert!(matches!(&actions[..], [action] if is_disconnect(action, peer)), "{actions:?}");
    assert!(!state.has_news_for_sync());
}

#[test]
fn an_invalid_block_bans_its_sender_unless_the_operator_named_it() {
    for is_named in [false, true] {
        let mut cx = context();
        let (mut state, peer) = (state(&cx), PeerId::random());
        if is_named {
            let address = format!("/ip4/10.0.0.9/tcp/7/p2p/{peer}");
            assert!(state.add_target(&address, Reason::Named, &mut cx).is_ok());
            cx.take();
        }
        connect(&mut state, peer, 1, &mut cx);
        let (message, topic) = (crate::ids::MessageNumber(5), Topic::Blocks);
        let spec = easy_network();
        let block = mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), vec![]);
        let data = cairn_ledger::codec::encode(&block.header);
        let actions = state.on_event(Event::Gossiped(Gossiped { peer, message, topic, data }), &mut cx);
        let [Action::Task(TaskAction::Judge { job, .. })] = &actions[..] else { panic!("{actions:?}") };
        let error = HeaderError::ZeroBeneficiary;
        let verdict = Verdict::Reject(Misbehaviour::InvalidHeader(error));
        let judged = Judged { verdict, misbehaviour: None, finding: Finding::Nothing, pooled: Vec::new() };
        let actions = state.on_event(Event::Judged { job: job.clone(), judged, travels: false }, &mut cx);
        assert!(actions.iter().any(|action| is_disconnect(action, peer)), "{actions:?}");
        assert_eq!(state.list_bans(&cx).len(), usize::from(!is_named));
    }
}

#[test]
fn providers_that_sync_looks_for_are_dialled_and_answers_are_given_once() {
    let mut cx = context();
    let mut state = state(&cx);
    let (resource, provider) = (Resource::full_history(&easy_network().genesis_id()), PeerId::random());
    state.seek_providers(resource, &mut cx);
    let actions = cx.take();
    let [Action::Swarm(SwarmAction::FindProviders { search, .. })] = &actions[..] else { panic!("{actions:?}") };
    let found = Event::ProvidersFound { search: *search, providers: vec![provider], is_last: false };
    let actions = state.on_event(found, &mut cx);
    assert!(matches!(&actions[..], [Action::Swarm(SwarmAction::Dial(dial))] if dial.peer == provider), "{actions:?}");
    let Ok(search) = state.find_providers(resource, &mut cx) else { panic!("there is a DHT") };
    cx.take();
    let found = Event::ProvidersFound { search, providers: vec![provider], is_last: true };
    let actions = state.on_event(found, &mut cx);
    assert!(matches!(&actions[..], [Action::EndSearch { found, .. }] if found.len() == 1), "{actions:?}");
}

#[test]
fn who_is_silent_is_parted_from_and_the_same_events_give_the_same_actions() {
    let mut cx = context();
    let (start, clock) = (cx.now, cx.clock);
    let (peer, mut told) = (PeerId::random(), Vec::new());
    for _ in 0..2 {
        cx.now = start;
        let mut state = state(&cx);
        let mut actions = connect(&mut state, peer, 1, &mut cx);
        let request = RequestNumber(1);
        let question = Ok(status(&easy_network(), clock).to_bytes());
        actions.extend(state.on_event(Event::Request { peer, class: Class::Status, request, question }, &mut cx));
        for seconds in [1, 60, 200, 300] {
            cx.now = start + Duration::from_secs(seconds);
            actions.extend(state.on_event(Event::Tick, &mut cx));
        }
        assert!(actions.iter().any(|action| is_disconnect(action, peer)));
        told.push(format!("{actions:?}"));
    }
    assert_eq!(told[0], told[1]);
}

/// A question for a pool that got no answer, since the connection closed over which it went, was not asked again for a
/// minute: what had waited there was lacking as long.
#[test]
fn a_pool_that_was_not_shown_is_asked_for_again_before_long() {
    for outcome in [Outcome::Failed, Outcome::Equal] {
        let (mut cx, spec) = (context(), easy_network());
        let (mut state, peer) = (state(&cx), PeerId::random());
        connect(&mut state, peer, 1, &mut cx);
        tell(&mut state, peer, &status(&spec, cx.clock), &mut cx);
        let tick = |state: &mut NetworkState, cx: &mut Context, after: u64| {
            cx.now += Duration::from_secs(after);
            let actions = state.on_event(Event::Tick, cx);
            actions
                .iter()
                .any(|action| matches!(action, Action::Task(TaskAction::FetchPool { peer: PeerNumber(1), .. })))
        };
        assert!(tick(&mut state, &mut cx, 1), "it is asked once");
        assert!(!tick(&mut state, &mut cx, 1), "one at a time");
        let fetched = FetchedPool { outcome, ..FetchedPool::nothing(PeerNumber(1)) };
        state.on_event(Event::PoolFetched(fetched), &mut cx);
        assert_eq!(tick(&mut state, &mut cx, 8), outcome == Outcome::Failed, "{outcome:?}");
    }
}

/// Eight strangers who connected once kept a node from dialling its boot nodes.
#[test]
fn boot_nodes_are_dialled_however_many_strangers_come() {
    let mut cx = context();
    let (mut state, boot) = (state(&cx), PeerId::random());
    for n in 1..=20 {
        connect(&mut state, PeerId::random(), n, &mut cx);
    }
    let address = format!("/ip4/10.0.0.9/tcp/7/p2p/{boot}");
    assert!(state.add_target(&address, Reason::Boot, &mut cx).is_ok());
    let dials = |actions: &[Action]| {
        actions.iter().any(|action| matches!(action, Action::Swarm(SwarmAction::Dial(dial)) if dial.peer == boot))
    };
    assert!(dials(&cx.take()));
}
