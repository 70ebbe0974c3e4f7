//! Bans: who is refused, until when and why; and `bans.json`, where they outlive a restart. Pure but for
//! reading and writing the file.

use crate::addrman::ip_groups::{self, Prefix};
use crate::ids::{Multiaddr, PeerId};
use crate::small_file;
use cairn_ledger::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, io, net::IpAddr, path::Path, str::FromStr};

/// Bans remembered; the one that ends first makes room.
const BANS: usize = 4096;
/// The longest ban: a year.
pub(crate) const LONGEST_MS: u64 = 365 * 86_400_000;
/// The longest reason that is kept.
const REASON_CHARS: usize = 200;
/// The largest file: every ban with the longest reason.
const MAX_FILE_BYTES: usize = BANS * (REASON_CHARS * 6 + 256);
/// The version of the file.
const VERSION: u32 = 1;

/// Who is banned: a peer where all share one address, a host, or a group of neighbouring hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Banned {
    /// Wherever it is.
    Peer(PeerId),
    /// One IPv4 address, or an IPv6 /64.
    Host(Prefix),
    /// An IPv4 /16, or an IPv6 /32.
    Group(Prefix),
}

impl Banned {
    /// Behind a private address may be anyone, all nodes of a local network for one: there the peer is
    /// meant, elsewhere the host, because a new identity costs nothing.
    fn new(id: PeerId, address: &Multiaddr) -> Self {
        match ip_groups::ip_of(address) {
            Some(ip) if !ip_groups::is_private(ip) => Self::Host(ip_groups::host_of(ip)),
            _ => Self::Peer(id),
        }
    }
}

/// As an operator writes it: a peer id, an IPv4 address, or a prefix of 16 (IPv4), 32 or 64 bits (IPv6).
impl fmt::Display for Banned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer(peer) => write!(f, "{peer}"),
            Self::Host(prefix) | Self::Group(prefix) => write!(f, "{prefix}"),
        }
    }
}

/// Text that names nobody who can be banned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "got {got:?}, expected a peer id, an IP address, or a prefix such as 203.0.0.0/16, 2001:db8::/32 or 2001:db8::/64"
)]
pub struct NotBannable {
    /// The text.
    pub got: String,
}

impl FromStr for Banned {
    type Err = NotBannable;

    fn from_str(text: &str) -> Result<Self, NotBannable> {
        let refused = || NotBannable { got: text.chars().take(160).collect() };
        if let Ok(peer) = text.parse() {
            return Ok(Self::Peer(peer));
        }
        let (ip, bits) = match text.split_once('/') {
            Some((ip, bits)) => (ip, Some(bits)),
            None => (text, None),
        };
        let written: IpAddr = ip.parse().map_err(|_| refused())?;
        let (host, group) = (ip_groups::host_of(written), ip_groups::group_of(written));
        // In IPv6 form, `::ffff:1.2.3.4`, the length of a prefix counts the 96 bits before the IPv4 address.
        let before = if written == written.to_canonical() { 0 } else { 96 };
        let is_length_of = |prefix: Prefix| bits.is_some_and(|bits| bits == (before + prefix.bits()).to_string());
        match bits {
            None => Ok(Self::Host(host)),
            Some(_) if is_length_of(host) => Ok(Self::Host(host)),
            Some(_) if is_length_of(group) => Ok(Self::Group(group)),
            Some(_) => Err(refused()),
        }
    }
}

/// Until when, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ban {
    pub(crate) until: Timestamp,
    pub(crate) reason: String,
    /// Whether it was for misbehaviour of somebody at that address: then it does not cover those whom the operator
    /// knows, who may be there, too.
    pub(crate) is_automatic: bool,
}

/// Bans, each until its end.
#[derive(Debug, Default)]
pub(crate) struct Bans {
    bans: BTreeMap<Banned, Ban>,
    changed: bool,
}

impl Bans {
    /// Bans whoever is `id` at `address`, and no neighbour: hosts are cheap to rent beside somebody who is to be shut
    /// out.
    pub(crate) fn insert_peer(&mut self, id: PeerId, address: &Multiaddr, ban: Ban, now: Timestamp) {
        self.insert(Banned::new(id, address), Ban { is_automatic: true, ..ban }, now);
    }

    /// Bans somebody; what lasts longer than a year is cut to that.
    pub(crate) fn insert(&mut self, banned: Banned, ban: Ban, now: Timestamp) {
        self.bans.retain(|_, ban| ban.until > now);
        if self.bans.len() >= BANS
            && !self.bans.contains_key(&banned)
            && let Some(first) = self.bans.iter().min_by_key(|(_, ban)| ban.until).map(|(banned, _)| *banned)
        {
            self.bans.remove(&first);
        }
        let until = ban.until.min(now.saturating_add(LONGEST_MS));
        let reason = ban.reason.chars().filter(|c| !c.is_control()).take(REASON_CHARS).collect();
        // What the operator said is not taken back by what somebody does later.
        let is_automatic = ban.is_automatic && self.bans.get(&banned).is_none_or(|known| known.is_automatic);
        self.bans.insert(banned, Ban { until, reason, is_automatic });
        self.changed = true;
    }

