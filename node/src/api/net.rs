//! `net_*`: peers.

use super::context::{Context, millis};
use crate::network::PeerInfo;
use cairn_rpc::{
    error::RpcError,
    methods::NetServer,
    text::Text,
    types::{NetInfo, PeerJson},
};
use jsonrpsee::core::{RpcResult, async_trait};

pub(super) struct NetApi(pub Context);

#[async_trait]
impl NetServer for NetApi {
    async fn net_info(&self) -> RpcResult<NetInfo> {
        let info = self.0.handles.network.info().await;
        Ok(NetInfo {
            peer_id: info.peer_id,
            listening: info.listening,
            external: info.external,
            peers: info.peers as u64,
            inbound: info.inbound as u64,
            outbound: info.outbound as u64,
            protocol_prefix: info.protocol_prefix,
        })
    }

    async fn net_peers(&self) -> RpcResult<Vec<PeerJson>> {
        Ok(self.0.handles.network.peers().await.into_iter().map(show_peer).collect())
    }

    async fn add_peer(&self, address: String) -> RpcResult<()> {
        Ok(self.0.handles.network.add_peer(&address).await.map_err(RpcError::from)?)
    }
}

fn show_peer(peer: PeerInfo) -> PeerJson {
    let status = peer.status.as_ref();
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
    }
}
