//! Whatever bytes: what decodes has one encoding, and what a proof shows is true (docs/testing.md).

use crate::support::{Chain, address, nobody};
use crate::{layouts, support};
use cairn_fuzz::Target;
use cairn_ledger::accounts::AccountProof;
use cairn_ledger::block::{Block, HEADER_BYTES, Header, encoded_transactions};
use cairn_ledger::codec::{self, BoundedBytes};
use cairn_ledger::light::{
    BareHeader, LightProof, LightRequest, MinedAt, Receipt, SAMPLES, TAIL, TransactionProof, VerifiedTip,
};
use cairn_ledger::merkle::InclusionProof;
use cairn_ledger::testing::{self, HeaderChain, easy_network, payment};
use cairn_ledger::transaction::Transaction;
use cairn_ledger::units::{Amount, Height, Timestamp};
use cairn_ledger::validate::check_transactions;
use cairn_ledger::{AddressPrefix, hash::Hash, keys::Address, pow::CompactTarget, pow::Work};
use std::fmt::Display;
use std::str::FromStr;

/// The end of time: no block is too early.
const LATE: Timestamp = Timestamp::from_millis(u64::MAX);

/// Transactions of several shapes.
fn transactions(chain: &Chain) -> Vec<Transaction> {
    let outputs: Vec<_> = (1..10).map(|n| (nobody(n), n)).collect();
    vec![
        chain.pay(1, address(2), 5, 200),
        chain.signed(2, |body| body.memo = BoundedBytes::new(b"for the tea".to_vec()).unwrap()),
        chain.signed(3, |body| body.outputs = support::to_outputs(&outputs)),
    ]
}

#[test]
fn ledger_transaction() {
    let chain = Chain::easy();
    let valid = transactions(&chain);
    Target::new("ledger_transaction").seeds(valid.iter().map(codec::encode)).run(|bytes| {
        let Ok(transaction) = Transaction::from_bytes(bytes) else { return false };
        assert_eq!(codec::encode(&transaction), bytes, "one value, one encoding");
        assert_eq!(layouts::transaction(&transaction), bytes, "the layout of docs/protocol.md");
        assert_eq!(transaction.size(), bytes.len());
        assert_eq!(Transaction::ids([&transaction]), [transaction.id()], "ids of many are those of each");
        let is_valid = check_transactions(&chain.spec.genesis_id(), vec![transaction.clone()]).is_ok();
        assert!(!is_valid || valid.contains(&transaction), "a signature is its signer's alone");
        true
    });
}

#[test]
fn ledger_block() {
    let chain = Chain::easy();
    let block = chain.mine(transactions(&chain));
    let seeds = [codec::encode(&block), codec::encode(&chain.mine(vec![]))];
    Target::new("ledger_block").seeds(seeds).run(|bytes| {
        if let Some(header) = bytes.get(..HEADER_BYTES) {
            let header = Header::from_bytes(header).expect("any 190 bytes are a header");
            assert_eq!(codec::encode(&header), bytes[..HEADER_BYTES]);
            let bare = codec::encode(&BareHeader::from(&header));
            assert_eq!(BareHeader::from_bytes(&bare), Ok(BareHeader::from(&header)));
        }
        let undecoded = bytes.get(HEADER_BYTES..).and_then(encoded_transactions);
        let Ok(decoded) = Block::from_bytes(bytes) else { return false };
        let whole = |transaction: &Transaction| (codec::encode(transaction), transaction.body.fee);
        let found = undecoded.expect("it decodes").into_iter().map(|one| (one.bytes.to_vec(), one.fee));
        assert!(decoded.body.iter().map(whole).eq(found), "what is not decoded is the same");
        assert_eq!(codec::encode(&decoded), bytes, "one value, one encoding");
        assert_eq!(layouts::block(&decoded), bytes, "the layout of docs/protocol.md");
        assert_eq!(decoded.size(), bytes.len());
        let body = decoded.body.clone();
        // The work is two attempts: mutations find nonces, and no other body.
        if chain.connect(decoded).is_ok() {
            assert!(body == block.body || body.is_empty(), "a block that nobody signed for");
        }
        true
    });
}

