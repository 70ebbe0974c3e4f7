//! Ctrl-C, and what else asks a program to end: noted here, and looked at wherever something is waited for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// Whether to go on.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Set by SIGINT, SIGTERM and SIGHUP from now on, which no longer end the program by themselves.
    ///
    /// # Errors
    /// The system refuses.
    pub fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let mut signals = Vec::new();
        for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
            signals.push(signal(kind)?);
        }
        drop(entered);
        let told = interrupt.clone();
        thread::Builder::new().name(String::from("signals")).spawn(move || {
            runtime.block_on(async {
                let [interrupted, terminated, hung_up] = &mut signals[..] else { return };
                tokio::select! {
                    _ = interrupted.recv() => {}
                    _ = terminated.recv() => {}
                    _ = hung_up.recv() => {}
                }
                told.0.store(true, Ordering::SeqCst);
                // Whoever is impatient is not heard: everything is being ended already.
                std::future::pending::<()>().await;
            });
        })?;
        Ok(interrupt)
    }

    /// Whether it was.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits until a moment, or until `look` has something; says whether to go on.
    pub fn wait_until(&self, moment: Instant, mut look: impl FnMut() -> bool) -> bool {
        while !self.is_set() && !look() {
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(LOOK));
        }
        !self.is_set()
    }
}
