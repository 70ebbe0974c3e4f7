//! Room for blocks on their way to the writer: so many bytes, of which the lowest block that waits gets the next.
//!
//! Bodies come from many peers in any order. Those above one that is missing can only wait, so whatever is spent on them
//! before it is spent too early.

use cairn_ledger::units::Height;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::oneshot;

/// All room there is. Cloning shares it.
#[derive(Clone, Debug)]
pub(super) struct Rooms(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    size: usize,
    queue: Mutex<Queue>,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    /// How much each wants, by height and, within one, in the order in which they came.
    waiting: BTreeMap<(Height, u64), (usize, oneshot::Sender<Room>)>,
    came: u64,
}

/// The room of one block, until this is dropped.
#[derive(Debug)]
pub(super) struct Room {
    rooms: Rooms,
    size: usize,
}

impl Rooms {
    /// Room for so many bytes.
    pub(super) fn new(size: usize) -> Self {
        let queue = Queue { free: size, waiting: BTreeMap::new(), came: 0 };
        Self(Arc::new(Shared { size, queue: Mutex::new(queue) }))
    }

    /// Waits for the room of a block of so many bytes. One that is larger than all room gets all.
    pub(super) async fn enter(&self, height: Height, size: usize) -> Room {
        let (sender, granted) = oneshot::channel();
        self.change(|queue| {
            queue.came += 1;
            queue.waiting.insert((height, queue.came), (size.min(self.0.size), sender));
        });
        granted.await.expect("whoever waits is let in or waits")
    }

    /// Changes the queue, and lets in whoever may then.
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        let mut admitted = Vec::new();
        {
            // What is done under the lock does not panic.
            let queue = &mut *self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
            change(queue);
            while let Some(lowest) = queue.waiting.first_entry().filter(|lowest| lowest.get().0 <= queue.free) {
                let (size, sender) = lowest.remove();
                queue.free -= size;
                admitted.push((sender, Room { rooms: self.clone(), size }));
            }
        }
        for (sender, room) in admitted {
            // Whoever does not wait any more gives it back, which takes the lock.
            let _ = sender.send(room);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.rooms.change(|queue| queue.free += self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    fn poll(waiting: Pin<&mut impl Future<Output = Room>>) -> Option<Room> {
        match waiting.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(room) => Some(room),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_lowest_block_is_let_in_first() {
        let rooms = Rooms::new(10);
        let enter = |height| rooms.enter(Height::new(height), 10);
        let first = poll(pin!(enter(9))).expect("all is free");
        let (mut high, mut low, mut late) = (pin!(enter(8)), pin!(enter(3)), pin!(enter(3)));
        assert!(poll(high.as_mut()).is_none() && poll(low.as_mut()).is_none() && poll(late.as_mut()).is_none());
        drop(first);
        assert!(poll(high.as_mut()).is_none() && poll(late.as_mut()).is_none());
        drop(poll(low).expect("the lowest"));
        assert!(poll(high.as_mut()).is_none());
        drop(poll(late).expect("of the same height, later"));
        assert!(poll(high).is_some());
    }

    #[test]
    fn a_large_block_is_not_passed_by_those_above_it_and_is_let_in_in_the_end() {
        let rooms = Rooms::new(10);
        let enter = |height, size| rooms.enter(Height::new(height), size);
        let (half, other) = (poll(pin!(enter(1, 5))).expect("free"), poll(pin!(enter(2, 5))).expect("free"));
        let (mut large, mut small) = (pin!(enter(3, 1_000)), pin!(enter(4, 1)));
        assert!(poll(large.as_mut()).is_none() && poll(small.as_mut()).is_none());
        drop(half);
        assert!(poll(large.as_mut()).is_none() && poll(small.as_mut()).is_none());
        drop(other);
        let large = poll(large).expect("it has all room now");
        assert!(poll(small.as_mut()).is_none());
        drop(large);
        assert!(poll(small).is_some());
    }

    #[test]
    fn whoever_waits_no_more_leaves_the_room_to_others() {
        let rooms = Rooms::new(1);
        let enter = |height| rooms.enter(Height::new(height), 1);
        let first = poll(pin!(enter(1))).expect("free");
        let mut last = pin!(enter(3));
        assert!(poll(last.as_mut()).is_none());
        {
            let gone = pin!(enter(2));
            assert!(poll(gone).is_none());
        }
        drop(first);
        assert!(poll(last).is_some());
    }
}
