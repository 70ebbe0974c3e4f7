//! Whatever text says whom to pay, and whatever stands in the files of payments (docs/testing.md).

use super::file::PaymentFile;
use super::journal::{Contents, Line, Payment, Refusal};
use super::plan::{self, PlanContext, Request};
use super::receipt::ReceiptFile;
use super::{PaymentUri, recipients};
use cairn_fuzz::Target;
use cairn_genesis::Network;
use cairn_ledger::transaction::{MAX_MEMO_BYTES, Output};
use cairn_ledger::{Amount, BlockId, Height, SecretKey, Timestamp, TransactionBody, Work, codec};
use std::fmt::Display;

fn network() -> Network {
    Network::parse(cairn_genesis::LOCAL).expect("shipped")
}

fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes(&[byte; 32]).expect("a key")
}

fn address(byte: u8) -> String {
    network().spec.params().prefix.encode(&key(byte).address())
}

/// What is shown of a refusal moves no cursor.
fn assert_inert(error: &impl Display) {
    let shown = error.to_string();
    assert!(!shown.chars().any(|letter| letter.is_control() && letter != '\n'), "{shown:?}");
}

fn body(receivers: u8) -> TransactionBody {
    let pay = |byte| Output { to: key(byte).address(), amount: Amount::from_pebbles(byte.into()).expect("an amount") };
    let outputs = (2..2 + receivers).map(pay).collect();
    let request = Request { outputs, memo: String::from("tea"), valid_for: 9, ..Request::default() };
    let view = PlanContext { balance: Amount::MAX, nonce: 3, height: Height::new(5), min_fee_rate: 1, new_accounts: 1 };
    plan::plan(network().spec.schedule(), &key(1).address(), &request, &view).expect("enough")
}

#[test]
fn wallet_uri() {
    let plain = format!("cairn:{}", address(1));
    let full = format!("{plain}?amount=1.5&memo=for%20the%20tea%20%26%20%C3%A9&label=Bob%27s");
    let words = ["cairn:", "?", "&", "amount=", "memo=", "label=", "%", "%00", "%1b", "%E2%80%AE", "="];
    Target::new("wallet_uri").seeds([plain, full]).words(words).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return false };
        let uri = match PaymentUri::parse(text) {
            Ok(uri) => uri,
            Err(error) => {
                assert_inert(&error);
                return false;
            }
        };
        assert_eq!(PaymentUri::parse(&uri.to_string()).as_ref(), Ok(&uri), "it is read as it is written");
        for text in [&uri.memo, &uri.label].into_iter().flatten() {
            assert!(text.len() <= MAX_MEMO_BYTES && !text.chars().any(char::is_control));
        }
        true
    });
}

/// Reads a list of receivers in the plainest way: each line that is no comment, at its commas.
fn plainly(text: &str) -> Option<Vec<(&str, &str)>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once(',').map(|(to, amount)| (to.trim(), amount.trim()))).collect()
}

#[test]
fn wallet_receivers() {
    let (a, b, prefix) = (address(1), address(2), network().spec.params().prefix);
    let seeds = [
        format!("{a},1.5\n{b},2\n"),
        format!(
            "\u{feff}Address, Amount, Label\r\n{a}, 1.5,\"Bob, \"\"B\"\" Ltd.\"\r\n# paid monthly\r\n\r\n{b},2,\r\n"
        ),
        format!("address,amount\n{a},12.5\n"),
    ];
    let words = ["\"", "\"\"", ",", "\n", "\r\n", "#", "address,amount,label\n", "\u{feff}", "0.5", "\t", a.as_str()];
    Target::new("wallet_receivers").seeds(seeds.clone()).words(words).run(|bytes| {
        let outputs = match recipients::parse(bytes, &prefix) {
            Ok(outputs) => outputs,
            Err(error) => {
                assert_inert(&error);
                return false;
            }
        };
        let text = str::from_utf8(bytes).expect("what is read is text");
        let shown = |output: &Output| (prefix.encode(&output.to), output.amount.to_string());
        let written: String = outputs.iter().map(shown).map(|(to, amount)| format!("{to},{amount}\n")).collect();
        let again = recipients::parse(written.as_bytes(), &prefix).expect("what was read");
        assert_eq!(again, outputs, "it is read as it is written");
        for output in &outputs {
            let place = text.to_ascii_lowercase().find(&prefix.encode(&output.to));
            assert!(place.is_some(), "whoever is paid is named");
        }
        if !text.contains('"') && !text.to_ascii_lowercase().contains("label") {
            let lines = plainly(text.trim_start_matches('\u{feff}')).expect("two columns");
            let paid = lines
                .iter()
                .filter_map(|(to, amount)| Some(Output { to: prefix.decode(to).ok()?, amount: amount.parse().ok()? }));
            assert!(paid.eq(outputs.iter().copied()), "each line pays what it says");
        }
        true
    });
}

