//! Whatever bytes stand in a file of blocks: each whole block is read, and what follows it is refused
//! (docs/testing.md).

use super::{BlockFile, BlockFileWriter};
use cairn_fuzz::Target;
use cairn_ledger::block::MAX_BLOCK_BYTES;
use cairn_ledger::codec::encode;
use cairn_ledger::testing::{easy_network, genesis_state, key, mine, payment};
use cairn_ledger::{Block, ChainContext};
use std::fs;

/// Block 1 of the easy network, with a payment.
fn block() -> Block {
    let spec = easy_network();
    let paid = payment(&spec, &key(1), 0, key(100).address(), 5, 1_000);
    mine(&spec, &ChainContext::genesis(&spec), &genesis_state(&spec), vec![paid])
}

#[test]
fn chain_block_file() {
    let (folder, genesis_id) = (tempfile::tempdir().expect("a directory"), easy_network().genesis_id());
    let (path, block) = (folder.path().join("blocks"), block());
    let file = |count: usize| {
        let _ = fs::remove_file(&path);
        let mut file = BlockFileWriter::create(&path, genesis_id).expect("a new file");
        (0..count).for_each(|_| file.put(&block).expect("room"));
        file.finish().expect("room");
        fs::read(&path).expect("readable")
    };
    let seeds = [file(0), file(1), file(3)];
    // The buffer of a file, and one block as long as a block may be: its length is all that is known of it.
    let memory = (1 << 20) + MAX_BLOCK_BYTES + (64 << 10);
    Target::new("chain_block_file").seeds(seeds).memory(memory, 32).run(|bytes| {
        fs::write(&path, bytes).expect("room");
        let Ok(mut read) = BlockFile::open(&path, genesis_id) else { return false };
        let mut whole = bytes[..read.offset() as usize].to_vec();
        let end = loop {
            match read.next_block() {
                Ok(Some(block)) => {
                    let block = encode(&block);
                    whole.extend((block.len() as u32).to_le_bytes());
                    whole.extend(block);
                }
                end => break end.is_ok(),
            }
            assert_eq!(whole.len() as u64, read.offset());
        };
        assert_eq!(bytes.get(..whole.len()), Some(&whole[..]), "what was read is what stands there");
        assert_eq!(end, whole.len() == bytes.len(), "all of it, or a refusal");
        // What is appended goes after the last whole block, and what stood there stays.
        if let Ok((file, _)) = BlockFileWriter::append(&path, genesis_id) {
            file.finish().expect("room");
            let left = fs::read(&path).expect("readable");
            assert!(bytes.starts_with(&left) && left.len() >= whole.len());
        }
        true
    });
}
