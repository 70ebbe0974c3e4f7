//! `net_*`: peers.

use crate::context::{Context, millis};
use crate::error::refused;
use cairn_ledger::hash::Hash;
use cairn_network::{BanInfo, Kind, Losses, PeerInfo, ProtocolBytes, Provider, UnknownKind};
use cairn_rpc::types::{BanJson, LossesJson, NetInfo, PeerJson, ProviderJson, TrafficJson};
use cairn_rpc::{methods::NetServer, text::Text};
use jsonrpsee::core::{RpcResult, async_trait};

/// For how long an operator bans unless told otherwise.
const BAN_SECONDS: u64 = 3600;

fn show_losses(losses: &Losses) -> LossesJson {
    let Losses { dropped, repeated, crowded_out, unlooked, sent_again } = *losses;
    LossesJson { dropped, repeated, crowded_out, unlooked, sent_again }
}

#[async_trait]
impl NetServer for Context {
    async fn net_info(&self) -> RpcResult<NetInfo> {
        let info = self.handles.network.info().await;
        Ok(NetInfo {
            peer_id: info.peer_id,
            listening: info.listening,
            external: info.external,
            peers: info.peers as u64,
            inbound: info.inbound as u64,
            outbound: info.outbound as u64,
            protocol_prefix: info.protocol_prefix,
            reach: info.reach.name().to_owned(),
            reach_reason: info.reach_reason,
            known_new: info.book.0 as u64,
            known_tried: info.book.1 as u64,
            bans: info.bans as u64,
            admitted: info.admitted,
            clock_ahead_ms: info.clock_ahead,
            losses: show_losses(&info.losses),
        })
    }

    async fn net_peers(&self) -> RpcResult<Vec<PeerJson>> {
        Ok(self.handles.network.peers().await.into_iter().map(show_peer).collect())
    }

    async fn add_peer(&self, address: String) -> RpcResult<()> {
        Ok(self.handles.network.add_peer(&address).await.map_err(refused)?)
    }

    async fn ban(&self, target: String, seconds: Option<u64>, reason: Option<String>) -> RpcResult<()> {
        let (seconds, reason) =
            (seconds.unwrap_or(BAN_SECONDS), reason.unwrap_or_else(|| "by the operator".to_owned()));
        Ok(self.handles.network.ban(&target, seconds, reason).await.map_err(refused)?)
    }

    async fn unban(&self, target: String) -> RpcResult<bool> {
        Ok(self.handles.network.unban(&target).await.map_err(refused)?)
    }

    async fn list_bans(&self) -> RpcResult<Vec<BanJson>> {
        let show = |ban: BanInfo| BanJson { target: ban.target, until: ban.until.millis(), reason: ban.reason };
        Ok(self.handles.network.bans().await.into_iter().map(show).collect())
    }

    async fn admit(&self, peer_id: String) -> RpcResult<bool> {
        Ok(self.handles.network.admit(&peer_id).await.map_err(refused)?)
    }

    async fn revoke(&self, peer_id: String) -> RpcResult<bool> {
        Ok(self.handles.network.revoke(&peer_id).await.map_err(refused)?)
    }

    async fn find_providers(&self, kind: Option<String>, hash: Option<Text<Hash>>) -> RpcResult<Vec<ProviderJson>> {
        let kind = match kind {
            Some(kind) => kind.parse().map_err(|unknown: UnknownKind| refused(unknown))?,
            None => Kind::FullHistory,
        };
        let hash = hash.map_or(*self.spec.genesis_id().as_bytes(), |hash| *hash.0.as_bytes());
        let found = self.handles.network.find_providers(kind, hash).await.map_err(refused)?;
        let show = |Provider { peer_id, connected, own }| ProviderJson { peer_id, connected, own };
        Ok(found.into_iter().map(show).collect())
    }
}

fn show_peer(peer: PeerInfo) -> PeerJson {
    let status = peer.status.as_ref();
    let traffic = |bytes: ProtocolBytes| TrafficJson {
        protocol: bytes.protocol.to_owned(),
        received: bytes.received,
        sent: bytes.sent,
    };
    PeerJson {
        height: status.map(|status| status.height.get()),
        tip: status.map(|status| Text(status.tip)),
        work: status.map(|status| Text(status.total_work)),
        peer_id: peer.peer_id,
        address: peer.address,
        inbound: peer.inbound,
        agent: peer.agent,
        latency_ms: peer.latency.map(millis),
        connected_ms: millis(peer.connected),
        mesh: peer.mesh,
        score: peer.score,
        useful_ms: peer.useful.map(millis),
        traffic: peer.traffic.into_iter().map(traffic).collect(),
    }
}
