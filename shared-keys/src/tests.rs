//! Ceremonies and sessions from end to end, and every way of cheating in them.

use crate::dkg::{Dkg, DkgStep, Finished, ID_BYTES, Member};
use crate::signing::{Signer, SigningStep};
use crate::*;
use cairn_genesis::Network;
use cairn_ledger::keys::{Address, SecretKey, Signature};
use cairn_ledger::{address::AddressPrefix, schnorr};

fn network() -> Network {
    Network::parse(cairn_genesis::LOCAL).expect("shipped")
}

fn prefix() -> AddressPrefix {
    network().spec.params().prefix
}

/// Secrets, addresses and their texts, in the members' order.
fn people(count: u8) -> Vec<([u8; 32], Address, String)> {
    let mut people: Vec<_> = (1..=count)
        .map(|byte| {
            let address = SecretKey::from_bytes(&[byte; 32]).expect("a key").address();
            ([byte; 32], address, prefix().encode(&address))
        })
        .collect();
    people.sort_by_key(|(_, address, _)| *address);
    people
}

fn ceremony(people: &[([u8; 32], Address, String)], threshold: u16) -> Dkg {
    let members: Vec<Address> = people.iter().map(|(_, address, _)| *address).collect();
    Dkg::new(&network(), [7; ID_BYTES], threshold, &members).expect("a group")
}

/// Everybody takes both rounds in turn.
fn run(people: &[([u8; 32], Address, String)], threshold: u16) -> Result<Vec<Finished>, SharedError> {
    let network = network();
    let mut file = ceremony(people, threshold);
    let member = |person: &'_ ([u8; 32], Address, String)| person.clone();
    let mut first = Vec::new();
    for (place, person) in people.iter().map(member).enumerate() {
        let (secret, address, name) = person;
        let member = Member { network: &network, address, name: &name, secret: &secret };
        assert_eq!(file.next_step(&name), DkgStep::First);
        first.push(file.first(&member, &[place as u8 + 1; 32])?);
        // What goes round is a file: it is read anew each time.
        file = Dkg::parse(file.to_json().as_bytes(), &network)?;
    }
    let mut second = Vec::new();
    for (place, (secret, address, name)) in people.iter().enumerate() {
        let member = Member { network: &network, address: *address, name, secret };
        assert_eq!(file.next_step(name), DkgStep::Second);
        second.push(file.second(&member, &first[place], &vec![[place as u8; 24]; people.len()])?);
    }
    let file = Dkg::parse(file.to_json().as_bytes(), &network)?;
    people
        .iter()
        .zip(&second)
        .map(|((secret, address, name), kept)| {
            assert_eq!(file.next_step(name), DkgStep::Finish);
            file.finish(&Member { network: &network, address: *address, name, secret }, kept)
        })
        .collect()
}

/// The members at `signers` sign `message` in a session of `group`.
fn sign(
    people: &[([u8; 32], Address, String)],
    group: &Group,
    shares: &[Option<&[u8]>],
    signers: &[usize],
    message: &Hash,
) -> Result<Signature, SharedError> {
    let mut session = SigningSession::new([3; SESSION_ID_BYTES], group.clone());
    let members: Vec<Address> = people.iter().map(|(_, address, _)| *address).collect();
    let mut nonces = Vec::new();
    for place in signers {
        let (secret, _, name) = &people[*place];
        assert_eq!(session.next_step(name), SigningStep::Commit);
        let nonce = match group {
            Group::Musig2 { .. } => musig::commit(&members, secret, message, session.id(), &[*place as u8; 32])?,
            Group::Frost { .. } => frost::commit(shares[*place].expect("a share"), &[*place as u8; 32])?,
        };
        session.commit(name, nonce.public.clone());
        nonces.push(nonce);
    }
    for (place, nonce) in signers.iter().zip(&nonces) {
        let (secret, _, name) = &people[*place];
        assert_eq!(session.next_step(name), SigningStep::Sign);
        session.sign(&prefix(), &Signer { member: name, secret, key_share: shares[*place] }, &nonce.secret, message)?;
        session.check()?;
    }
    assert_eq!(session.next_step(&people[signers[0]].2), SigningStep::Combine);
    session.combine(&prefix(), message)
}

