//! Room for blocks on their way to the writer: so many bytes, given to the lowest block that waits for some.
//!
//! Bodies come from many peers in any order, and those above a missing one can only wait for it: checking them first
//! would keep all waiting. Blocks that nobody asked for and that have no more work than the tip come after all others:
//! whoever sends many low ones must not keep back those that matter.

use cairn_ledger::Height;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// All room there is. Cloning shares it.
#[derive(Clone, Debug)]
pub(crate) struct Rooms {
    size: usize,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Debug)]
struct Queue {
    free: usize,
    /// How much each wants, in their turn and, where that is the same, in the order in which they came.
    waiting: BTreeMap<(Turn, u64), (usize, oneshot::Sender<Room>)>,
    came: u64,
}

/// Who is let in before whom: the lesser first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Turn {
    /// Whether nobody asked for it, and its chain up to it has no more work than the tip's.
    pub is_behind: bool,
    /// The block's height.
    pub height: Height,
}

/// The room of one block, until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    rooms: Rooms,
    size: usize,
}

impl Rooms {
    /// Room for so many bytes.
    pub(crate) fn new(size: usize) -> Self {
        let queue = Queue { free: size, waiting: BTreeMap::new(), came: 0 };
        Self { size, queue: Arc::new(Mutex::new(queue)) }
    }

    /// Waits for the room of a block of so many bytes. One that is larger than all room gets all.
    pub(crate) async fn enter(&self, turn: Turn, size: usize) -> Room {
        let (sender, granted) = oneshot::channel();
        self.update(|queue| {
            queue.came += 1;
            queue.waiting.insert((turn, queue.came), (size.min(self.size), sender));
        });
        granted.await.expect("whoever waits is let in or waits")
    }

    /// Changes the queue, and lets in whoever may then.
    fn update(&self, change: impl FnOnce(&mut Queue)) {
        let mut admitted = Vec::new();
        {
            // What is done under the lock does not panic.
            let queue = &mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            change(queue);
            while let Some(first) = queue.waiting.first_entry() {
                let (size, sender) = first.get();
                if !sender.is_closed() && *size > queue.free {
                    break;
                }
                let (size, sender) = first.remove();
                if !sender.is_closed() {
                    queue.free -= size;
                    admitted.push((sender, Room { rooms: self.clone(), size }));
                }
            }
        }
        for (sender, room) in admitted {
            // Whoever has just stopped waiting gives it back, which takes the lock.
            let _ = sender.send(room);
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.rooms.update(|queue| queue.free += self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll, Waker};

    fn poll(waiting: Pin<&mut impl Future<Output = Room>>) -> Option<Room> {
        match waiting.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(room) => Some(room),
            Poll::Pending => None,
        }
    }

    fn at(height: u64) -> Turn {
        Turn { is_behind: false, height: Height::new(height) }
    }

    #[test]
    fn the_lowest_block_is_let_in_first() {
        let rooms = Rooms::new(10);
        let enter = |turn| rooms.enter(turn, 10);
        let first = poll(pin!(enter(at(9)))).expect("all is free");
        let side_branch = Turn { is_behind: true, ..at(1) };
        let (mut side, mut high) = (pin!(enter(side_branch)), pin!(enter(at(8))));
        let (mut low, mut late) = (pin!(enter(at(3))), pin!(enter(at(3))));
        assert!(
            [poll(side.as_mut()), poll(high.as_mut()), poll(low.as_mut()), poll(late.as_mut())]
                .iter()
                .all(Option::is_none)
        );
        drop(first);
        assert!([poll(side.as_mut()), poll(high.as_mut()), poll(late.as_mut())].iter().all(Option::is_none));
        drop(poll(low).expect("the lowest"));
        assert!(poll(side.as_mut()).is_none() && poll(high.as_mut()).is_none());
        drop(poll(late).expect("of the same height, later"));
        assert!(poll(side.as_mut()).is_none());
        drop(poll(high).expect("the last of those that may become the tip"));
        assert!(poll(side).is_some());
    }

    #[test]
    fn a_large_block_is_not_passed_by_those_above_it_and_is_let_in_in_the_end() {
        let rooms = Rooms::new(10);
        let enter = |height, size| rooms.enter(at(height), size);
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
        let rooms = Rooms::new(2);
        let enter = |height, size| rooms.enter(at(height), size);
        let (first, _second) = (poll(pin!(enter(1, 1))).expect("free"), poll(pin!(enter(1, 1))).expect("free"));
        let mut last = pin!(enter(3, 1));
        assert!(poll(last.as_mut()).is_none());
        {
            let gone = pin!(enter(2, 2));
            assert!(poll(gone).is_none());
        }
        drop(first);
        assert!(poll(last).is_some(), "although the one that is gone would not fit yet");
    }
}
