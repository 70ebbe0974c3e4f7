//! Every key, declared once: its section, type, help and the name of its value.

use super::ConfigError;
use super::layers::{Key, Layers};
use super::value::{ConfigType, Ranged, Size, Sourced, SyncFrom};
use crate::system::telemetry::LogFormat;
use std::{net::SocketAddr, path::PathBuf};

/// Declares [`Config`], its sections and [`KEYS`] from one list.
macro_rules! config {
    ($(
        $(#[doc = $about:literal])+
        $section:ident: $Section:ident {
            $($(#[doc = $help:literal])+ $key:ident: $type:ty = $value_name:literal, $default:literal;)+
        }
    )+) => {
        /// What is set, section by section.
        #[derive(Debug)]
        pub struct Config {
            $($(#[doc = $about])+ pub $section: $Section,)+
        }

        $(
            $(#[doc = $about])+
            #[derive(Debug)]
            pub struct $Section {
                $($(#[doc = $help])+ pub $key: Option<Sourced<<$type as ConfigType>::Value>>,)+
            }
        )+

        /// Every key.
        pub const KEYS: &[Key] = &[$($(Key {
            name: concat!(stringify!($section), ".", stringify!($key)),
            value_name: $value_name,
            help: concat!($($help),+).trim_ascii(),
            default: $default,
        },)+)+];

        impl Config {
            /// Reads every key from where it is set.
            pub fn read(layers: &Layers) -> Result<Self, ConfigError> {
                Ok(Self {
                    $($section: $Section {
                        $($key: layers.read::<$type>(concat!(stringify!($section), ".", stringify!($key)))?,)+
                    },)+
                })
            }
        }
    };
}

config! {
    /// Peers.
    network: NetworkSection {
        /// Multiaddresses to listen on, instead of the network's port on every interface (on a local
        /// network: on loopback)
        listen: Vec<String> = "MULTIADDR,..", "(the network's port, TCP and QUIC, on every interface; on a local network on loopback)";
        /// Port to listen on, TCP and UDP, instead of the network's; 0 takes any free one
        port: u16 = "PORT", "(the network's)";
        /// Peers to dial and to redial for ever
        peers: Vec<String> = "MULTIADDR,..", "(none)";
        /// Nodes to begin with, instead of the network's
        boot_nodes: Vec<String> = "MULTIADDR,..", "(the network's)";
        /// Addresses at which others reach this node, where it cannot find out itself
        external: Vec<String> = "MULTIADDR,..", "(none)";
        /// Whether to take peers with private addresses
        allow_private: bool = "true|false", "(true on a local network, else false)";
        /// The most peers that may dial this node
        max_inbound: Ranged<usize, 0, 10_000> = "COUNT", "64";
        /// The most peers this node dials
        max_outbound: Ranged<usize, 0, 1_000> = "COUNT", "16";
        /// No new peers while the node holds more memory than this, in MiB
        max_memory_mib: Ranged<usize, 64, 16_777_216> = "MIB", "(three quarters of the machine's)";
        /// The most bytes a second that answers to peers take, blocks and payments as they spread aside
        max_upload_per_second: Ranged<usize, 16_384, 1_099_511_627_776> = "BYTES", "(what the line carries)";
        /// The most to give in a day, midnight UTC to midnight, to those who catch up, such as 20GiB; blocks
        /// are still relayed after that
        max_upload_per_day: Size = "SIZE", "(without end)";
        /// On a private network, the peer ids that are let in
        admit: Vec<String> = "PEER_ID,..", "(anyone)";
        /// A file with the key that all nodes of a private network share; with it there is no QUIC
        psk_file: PathBuf = "FILE", "(none)";
    }
    /// How peers are found: each way is enough alone.
    discovery: DiscoverySection {
        /// Whether to search the Kademlia DHT
        kademlia: bool = "true|false", "true";
        /// Whether to register with rendezvous points, and to ask them
        rendezvous: bool = "true|false", "true";
        /// Whether to be a rendezvous point; boot nodes always are
        rendezvous_server: bool = "true|false", "false";
        /// Whether to ask peers whom they know, and to tell them
        exchange: bool = "true|false", "true";
        /// Whether to look for neighbours by multicast
        mdns: bool = "true|false", "(false on a local network, else true)";
    }
    /// How a new node gets to the tip.
    sync: SyncSection {
        /// What it begins with: block 0, and executes every block (genesis), or the accounts of some days ago, proven
        /// by the work on all headers, which takes seconds (snapshot)
        from: SyncFrom = "genesis|snapshot", "genesis";
    }
    /// How peers behind routers reach each other.
    reach: ReachSection {
        /// Whether peers find out for each other if they can be reached (AutoNAT)
        autonat: bool = "true|false", "true";
        /// Whether to ask the router for a port (UPnP)
        upnp: bool = "true|false", "true";
        /// Whether to use relays when nobody can reach this node otherwise
        relay: bool = "true|false", "true";
        /// Whether to relay for others
        relay_server: bool = "true|false", "false";
        /// Whether relayed peers try to connect directly (DCUtR)
        hole_punching: bool = "true|false", "true";
    }
    /// The miner.
    mining: MiningSection {
        /// Threads that mine; 0 is off
        threads: Ranged<usize, 0, 1_024> = "COUNT", "0";
        /// The share of their time they spend, in percent
        duty: Ranged<u8, 1, 100> = "PERCENT", "100";
        /// Who receives the rewards
        beneficiary: String = "ADDRESS", "(none)";
    }
    /// JSON-RPC.
    rpc: RpcSection {
        /// Where to serve JSON-RPC; port 0 takes any free one; anywhere but on loopback needs an access token
        listen: SocketAddr = "IP:PORT", "(127.0.0.1 and the network's port)";
        /// Names besides this machine's by which callers may address the node, without port
        hosts: Vec<String> = "NAME,..", "(none)";
        /// Pages besides this machine's that may ask from a browser
        cors_origins: Vec<String> = "ORIGIN,..", "(none)";
        /// Certificate for TLS, PEM; together with rpc.tls_key
        tls_cert: PathBuf = "FILE", "(none: in clear)";
        /// Private key of that certificate, PEM
        tls_key: PathBuf = "FILE", "(none: in clear)";
        /// The most connections at a time
        max_connections: Ranged<usize, 1, 100_000> = "COUNT", "256";
        /// The most calls a second from one address
        rate: Ranged<u32, 1, 100_000> = "CALLS", "(10000, and 100000 for this machine)";
    }
    /// The explorer: pages for people on the port of JSON-RPC.
    explorer: ExplorerSection {
        /// Whether to serve it, where that port is on loopback
        enabled: bool = "true|false", "true";
        /// Whether to serve it and the reading methods it needs to everybody who reaches that port, without a token
        public: bool = "true|false", "false";
        /// Other nodes of the network that its pages show and may ask, as http://HOST:PORT
        nodes: Vec<String> = "URL,..", "(none)";
        /// The faucet to which its pages link, as http://HOST:PORT; `wallet faucet` is one
        faucet: String = "URL", "(none)";
    }
    /// Transactions that wait for a block.
    mempool: MempoolSection {
        /// The most transactions
        max_count: Ranged<usize, 1, 10_000_000> = "COUNT", "100000";
        /// The most bytes, in MiB
        max_mib: Ranged<usize, 1, 65_536> = "MIB", "64";
        /// The least fee, in pebbles for each byte
        min_fee_rate: Ranged<u64, 0, 1_000_000_000> = "PEBBLES", "1";
    }
    /// What the node may hold in memory.
    memory: MemorySection {
        /// The most for the process, such as 1GiB, at least 256MiB: what is cached, what waits and what was
        /// written lately get their shares of it, and no new peers come in near it
        max_bytes: Size = "SIZE", "(each part its own)";
    }
    /// The database.
    storage: StorageSection {
        /// The most the whole data directory may take, such as 100GiB: near it old blocks are pruned, and where that
        /// does not suffice the node stops, in any case before the disk is full
        max_bytes: Size = "SIZE", "(until the disk is nearly full)";
        /// Of how many blocks up to the tip to keep the transactions, at least 288; older ones are pruned for good
        keep_blocks: Ranged<u64, 288, 4_294_967_295> = "COUNT", "(all)";
        /// Of how many stretches of history a node that prunes keeps the transactions, too, so that all nodes together
        /// keep all: one that its peer id draws, and others where few have them
        keep_stretches: Ranged<usize, 0, 4> = "COUNT", "2";
        /// Whether to make snapshots of the accounts for those who join, and to keep the last two or three: some 100
        /// bytes for each account and snapshot
        snapshots: bool = "true|false", "true";
        /// Memory for what was read, in MiB
        cache_mib: Ranged<usize, 8, 65_536> = "MIB", "12";
        /// Memory for what was written lately, in MiB
        write_buffer_mib: Ranged<usize, 8, 4_096> = "MIB", "16";
        /// The most open files
        max_open_files: Ranged<i32, 64, 1_000_000> = "COUNT", "256";
    }
    /// What is kept besides the chain.
    index: IndexSection {
        /// Whether to keep, for each address, where it was touched, as state_getHistory needs it. Switched on, it is
        /// built while the node runs; switched off, it is removed at the start
        addresses: bool = "true|false", "false";
    }
    /// What is told on stderr.
    log: LogSection {
        /// How much of this program: error, warn, info, debug or trace
        level: tracing::Level = "LEVEL", "info";
        /// How: text or json, an object a line
        format: LogFormat = "FORMAT", "text";
        /// More precisely, by part: cairn::network=debug,libp2p_swarm=info
        filter: String = "TARGET=LEVEL,..", "(none)";
        /// Where to keep it in files, too: one a day, the last seven
        directory: PathBuf = "DIR", "(none)";
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_has_a_name_a_variable_and_a_help_of_its_own() {
        let names: BTreeSet<&str> = KEYS.iter().map(|key| key.name).collect();
        let variables: BTreeSet<String> = KEYS.iter().map(Key::variable).collect();
        let helps: BTreeSet<&str> = KEYS.iter().map(|key| key.help).collect();
        assert_eq!((names.len(), variables.len(), helps.len()), (KEYS.len(), KEYS.len(), KEYS.len()));
        assert!(variables.contains("CAIRN_NODE_MINING_THREADS"));
    }

    #[test]
    fn every_key_stands_in_the_docs_with_its_variable() {
        let docs = include_str!("../../../docs/operating.md");
        let rows: Vec<&str> = docs.lines().filter(|line| line.starts_with("| `")).collect();
        for key in KEYS {
            let (name, variable) = (format!("`{}`", key.name), key.variable());
            let end = variable.split('_').next_back().expect("it has a name");
            let row = rows.iter().find(|row| row.split('|').nth(1).is_some_and(|names| names.contains(&name)));
            assert!(row.is_some_and(|row| row.contains(end)), "docs/operating.md lacks {name} or {variable}");
        }
    }

    #[test]
    fn every_path_may_begin_with_a_tilde() {
        let home = PathBuf::from(std::env::var_os("HOME").expect("a home"));
        assert_eq!(PathBuf::read(&["~/keys/a b".to_owned()]), Some(home.join("keys/a b")));
        let texts: Vec<(&str, Vec<String>)> = KEYS.iter().map(|key| (key.name, vec!["~/x".to_owned()])).collect();
        for (key, texts) in texts
            .into_iter()
            .filter(|(name, _)| KEYS.iter().any(|key| key.name == *name && matches!(key.value_name, "FILE" | "DIR")))
        {
            let config = Config::read(&Layers::of(key, texts)).unwrap_or_else(|error| panic!("{key}: {error}"));
            assert!(format!("{config:?}").contains(&format!("value: {:?}", home.join("x"))), "{key}");
        }
    }
}
