//! Nodes behind routers that translate addresses: they find out that nobody can dial them, meet through a relay,
//! and connect directly where their routers let them. Each test has an internet of its own, made of network
//! namespaces; where the machine does not allow them it says so and ends.

use cairn_tests::netns::{Home, Host, Internet, Nat};
use cairn_tests::resident::{PORT, Resident};
use cairn_tests::wait::{LATER, until};
use cairn_tests::{made, network::TestNetwork, node::OFF, strangers::process::Stranger, wide::wide_payment};

/// Nodes behave as among public addresses.
const PUBLIC: &str = "--network.allow_private=false";
/// The address of whoever is behind a router.
const INSIDE: &str = "--network.listen=/ip4/192.168.7.2/tcp/29740";

/// Somebody whom all can reach, and two homes.
struct Place {
    // Dropped last: everybody is plugged into it.
    homes: [Home; 2],
    middle: Host,
    _internet: Internet,
}

impl Place {
    fn new(nat: Nat) -> Result<Self, String> {
        let mut internet = Internet::new()?;
        let middle = internet.host("middle", [40, 1, 0, 1])?;
        let homes = [internet.home("left", [50, 1, 0, 1], nat)?, internet.home("right", [60, 1, 0, 1], nat)?];
        Ok(Self { homes, middle, _internet: internet })
    }

    /// Where the one in the middle listens.
    fn listen(&self) -> String {
        format!("/ip4/{}/tcp/{PORT}", self.middle.address)
    }

    /// A node at home that was told of the one in the middle.
    async fn at_home<'a>(&'a self, network: &'a TestNetwork, home: usize, middle: &str) -> Resident<'a> {
        let told = format!("--network.boot_nodes={}/p2p/{middle}", self.listen());
        let inside = &self.homes[home].inside;
        Resident::start(network, inside, ["left", "right"][home], &[PUBLIC, INSIDE, &told]).await
    }
}

fn is_relayed(address: &str) -> bool {
    address.contains("/p2p-circuit")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_two_routers_nodes_punch_a_hole_and_synchronise_through_it() {
    let Some(place) = made(Place::new(Nat::Cone)) else { return };
    let network = TestNetwork::new();
    let listen = format!("--network.listen={}", place.listen());
    let arguments = [PUBLIC, &listen, "--reach.relay_server=true", "--discovery.rendezvous_server=true"];
    let relay = Resident::start(&network, &place.middle.namespace, "relay", &arguments).await;
    let left = place.at_home(&network, 0, &relay.id()).await;
    left.generate(30);
    let right = place.at_home(&network, 1, &relay.id()).await;
    // What each says of itself, and why.
    for node in [&left, &right] {
        let reason = node.is_reached(&["hole_punched"]).await;
        assert!(reason.contains("DCUtR"), "{reason}");
    }
    let reason = relay.is_reached(&["public"]).await;
    assert!(reason.contains("public address"), "{reason}");
    right.has_peer_at(&left.id(), |address| !is_relayed(address)).await;
    left.has_peer_at(&right.id(), |address| !is_relayed(address)).await;
    right.reaches(30).await;

    // The hole needs nobody in the middle.
    drop(relay);
    left.generate(5);
    right.reaches(35).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_no_hole_can_be_punched_nodes_synchronise_by_relay_from_one_circuit_to_the_next() {
    /// What a circuit carries: what a node has asked for at one time, and less than the chain of 24 MB.
    const CIRCUIT: u64 = 16 << 20;
    let Some(place) = made(Place::new(Nat::Symmetric)) else { return };
    let network = TestNetwork::new();
    // The one in the middle has no chain: what comes can only have come through a circuit.
    let words = ["stand-by", &network.prefix(), &place.listen(), &CIRCUIT.to_string()];
    let mut middle = Stranger::start(Some(&place.middle.namespace), &words);
    let id = middle.line();
    let left = place.at_home(&network, 0, &id).await;
    let payments = |sender: u64| (0..60).map(move |nonce| (sender, nonce));
    let payments: Vec<_> =
        (0..10).flat_map(payments).map(|(sender, nonce)| wide_payment(network.spec(), sender, nonce)).collect();
    left.submit(&payments);
    left.generate(12);
    let right = place.at_home(&network, 1, &id).await;
    for node in [&left, &right] {
        let reason = node.is_reached(&["relayed"]).await;
        assert!(reason.contains("no hole could be punched"), "{reason}");
    }
    right.reaches(12).await;
    left.generate(3);
    right.reaches(15).await;
    let circuits = right.log().lines().filter(|line| line.contains(" connected ") && is_relayed(line)).count();
    assert!(circuits >= 2, "{circuits} circuits");
    for node in [&left, &right] {
        assert!(!node.log().contains("a hole was punched"), "the control: these routers do not let it be");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_cable_is_noticed_and_heals() {
    let place = Internet::new().and_then(|mut internet| {
        let hosts = [
            internet.host("a", [40, 1, 0, 1])?,
            internet.host("b", [50, 1, 0, 1])?,
            internet.host("c", [60, 1, 0, 1])?,
        ];
        Ok((hosts, internet))
    });
    let Some((hosts, internet)) = made(place) else { return };
    let network = TestNetwork::new();
    let mut nodes: Vec<Resident<'_>> = Vec::new();
    for host in &hosts {
        let listen = format!("--network.listen=/ip4/{}/tcp/{PORT}", host.address);
        // All know the first; the others do not find each other.
        let told = match nodes.first() {
            Some(first) => format!("--network.peers=/ip4/{}/tcp/{PORT}/p2p/{}", hosts[0].address, first.id()),
            None => "--network.peers=".to_owned(),
        };
        let arguments = [&[PUBLIC, &listen, &told], &OFF[..]].concat();
        nodes.push(Resident::start(&network, &host.namespace, &host.address.to_string(), &arguments).await);
    }
    let [first, cut, control] = &nodes[..] else { panic!("three were started") };
    first.has_peer_at(&cut.id(), |_| true).await;
    first.has_peer_at(&control.id(), |_| true).await;
    first.generate(3);
    cut.reaches(3).await;

    internet.plugged(&hosts[1], false).expect("a cable is pulled");
    first.generate(3);
    cut.generate(1);
    control.reaches(6).await;
    // Both sides notice by themselves, although no connection was closed.
    until("both sides have noticed", LATER, async || (cut.net()?.peers == 0 && first.net()?.peers == 1).then_some(()))
        .await;
    internet.plugged(&hosts[1], true).expect("it is plugged in again");
    cut.reaches(6).await;
    cut.generate(1);
    first.reaches(7).await;
    control.reaches(7).await;
    let parted = control.log().matches("disconnected").count();
    assert_eq!(parted, 0, "the control: whose cable was not pulled stays connected all the time");
}
