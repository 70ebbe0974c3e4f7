//! Whatever stands in the files that members of a shared key hand to one another (docs/testing.md).

use crate::dkg::{Dkg, ID_BYTES, Member};
use crate::seal::SealKey;
use crate::signing::{Signer, SigningSession};
use crate::{Group, SharedError, frost, musig, tagged};
use cairn_fuzz::Target;
use cairn_genesis::Network;
use cairn_ledger::keys::{Address, SecretKey};
use cairn_ledger::schnorr;

fn network() -> Network {
    Network::parse(cairn_genesis::LOCAL).expect("shipped")
}

/// Secrets, addresses and their texts, in the members' order.
fn people(count: u8) -> Vec<([u8; 32], Address, String)> {
    let person = |byte: u8| {
        let address = SecretKey::from_bytes(&[byte; 32]).expect("a key").address();
        ([byte; 32], address, network().spec.params().prefix.encode(&address))
    };
    let mut people: Vec<_> = (1..=count).map(person).collect();
    people.sort_by_key(|(_, address, _)| *address);
    people
}

/// What is shown of a refusal moves no cursor.
fn assert_inert(error: &SharedError) {
    let shown = error.to_string();
    assert!(!shown.chars().any(char::is_control), "{shown:?}");
}

#[test]
fn shared_keys_ceremony() {
    let (network, people) = (network(), people(3));
    let members: Vec<Address> = people.iter().map(|(_, address, _)| *address).collect();
    let mut ceremony = Dkg::new(&network, [7; ID_BYTES], 2, &members).expect("a group");
    let mut seeds = vec![ceremony.to_json()];
    for (place, (secret, address, name)) in people.iter().enumerate() {
        let member = Member { network: &network, address: *address, name, secret };
        ceremony.first(&member, &[place as u8 + 1; 32]).expect("a member");
        seeds.push(ceremony.to_json());
    }
    let words = [
        "\"round1\"",
        "\"round2\": {}",
        "\"sealed\": {}",
        "\"package\": \"00\"",
        "\\u001b",
        "65535",
        "\"threshold\": ",
    ];
    // Each signature in it is checked, by tables of multiples.
    Target::new("shared_keys_ceremony").seeds(seeds).words(words).memory(256 << 10, 100).run(|bytes| {
        let read = match Dkg::parse(bytes, &network) {
            Ok(read) => read,
            Err(error) => {
                assert_inert(&error);
                return false;
            }
        };
        assert_eq!(Dkg::parse(read.to_json().as_bytes(), &network).as_ref(), Ok(&read), "it is read as it is written");
        let mut merged = ceremony.clone();
        if merged.merge(read.clone()).is_ok() {
            assert_eq!(merged, ceremony, "there is no part that a member did not sign");
        }
        for (_, _, name) in &people {
            let _ = (read.next_step(name), ceremony.next_step(name));
        }
        true
    });
}

/// A session of two in which the first is honest and signs whatever comes back: no signature of theirs is valid for
/// another message, and what the other sends makes nobody panic.
#[test]
fn shared_keys_session() {
    let (people, prefix, message) = (people(2), network().spec.params().prefix, tagged("test", &[b"payment"]));
    let members: Vec<Address> = people.iter().map(|(_, address, _)| *address).collect();
    let group = Group::Musig2 { members: people.iter().map(|(_, _, name)| name.clone()).collect() };
    let address = group.address(&prefix).expect("a group");
    let mut session = SigningSession::new([3; 16], group);
    let mut seeds = vec![serde_json::to_string(&session).expect("JSON")];
    let mut nonces = Vec::new();
    for (place, (secret, _, name)) in people.iter().enumerate() {
        let nonce = musig::commit(&members, secret, &message, session.id(), &[place as u8; 32]).expect("a nonce");
        session.commit(name, nonce.public.clone());
        nonces.push(nonce);
    }
    seeds.push(serde_json::to_string(&session).expect("JSON"));
    for ((secret, _, name), nonce) in people.iter().zip(&nonces) {
        let signer = Signer { member: name, secret, key_share: None };
        session.sign(&prefix, &signer, &nonce.secret, &message).expect("a share");
        seeds.push(serde_json::to_string(&session).expect("JSON"));
    }
    let words =
        ["\"scheme\":\"frost\"", "\"threshold\":2", "\"public\":\"00\"", "\"commitments\":{}", "\"shares\":{}", "0000"];
    Target::new("shared_keys_session").seeds(seeds).words(words).memory(256 << 10, 100).run(|bytes| {
        let Ok(read) = serde_json::from_slice::<SigningSession>(bytes) else { return false };
        let again = serde_json::to_vec(&read).expect("JSON");
        assert_eq!(serde_json::from_slice::<SigningSession>(&again).ok().as_ref(), Some(&read));
        if let Err(error) = read.check() {
            assert_inert(&error);
            return false;
        }
        let _ = session.clone().merge(read.clone()).map_err(|error| assert_inert(&error));
        let _ = read.group.address(&prefix);
        let (secret, _, name) = &people[0];
        let signer = Signer { member: name, secret, key_share: None };
        let _ = read.clone().sign(&prefix, &signer, &nonces[0].secret, &message).map_err(|error| assert_inert(&error));
        match read.combine(&prefix, &message) {
            Ok(signature) => {
                let made = read.group.address(&prefix).expect("a group that signs");
                assert!(schnorr::verify(&made, &message, &signature).is_ok(), "what is combined is valid");
                assert!(made == address || read.group != session.group);
            }
            Err(error) => assert_inert(&error),
        }
        true
    });
}

/// What a member sealed for another, and the parts of the schemes.
#[test]
fn shared_keys_sealed() {
    let key = SealKey::own(&[1; 32]);
    let sealed = key.seal(b"a share of a key", b"context", [9; 24]);
    let message = tagged("test", &[b"payment"]);
    Target::new("shared_keys_sealed").seeds([sealed.clone()]).run(|bytes| {
        let _ = (frost::address(bytes, 2, 3), frost::commit(bytes, &[1; 32]), frost::sign(bytes, bytes, &[], &message));
        match key.open(bytes, b"context") {
            Ok(plain) => assert_eq!((bytes, &plain[..]), (&sealed[..], &b"a share of a key"[..]), "nobody else seals"),
            Err(_) => return false,
        }
        true
    });
}
