//! Blocks that have all come but for the lowest: how far they are followed once it comes, and what that holds.

use super::reorganisations::Bare;
use super::*;
use crate::inflight::{Rooms, Turn};
use crate::message::MAILBOX;
use crate::writer::{Actor, Message, Outlets};
use cairn_common::mailbox::mailbox;
use cairn_ledger::Height;
use std::sync::atomic::Ordering;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

impl Bare {
    /// Imports all blocks but the lowest, which is ready then.
    fn import_all_but_lowest(&mut self, blocks: &[Block]) -> CheckedBlock {
        let mut checked: Vec<CheckedBlock> = blocks.iter().map(|block| self.check(block)).collect();
        let lowest = checked.remove(0);
        for block in checked.into_iter().rev() {
            assert_eq!(self.take(block), BlockOutcome::Waiting);
        }
        lowest
    }

    /// Links a block's header, and checks the block.
    fn check(&mut self, block: &Block) -> CheckedBlock {
        let HeaderOutcome::Linked(header) = self.link(&block.header) else { panic!("not linked") };
        CheckedBlock::check(&self.spec, header, block.body.clone()).expect("a block")
    }

    fn take(&mut self, block: CheckedBlock) -> BlockOutcome {
        let now = cairn_common::clock::now();
        self.writer().import_block(block, now, &mut |_, _| true).expect("the store works")
    }

    /// Gives it its loop.
    fn into_actor(mut self, messages: mpsc::Receiver<Message>) -> (Actor, Self) {
        let (writer, _) = self.running.take().expect("it runs");
        let (tip, ahead) = (watch::channel(writer.tip()).0, watch::channel(writer.ahead().expect("it reads")).0);
        let outlets = Outlets { tip, ahead, events: broadcast::channel(1).0 };
        (Actor::new(writer, messages, outlets, false), self)
    }
}

/// A node whose blocks took a second each was not down after fifteen: it connected all that had come before.
#[test]
fn a_writer_that_is_told_to_end_connects_no_more_of_what_waits() {
    let (mut node, mut control) = (Bare::new(), Bare::new());
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(150, 0);
    let lowest = control.import_all_but_lowest(&branch.blocks);
    assert_eq!(control.take(lowest), BlockOutcome::Connected);
    control.assert_at(&branch);
    let lowest = node.import_all_but_lowest(&branch.blocks);
    node.writer().is_stopping.store(true, Ordering::Release);
    assert_eq!(node.take(lowest), BlockOutcome::Waiting);
    assert_eq!(node.writer().tip.header().height, Height::GENESIS);
    node.crash();
    node.import_all(&branch.blocks);
    node.assert_at(&branch);
}

/// Nothing was forgotten before the end of a path: all accounts of the blocks that waited were in memory at once.
#[test]
fn accounts_that_a_long_path_makes_are_forgotten_on_the_way() {
    let mut node = Bare::new();
    let mut branch = Branch::new(&node.spec);
    for n in 0..300 {
        let spends = vec![branch.pay(1, 10_000 + n, 5_000)];
        branch.mine(spends, 0);
    }
    let lowest = node.import_all_but_lowest(&branch.blocks);
    assert_eq!(node.take(lowest), BlockOutcome::Connected);
    let state = &node.writer().state;
    let buckets = state.accounts.count().div_ceil(1 << state.tree.bucket_bits());
    let loaded = (0..buckets).filter(|number| state.tree.is_loaded(*number)).count() as u64;
    assert!(loaded < buckets / 2, "{loaded} of {buckets} buckets are in memory");
    node.assert_at(&branch);
}

/// A path of fifty blocks that took a second each held up all questions for as long, and systemd took the node for
/// dead. Blocks that come meanwhile wait: what a slow chain has answered for is fetched faster than it connects.
#[tokio::test]
async fn questions_are_answered_while_a_long_path_is_followed_and_blocks_wait() {
    let mut node = Bare::new();
    let mut branch = Branch::new(&node.spec);
    branch.mine_many(201, 0);
    let (last, others) = branch.blocks.split_last().expect("blocks");
    let (lowest, last) = (node.import_all_but_lowest(others), node.check(last));
    let (handle, mailbox) = mailbox(MAILBOX);
    let rooms = Rooms::new(1 << 20);
    let import = async |block: CheckedBlock| {
        let turn = Turn { is_behind: false, height: block.header().header().height };
        let (room, (answer, outcome)) = (rooms.enter(turn, 1).await, oneshot::channel());
        (Message::import(move |actor| actor.connect(block, room), answer), outcome)
    };
    let ((lowest, first), (last, second)) = (import(lowest).await, import(last).await);
    let (answer, where_it_is) = oneshot::channel();
    let ask = |actor: &mut Actor| Ok((actor.writer.tip().height(), actor.writer.ahead()?.connecting));
    let (synced, all_is_there) = oneshot::channel();
    let sync = Message::Ask(Box::new(|actor| actor.sync(synced)));
    for message in [lowest, Message::ask(ask, answer), last, sync] {
        assert!(handle.send(message).await.is_ok());
    }
    let (actor, mut node) = node.into_actor(mailbox);
    let asker = async {
        let outcomes = [first.await.expect("an outcome"), second.await.expect("an outcome")];
        // Once nothing waits any more: that was never answered where the last to wait was a block.
        all_is_there.await.expect("an answer");
        assert!(handle.send(Message::Stop).await.is_ok());
        (outcomes, where_it_is.await.expect("an answer"))
    };
    let (ended, (outcomes, (height, connecting))) = tokio::join!(actor.run(), asker);
    ended.expect("the store works");
    assert_eq!(outcomes, [BlockOutcome::Connected, BlockOutcome::Connected], "the last waited for its parent's turn");
    assert!((64..200).contains(&height.get()), "in the middle: {height}");
    assert_eq!(connecting, Height::new(200), "and it is known how far it goes on");
    node.crash();
    node.assert_at(&branch);
}