    /// Lifts a ban; whether there was one.
    pub(crate) fn remove(&mut self, banned: &Banned) -> bool {
        let is_lifted = self.bans.remove(banned).is_some();
        self.changed |= is_lifted;
        is_lifted
    }

    /// The file, when they have changed since this was last asked.
    pub(crate) fn take_changed(&mut self) -> Option<Vec<u8>> {
        std::mem::take(&mut self.changed).then(|| encode(self))
    }

    /// Those that hold now.
    pub(crate) fn list(&self, now: Timestamp) -> impl Iterator<Item = (&Banned, &Ban)> {
        self.bans.iter().filter(move |(_, ban)| ban.until > now)
    }

    /// Whether connections from this address are refused; `is_known`: it is somebody whom the operator named or
    /// admitted.
    pub(crate) fn covers_address(&self, address: &Multiaddr, is_known: bool, now: Timestamp) -> bool {
        let holds = |banned| self.get(&banned, now).is_some_and(|ban| !(ban.is_automatic && is_known));
        ip_groups::ip_of(address).is_some_and(|ip| {
            holds(Banned::Host(ip_groups::host_of(ip))) || holds(Banned::Group(ip_groups::group_of(ip)))
        })
    }

    /// Whether this peer is refused wherever it is.
    pub(crate) fn covers_peer(&self, id: PeerId, now: Timestamp) -> bool {
        self.get(&Banned::Peer(id), now).is_some()
    }

    fn get(&self, banned: &Banned, now: Timestamp) -> Option<&Ban> {
        self.bans.get(banned).filter(|ban| ban.until > now)
    }
}

/// `bans.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    bans: Vec<Line>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    target: String,
    /// Unix ms.
    until: u64,
    reason: String,
    #[serde(default)]
    automatic: bool,
}

/// The file of these bans.
fn encode(bans: &Bans) -> Vec<u8> {
    let line = |(banned, ban): (&Banned, &Ban)| Line {
        target: banned.to_string(),
        until: ban.until.millis(),
        reason: ban.reason.clone(),
        automatic: ban.is_automatic,
    };
    let file = File { version: VERSION, bans: bans.bans.iter().map(line).collect() };
    let mut bytes = serde_json::to_vec_pretty(&file).expect("texts and numbers have a JSON form");
    bytes.push(b'\n');
    bytes
}

fn decode(bytes: &[u8], now: Timestamp) -> Result<Bans, String> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.version != VERSION {
        return Err(format!("its version is {}, expected {VERSION}", file.version));
    }
    let mut bans = Bans::default();
    for Line { target, until, reason, automatic: is_automatic } in file.bans.into_iter().take(BANS) {
        let banned: Banned = target.parse().map_err(|error: NotBannable| error.to_string())?;
        let until = Timestamp::from_millis(until);
        if until > now {
            bans.insert(banned, Ban { until, reason, is_automatic }, now);
        }
    }
    bans.changed = false;
    Ok(bans)
}

