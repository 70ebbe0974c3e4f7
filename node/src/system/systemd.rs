//! What systemd is told: that the node is ready, how far it is, and that it is alive (sd_notify(3)).
//!
//! The watchdog is fed only while the chain's writer and the network's task both answer: a node that hangs is
//! restarted, one that is busy is not.

use cairn_chain::ChainHandle;
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_ledger::hash::BlockId;
use cairn_network::NetworkHandle;
use sd_notify::NotifyState;
use std::{future::Future, time::Duration};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

/// Between two lines of status where systemd wants no sign of life.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// What systemd is asked for at each of them while a start takes long, in microseconds.
const MORE_TIME_US: u32 = 60_000_000;

/// Says that the node is ready, and goes on until it stops. Without systemd it does nothing.
pub fn spawn(chain: ChainHandle, network: NetworkHandle, mut shutdown: Shutdown) -> JoinHandle<Result<(), TaskError>> {
    tokio::spawn(async move {
        tell(&[NotifyState::Ready]);
        // Twice within the time, as sd_watchdog_enabled(3) advises.
        let watchdog = sd_notify::watchdog_enabled().map(|within| within / 2);
        let every = watchdog.unwrap_or(STATUS_EVERY);
        let mut tick = tokio::time::interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.requested() => break,
                _ = tick.tick() => {}
            }
            let mut peers = 0;
            let ask_network = async {
                let info = network.info().await;
                peers = info.peers;
                // One that is gone answers with nothing.
                !info.peer_id.is_empty()
            };
            let answer = both_answer(async { chain.refusal(BlockId::ZERO).await.is_ok() }, ask_network, every).await;
            // One that were ended now would begin again with the same.
            if !answer && !chain.is_mending() {
                tracing::warn!(target: "cairn::node", "the chain or the network does not answer: no sign of life for systemd");
                continue;
            }
            let status = format!("block {}, {peers} peers", chain.tip().height());
            match watchdog {
                Some(_) => tell(&[NotifyState::Status(&status), NotifyState::Watchdog]),
                None => tell(&[NotifyState::Status(&status)]),
            }
        }
        tell(&[NotifyState::Stopping]);
        Ok(())
    })
}

/// Waits for a part to start, and asks systemd for more time while it does: an interrupted reorganisation is ended
/// first.
pub async fn patiently<T>(start: impl Future<Output = T>) -> T {
    // Not at once: most starts are over before the first.
    let mut tick = tokio::time::interval_at(Instant::now() + STATUS_EVERY, STATUS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(start);
    loop {
        tokio::select! {
            started = &mut start => return started,
            _ = tick.tick() => tell(&[NotifyState::ExtendTimeoutUsec(MORE_TIME_US)]),
        }
    }
}

/// Whether both answer within the time.
async fn both_answer(chain: impl Future<Output = bool>, network: impl Future<Output = bool>, within: Duration) -> bool {
    let both = async { tokio::join!(chain, network) };
    matches!(tokio::time::timeout(within, both).await, Ok((true, true)))
}

/// Where nobody listens, this is nothing; and that systemd was not told harms nobody but its watchdog.
fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(target: "cairn::node", %error, "systemd was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    #[tokio::test]
    async fn a_part_that_hangs_or_is_gone_is_no_sign_of_life() {
        let within = Duration::from_millis(20);
        assert!(both_answer(ready(true), ready(true), Duration::from_secs(30)).await);
        assert!(!both_answer(pending(), ready(true), within).await);
        assert!(!both_answer(ready(true), pending(), within).await);
        assert!(!both_answer(ready(false), ready(true), within).await);
        assert!(!both_answer(ready(true), ready(false), within).await);
    }
}
