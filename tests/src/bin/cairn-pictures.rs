//! Makes pictures of the explorer: of a network whose chain a seed draws, the first page as README shows it, light and
//! dark; or every page, as phones and desks show it. `scripts/pictures.sh` calls it.

use cairn_ledger::codec::{BoundedBytes, encode};
use cairn_ledger::testing::{easy_params, key, payment, pebbles};
use cairn_ledger::transaction::Transaction;
use cairn_ledger::{chain_spec::ChainSpec, pow::CompactTarget, units::Timestamp};
use cairn_rpc::methods::ChainClient;
use cairn_rpc::types::{BlockRef, BlockTransactions};
use cairn_tests::browser::{Browser, DESK, PHONE, Page, Screen};
use cairn_tests::network::{TestNetwork, now_ms};
use cairn_tests::strangers::chain::Chain;
use cairn_tests::vectors::rng::Rng;
use cairn_tests::{node, node::Node};
use std::process::{ExitCode, Stdio};
use std::{fs, path::Path, sync::Arc};

/// What everything is drawn from.
const SEED: u64 = 7;
/// Blocks of the chain: as many as the charts show, and some.
const BLOCKS: u64 = 150;
/// People who pay each other; the ledger's test keys 0 to 9 have money.
const PEOPLE: u64 = 10;
/// How long a block takes on average, in ms.
const INTERVAL_MS: u64 = 15_000;
/// What some payments say.
const MEMOS: [&str; 6] = ["tea", "rent, December", "", "", "two books", "thanks!"];
/// How old the newest block is when the picture is taken, at least, in ms.
const AGE_MS: u64 = 4_000;

/// A block's payments: each sender's next, with an amount of everyday size.
fn payments(spec: &ChainSpec, rng: &mut Rng, nonces: &mut [u64], most: u64) -> Vec<Transaction> {
    let count = rng.below(most + 1);
    let pay = |rng: &mut Rng, nonces: &mut [u64]| {
        let (from, memo) = (rng.below(PEOPLE), MEMOS[rng.below(MEMOS.len() as u64) as usize]);
        let to = (from + 1 + rng.below(PEOPLE - 1)) % PEOPLE;
        let amount = (1 + rng.below(400)) * 5_000_000;
        let nonce = &mut nonces[from as usize];
        let mut paid = payment(spec, &key(from), *nonce, key(to).address(), amount, 200 + rng.below(500)).body;
        paid.memo = BoundedBytes::new(memo.as_bytes().to_vec()).expect("a short memo");
        *nonce += 1;
        paid.sign(&key(from), &spec.genesis_id(), &[7; 32])
    };
    (0..count).map(|_| pay(rng, nonces)).collect()
}

/// The gaps between blocks: as miners find them, that is, of an exponential distribution, slower at first.
fn gaps(rng: &mut Rng) -> Vec<u64> {
    let gap = |rng: &mut Rng, block: u64| {
        let share = (rng.below(1 << 20) + 1) as f64 / f64::from(1 << 20);
        let pace = if block < BLOCKS / 2 { 0.7 } else { 1.2 };
        (-share.ln() * INTERVAL_MS as f64 * pace) as u64 + 500
    };
    (0..BLOCKS).map(|block| gap(rng, block)).collect()
}

/// A file of blocks, as `cairn-node export` writes it.
fn write_blocks(path: &Path, spec: &ChainSpec, chain: &Chain) {
    let mut bytes = [&b"cairnblk"[..], &1_u32.to_le_bytes(), spec.genesis_id().as_bytes()].concat();
    for height in 1..=chain.height() {
        let block = encode(chain.block(height));
        bytes.extend(u32::try_from(block.len()).expect("a small block").to_le_bytes());
        bytes.extend(block);
    }
    fs::write(path, bytes).expect("a file of blocks");
}

