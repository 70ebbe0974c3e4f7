//! What the node's other parts and its operator ask for.

use super::NetworkState;
use crate::event::{Context, SwarmAction};
use crate::handle::{AdmitError, BanInfo, FindError, InHand, NetworkEvent, NetworkInfo, PeerInfo};
use crate::ids::{PeerId, SearchNumber};
use crate::outbound::persistent::{self, Reason, TargetError};
use crate::peers::bans::{Ban, Banned};
use crate::{
    addrman::node_address::NodeAddress, discovery::kademlia::SearchPurpose, discovery::resource::Resource,
    peers::score::Decision, requests::class::Class,
};
use cairn_chain::{BlockBody, Misbehaviour, PeerNumber};
use cairn_ledger::block::Header;
use std::time::Instant;

impl NetworkState {
    /// Who a connected peer is, before a request to it of so many bytes.
    pub(crate) fn on_requesting(&mut self, peer: PeerNumber, class: Class, bytes: usize) -> Option<PeerId> {
        let id = self.peers.get(peer)?.id;
        self.peers.sent(peer, class.protocol(), bytes);
        Some(id)
    }

    /// Passes on a block that was found here.
    pub(crate) fn announce(&mut self, header: &Header, body: BlockBody, cx: &mut Context) {
        self.relay.announce(header, body, cx);
    }

    /// Reports a peer, and does what the table decides.
    pub(super) fn punish(&mut self, number: PeerNumber, misbehaviour: &Misbehaviour, cx: &mut Context) {
        let decision = self.peers.report(number, misbehaviour, cx.now);
        let Some(peer) = self.peers.get(number) else { return };
        let (id, address) = (peer.id, peer.address.clone());
        tracing::info!(target: "cairn::network", peer = %id, %address, %misbehaviour, ?decision, "reported a peer");
        match decision {
            Decision::Keep => return,
            Decision::Disconnect => {}
            // The operator knows this peer; it gets another chance at the next dial.
            Decision::Ban(_) if self.persistent.is_named(&id) => {}
            Decision::Ban(time) => {
                let until = cx.clock.saturating_add(time.as_millis() as u64);
                let ban = Ban { until, reason: misbehaviour.to_string(), is_automatic: true };
                self.access.bans(|bans| bans.insert_peer(id, &address, ban, cx.clock));
                self.book.forget(|address| address.peer() == id);
                cx.push(SwarmAction::RemoveFromDht(id));
            }
        }
        cx.push(SwarmAction::Disconnect(id));
    }

    /// Begins to dial somebody.
    pub(crate) fn add_target(&mut self, address: &str, reason: Reason, cx: &mut Context) -> Result<(), TargetError> {
        let (peer, address) = persistent::parse(address, self.own)?;
        let is_connected = self.peers.number(&peer).is_some();
        self.persistent.add(peer, address.clone(), reason, is_connected)?;
        match reason {
            // Those whom the operator named need no free slot.
            Reason::Named => {
                self.access.name(peer);
                cx.push(SwarmAction::LiftLimits(peer));
            }
            Reason::Boot => {
                if NodeAddress::new(peer, &address, self.config.allow_private).is_some() {
                    cx.push(SwarmAction::AddToDht { peer, address });
                }
            }
            Reason::Neighbour => {}
        }
        self.dial_persistent(cx);
        Ok(())
    }

    /// Asks the DHT who provides something, for whoever wants to know.
    pub(crate) fn find_providers(&mut self, resource: Resource, cx: &mut Context) -> Result<SearchNumber, FindError> {
        self.dht.find_providers(resource, SearchPurpose::Answer, cx)
    }

    /// Has a few of those dialled who provide something: sync lacks it, and no peer gives it.
    pub(crate) fn seek_providers(&mut self, resource: Resource, cx: &mut Context) {
        if let Err(error) = self.dht.find_providers(resource, SearchPurpose::Dial, cx) {
            tracing::debug!(target: "cairn::network", %error, "providers are not looked for");
        }
    }

    /// Refuses whoever an operator names for so many seconds, and parts from those it covers.
    pub(crate) fn ban(&mut self, banned: Banned, seconds: u64, reason: String, cx: &mut Context) {
        let until = cx.clock.saturating_add(seconds.saturating_mul(1000));
        tracing::info!(target: "cairn::network", target = %banned, seconds, reason, "banned by the operator");
        self.access.bans(|bans| bans.insert(banned, Ban { until, reason, is_automatic: false }, cx.clock));
        self.part_from_refused(cx);
    }

