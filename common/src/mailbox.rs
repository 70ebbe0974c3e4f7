//! The bounded mailbox of a task: who has the [`Handle`] sends messages, and the task answers those that ask for
//! something. A full mailbox makes senders wait; it is nobody's fault.

use tokio::sync::{mpsc, oneshot};

/// The task is gone: the node is stopping, or its storage failed and it is about to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct Stopped;

/// A mailbox with room for so many messages, and the handle to it.
pub fn mailbox<M>(capacity: usize) -> (Handle<M>, mpsc::Receiver<M>) {
    let (sender, receiver) = mpsc::channel(capacity);
    (Handle(sender), receiver)
}

/// A handle to the mailbox of a task. Cloning shares it; the mailbox ends with the last.
#[derive(Debug)]
pub struct Handle<M>(mpsc::Sender<M>);

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> Handle<M> {
    /// Sends a message, and waits for room if there is none.
    ///
    /// # Errors
    /// The task is gone.
    pub async fn send(&self, message: M) -> Result<(), Stopped> {
        self.0.send(message).await.map_err(|_| Stopped)
    }

    /// Sends a message that carries where to answer it, and waits for the answer.
    ///
    /// # Errors
    /// The task is gone, or went before it had answered.
    pub async fn ask<T>(&self, message: impl FnOnce(oneshot::Sender<T>) -> M) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.send(message(answer)).await?;
        answered.await.map_err(|_| Stopped)
    }

    /// Sends a message if there is room; otherwise it comes back.
    ///
    /// # Errors
    /// There is none, or the task is gone.
    pub fn try_send(&self, message: M) -> Result<(), mpsc::error::TrySendError<M>> {
        self.0.try_send(message)
    }

    /// Waits for room for one message, and keeps it.
    ///
    /// # Errors
    /// The task is gone.
    pub async fn reserve(&self) -> Result<mpsc::OwnedPermit<M>, Stopped> {
        self.0.clone().reserve_owned().await.map_err(|_| Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Square = (u32, oneshot::Sender<u32>);

    #[tokio::test]
    async fn a_question_is_answered_until_the_task_is_gone() {
        let (handle, mut messages) = mailbox::<Square>(1);
        let task = tokio::spawn(async move {
            for _ in 0..2 {
                let (number, answer) = messages.recv().await.expect("a message");
                let _ = answer.send(number * number);
            }
            // The third is taken out and never answered.
            let _ = messages.recv().await;
        });
        assert_eq!(handle.ask(|answer| (3, answer)).await, Ok(9));
        handle.reserve().await.expect("room").send((4, oneshot::channel().0));
        assert_eq!(handle.ask(|answer| (5, answer)).await, Err(Stopped), "it went without an answer");
        task.await.expect("it ended");
        assert_eq!(handle.send((6, oneshot::channel().0)).await, Err(Stopped));
        assert!(handle.reserve().await.is_err());
        assert_eq!(Stopped.to_string(), "the node is stopping");
    }

    #[tokio::test]
    async fn a_full_mailbox_makes_senders_wait() {
        let (handle, mut messages) = mailbox::<u32>(1);
        handle.send(1).await.expect("room");
        let second = tokio::spawn({
            let handle = handle.clone();
            async move { handle.send(2).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        assert_eq!(messages.recv().await, Some(1));
        assert_eq!(second.await.expect("it ended"), Ok(()));
        assert_eq!(messages.recv().await, Some(2));
    }
}
