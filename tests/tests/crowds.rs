//! Many strangers from one place, on an internet of network namespaces with public addresses, where a place says
//! something about who is there. Where the machine does not allow them the tests say so and end.

use cairn_rpc::types::PeerJson;
use cairn_tests::netns::{Host, Internet};
use cairn_tests::resident::{PORT, Resident};
use cairn_tests::wait::{LATER, until};
use cairn_tests::{made, network::TestNetwork, strangers::process::Stranger};

/// Nodes behave as among public addresses.
const PUBLIC: &str = "--network.allow_private=false";
/// Inbound connections from one host, and from one /16, as the front page of the node's network says.
const PER_HOST: u64 = 4;
const PER_GROUP: u64 = 16;

fn listen(host: &Host) -> String {
    format!("--network.listen=/ip4/{}/tcp/{PORT}", host.address)
}

/// A machine of somebody who owns all of its /16.
fn owner(internet: &mut Internet, label: &str, address: [u8; 4]) -> Result<Host, String> {
    let host = internet.host(label, address)?;
    let [a, b, ..] = address;
    host.namespace.ip(&format!("route add local {a}.{b}.0.0/16 dev lo"))?;
    Ok(host)
}

/// Has every connection come from another address of 50.1.0.0/16.
fn many_addresses() -> String {
    let addresses: Vec<String> = (0..250).map(|n| format!("{n} : 50.1.{}.{}", n / 200, n % 200 + 2)).collect();
    let map = addresses.join(", ");
    format!(
        "table ip many {{
           chain out {{
             type nat hook postrouting priority 100; oifname wan snat to numgen inc mod 250 map {{ {map} }};
           }}
         }}"
    )
}

/// Peers in this /16.
fn within<'a>(peers: &'a [PeerJson], start: &'a str) -> impl Iterator<Item = &'a PeerJson> {
    peers.iter().filter(move |peer| peer.address.starts_with(start))
}

