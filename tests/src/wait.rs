//! Waiting for conditions.

use std::process::{Command, Output};
use std::{future::Future, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// What nearly everything on loopback happens within, on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(30);
/// The same for what takes many blocks.
pub const LATER: Duration = Duration::from_secs(120);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks again and again until `look` gives something, and returns it.
///
/// # Panics
/// Nothing came `within` the time; `what` says what was waited for.
pub async fn until<T, F>(what: &str, within: Duration, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + within;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match timeout(left, look()).await {
            Ok(Some(found)) => return found,
            // Whatever looks without waiting is always in time.
            Ok(None) if !left.is_zero() => sleep(PAUSE.min(left)).await,
            Ok(None) | Err(_) => panic!("waited {within:?} in vain until {what}"),
        }
    }
}

/// Runs a command to its end.
///
/// # Panics
/// It does not start, or takes longer than [`LATER`].
pub async fn run(mut command: Command) -> Output {
    let run = tokio::task::spawn_blocking(move || command.output().expect("the program starts"));
    timeout(LATER, run).await.expect("it ends").expect("no panic")
}
