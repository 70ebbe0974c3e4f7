//! Nodes on networks of their own, made of Linux network namespaces. Where the machine does not allow them the
//! tests say so and end.

use cairn_tests::wait::{LATER, until};
use cairn_tests::{made, netns, network::TestNetwork, node::OFF, resident::Resident};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_on_a_lan_find_each_other_by_mdns_alone() {
    let Some(cable) = made(netns::cable()) else { return };
    let network = TestNetwork::new();
    let mut nodes = Vec::new();
    for (end, host, port, mdns) in [(0, 1, 29_740, true), (1, 2, 29_740, true), (1, 2, 29_750, false)] {
        let (listen, mdns) =
            (format!("--network.listen=/ip4/10.9.0.{host}/tcp/{port}"), format!("--discovery.mdns={mdns}"));
        let arguments = [&[listen.as_str(), mdns.as_str()], &OFF[..]].concat();
        nodes.push(Resident::start(&network, &cable[end], &format!("node {}", nodes.len()), &arguments).await);
    }
    until("both neighbours are connected", LATER, async || {
        let (first, second) = (nodes[0].peers(), nodes[1].peers());
        (first.len() == 1 && second.len() == 1).then_some(())
    })
    .await;
    // The third shares its namespace with the second.
    assert!(nodes[2].net().is_some_and(|net| net.peers == 0), "the control: without mDNS it finds nobody");
}
