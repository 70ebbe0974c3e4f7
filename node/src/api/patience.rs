//! A connection that is given up when its other end does nothing for too long.
//!
//! Attacks: a subscriber that never reads fills its connection, and would hold its answers in memory for
//! ever; thousands of silent connections would hold every place.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep},
};

/// How long the other end may do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Neither send nor take anything.
    pub idle: Duration,
    /// Take nothing although something waits for it.
    pub stalled: Duration,
}

/// `S`, as long as its other end keeps to the [`Patience`].
pub(super) struct Patient<S> {
    inner: S,
    patience: Patience,
    /// Since when nothing moved at all.
    idle: Pin<Box<Sleep>>,
    /// Since when something waits to be taken; none while nothing does.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub fn new(inner: S, patience: Patience) -> Self {
        Self { inner, patience, idle: Box::pin(sleep(patience.idle)), stalled: None }
    }

    fn moved(&mut self) {
        self.idle.as_mut().reset(Instant::now() + self.patience.idle);
    }

    /// Turns the outcome of a write into a failure when the other end takes nothing for too long.
    fn written<T>(&mut self, outcome: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match outcome {
            Poll::Ready(outcome) => {
                self.moved();
                self.stalled = None;
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(self.patience.stalled)));
                stalled.as_mut().poll(context).map(|()| Err(given_up("the other end takes nothing")))
            }
        }
    }
}

fn given_up(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.inner).poll_read(context, into) {
            Poll::Ready(outcome) => {
                this.moved();
                Poll::Ready(outcome)
            }
            Poll::Pending => this.idle.as_mut().poll(context).map(|()| Err(given_up("the other end is silent"))),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
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
            // A flush of nothing says nothing about the other end.
            Poll::Ready(outcome) => Poll::Ready(outcome),
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

    #[tokio::test]
    async fn who_never_reads_is_cut_off() {
        let (ours, _theirs) = duplex(8);
        let mut patient = Patient::new(ours, Patience { idle: NEVER, stalled: SOON });
        let refused = patient.write_all(&[0; 64]).await.expect_err("nobody reads");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_says_nothing_is_cut_off() {
        let (ours, _theirs) = duplex(8);
        let mut patient = Patient::new(ours, Patience { idle: SOON, stalled: NEVER });
        let refused = patient.read_u8().await.expect_err("nobody writes");
        assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn who_reads_slowly_but_reads_is_served_to_the_end() {
        let (ours, mut theirs) = duplex(8);
        let mut patient = Patient::new(ours, Patience { idle: NEVER, stalled: NEVER });
        let writer = tokio::spawn(async move { patient.write_all(&[7; 64]).await });
        for _ in 0..64 {
            assert_eq!(theirs.read_u8().await.expect("a byte"), 7);
        }
        writer.await.expect("no panic").expect("all was taken");
    }
}
