//! What connections run over: TCP with Noise and Yamux, and QUIC, with names resolved and relays used on top.
//!
//! On a network with a pre-shared key every byte of TCP is enciphered with it first (libp2p's private networks,
//! PSK v1). QUIC has no such layer: there it is not spoken at all.

use crate::swarm::behaviour::{Behaviour, SetupError};
use crate::swarm::gate::Gate;
use libp2p::core::transport::{Boxed, OptionalTransport};
use libp2p::futures::{AsyncRead, AsyncWrite};
use libp2p::{
    PeerId, Swarm, SwarmBuilder, Transport, core::muxing::StreamMuxerBox, core::upgrade::Version, identity::Keypair,
    noise, pnet, quic, tcp, yamux,
};
use socket2::SockRef;
use std::{fs, num::NonZeroU8, path::Path, time::Duration};

/// A connection on which nothing happens for so long is closed. The status exchange of every minute keeps
/// those of peers open.
const IDLE: Duration = Duration::from_secs(150);
/// A handshake that takes longer is given up: half a minute over a relay is the slowest honest one.
const HANDSHAKE: Duration = Duration::from_secs(15);
/// A dial that takes longer is given up: who asked to be dialled (AutoNAT) waits ten seconds for our word, and a
/// router that drops what nobody asked for never says no.
const DIAL: Duration = Duration::from_secs(8);
/// Streams on one connection.
const STREAMS: usize = 128;
/// Bytes in flight on one QUIC stream, and on one QUIC connection.
const QUIC_WINDOWS: (u32, u32) = (4 << 20, 8 << 20);
/// Bytes that wait in the kernel until they can be sent, at most: a block is never behind megabytes of payments there.
const UNSENT: u32 = 64 << 10;
/// The longest file that holds a pre-shared key.
const MAX_PSK_BYTES: usize = 1024;

/// The key that all nodes of a private network share.
pub(crate) type Psk = pnet::PreSharedKey;

/// Reads a pre-shared key, in the form that go-libp2p and IPFS use.
///
/// # Errors
/// A file that cannot be read, or holds something else.
pub(crate) fn read_psk(path: &Path) -> Result<Psk, SetupError> {
    let failed = |reason: String| SetupError::Psk { path: path.to_owned(), reason };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    if text.len() > MAX_PSK_BYTES {
        return Err(failed(format!("it has {} bytes, expected at most {MAX_PSK_BYTES}", text.len())));
    }
    text.parse().map_err(|_| {
        let form = "expected three lines: /key/swarm/psk/1.0.0/, /base16/, and 64 hex digits";
        failed(form.to_owned())
    })
}

fn muxer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(STREAMS);
    config
}

/// Noise and Yamux over streams of bytes.
fn secured<T>(streams: T, key: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    let secured = streams.upgrade(Version::V1Lazy).authenticate(noise::Config::new(key)?).multiplex(muxer());
    let secured = secured.outbound_timeout(DIAL).inbound_timeout(HANDSHAKE);
    Ok(secured.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))).boxed())
}

fn transport(key: &Keypair, psk: Option<Psk>) -> Result<Boxed<(PeerId, StreamMuxerBox)>, noise::Error> {
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
    let tcp = tcp.map(|socket, _| {
        // What waits in the kernel waits in one line, whatever stream it is of. Where that is refused, it works as
        // before.
        let _ = SockRef::from(&socket.0).set_tcp_notsent_lowat(UNSENT);
        socket
    });
    let tcp = match psk {
        Some(psk) => secured(tcp.and_then(move |socket, _| pnet::PnetConfig::new(psk).handshake(socket)), key)?,
        None => secured(tcp, key)?,
    };
    let quic = match psk {
        Some(_) => OptionalTransport::none(),
        None => {
            let mut config = quic::Config::new(key);
            config.max_concurrent_stream_limit = STREAMS as u32;
            (config.max_stream_data, config.max_connection_data) = QUIC_WINDOWS;
            let quic = quic::tokio::Transport::new(config);
            OptionalTransport::some(quic.map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer))))
        }
    };
    Ok(tcp.or_transport(quic).map(|either, _| either.into_inner()).boxed())
}

/// The node on its transports.
pub(crate) fn swarm(
    key: Keypair,
    psk: Option<Psk>,
    behaviour: Gate<Behaviour>,
) -> Result<Swarm<Gate<Behaviour>>, SetupError> {
    let transports = || {
        let transport = transport(&key, psk).map_err(|error| SetupError::Transport { reason: error.to_string() })?;
        let builder = SwarmBuilder::with_existing_identity(key.clone()).with_tokio();
        Ok(builder.with_other_transport(|_| transport).expect("a transport that exists"))
    };
    let settings = |config: libp2p::swarm::Config| {
        config.with_idle_connection_timeout(IDLE).with_dial_concurrency_factor(NonZeroU8::MIN)
    };
    let failed = |error: noise::Error| SetupError::Transport { reason: error.to_string() };
    let infallible = "a behaviour that exists";
    match transports()?.with_dns() {
        Ok(builder) => {
            let builder = builder.with_relay_client(noise::Config::new, muxer).map_err(failed)?;
            let builder = builder.with_behaviour(|_, relay| behaviour.with_relay(relay)).expect(infallible);
            Ok(builder.with_swarm_config(settings).build())
        }
        // A machine without a resolver still has addresses.
        Err(error) => {
            tracing::warn!(target: "cairn::network", %error, "names in addresses cannot be resolved");
            let builder = transports()?.with_relay_client(noise::Config::new, muxer).map_err(failed)?;
            let builder = builder.with_behaviour(|_, relay| behaviour.with_relay(relay)).expect(infallible);
            Ok(builder.with_swarm_config(settings).build())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pre_shared_key_is_read_in_its_one_form() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("swarm.key");
        let digits = "7f".repeat(32);
        fs::write(&path, format!("/key/swarm/psk/1.0.0/\n/base16/\n{digits}\n"))?;
        assert_eq!(read_psk(&path)?, Psk::new([0x7f; 32]));
        for text in ["", "7f", "/key/swarm/psk/1.0.0/\n/base16/\n7f\n", &"x".repeat(5000)] {
            fs::write(&path, text)?;
            let refused = read_psk(&path).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(refused.contains("swarm.key") && refused.contains("expected"), "{refused}");
        }
        Ok(())
    }
}