/// Reads the bans that still hold; a file that cannot be understood is set aside. Blocks on the disk.
///
/// # Errors
/// A file that is there and cannot be read.
pub(crate) fn load(path: &Path, now: Timestamp) -> io::Result<Bans> {
    let lost = "the bans cannot be understood and were set aside; nobody is banned";
    Ok(small_file::load(path, MAX_FILE_BYTES, |bytes| decode(bytes, now), lost)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const UNTIL: Timestamp = Timestamp::from_millis(1_700_003_600_000);

    fn address(text: &str) -> Multiaddr {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn ban() -> Ban {
        Ban { until: UNTIL, reason: String::from("a reason"), is_automatic: false }
    }

    #[test]
    fn bans_are_by_host_unless_all_share_it_and_they_end() {
        let (public, local) = (address("/ip4/1.2.3.4/tcp/5"), address("/ip4/127.0.0.1/tcp/5"));
        let (bad, worse) = (PeerId::random(), PeerId::random());
        let mut bans = Bans::default();
        bans.insert_peer(bad, &public, ban(), NOW);
        bans.insert_peer(worse, &local, ban(), NOW);
        let same_host = address("/ip4/1.2.3.4/udp/6/quic-v1");
        assert!(bans.covers_address(&same_host, false, NOW) && !bans.covers_address(&same_host, false, UNTIL));
        assert!(!bans.covers_address(&local, false, NOW));
        assert!(bans.covers_peer(worse, NOW) && !bans.covers_peer(bad, NOW) && !bans.covers_peer(worse, UNTIL));
        // Who comes through a relay is not the relay.
        let relayed = address(&format!("/ip4/1.2.3.5/tcp/5/p2p/{}/p2p-circuit", PeerId::random()));
        bans.insert_peer(bad, &relayed, ban(), NOW);
        assert!(bans.covers_peer(bad, NOW) && !bans.covers_address(&address("/ip4/1.2.3.5/tcp/5"), false, NOW));
    }

    /// Sixteen hosts of a neighbourhood once had all of it banned, and an operator's named peer there with it.
    #[test]
    fn offenders_get_no_neighbour_banned_and_nobody_whom_the_operator_knows() {
        let mut bans = Bans::default();
        let host = |n: usize| address(&format!("/ip4/1.2.3.{n}/tcp/5"));
        let site = |n: usize| address(&format!("/ip6/2606:4700:1:{n:x}::1/tcp/5"));
        for n in 0..200 {
            bans.insert_peer(PeerId::random(), &host(n), ban(), NOW);
            bans.insert_peer(PeerId::random(), &site(n), ban(), NOW);
        }
        for innocent in ["/ip4/1.2.3.201/tcp/5", "/ip4/1.2.200.200/tcp/5", "/ip6/2606:4700:1:fff::1/tcp/5"] {
            assert!(!bans.covers_address(&address(innocent), false, NOW), "{innocent}");
        }
        for offender in [host(7), site(7)] {
            assert!(bans.covers_address(&offender, false, NOW), "the control");
            assert!(!bans.covers_address(&offender, true, NOW), "the operator knows it");
        }
        let by_the_operator = "1.2.3.7".parse().expect("an address");
        bans.insert(by_the_operator, ban(), NOW);
        bans.insert_peer(PeerId::random(), &host(7), ban(), NOW);
        assert!(bans.covers_address(&host(7), true, NOW), "unless the operator said so");
    }

    #[test]
    fn bans_stay_bounded() {
        let mut bans = Bans::default();
        for n in 0..BANS as u64 + 10 {
            let ban = Ban { until: UNTIL.saturating_add(n), reason: "\u{1b}[31m".repeat(200), is_automatic: true };
            bans.insert(Banned::Peer(PeerId::random()), ban, NOW);
        }
        assert_eq!(bans.bans.len(), BANS);
        assert!(bans.bans.values().all(|ban| ban.reason.len() <= REASON_CHARS && !ban.reason.contains('\u{1b}')));
        assert!(encode(&bans).len() <= MAX_FILE_BYTES);
    }

    #[test]
    fn every_ban_has_a_text_that_means_it() {
        let peer = PeerId::random().to_string();
        for text in [peer.as_str(), "1.2.3.4", "1.2.0.0/16", "2606:4700:1:2::/64", "2606:4700::/32"] {
            assert_eq!(text.parse::<Banned>().map(|banned| banned.to_string()).as_deref(), Ok(text));
        }
        for text in ["", "1.2.3", "1.2.3.4/8", "2606::/48", "somebody", "::ffff:1.2.3.4/64", "::ffff:1.2.3.4/32"] {
            assert_eq!(text.parse::<Banned>(), Err(NotBannable { got: text.to_owned() }));
        }
    }

    #[test]
    fn banning_an_ipv4_address_in_ipv6_form_bans_the_peer_there_and_nobody_else() {
        for (text, meant) in [
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("::ffff:102:304", "1.2.3.4"),
            ("::ffff:1.2.3.4/128", "1.2.3.4"),
            ("::ffff:1.2.3.4/112", "1.2.0.0/16"),
        ] {
            let banned: Banned = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(banned.to_string(), meant, "{text}");
            let mut bans = Bans::default();
            bans.insert(banned, ban(), NOW);
            for peer in ["/ip4/1.2.3.4/tcp/5", "/ip6/::ffff:1.2.3.4/tcp/5"] {
                assert!(bans.covers_address(&address(peer), false, NOW), "{text} {peer}");
            }
            for other in
                ["/ip4/1.3.3.4/tcp/5", "/ip6/::ffff:9.9.9.9/tcp/5", "/ip6/::1/tcp/5", "/ip6/2606:4700::1/tcp/5"]
            {
                assert!(!bans.covers_address(&address(other), false, NOW), "{text} {other}");
            }
        }
        let mut bans = Bans::default();
        bans.insert_peer(PeerId::random(), &address("/ip6/::ffff:1.2.3.4/tcp/5"), ban(), NOW);
        assert!(bans.covers_address(&address("/ip4/1.2.3.4/tcp/5"), false, NOW), "whichever way the peer came");
        assert!(bans.remove(&"1.2.3.4".parse().expect("an address")), "and lifted by either name");
    }

    #[test]
    fn bans_survive_a_restart_and_a_broken_file_is_set_aside() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("bans.json");
        assert_eq!(load(&path, NOW)?.bans.len(), 0);
        let mut bans = Bans::default();
        bans.insert("1.2.0.0/16".parse()?, ban(), NOW);
        bans.insert(Banned::Peer(PeerId::random()), ban(), NOW);
        small_file::write(&path, &encode(&bans))?;
        assert_eq!(load(&path, NOW)?.bans, bans.bans);
        assert_eq!(load(&path, UNTIL)?.bans.len(), 0, "those that have ended do not come back");
        small_file::write(&path, b"{\"version\": 2, \"bans\": []}")?;
        assert_eq!(load(&path, NOW)?.bans.len(), 0);
        assert!(!path.exists());
        Ok(())
    }
}

#[cfg(test)]
mod fuzz;
