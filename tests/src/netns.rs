//! Machines of their own, made of Linux network namespaces: hosts with public addresses on one internet, and
//! homes behind routers that translate addresses. Nothing of it touches the network of the machine itself.
//!
//! The addresses are public ones, because nodes treat private ones otherwise; they lead nowhere but to the
//! switch that all hosts are plugged into. Each host is in another /16, for nodes count neighbours by those.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{io::Write, net::Ipv4Addr};

/// On the internet of a test every address from 32.0.0.0 to 63.255.255.255 is a neighbour.
const EVERYWHERE: u8 = 3;
/// Who lives behind a router, and the router there.
const INSIDE: (&str, &str) = ("192.168.7.2", "192.168.7.1");

/// Runs a command with this input; what it printed, or why it failed.
fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let line = format!("{command:?}");
    let failed = |why: &dyn std::fmt::Display| format!("{line}: {why}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| failed(&error))?;
    // Whoever reads no input may be gone already.
    let _ = child.stdin.take().map(|mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    if !output.status.success() {
        return Err(failed(&String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A network namespace; gone when dropped, with all that is plugged into it.
#[derive(Debug)]
pub struct Namespace(String);

impl Namespace {
    /// A new one, with loopback.
    ///
    /// # Errors
    /// Says why this machine allows none.
    pub fn new(label: &str) -> Result<Self, String> {
        // Many a machine can make namespaces and has no packet filter; a test needs both, or is skipped.
        run(Command::new("nft").arg("--version"), "")?;
        Self::unfiltered(label)
    }

    /// The same for whoever needs no packet filter.
    ///
    /// # Errors
    /// Says why this machine allows none.
    pub fn unfiltered(label: &str) -> Result<Self, String> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = Self(format!("cairn-{}-{count}-{label}", std::process::id()));
        run(Command::new("ip").args(["netns", "add", &namespace.0]), "")?;
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// Runs `ip` in it.
    ///
    /// # Errors
    /// Says why it failed.
    pub fn ip(&self, words: &str) -> Result<(), String> {
        run(Command::new("ip").args(["-n", &self.0]).args(words.split(' ')), "").map(drop)
    }

    /// Gives these rules to its packet filter.
    ///
    /// # Errors
    /// Says why it failed.
    pub fn nft(&self, rules: &str) -> Result<(), String> {
        run(&mut self.enter(Command::new("nft").args(["-f", "-"])), rules).map(drop)
    }

    /// Runs a command in it, with this input; what it printed.
    ///
    /// # Errors
    /// Says why it failed.
    pub fn run(&self, command: &Command, input: &str) -> Result<String, String> {
        run(&mut self.enter(command), input)
    }

    /// The same command, in this namespace. `ip` becomes it: the process is its own.
    pub fn enter(&self, inner: &Command) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(inner.get_program()).args(inner.get_args());
        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Lays a cable from it to another: an interface of this name at each end.
    fn plug(&self, interface: &str, other: &Self, other_interface: &str) -> Result<(), String> {
        self.ip(&format!("link add {interface} type veth peer name {other_interface} netns {}", other.0))?;
        self.ip(&format!("link set {interface} up"))?;
        other.ip(&format!("link set {other_interface} up"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Where it was never made, there is nothing to delete.
        let _ = run(Command::new("ip").args(["netns", "delete", &self.0]), "");
    }
}

/// Two machines with a cable between them, at 10.9.0.1 and 10.9.0.2.
///
/// # Errors
/// Says why this machine allows none.
pub fn cable() -> Result<[Namespace; 2], String> {
    let ends = [Namespace::new("a")?, Namespace::new("b")?];
    ends[0].plug("cable", &ends[1], "cable")?;
    for (end, host) in ends.iter().zip(1..) {
        end.ip(&format!("address add 10.9.0.{host}/24 dev cable"))?;
        end.ip("route add 224.0.0.0/4 dev cable")?;
    }
    Ok(ends)
}

/// How a router gives the machines behind it addresses of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nat {
    /// The same port whoever is spoken to, as most do (RFC 4787, "endpoint-independent mapping"): holes can be
    /// punched.
    Cone,
    /// Another port for each connection ("address and port-dependent mapping"): they cannot.
    Symmetric,
}

/// A machine on the internet.
#[derive(Debug)]
pub struct Host {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its address.
    pub address: Ipv4Addr,
    /// The end of its cable at the switch.
    port: String,
}

impl Host {
    /// Whether what it sends reaches another; the way back is another matter. Where it does not, packets go to a
    /// machine that is not there, and nobody is told.
    ///
    /// # Errors
    /// Says why it failed.
    pub fn set_reaching(&self, other: &Self, is_reaching: bool) -> Result<(), String> {
        let neighbour = if is_reaching {
            format!("neighbour delete {} dev wan", other.address)
        } else {
            format!("neighbour replace {} lladdr 02:00:00:00:00:01 dev wan nud permanent", other.address)
        };
        self.namespace.ip(&neighbour)
    }
}

/// A machine behind a router.
#[derive(Debug)]
pub struct Home {
    /// The router.
    pub router: Host,
    /// The machine.
    pub inside: Namespace,
}

/// One switch, into which everybody is plugged.
#[derive(Debug)]
pub struct Internet {
    switch: Namespace,
    ports: usize,
    /// How machines are made.
    make: fn(&str) -> Result<Namespace, String>,
}

impl Internet {
    /// An internet without anybody.
    ///
    /// # Errors
    /// Says why this machine allows none.
    pub fn new() -> Result<Self, String> {
        Self::of(Namespace::new)
    }

    /// The same of machines that need no packet filter.
    ///
    /// # Errors
    /// Says why this machine allows none.
    pub fn unfiltered() -> Result<Self, String> {
        Self::of(Namespace::unfiltered)
    }

    fn of(make: fn(&str) -> Result<Namespace, String>) -> Result<Self, String> {
        let switch = make("switch")?;
        switch.ip("link add bridge type bridge")?;
        switch.ip("link set bridge up")?;
        Ok(Self { switch, ports: 0, make })
    }

    /// A machine with a public address.
    ///
    /// # Errors
    /// Says why this machine allows none.
    pub fn host(&mut self, label: &str, address: [u8; 4]) -> Result<Host, String> {
        let (namespace, address) = ((self.make)(label)?, Ipv4Addr::from(address));
        self.ports += 1;
        let port = format!("port{}", self.ports);
        namespace.plug("wan", &self.switch, &port)?;
        namespace.ip(&format!("address add {address}/{EVERYWHERE} dev wan"))?;
        self.switch.ip(&format!("link set {port} master bridge"))?;
        Ok(Host { namespace, address, port })
    }

    /// A machine behind a router with a public address, which lets nobody in who was not spoken to first.
    ///
    /// # Errors
    /// Says why this machine allows none.
    pub fn home(&mut self, label: &str, address: [u8; 4], nat: Nat) -> Result<Home, String> {
        let (router, inside) = (self.host(&format!("{label}r"), address)?, (self.make)(label)?);
        inside.plug("wan", &router.namespace, "lan")?;
        let (own, gateway) = INSIDE;
        router.namespace.ip(&format!("address add {gateway}/24 dev lan"))?;
        inside.ip(&format!("address add {own}/24 dev wan"))?;
        inside.ip(&format!("route add default via {gateway}"))?;
        router.namespace.run(Command::new("sh").args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]), "")?;
        let how = if nat == Nat::Symmetric { "masquerade fully-random" } else { "masquerade" };
        router.namespace.nft(&format!(
            "table ip home {{
               chain out {{ type nat hook postrouting priority 100; oifname wan {how}; }}
               chain unasked {{ type filter hook input priority 0; iifname wan ct state new drop; }}
               chain through {{ type filter hook forward priority 0; iifname wan ct state new drop; }}
             }}"
        ))?;
        Ok(Home { router, inside })
    }

    /// Pulls the cable of a machine out of the switch, or plugs it in again.
    ///
    /// # Errors
    /// Says why it failed.
    pub fn plugged(&self, host: &Host, plugged: bool) -> Result<(), String> {
        self.switch.ip(&format!("link set {} {}", host.port, if plugged { "up" } else { "down" }))
    }
}