#[test]
fn wallet_payment_file() {
    let network = network();
    let signed = |receivers| {
        let body = body(receivers);
        let signature = key(1).sign(&body.sighash(&network.id()), &[0; 32]);
        PaymentFile::unsigned(&body, &network).signed(&signature).to_json()
    };
    let seeds = [PaymentFile::unsigned(&body(2), &network).to_json(), signed(1), signed(3)];
    let words = ["\"session\": {}", "\"signature\": null", "\\u001b[2J", "\"nonce\": \"3\"", "cairn/payment", "null"];
    let honest = [1, 3].map(body);
    Target::new("wallet_payment_file").seeds(seeds).words(words).memory(64 << 10, 200).run(|bytes| {
        let (file, body) = match PaymentFile::parse(bytes, &network) {
            Ok(read) => read,
            Err(error) => {
                assert_inert(&error);
                return false;
            }
        };
        let shown = PaymentFile::unsigned(&body, &network);
        assert_eq!((&shown.from, &shown.outputs, &shown.nonce), (&file.from, &file.outputs, &file.nonce));
        assert_eq!((shown.fee, shown.max_price, &shown.memo), (file.fee, file.max_price, &file.memo));
        let again = PaymentFile::parse(file.to_json().as_bytes(), &network).expect("what was read");
        assert_eq!(again, (file.clone(), body.clone()), "it is read as it is written");
        if let Ok(transaction) = file.transaction(body, &network) {
            assert!(honest.contains(&transaction.body), "a payment that its sender did not sign");
        }
        true
    });
}

#[test]
fn wallet_journal() {
    let network = network();
    let prefix = network.spec.params().prefix;
    let payment = |receivers| {
        let transaction = body(receivers).sign(&key(1), &network.id(), &[7; 32]);
        Payment::new(1_700_000_000_000, &transaction, &prefix)
    };
    let (one, two) = (payment(1), payment(2));
    let refusal = Refusal { time: 5, txid: one.txid, code: -32_000, message: String::from("no") };
    let lines = [
        Line::Signed(one.clone()),
        Line::Refused(refusal),
        Line::Sent { time: 6, txid: one.txid },
        Line::Asked { time: 7, txids: vec![one.txid, two.txid] },
        Line::Signed(two),
    ];
    let lines: Vec<String> = lines.iter().map(|line| line.to_text().expect("JSON")).collect();
    let words = ["\n", "{\"event\":\"refused\"", "{\"event\":\"sent\"", "\"message\":\"", "\\ud800", "\\u001b", "}\n"];
    let seeds = [lines.concat(), lines[0].clone(), lines[1..4].concat()];
    Target::new("wallet_journal").seeds(seeds).words(words).memory(64 << 10, 200).run(|bytes| {
        let contents = Contents::parse(bytes);
        for payment in &contents.payments {
            let transaction = payment.transaction().expect("a payment is in its bytes");
            assert_eq!(transaction.id(), payment.txid.0);
            assert_eq!(codec::encode(&transaction), payment.raw.0);
        }
        assert!(contents.hiding.iter().all(|line| contents.damaged_lines.contains(line)));
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        let told = contents.payments.len() + contents.damaged_lines.len();
        assert!(told <= lines && contents.damaged_lines.iter().all(|line| (1..=lines).contains(line)));
        let inert = |text: &str| !text.chars().any(char::is_control);
        assert!(contents.refusals.values().all(|refusal| inert(&refusal.message) && refusal.message.len() < 8_000));
        // What is torn off at the end changes nothing that was whole.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        assert_eq!(Contents::parse(&bytes[..whole]).payments, contents.payments);
        contents.damaged_lines.is_empty()
    });
}

/// A receipt of a chain whose only block is 0 proves no payment: whatever the file says, nothing is shown.
#[test]
fn wallet_receipt() {
    let network = network();
    let forms = [
        format!(
            "{{\"cairn_receipt\":1,\"chain\":\"local\",\"genesis_id\":\"{}\",\"txid\":\"{}\",\"height\":1,\"raw\":\"00\"}}",
            network.id(),
            BlockId::ZERO
        ),
        String::from("{\"cairn_receipt\":2}"),
    ];
    let words = ["\"raw\":\"", "\"cairn_receipt\":1", "ff", "00000000", "\\u001b[2J", "\"height\":"];
    let now = Timestamp::from_millis(u64::MAX);
    let mut target = Target::new("wallet_receipt").words(words).words(forms.clone()).memory(64 << 10, 200);
    target = target.seeds(forms);
    target.run(|bytes| {
        let refused = ReceiptFile::verify(bytes, &network, Work::ZERO, now).map(|_| ());
        assert_inert(&refused.expect_err("nothing was mined"));
        serde_json::from_slice::<serde_json::Value>(bytes).is_ok()
    });
}