#[test]
fn any_threshold_of_the_members_signs_for_the_groups_address() {
    let message = tagged("test", &[b"payment"]);
    for (count, threshold, signer_sets) in
        [(3, 2, vec![vec![0, 1], vec![2, 0], vec![1, 2]]), (2, 2, vec![vec![0, 1]]), (5, 3, vec![vec![4, 0, 2]])]
    {
        let people = people(count);
        let finished = run(&people, threshold).expect("everybody is honest");
        let group = finished[0].group.clone();
        assert!(finished.iter().all(|made| made.group == group), "everybody has the same key");
        let key = group.address(&prefix()).expect("an address");
        let shares: Vec<Option<&[u8]>> = finished.iter().map(|made| Some(made.share.as_slice())).collect();
        for signers in signer_sets {
            let signature = sign(&people, &group, &shares, &signers, &message).expect("a signature");
            // The ledger's own rule, for the address as it stands: no tweak is left to apply.
            assert!(schnorr::verify(&key, &message, &signature).is_ok());
            assert!(schnorr::verify(&people[0].1, &message, &signature).is_err());
        }
    }
}

#[test]
fn all_members_sign_for_a_musig2_address() {
    let people = people(3);
    let group = Group::Musig2 { members: people.iter().map(|(_, _, name)| name.clone()).collect() };
    let message = tagged("test", &[b"payment"]);
    let signature = sign(&people, &group, &[None; 3], &[0, 1, 2], &message).expect("a signature");
    let key = group.address(&prefix()).expect("an address");
    assert!(schnorr::verify(&key, &message, &signature).is_ok());
    // Whoever gathers the members in another order gets the same address.
    let members: Vec<Address> = people.iter().rev().map(|(_, address, _)| *address).collect();
    let ordered = in_order(&members).expect("two or more");
    assert_eq!(musig::address(&ordered), Ok(key));
}

#[test]
fn a_wrong_share_has_its_members_name() {
    let people = people(3);
    let finished = run(&people, 2).expect("everybody is honest");
    let group = finished[0].group.clone();
    let message = tagged("test", &[b"payment"]);
    // Member 1 signs with member 2's share of the key.
    let mut shares: Vec<Option<&[u8]>> = finished.iter().map(|made| Some(made.share.as_slice())).collect();
    let honest = sign(&people, &group, &shares, &[0, 1], &message);
    assert!(honest.is_ok(), "the control");
    shares[1] = shares[2];
    let refused = sign(&people, &group, &shares, &[0, 1], &message);
    assert!(refused.is_err(), "{refused:?}");
}

