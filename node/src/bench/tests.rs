//! The whole of it, and what is made of the figures.

use super::*;
use std::future::{pending, ready};

fn report() -> BenchReport {
    BenchReport {
        signings: 10_000.0,
        singles: 15_000.0,
        batched: 40_000.0,
        hashed: 1e9,
        mining: NonceSearch { kernel: 30e6, plain: 10e6 },
        synced: 500.0,
        payments: 60_000.0,
        replayed: 30_000,
        cores: 2,
    }
}

#[test]
fn a_report_says_what_its_figures_mean() {
    let main = cairn_genesis::Network::parse(cairn_genesis::MAIN).expect("main").spec;
    assert!((report().signature_share() - 0.75).abs() < 1e-9);
    // 1 051 920 blocks of 5 666 payments.
    assert!((report().year_of_full_blocks(&main) - 1_051_920.0 * 5_666.0 / 60_000.0).abs() < 1e-3);
    assert!((BenchReport::year_of_headers(&main) - 1_051_920.0 * 190.0).abs() < 1e-3);
}

#[tokio::test]
async fn a_machine_is_measured_and_nothing_is_left_of_it() {
    let scratch = tempfile::tempdir().expect("a directory");
    let mut said = Vec::new();
    let found = run(scratch.path(), 2, &mut |next| said.push(next.to_owned()), pending()).await.expect("a report");
    let BenchReport { signings, singles, batched, hashed, mining, synced, payments, replayed, cores } = found;
    for rate in [signings, singles, batched, hashed, mining.kernel, mining.plain, synced, payments] {
        assert!(rate.is_finite() && rate > 0.0, "{found:?}");
    }
    // The payments themselves, and the thirty that made their senders' accounts.
    assert_eq!((replayed, cores), (30_030, 2));
    assert_eq!(said.last().map(String::as_str), Some("replay"));
    assert_eq!(fs::read_dir(scratch.path()).expect("it is there").count(), 0);
}

#[tokio::test]
async fn an_interrupted_measurement_says_so_and_cleans_up() {
    let scratch = tempfile::tempdir().expect("a directory");
    let found = run(scratch.path(), 1, &mut |_| {}, ready(())).await;
    assert!(matches!(found, Err(BenchError::Interrupted)), "{found:?}");
    assert_eq!(fs::read_dir(scratch.path()).expect("it is there").count(), 0);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_refused_with_its_name() {
    let scratch = tempfile::tempdir().expect("a directory");
    let file = scratch.path().join("file");
    fs::write(&file, "").expect("room");
    let refused = run(&file, 1, &mut |_| {}, pending()).await.expect_err("a file is no directory").to_string();
    assert!(refused.contains("choose another --scratch"), "{refused}");
}