/// The proof of a chain of so many blocks, and its request.
fn proven(blocks: u64) -> (HeaderChain, LightRequest, LightProof) {
    let mut chain = HeaderChain::new(easy_network());
    chain.grow(blocks);
    let request = chain.request(1);
    let proof = chain.light_proof(&request);
    (chain, request, proof)
}

#[test]
fn ledger_light_proof() {
    let (chain, request, proof) = proven(5);
    let seeds = [codec::encode(&proof), codec::encode(&proven(0).2)];
    Target::new("ledger_light_proof").seeds(seeds).run(|bytes| {
        let Ok(proof) = LightProof::from_bytes(bytes) else { return false };
        assert_eq!(codec::encode(&proof), bytes, "one value, one encoding");
        if let Ok(tip) = proof.verify(&chain.spec, &request, LATE) {
            assert_eq!((tip.id(), tip.total_work()), (chain.tip.id(), chain.tip.total_work()), "no other work");
        }
        true
    });
}

/// What stands before a tail: samples and trees, which a mutation of a whole proof would seldom hit.
#[test]
fn ledger_light_opened() {
    let (chain, request, proof) = proven(TAIL + 60);
    let seed = codec::encode(&(proof.opened.clone(), proof.nodes.clone()));
    let target = Target::new("ledger_light_opened").seeds([seed]).max_bytes(16 << 10).memory(1 << 20, 32);
    target.run(|bytes| {
        let Ok((opened, nodes)) = codec::decode(bytes, bytes.len()) else { return false };
        let forged = LightProof { tail: proof.tail.clone(), opened, nodes };
        if let Ok(tip) = forged.verify(&chain.spec, &request, LATE) {
            assert_eq!(forged, proof, "a history has one proof");
            assert!(tip.total_work() == chain.tip.total_work() && tip.samples() >= SAMPLES);
        }
        true
    });
}

/// A receipt of a payment in block 2 of 4.
fn receipt() -> (Chain, Receipt, MinedAt) {
    let mut chain = Chain::easy();
    let mut headers = HeaderChain::new(easy_network());
    let paid = chain.pay(1, address(2), 5, 200);
    for transactions in [vec![], vec![chain.pay(3, address(4), 5, 200), paid.clone()], vec![], vec![]] {
        let block = chain.mine(transactions);
        headers.push(block.header.clone());
        chain.push(block);
    }
    let request = LightRequest::of_tip(headers.tip.id());
    let txids = [chain_payment(&chain).id(), paid.id()];
    let transaction = TransactionProof {
        header: headers.headers[2].clone(),
        inclusion: InclusionProof::new(&txids, 1).unwrap(),
        transaction: paid,
        history: headers.history_proof(Height::new(2)),
    };
    let receipt = Receipt { tip: request.tip, light: headers.light_proof(&request), transaction };
    let (_, mined) = receipt.verify(&chain.spec, LATE).unwrap();
    (chain, receipt, mined)
}

/// The other payment of the receipt's block.
fn chain_payment(chain: &Chain) -> Transaction {
    payment(&chain.spec, &testing::key(3), 0, address(4), 5, 200)
}

#[test]
fn ledger_receipt() {
    let (chain, honest, mined) = receipt();
    let (tip, _) = honest.verify(&chain.spec, LATE).unwrap();
    Target::new("ledger_receipt").seeds([codec::encode(&honest)]).run(|bytes| {
        let Ok(receipt) = Receipt::from_bytes(bytes) else { return false };
        assert_eq!(codec::encode(&receipt), bytes, "one value, one encoding");
        let alone = codec::encode(&receipt.transaction);
        assert_eq!(TransactionProof::from_bytes(&alone).as_ref(), Ok(&receipt.transaction));
        let whole = receipt.verify(&chain.spec, LATE).map(|(_, mined)| mined);
        for shown in [whole.ok(), receipt.transaction.verify(&chain.spec, &tip).ok()].into_iter().flatten() {
            assert_eq!((shown, &receipt.transaction), (mined, &honest.transaction), "a payment nobody made");
        }
        true
    });
}