/// What a stranger has said: numbers.
fn numbers(stranger: &mut Stranger) -> Vec<u64> {
    stranger.line().split(' ').filter_map(|word| word.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_connections_from_one_address_or_one_subnet_get_their_share_and_no_more() {
    let place = Internet::new().and_then(|mut internet| {
        let (victim, honest) = (internet.host("victim", [40, 1, 0, 1])?, internet.host("honest", [60, 1, 0, 1])?);
        let attacker = owner(&mut internet, "attacker", [50, 1, 0, 1])?;
        Ok((victim, honest, attacker, internet))
    });
    let Some((victim, honest, attacker, _internet)) = made(place) else { return };
    let network = TestNetwork::new();
    let node = Resident::start(&network, &victim.namespace, "victim", &[PUBLIC, &listen(&victim)]).await;
    let (address, prefix) = (format!("/ip4/{}/tcp/{PORT}", victim.address), network.prefix());
    let inbound = |node: &Resident<'_>| node.net().expect("it answers").inbound;

    let crowd = ["crowd", &address, &prefix, "1000"];
    let mut host = Stranger::start(Some(&attacker.namespace), &crowd);
    let got_in = numbers(&mut host)[0];
    assert!((1..=PER_HOST).contains(&got_in), "{got_in} from one address");
    assert!(inbound(&node) <= PER_HOST);
    attacker.namespace.nft(&many_addresses()).expect("a network that can be made can be filtered");
    let mut subnet = Stranger::start(Some(&attacker.namespace), &crowd);
    let got_in = numbers(&mut subnet)[0];
    assert!((1..=PER_GROUP).contains(&got_in), "{got_in} more from one /16");
    assert!(inbound(&node) <= PER_GROUP);

    // The control, while they hold what they have: from elsewhere an honest node gets in, and is served.
    let told = format!("--network.peers={address}/p2p/{}", node.id());
    let friend = Resident::start(&network, &honest.namespace, "honest", &[PUBLIC, &listen(&honest), &told]).await;
    node.has_peer_at(&friend.id(), |address| address.starts_with("/ip4/60.1.")).await;
    node.generate(3);
    friend.reaches(3).await;
}

/// Sixteen hosts that had themselves banned once got their whole /16 banned for an hour, innocents with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn banned_hosts_get_none_of_their_neighbours_banned() {
    let place = Internet::new().and_then(|mut internet| {
        let (victim, honest) = (internet.host("victim", [40, 1, 0, 1])?, internet.host("honest", [50, 1, 200, 1])?);
        let attacker = internet.host("attacker", [50, 1, 0, 1])?;
        attacker.namespace.ip("route add local 50.1.0.0/22 dev lo")?;
        attacker.namespace.nft(&many_addresses())?;
        Ok((victim, honest, attacker, internet))
    });
    let Some((victim, honest, attacker, _internet)) = made(place) else { return };
    let network = TestNetwork::new();
    let node = Resident::start(&network, &victim.namespace, "victim", &[PUBLIC, &listen(&victim)]).await;
    let address = format!("/ip4/{}/tcp/{PORT}/p2p/{}", victim.address, node.id());
    let genesis = network.spec().genesis_id().to_string();
    let words = ["flood", "garbage", &address, &network.prefix(), &genesis];
    let _flood = Stranger::start(Some(&attacker.namespace), &words);
    until("more hosts are banned than once sufficed", LATER, async || {
        (node.net().is_some_and(|net| net.bans > PER_GROUP)).then_some(())
    })
    .await;
    let bans = node.call("net_listBans", &serde_json::json!([])).map(|bans| bans.to_string()).unwrap_or_default();
    assert!(!bans.contains("/16"), "{bans}");
    let told = format!("--network.peers={address}");
    let friend = Resident::start(&network, &honest.namespace, "honest", &[PUBLIC, &listen(&honest), &told]).await;
    node.has_peer_at(&friend.id(), |address| address.starts_with("/ip4/50.1.200.")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eclipse_a_restarted_node_with_a_book_full_of_one_attacker_finds_the_honest() {
    const HONEST: [[u8; 4]; 3] = [[33, 1, 0, 1], [34, 1, 0, 1], [35, 1, 0, 1]];
    let place = Internet::new().and_then(|mut internet| {
        let honest: Result<Vec<Host>, String> = HONEST.iter().map(|it| internet.host("honest", *it)).collect();
        let (honest, victim) = (honest?, internet.host("victim", [40, 1, 0, 1])?);
        let attacker = owner(&mut internet, "attacker", [50, 1, 0, 1])?;
        Ok((honest, victim, attacker, internet))
    });
    let Some((honest, victim, attacker, _internet)) = made(place) else { return };
    let network = TestNetwork::new();
    let mut nodes: Vec<Resident<'_>> = Vec::new();
    for host in &honest {
        // The attacker comes to none of them: they would tell of it, too, and be no control.
        let told = nodes.first().map_or("--network.boot_nodes=".to_owned(), |first| {
            format!("--network.boot_nodes=/ip4/{}/tcp/{PORT}/p2p/{}", honest[0].address, first.id())
        });
        let name = host.address.to_string();
        nodes.push(Resident::start(&network, &host.namespace, &name, &[PUBLIC, &listen(host), &told]).await);
    }
    // Forty identities in one /16, each telling of all forty.
    let words = ["many", &network.prefix(), "40", "50.1.0.0", &PORT.to_string()];
    let mut many = Stranger::start(Some(&attacker.namespace), &words);
    let ids: Vec<String> = many.line().split(' ').map(str::to_owned).collect();
    let attackers = ids.iter().zip(1..).take(8).map(|(id, n)| format!("/ip4/50.1.0.{n}/tcp/{PORT}/p2p/{id}"));
    let told: Vec<String> =
        attackers.chain([format!("/ip4/{}/tcp/{PORT}/p2p/{}", honest[0].address, nodes[0].id())]).collect();
    let told = format!("--network.boot_nodes={}", told.join(","));
    let mut node = Resident::start(&network, &victim.namespace, "victim", &[PUBLIC, &listen(&victim), &told]).await;
    let stands = |node: &Resident<'_>| {
        let (net, peers) = (node.net()?, node.peers());
        let knows = HONEST.iter().all(|ip| within(&peers, &format!("/ip4/{}.", ip[0])).next().is_some());
        Some((net, knows, within(&peers, "/ip4/50.1.").count()))
    };
    // Whoever it was told of it dials, and has tried many of: of all these one keeps a slot, and one may be on trial.
    until("the book is full of the attacker, who has one slot", LATER, async || {
        let (net, knows, attackers) = stands(&node)?;
        (knows && net.known_new + net.known_tried >= 30 && net.known_tried >= 12 && attackers <= 2).then_some(())
    })
    .await;

    // Restarted, it is told of nobody.
    node.set_arguments(&[PUBLIC, &listen(&victim)]);
    node.restart().await;
    until("all the honest are its peers again, and of the attacker's one or two", LATER, async || {
        let (_, knows, attackers) = stands(&node)?;
        (knows && attackers <= 2).then_some(())
    })
    .await;
    assert!(node.net().is_some_and(|net| net.known_new + net.known_tried >= 30), "the attack takes place");
    nodes[2].generate(3);
    node.reaches(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn autonat_is_no_weapon_whoever_has_a_victim_dialled_gets_few_dials() {
    const ASKED: u64 = 60;
    /// What strangers may have dialled at once, and within so many seconds once more.
    const LIMIT: (u64, u64) = (20, 3);
    let place = Internet::new().and_then(|mut internet| {
        let (node, victim) = (internet.host("node", [40, 1, 0, 1])?, internet.host("victim", [60, 1, 0, 1])?);
        let attacker = owner(&mut internet, "attacker", [50, 1, 0, 1])?;
        attacker.namespace.nft(&many_addresses())?;
        victim.namespace.nft(
            "table ip victim {
               counter knocks { }
               chain in { type filter hook input priority 0; tcp dport 25 tcp flags == syn counter name knocks; }
             }",
        )?;
        Ok((node, victim, attacker, internet))
    });
    let Some((host, victim, attacker, _internet)) = made(place) else { return };
    let network = TestNetwork::new();
    let node = Resident::start(&network, &host.namespace, "node", &[PUBLIC, &listen(&host)]).await;
    let (address, target) = (format!("/ip4/{}/tcp/{PORT}", host.address), format!("/ip4/{}/tcp/25", victim.address));
    let started = std::time::Instant::now();
    let words = ["ask", &address, &network.prefix(), &target, &ASKED.to_string()];
    let mut asker = Stranger::start(Some(&attacker.namespace), &words);
    let answered = numbers(&mut asker)[0];
    assert!(answered > LIMIT.0, "the attack takes place: {answered} answers");
    let counter = victim.namespace.run(std::process::Command::new("nft").args(["list", "counters"]), "");
    let counter = counter.expect("the counter is there");
    let knocks = counter.split("packets ").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
    let knocks = knocks.expect("a count");
    let most = LIMIT.0 + started.elapsed().as_secs() / LIMIT.1 + 1;
    // The control: it does dial for whoever asks, a few times.
    assert!((1..=most).contains(&knocks), "{knocks} knocks at the victim's door, expected 1 to {most}");
    assert!(node.net().is_some_and(|net| net.bans == 0), "asking is no misbehaviour");
}