/// Hostile bytes: whichever byte of a ceremony is another, it is refused, and nothing panics.
#[test]
fn a_flipped_bit_in_a_ceremony_is_refused() {
    let (people, network) = (people(2), network());
    let mut file = ceremony(&people, 2);
    let member = |place: usize| {
        let (secret, address, name) = &people[place];
        Member { network: &network, address: *address, name, secret }
    };
    let first: Vec<_> = (0..2).map(|place| file.first(&member(place), &[place as u8; 32]).expect("a part")).collect();
    file.second(&member(0), &first[0], &[[0; 24]; 2]).expect("a part");
    let text = file.to_json();
    assert_eq!(Dkg::parse(text.as_bytes(), &network), Ok(file), "the control");
    for place in (0..text.trim_end().len()).step_by(3) {
        let mut bytes = text.as_bytes().to_vec();
        bytes[place] ^= 1;
        assert!(Dkg::parse(&bytes, &network).is_err(), "{place}: {}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_ceremony_in_which_somebody_speaks_for_another_is_refused() {
    let people = people(3);
    let network = network();
    let mut file = ceremony(&people, 2);
    let (_, address, name) = &people[0];
    // Somebody with another key puts in a part in the first member's name.
    let thief = Member { network: &network, address: *address, name, secret: &[9; 32] };
    file.first(&thief, &[1; 32]).expect("a part");
    let refused = Dkg::parse(file.to_json().as_bytes(), &network).expect_err("a false signature");
    assert!(matches!(&refused, SharedError::Bad { member, .. } if member == name), "{refused}");
}

/// The attack: one member shows different first rounds to different others, to bias or break the key.
#[test]
fn a_ceremony_in_which_somebody_plays_a_double_game_is_refused() {
    let people = people(3);
    let network = network();
    let member = |place: usize| {
        let (secret, address, name) = &people[place];
        Member { network: &network, address: *address, name, secret }
    };
    let mut shown = ceremony(&people, 2);
    let first: Vec<_> = (0..3).map(|place| shown.first(&member(place), &[place as u8; 32]).expect("a part")).collect();
    let mut other = shown.clone();
    other.first(&member(0), &[99; 32]).expect("another part, signed as well");
    assert!(matches!(shown.clone().merge(other.clone()), Err(SharedError::Bad { .. })), "side by side they show it");

    // Nobody sees both: the others answer, each to what it was shown.
    let nonces = vec![[0; 24]; 3];
    shown.second(&member(0), &first[0], &nonces).expect("a part");
    let kept = shown.second(&member(1), &first[1], &nonces).expect("a part");
    let mut honest = shown.clone();
    honest.second(&member(2), &first[2], &nonces).expect("a part");
    assert!(honest.finish(&member(1), &kept).is_ok(), "the control");
    other.second(&member(2), &first[2], &nonces).expect("a part");
    let mut patched: serde_json::Value = serde_json::from_str(&shown.to_json()).expect("JSON");
    let deceived: serde_json::Value = serde_json::from_str(&other.to_json()).expect("JSON");
    patched["round2"][&people[2].2] = deceived["round2"][&people[2].2].clone();
    let patched = Dkg::parse(patched.to_string().as_bytes(), &network).expect("every signature holds");
    let refused = patched.finish(&member(1), &kept).map(|_| ()).expect_err("member 2 saw another first round");
    assert!(matches!(&refused, SharedError::Bad { member, .. } if *member == people[2].2), "{refused}");
}

#[test]
fn copies_are_merged_and_others_are_not() {
    let people = people(3);
    let group = Group::Musig2 { members: people.iter().map(|(_, _, name)| name.clone()).collect() };
    let with = |id, parts: &[(usize, u8)]| {
        let mut session = SigningSession::new([id; SESSION_ID_BYTES], group.clone());
        parts.iter().for_each(|(place, byte)| session.commit(&people[*place].2, vec![*byte; 66]));
        session
    };
    let mut merged = with(1, &[(0, 10)]);
    merged.merge(with(1, &[(1, 11), (0, 10)])).expect("of one session");
    assert_eq!(merged, with(1, &[(0, 10), (1, 11)]));
    assert!(matches!(merged.next_step(&people[0].2), SigningStep::Wait { needed: 1, .. }));
    for other in [with(2, &[]), with(1, &[(0, 99)])] {
        assert!(matches!(merged.merge(other), Err(SharedError::Apart { .. })));
    }
    let mut stranger = with(1, &[]);
    stranger.commit("lcrn1nobody", vec![1; 66]);
    assert!(matches!(merged.merge(stranger), Err(SharedError::Bad { .. })));
    let long = with(1, &[]);
    assert_eq!(long.check(), Ok(()));
    let mut long = long;
    long.commit(&people[0].2, vec![1; 513]);
    assert!(long.check().is_err());
}

#[test]
fn groups_that_are_none_are_refused() {
    let people = people(3);
    let names: Vec<String> = people.iter().map(|(_, _, name)| name.clone()).collect();
    let address = |members: &[&String]| {
        Group::Musig2 { members: members.iter().map(|name| String::from(name.as_str())).collect() }.address(&prefix())
    };
    assert!(address(&[&names[0], &names[1]]).is_ok());
    assert_eq!(address(&[&names[0]]), Err(GroupError::Members { got: 1 }));
    assert_eq!(address(&[&names[1], &names[0]]), Err(GroupError::Order));
    assert_eq!(address(&[&names[0], &names[0]]), Err(GroupError::Order));
    assert!(matches!(address(&[&names[0], &String::from("lcrn1x")]), Err(GroupError::Address(_))));
    for got in [0, 1, 4] {
        let members: Vec<Address> = people.iter().map(|(_, address, _)| *address).collect();
        let refused = Dkg::new(&network(), [0; ID_BYTES], got, &members);
        assert_eq!(refused.map(|_| ()), Err(GroupError::Threshold { got, members: 3 }));
    }
    let finished = run(&people, 2).expect("everybody is honest");
    let Group::Frost { members, public, .. } = finished[0].group.clone() else { panic!("a FROST key") };
    let other = Group::Frost { threshold: 3, members: members.clone(), public: public.clone() };
    assert_eq!(other.address(&prefix()), Err(GroupError::Public));
    let cut = Group::Frost { threshold: 2, members, public: HexBytes(public.0[1..].to_vec()) };
    assert_eq!(cut.address(&prefix()), Err(GroupError::Public));
}

/// A ceremony's file that another member sent once wrote what it liked on this member's terminal.
#[test]
fn what_is_wrong_with_a_file_is_told_without_its_control_characters() {
    let refused = Dkg::parse(br#"{"\u001b[2J": 1}"#, &network()).expect_err("no ceremony").to_string();
    assert!(refused.contains("\\u{1b}[2J") && !refused.contains('\u{1b}'), "{refused}");
}