async fn network() -> Node {
    let mut rng = Rng::new(SEED);
    let gaps = gaps(&mut rng);
    let mut params = easy_params();
    params.name = String::from("local");
    params.interval_ms = INTERVAL_MS;
    params.half_life_ms = 20 * INTERVAL_MS;
    (params.pow_limit, params.genesis_target) =
        (CompactTarget::from_bits(0x1e7f_ffff), CompactTarget::from_bits(0x1e3f_ffff));
    params.account_price = pebbles(100_000);
    params.genesis_time = Timestamp::from_millis(now_ms() - gaps.iter().sum::<u64>() - AGE_MS);
    let network = Arc::new(TestNetwork::of(&params, true));
    let spec = network.spec();
    let (mut chain, mut nonces) = (Chain::new(spec), vec![0; PEOPLE as usize]);
    for gap in gaps {
        let payments = payments(spec, &mut rng, &mut nonces, 6);
        chain.mine(gap, payments);
    }
    let (blocks, data) = (network.directory().join("chain.blocks"), network.directory().join("data"));
    write_blocks(&blocks, spec, &chain);
    fs::create_dir(&data).expect("a fresh directory");
    let mut import = node::offline(&network, &data, &["import", &blocks.display().to_string()]);
    let done = import.stdout(Stdio::null()).status().expect("the node's program runs");
    assert!(done.success(), "the chain is imported");
    let node = Node::start_in(&network, "local", &data, &["--index.addresses=true"]).await;
    for waiting in payments(spec, &mut rng, &mut nonces, 3) {
        node.submit(&waiting).await;
    }
    node
}

const USAGE: &str = "\
Usage: cairn-pictures DIRECTORY             writes explorer.png and explorer-dark.png there
       cairn-pictures DIRECTORY --pages     writes every page there, at two widths, light and dark";

/// How much of the first page README shows: down to the end of a row.
const HEIGHT: u32 = 848;

/// A page that trusts the network, in this browser's settings.
fn open<'a>(browser: &'a mut Browser, node: &Node, screen: Screen) -> Page<'a> {
    let (mut page, genesis) = (browser.open(screen), node.network().spec().genesis_id());
    page.go(&format!("{}/web/style.css", node.url()));
    page.eval(&format!("localStorage.setItem('cairn.genesis', '{genesis}')"));
    page
}

fn first_page(browser: &mut Browser, node: &Node, directory: &Path) {
    for (name, dark) in [("explorer.png", false), ("explorer-dark.png", true)] {
        let mut page = open(browser, node, Screen { height: HEIGHT, dark, ..DESK });
        page.go(&format!("{}/", node.url()));
        page.until("the tip is proven", "document.querySelector('output.proof').dataset.state === 'proven'");
        page.view(&directory.join(name));
    }
}

async fn every_page(browser: &mut Browser, node: &Node, directory: &Path) {
    let mut paths: Vec<(&str, String)> =
        ["/", "/blocks", "/pool", "/network", "/settings", "/search?q=gold", "/web/receipt.html", "/web/pay.html"]
            .map(|path| (path.trim_matches('/').split(['.', '?']).next().unwrap_or_default(), path.to_owned()))
            .into();
    let address = node.network().address(0);
    let height = BLOCKS;
    let block = node.rpc().get_block(BlockRef::Height(height), None).await.expect("the last block");
    if let BlockTransactions::Ids(ids) = &block.transactions
        && let Some(txid) = ids.first()
    {
        paths.push(("payment", format!("/tx/{}", txid.0)));
    }
    paths.extend([("block", format!("/block/{height}")), ("address", format!("/address/{address}"))]);
    for screen in [PHONE, DESK].iter().flat_map(|screen| [false, true].map(|dark| Screen { dark, ..*screen })) {
        for (name, path) in &paths {
            let mut page = open(browser, node, screen);
            page.go(&format!("{}{path}", node.url()));
            let passed =
                "[...document.querySelectorAll('output.proof')].every((output) => output.dataset.state !== 'checking')";
            page.until("all is checked", passed);
            let (name, shade) = (name.trim_start_matches("web/"), if screen.dark { "dark" } else { "light" });
            let name = if name.is_empty() { "overview" } else { name };
            page.picture(&directory.join(format!("{name}-{}-{shade}.png", screen.width)));
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (directory, all) = match &words[..] {
        [directory] => (Path::new(directory), false),
        [directory, pages] if pages == "--pages" => (Path::new(directory), true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Some(mut browser) = Browser::start() else { return ExitCode::FAILURE };
    let node = network().await;
    match all {
        true => every_page(&mut browser, &node, directory).await,
        false => first_page(&mut browser, &node, directory),
    }
    ExitCode::SUCCESS
}
