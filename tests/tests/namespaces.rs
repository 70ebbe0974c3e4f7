//! Nodes on networks of their own, made of Linux network namespaces. Where the machine does not allow them the
//! tests say so and end.

use cairn_tests::{
    network::TestNetwork,
    node,
    wait::{LATER, until},
};
use std::{
    fs::{self, File},
    path::Path,
    process::{Child, Command},
};

/// Runs a command; why it failed, if it did.
fn run(line: &str) -> Result<(), String> {
    let mut words = line.split(' ');
    let output = Command::new(words.next().unwrap_or_default()).args(words).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{line}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{line}: {error}")),
    }
}

/// Two namespaces with a cable between them; gone when dropped.
struct Cable([String; 2]);

impl Cable {
    fn new() -> Result<Self, String> {
        let name = |end: &str| format!("cairn-{}-{end}", std::process::id());
        let cable = Self([name("a"), name("b")]);
        let [a, b] = &cable.0;
        run(&format!("ip netns add {a}"))?;
        run(&format!("ip netns add {b}"))?;
        run(&format!("ip -n {a} link add cable type veth peer name cable netns {b}"))?;
        for (end, host) in [(a, 1), (b, 2)] {
            run(&format!("ip -n {end} address add 10.9.0.{host}/24 dev cable"))?;
            run(&format!("ip -n {end} link set cable up"))?;
            run(&format!("ip -n {end} link set lo up"))?;
            run(&format!("ip -n {end} route add 224.0.0.0/4 dev cable"))?;
        }
        Ok(cable)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for end in &self.0 {
            // Where it was never made, there is nothing to delete.
            let _ = run(&format!("ip netns delete {end}"));
        }
    }
}

/// A node in a namespace; ended when dropped.
struct Hidden(Child);

impl Hidden {
    fn start(network: &TestNetwork, namespace: &str, directory: &Path, rpc: u16, arguments: &[String]) -> Self {
        let inner = node::command(network, directory, 0, rpc, arguments);
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace]).arg(inner.get_program()).args(inner.get_args());
        let log = File::create(directory.join("test.log")).expect("a fresh directory");
        command.stdout(log.try_clone().expect("a second handle")).stderr(log);
        Self(command.spawn().expect("ip was there a moment ago"))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // `ip netns exec` becomes the node: this is its own process.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbours_on_a_lan_find_each_other_by_mdns_alone() {
    let cable = match Cable::new() {
        Ok(cable) => cable,
        Err(reason) => return eprintln!("skipped: network namespaces cannot be made here: {reason}"),
    };
    let network = TestNetwork::new();
    let mut nodes = Vec::new();
    for (namespace, host, mdns) in [(&cable.0[0], 1, true), (&cable.0[1], 2, true), (&cable.0[1], 2, false)] {
        let directory = tempfile::TempDir::with_prefix("cairn-node-").expect("a temporary directory");
        // The third shares its namespace with the second.
        let (port, rpc) = if mdns { (29_740, 29_741) } else { (29_750, 29_751) };
        let arguments = [
            format!("--network.listen=/ip4/10.9.0.{host}/tcp/{port}"),
            format!("--discovery.mdns={mdns}"),
            "--discovery.kademlia=false".to_owned(),
            "--discovery.rendezvous=false".to_owned(),
            "--discovery.exchange=false".to_owned(),
        ];
        let node = Hidden::start(&network, namespace, directory.path(), rpc, &arguments);
        nodes.push((node, directory));
    }
    let log = |n: usize| fs::read_to_string(nodes[n].1.path().join("test.log")).unwrap_or_default();
    until("both neighbours are connected", LATER, async || {
        [0, 1].iter().all(|n| log(*n).contains(" connected peer=")).then_some(())
    })
    .await;
    assert!(log(2).contains("ready"), "the third runs: {}", log(2));
    assert!(!log(2).contains(" connected peer="), "the control: without mDNS it finds nobody");
}
