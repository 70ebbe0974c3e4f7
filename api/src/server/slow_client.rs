//! A connection that is given up when its other end does nothing for too long, and that is read no faster
//! than it can be answered.
//!
//! Attacks: a request that comes byte by byte keeps its connection from ever being idle (Slowloris); a subscriber that
//! never reads fills its connection, and would hold its answers in memory for ever; thousands of silent connections
//! would hold every place. jsonrpsee spawns a task for each message of a WebSocket as soon as it has read it: one
//! client that asks without end and never reads an answer, or just faster than the node can think, would fill the
//! memory with tasks. So while an answer waits to be taken nothing more is read, and never more than a number of bytes
//! a second.

use cairn_common::rate_limiter::RateLimiter;
use std::task::{Context, Poll, Waker, ready};
use std::{future::Future, io, pin::Pin, time::Duration};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// How long the other end may do nothing.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Neither send nor take anything.
    pub idle: Duration,
    /// Take nothing although something waits for it.
    pub stalled: Duration,
    /// Send, however little at a time, without anything being answered.
    pub unanswered: Duration,
    /// How many bytes a second are read from it; a second's worth may come at once.
    pub bytes_per_second: u32,
}

/// `S`, as long as its other end keeps to the [`StreamLimits`].
pub struct LimitedStream<S> {
    inner: S,
    limits: StreamLimits,
    /// Since when nothing moved at all.
    idle: Pin<Box<Sleep>>,
    /// Since when nothing was answered.
    unanswered: Pin<Box<Sleep>>,
    /// Since when something waits to be taken; none while nothing does.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Whether it was too long.
    given_up: bool,
    /// Who waits to read until what waits has been taken.
    reader: Option<Waker>,
    /// How much may be read.
    rate: RateLimiter,
    /// Until then nothing is read; none while nothing is owed.
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> LimitedStream<S> {
    pub fn new(inner: S, limits: StreamLimits) -> Self {
        let bytes_per_second = f64::from(limits.bytes_per_second.max(1));
        Self {
            inner,
            limits,
            idle: Box::pin(sleep(limits.idle)),
            unanswered: Box::pin(sleep(limits.unanswered)),
            stalled: None,
            given_up: false,
            reader: None,
            rate: RateLimiter::new(bytes_per_second, bytes_per_second, Instant::now().into_std()),
            pause: None,
        }
    }

    /// Counts what was read, and sets the pause before the next read.
    fn pay(&mut self, bytes: usize) {
        let now = Instant::now().into_std();
        self.rate.spend(bytes as f64, now);
        self.pause = Some(self.rate.wait(now)).filter(|wait| !wait.is_zero()).map(|wait| Box::pin(sleep(wait)));
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn moved(&mut self) {
        self.idle.as_mut().reset(Instant::now() + self.limits.idle);
    }

    /// Turns the outcome of a write into a failure when the other end takes nothing for too long.
    fn written<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(outcome) => {
                self.moved();
                self.unanswered.as_mut().reset(Instant::now() + self.limits.unanswered);
                self.stalled = None;
                self.wake_reader();
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.limits.stalled)));
                if stalled.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
                self.given_up = true;
                self.wake_reader();
                Poll::Ready(Err(given_up("the other end takes nothing")))
            }
        }
    }
}

