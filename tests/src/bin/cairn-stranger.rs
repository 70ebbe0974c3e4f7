//! A peer that is no node, for tests and benches. It says one line when it is where it should be, and stays until
//! its standard input ends.

#![expect(clippy::print_stdout, reason = "a program that tells whoever started it what it found")]

use cairn_tests::strangers::{
    bystander::{self, Service},
    crowd::{self, Origin},
};
use libp2p::{Multiaddr, identity::Keypair};
use std::{error::Error, io, net::Ipv4Addr, process::ExitCode};

const USAGE: &str = "\
Usage: cairn-stranger stand-by PREFIX ADDRESS BYTES     a relay and rendezvous point without a chain, whose circuits
                                                        carry so many bytes; says its peer id
       cairn-stranger many PREFIX COUNT IP PORT         COUNT peers in the /16 of IP, each telling of all
       cairn-stranger crowd ADDRESS COUNT host IP       COUNT connections from IP; says how many got in
       cairn-stranger crowd ADDRESS COUNT subnet IP     the same, each from another address of the /16 of IP
       cairn-stranger reserve ADDRESS COUNT             COUNT connections that want to be relayed to; says how many
                                                        got in, and how many reservations";

#[tokio::main]
async fn main() -> ExitCode {
    // Whoever started it is gone when its input ends.
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
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
            let service = Service { relay_bytes: Some(bytes.parse()?), ..Service::default() };
            println!("{}", key.public().to_peer_id());
            bystander::stand_by(key, prefix, address.parse()?, &service).await;
        }
        ["many", prefix, count, ip, port] => {
            let [a, b, ..] = ip.parse::<Ipv4Addr>()?.octets();
            println!("ready");
            bystander::many(prefix, count.parse()?, [a, b], port.parse()?).await;
        }
        ["crowd", address, count, from, ip] => {
            let ip = ip.parse::<Ipv4Addr>()?.octets();
            let origin = match *from {
                "host" => Origin::Host(ip),
                "subnet" => Origin::Subnet([ip[0], ip[1]]),
                _ => return Err(format!("got {from:?}, expected host or subnet").into()),
            };
            arrive(&address.parse()?, count.parse()?, origin, false).await;
        }
        ["reserve", address, count] => arrive(&address.parse()?, count.parse()?, Origin::Anywhere, true).await,
        _ => return Err("expected one of these".into()),
    }
    Ok(())
}

/// Sends a crowd, says what came of it, and stays.
async fn arrive(victim: &Multiaddr, count: u16, origin: Origin, reserve: bool) {
    let (inside, reserved) = crowd::sends(victim, count, origin, reserve).await;
    println!("{inside} {reserved}");
    std::future::pending().await
}