#[test]
fn ledger_account_proof() {
    let chain = Chain::easy();
    let (leaves, tree) = (chain.state.leaves().to_vec(), chain.state.tree());
    let proof = |index: u64| {
        let path = codec::BoundedVec::new(tree.path(index).unwrap()).unwrap();
        AccountProof { count: tree.count(), index, leaf: leaves[index as usize], path }
    };
    let (asked, root) = (leaves.iter().map(|leaf| leaf.address).chain([nobody(1), nobody(2)]), tree.state_root());
    let asked: Vec<Address> = asked.collect();
    Target::new("ledger_account_proof").seeds((0..tree.count()).map(|index| codec::encode(&proof(index)))).run(
        |bytes| {
            let Ok(proof) = codec::decode::<AccountProof>(bytes, bytes.len()) else { return false };
            assert_eq!(codec::encode(&proof), bytes, "one value, one encoding");
            for address in &asked {
                if let Ok(shown) = proof.verify(address, &root) {
                    let leaf = leaves.iter().find(|leaf| leaf.address == *address);
                    assert_eq!(shown, leaf.map(|leaf| leaf.account), "what the state has, and nothing else");
                }
            }
            true
        },
    );
}

/// A wallet's own file: it may be damaged, and then it is none.
#[test]
fn ledger_verified_tip() {
    let (chain, request, proof) = proven(9);
    let tip = proof.verify(&chain.spec, &request, LATE).unwrap();
    let seeds = [codec::encode(&tip), codec::encode(&VerifiedTip::genesis(&chain.spec))];
    let next = [testing::seal(chain.template(2_000))];
    Target::new("ledger_verified_tip").seeds(seeds).run(|bytes| {
        let Ok(tip) = codec::decode::<VerifiedTip>(bytes, bytes.len()) else { return false };
        assert_eq!(codec::encode(&tip), bytes, "one value, one encoding");
        let Some(tip) = tip.restore(&chain.spec) else { return false };
        let settled = tip.settled().expect("a tip that holds together has a block to read from");
        assert!(settled.header.height <= tip.height());
        assert_eq!(tip.header_at(tip.height()).map(Header::id), Some(tip.id()));
        let _ = (tip.total_work(), tip.slowed(LATE), tip.slowed(tip.time()), tip.samples());
        let extended = tip.extend(&chain.spec, &next[0].id(), &next, LATE);
        assert!(extended.is_err() || tip.id() == chain.tip.id(), "a header follows its parent alone");
        true
    });
}

/// Reads a value as text, and checks that it is shown as it was written: one value, one text.
fn shown<T: FromStr + Display>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    assert_eq!(value.to_string(), text);
    true
}

#[test]
fn ledger_text() {
    let prefix = AddressPrefix::new("crn").unwrap();
    let (id, address) = (testing::arbitrary_hash(1), prefix.encode(&address(1)));
    let seeds = [id.to_string(), address, String::from("12.5"), String::from("1e3fffff"), u64::MAX.to_string()];
    Target::new("ledger_text").seeds(seeds).words(["crn1", "tcrn1", ".", "00000000", "0.", "1"]).max_bytes(200).run(
        |bytes| {
            let Ok(text) = str::from_utf8(bytes) else { return false };
            let mut is_read = shown::<Hash>(text) | shown::<CompactTarget>(text);
            if let Ok(amount) = text.parse::<Amount>() {
                assert_eq!(amount.to_string().parse(), Ok(amount));
                is_read = true;
            }
            if let Ok(work) = text.parse::<Work>() {
                let digits = text.trim_start_matches('0');
                assert_eq!(work.to_string(), if digits.is_empty() { "0" } else { digits });
                is_read = true;
            }
            if let Ok(target) = text.parse::<CompactTarget>().map_err(drop).and_then(|it| it.decode().map_err(drop)) {
                assert_eq!(target.to_compact().to_string(), text);
                assert!(target.work() > Work::ZERO);
            }
            if let Ok(address) = prefix.decode(text) {
                assert_eq!(prefix.encode(&address), text.to_ascii_lowercase(), "an address has one spelling");
                is_read = true;
            }
            if let Ok(prefix) = AddressPrefix::new(text) {
                assert_eq!(prefix.as_str(), text);
                assert_eq!(prefix.decode(&prefix.encode(&support::address(1))), Ok(support::address(1)));
            }
            is_read
        },
    );
}