fn given_up(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<S: AsyncRead + Unpin> AsyncRead for LimitedStream<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.given_up {
            return Poll::Ready(Err(given_up("the other end takes nothing")));
        }
        if this.unanswered.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(given_up("the other end never ends its request")));
        }
        if this.stalled.is_some() {
            this.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        let before = into.filled().len();
        match Pin::new(&mut this.inner).poll_read(context, into) {
            Poll::Ready(outcome) => {
                this.moved();
                this.pay(into.filled().len().saturating_sub(before));
                Poll::Ready(outcome)
            }
            Poll::Pending => this.idle.as_mut().poll(context).map(|()| Err(given_up("the other end is silent"))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for LimitedStream<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write(context, bytes);
        this.written(outcome, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_write_vectored(context, slices);
        this.written(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_flush(context);
        match outcome {
            // A flush of nothing says nothing about the other end; a flush of something that it was taken.
            Poll::Ready(outcome) => {
                if this.stalled.take().is_some() {
                    this.wake_reader();
                }
                Poll::Ready(outcome)
            }
            Poll::Pending => this.written(Poll::Pending, context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.inner).poll_shutdown(context);
        this.written(outcome, context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    const NEVER: Duration = Duration::from_secs(3_600);
    const SOON: Duration = Duration::from_millis(20);
    const ENDLESS: StreamLimits =
        StreamLimits { idle: NEVER, stalled: NEVER, unanswered: NEVER, bytes_per_second: u32::MAX };

    #[tokio::test]
    async fn who_never_reads_is_cut_off() {
        let (ours, _theirs) = duplex(8);
        let mut patient = LimitedStream::new(ours, StreamLimits { stalled: SOON, ..ENDLESS });
        let refused = patient.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_says_nothing_is_cut_off() {
        let (ours, _theirs) = duplex(8);
        let mut patient = LimitedStream::new(ours, StreamLimits { idle: SOON, ..ENDLESS });
        let refused = patient.read_u8().await.expect_err("nobody writes");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_never_ends_a_request_is_cut_off_and_who_is_answered_is_not() {
        let (ours, mut theirs) = duplex(8);
        let mut patient = LimitedStream::new(ours, StreamLimits { unanswered: SOON, ..ENDLESS });
        for _ in 0..8 {
            sleep(SOON / 4).await;
            patient.write_all(b"!").await.expect("there is room");
            theirs.write_all(b"?").await.expect("there is room");
            patient.read_u8().await.expect("every question was answered in time");
            theirs.read_u8().await.expect("an answer");
        }
        let drip = tokio::spawn(async move { while theirs.write_all(b"X").await.is_ok() {} });
        let refused = loop {
            if let Err(refused) = patient.read_u8().await {
                break refused;
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
        drop(patient);
        drip.await.expect("it ends with the connection");
    }

    #[tokio::test]
    async fn who_reads_slowly_but_reads_is_served_to_the_end() {
        let (ours, mut theirs) = duplex(8);
        let mut patient = LimitedStream::new(ours, ENDLESS);
        let writer = tokio::spawn(async move { patient.write_all(&[7; 64]).await });
        for _ in 0..64 {
            assert_eq!(theirs.read_u8().await.expect("a byte"), 7);
        }
        writer.await.expect("no panic").expect("all was taken");
    }

    #[tokio::test]
    async fn nothing_is_read_while_an_answer_waits_and_all_of_it_afterwards() {
        let (ours, mut theirs) = duplex(8);
        let mut patient = LimitedStream::new(ours, ENDLESS);
        theirs.write_all(b"more").await.expect("there is room");
        let polls = |patient: &mut LimitedStream<_>| {
            let mut context = Context::from_waker(Waker::noop());
            let wrote = Pin::new(&mut *patient).poll_write(&mut context, &[0; 8]).is_ready();
            let mut bytes = [0; 4];
            let mut into = ReadBuf::new(&mut bytes);
            (wrote, Pin::new(patient).poll_read(&mut context, &mut into).is_ready())
        };
        assert_eq!(polls(&mut patient), (true, true), "the control: it takes what comes");
        theirs.write_all(b"more").await.expect("there is room");
        assert_eq!(polls(&mut patient), (false, false), "eight bytes wait for it");
        theirs.read_exact(&mut [0; 8]).await.expect("now it reads");
        assert_eq!(polls(&mut patient), (true, true));
    }

    #[tokio::test]
    async fn no_more_is_read_than_is_allowed_a_second() {
        let (ours, mut theirs) = duplex(64);
        let mut patient = LimitedStream::new(ours, StreamLimits { bytes_per_second: 16, ..ENDLESS });
        theirs.write_all(&[1; 64]).await.expect("there is room");
        let mut bytes = [0; 32];
        patient.read_exact(&mut bytes).await.expect("a second's worth and one more read");
        let mut context = Context::from_waker(Waker::noop());
        let mut into = ReadBuf::new(&mut bytes);
        assert!(Pin::new(&mut patient).poll_read(&mut context, &mut into).is_pending(), "the rest waits its turn");
        assert!(!patient.rate.wait(Instant::now().into_std()).is_zero(), "until it is paid for");
    }
}