    /// Lifts a ban; whether there was one.
    pub(crate) fn unban(&mut self, banned: &Banned) -> bool {
        let is_lifted = self.access.bans(|bans| bans.remove(banned));
        if is_lifted {
            tracing::info!(target: "cairn::network", target = %banned, "a ban was lifted by the operator");
        }
        is_lifted
    }

    /// The bans that hold.
    pub(crate) fn list_bans(&self, cx: &Context) -> Vec<BanInfo> {
        let show = |(banned, ban): (&Banned, &Ban)| BanInfo {
            target: banned.to_string(),
            until: ban.until,
            reason: ban.reason.clone(),
        };
        self.access.bans(|bans| bans.list(cx.clock).map(show).collect())
    }

    /// Lets a peer into this private network; whether it was out.
    pub(crate) fn admit(&mut self, peer: PeerId) -> Result<bool, AdmitError> {
        let was_out = self.access.admit(peer)?;
        tracing::info!(target: "cairn::network", %peer, "admitted by the operator");
        Ok(was_out)
    }

    /// Shuts a peer out of this private network, now; whether it was in.
    pub(crate) fn revoke(&mut self, peer: &PeerId, cx: &mut Context) -> Result<bool, AdmitError> {
        let was_in = self.access.revoke(peer)?;
        tracing::info!(target: "cairn::network", %peer, "its admission was revoked by the operator");
        self.part_from_refused(cx);
        Ok(was_in)
    }

    /// Closes the connections with all whom the gate would not let in now.
    fn part_from_refused(&self, cx: &mut Context) {
        let is_refused = |id, address| self.access.refusal(id, address, cx.clock).is_some();
        let refused = self.peers.iter().filter(|(_, peer)| is_refused(peer.id, &peer.address));
        let refused: Vec<PeerId> = refused.map(|(_, peer)| peer.id).collect();
        refused.into_iter().for_each(|peer| cx.push(SwarmAction::Disconnect(peer)));
    }

    /// The connected peers, as others see them; each in the meshes that `mesh_of` says.
    pub(crate) fn list_peers(&self, mesh_of: impl Fn(&PeerId) -> Vec<String>, now: Instant) -> Vec<PeerInfo> {
        let peers = self.peers.iter();
        peers.filter_map(|(number, peer)| self.peers.info(number, mesh_of(&peer.id), now)).collect()
    }

    /// The node among its peers, but for what only the swarm knows.
    pub(crate) fn info(&mut self, cx: &Context) -> NetworkInfo {
        let inbound = self.peers.iter().filter(|(_, peer)| peer.inbound).count();
        let (reach, reach_reason) = self.nat.status().verdict();
        NetworkInfo {
            peer_id: self.own.to_string(),
            peers: self.peers.len(),
            inbound,
            outbound: self.peers.len() - inbound,
            reach,
            reach_reason,
            book: self.book.count(),
            bans: self.access.bans(|bans| bans.list(cx.clock).count()),
            admitted: self.access.admitted(),
            clock_ahead: self.peers.median_clock(),
            other_upgrades: self.peers.other_upgrades(self.spec.schedule()),
            other_keys: self.persistent.other_keys(),
            uploaded_today: self.requests.upload_target().today(cx.clock),
            max_upload_per_day: self.config.max_upload_per_day,
            losses: self.relay.losses(),
            in_hand: self.in_hand(cx.now),
            ..NetworkInfo::default()
        }
    }

    fn in_hand(&self, now: Instant) -> InHand {
        let (judging, turns) = self.peers.in_hand();
        let ((waiting, answering), (dials, slots)) = (self.requests.in_hand(), self.slots.in_hand());
        let (comparing, comparing_for) = self.pool_rounds.in_hand(now);
        InHand { judging, waiting, answering, turns, dials, slots, comparing, comparing_for }
    }

    /// The next event for sync.
    pub(crate) fn next_for_sync(&mut self) -> Option<NetworkEvent> {
        self.backlog.pop()
    }

    /// Whether there is one.
    pub(crate) fn has_news_for_sync(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// When something is next due: a batch of transactions, or the upload for those who wait for it.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.relay.due().into_iter().chain(self.requests.due()).min()
    }
}
