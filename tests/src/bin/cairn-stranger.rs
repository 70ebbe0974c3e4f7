//! A peer that is no node, for tests and benches. It says one line when it is where it should be, and stays until
//! its standard input ends.

#![expect(clippy::print_stdout, reason = "a program that tells whoever started it what it found")]

use cairn_ledger::hash::BlockId;
use cairn_tests::strangers::bystander::{self, NOBODY, Service};
use cairn_tests::strangers::chain::Chain;
use cairn_tests::strangers::flood::{self, Flood};
use cairn_tests::strangers::pretender::{Manner, Pretender, Runs};
use cairn_tests::strangers::{asker, crowd};
use libp2p::{Multiaddr, identity::Keypair};
use std::{error::Error, io, net::Ipv4Addr, path::Path, process::ExitCode, sync::Arc};

const USAGE: &str = "\
Usage: cairn-stranger stand-by PREFIX ADDRESS BYTES     a relay and rendezvous point without a chain, whose circuits
                                                        carry so many bytes; says its peer id
       cairn-stranger many PREFIX COUNT IP PORT         COUNT peers in the /16 of IP, each telling of all
                                                        (64 at most); says their peer ids
       cairn-stranger crowd ADDRESS PREFIX COUNT        COUNT connections; says how many got in
       cairn-stranger reserve ADDRESS PREFIX COUNT      COUNT connections that want to be relayed to; says how many
                                                        got in, and how many reservations
       cairn-stranger ask ADDRESS PREFIX VICTIM COUNT   has COUNT identities ask to have VICTIM dialled (AutoNAT); says
                                                        how many were answered
       cairn-stranger flood KIND ADDRESS PREFIX ID...   KIND is gaps, garbage or requests; the ids are of blocks the
                                                        victim has, the genesis first
       cairn-stranger hold RUNS PREFIX NETWORK HEIGHT FILE...
                                                        has the chain of files of blocks, and says that it holds a snapshot
                                                        at this height; RUNS is wrong (it sends accounts of its own) or
                                                        silent; says its address
       cairn-stranger burn SHARE                        burns so much of a processor, 0.01 to 1";

#[tokio::main]
async fn main() -> ExitCode {
    // Whoever started it is gone when its input ends.
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        #[expect(clippy::disallowed_methods, reason = "a thread ends the process, which keeps nothing")]
        std::process::exit(0);
    });
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match act(&words).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cairn-stranger: {error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

async fn act(words: &[&str]) -> Result<(), Box<dyn Error>> {
    match words {
        ["stand-by", prefix, address, bytes] => {
            let key = Keypair::generate_ed25519();
            let service = Service { relay_bytes: Some(bytes.parse()?), reservations: 64, addresses: NOBODY.to_vec() };
            println!("{}", key.public().to_peer_id());
            bystander::stand_by(key, prefix, address.parse()?, &service).await;
        }
        ["many", prefix, count, ip, port] => {
            let [a, b, ..] = ip.parse::<Ipv4Addr>()?.octets();
            let keys: Vec<Keypair> = (0..count.parse::<u8>()?.min(64)).map(|_| Keypair::generate_ed25519()).collect();
            let ids: Vec<String> = keys.iter().map(|key| key.public().to_peer_id().to_string()).collect();
            println!("{}", ids.join(" "));
            bystander::many(prefix, keys, [a, b], port.parse()?).await;
        }
        ["crowd", address, prefix, count] => arrive(&address.parse()?, prefix, count.parse()?, false).await,
        ["reserve", address, prefix, count] => {
            arrive(&address.parse()?, prefix, count.parse()?, true).await;
        }
        ["flood", kind, address, prefix, known @ ..] => {
            let kind = Flood::named(kind).ok_or_else(|| format!("got the flood {kind:?}"))?;
            let known: Result<Vec<BlockId>, _> = known.iter().map(|id| id.parse()).collect();
            println!("ready");
            flood::flood(kind, &address.parse()?, prefix, &known?).await;
        }
        ["ask", address, prefix, victim, count] => {
            let (address, victim) = (address.parse()?, victim.parse()?);
            let mut tasks = tokio::task::JoinSet::new();
            let mut answered = 0;
            for _ in 0..count.parse::<u16>()? {
                // One neighbourhood gets few connections at once.
                while tasks.len() >= 12 {
                    answered += u16::from(tasks.join_next().await.is_some_and(|done| matches!(done, Ok(true))));
                }
                let (address, prefix, victim): (Multiaddr, String, Multiaddr) =
                    (Multiaddr::clone(&address), (*prefix).to_owned(), Multiaddr::clone(&victim));
                tasks.spawn(async move { asker::asks(&address, &prefix, &victim).await });
            }
            answered += u16::try_from(tasks.join_all().await.into_iter().filter(|done| *done).count())?;
            println!("{answered}");
            std::future::pending::<()>().await;
        }
        ["hold", runs, prefix, network, height, files @ ..] => {
            let height = height.parse()?;
            let runs = match *runs {
                "wrong" => Runs::Wrong(height),
                "silent" => Runs::Silent(height),
                other => return Err(format!("got {other:?} for what it sends").into()),
            };
            let network = cairn_genesis::Network::parse(&std::fs::read_to_string(network)?)?;
            let files: Vec<&Path> = files.iter().map(Path::new).collect();
            let chain = Chain::read(&network.spec, &files)?;
            let holder = Pretender::new(prefix, Arc::new(chain), Manner { runs, ..Manner::default() }).await;
            println!("{}", holder.address());
            std::future::pending::<()>().await;
        }
        ["burn", share] => {
            println!("ready");
            flood::burn(share.parse()?);
        }
        _ => return Err("expected one of these".into()),
    }
    Ok(())
}

/// Sends a crowd, says what came of it, and stays.
async fn arrive(victim: &Multiaddr, prefix: &str, count: u16, reserve: bool) {
    let (inside, reserved) = crowd::sends(victim, prefix, count, reserve).await;
    println!("{inside} {reserved}");
    std::future::pending().await
}
