//! A payment as a file, to be carried between machines: unsigned on its way to the key, signed on its way
//! to a node.
//!
//! `body` is what is signed; the rest repeats it for people and is checked against it, so that a file never
//! shows one payment and carries another.

use crate::network::{self, Mismatch};
use cairn_genesis::Network;
use cairn_host::{Inert, files};
use cairn_ledger::{
    BlockId, Signature, Transaction, TransactionBody, codec, error::TxError, transaction::MAX_TRANSACTION_BYTES,
    validate::check_transactions,
};
use cairn_rpc::{HexBytes, Pebbles, Text, types::OutputJson};
use cairn_shared_keys::SigningSession;
use serde::{Deserialize, Serialize};
use std::{io, path::Path};

/// The longest file that is read: the largest payment with all its receivers spelt out, and a session of the
/// largest group.
pub const MAX_BYTES: u64 = 1 << 20;
const FORMAT: &str = "cairn/payment";
const VERSION: u64 = 1;

/// A payment as a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaymentFile {
    format: String,
    version: u64,
    chain: String,
    genesis_id: Text<BlockId>,
    /// Who pays.
    pub from: String,
    /// Who receives what.
    pub outputs: Vec<OutputJson>,
    /// What the miner earns.
    pub fee: Pebbles,
    /// The most that receivers without an account may cost on top.
    pub max_price: Pebbles,
    /// Its place among the sender's payments.
    pub nonce: Text<u64>,
    /// The last height at which it may be mined.
    pub valid_until: u64,
    /// What is said with it.
    pub memo: String,
    body: HexBytes,
    signature: Option<HexBytes>,
    /// What the members of a shared key have put in so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SigningSession>,
}

/// Why a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PaymentFileError {
    /// The file.
    #[error("{0}")]
    File(#[from] io::Error),
    /// Not one of these files.
    #[error("it is no payment made by `wallet send --unsigned`: {reason}")]
    Format { reason: String },
    /// Made by a later program.
    #[error("it has version {got}, this program reads version {VERSION}; use a newer one")]
    Version { got: u64 },
    /// Another network's.
    #[error("it is for the network {0}; choose its network with --chain")]
    OtherNetwork(Box<Mismatch>),
    /// What it shows is not what it carries.
    #[error("its {field} is not that of the payment inside: somebody changed the file; ask for it again")]
    Changed { field: &'static str },
    /// Not signed yet.
    #[error("it is not signed yet; sign it with `wallet sign`, or `wallet cosign` for a shared key")]
    Unsigned,
    /// A signature that does not fit, or a broken rule.
    #[error("the payment is invalid: {0}")]
    Invalid(#[from] TxError),
}

impl PaymentFile {
    /// The unsigned payment.
    pub fn unsigned(body: &TransactionBody, network: &Network) -> Self {
        let params = network.spec.params();
        Self {
            format: String::from(FORMAT),
            version: VERSION,
            chain: params.name.clone(),
            genesis_id: Text(network.id()),
            from: params.prefix.encode(&body.sender),
            outputs: OutputJson::list(&body.outputs, &params.prefix),
            fee: Pebbles(body.fee),
            max_price: Pebbles(body.max_price),
            nonce: Text(body.nonce),
            valid_until: body.valid_until.get(),
            memo: String::from_utf8_lossy(&body.memo).into_owned(),
            body: HexBytes(codec::encode(body)),
            signature: None,
            session: None,
        }
    }

    /// The same, signed.
    #[must_use]
    pub fn signed(mut self, signature: &Signature) -> Self {
        self.signature = Some(HexBytes(signature.as_bytes().to_vec()));
        self
    }

    /// Whether it is signed.
    pub fn is_signed(&self) -> bool {
        self.signature.is_some()
    }

    /// Reads a file, and checks that it shows what it carries.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn read(path: &Path, network: &Network) -> Result<(Self, TransactionBody), PaymentFileError> {
        Self::parse(&files::read_bounded(path, MAX_BYTES)?, network)
    }

    /// As [`PaymentFile::read`], from the bytes.
    ///
    /// # Errors
    /// Says what is wrong with them.
    pub fn parse(bytes: &[u8], network: &Network) -> Result<(Self, TransactionBody), PaymentFileError> {
        #[derive(Deserialize)]
        struct FormatAndVersion {
            format: String,
            version: u64,
        }
        let bad = |reason: String| PaymentFileError::Format { reason: Inert(&reason).to_string() };
        let first: FormatAndVersion = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
        if first.format != FORMAT {
            return Err(bad(format!("its format is {:?}", first.format.chars().take(40).collect::<String>())));
        }
        if first.version != VERSION {
            return Err(PaymentFileError::Version { got: first.version });
        }
        let file: Self = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
        network::check_same(network, &file.chain, file.genesis_id.0).map_err(PaymentFileError::OtherNetwork)?;
        let body: TransactionBody =
            codec::decode(&file.body.0, MAX_TRANSACTION_BYTES).map_err(|error| bad(error.to_string()))?;
        file.check_shown(&Self::unsigned(&body, network))?;
        Ok((file, body))
    }

    fn check_shown(&self, carried: &Self) -> Result<(), PaymentFileError> {
        let changed = |field| Err(PaymentFileError::Changed { field });
        match () {
            () if self.chain != carried.chain => changed("chain"),
            () if self.from != carried.from => changed("from"),
            () if self.outputs != carried.outputs => changed("outputs"),
            () if self.fee != carried.fee => changed("fee"),
            () if self.max_price != carried.max_price => changed("max_price"),
            () if self.nonce != carried.nonce => changed("nonce"),
            () if self.valid_until != carried.valid_until => changed("valid_until"),
            () if self.memo != carried.memo => changed("memo"),
            () => Ok(()),
        }
    }

    /// The signed transaction, verified.
    ///
    /// # Errors
    /// It is not signed, or not validly.
    pub fn transaction(&self, body: TransactionBody, network: &Network) -> Result<Transaction, PaymentFileError> {
        let bytes = self.signature.as_ref().ok_or(PaymentFileError::Unsigned)?;
        let bytes = bytes.0.as_slice().try_into().map_err(|_| PaymentFileError::Invalid(TxError::Signature))?;
        let transaction = Transaction { body, signature: Signature::from_bytes(bytes) };
        check_transactions(&network.id(), vec![transaction.clone()]).map_err(|(_, error)| error)?;
        Ok(transaction)
    }

    /// The file's bytes.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings and numbers are JSON");
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payment::plan::{self, PlanContext, Request};
    use cairn_ledger::{Amount, Height, SecretKey, transaction::Output};

    fn network() -> Network {
        Network::parse(cairn_genesis::LOCAL).expect("shipped")
    }

    fn key() -> SecretKey {
        SecretKey::from_bytes(&[1; 32]).expect("a key")
    }

    fn body() -> TransactionBody {
        let pay = |pebbles| Output { to: key().address(), amount: Amount::from_pebbles(pebbles).expect("an amount") };
        let request =
            Request { outputs: vec![pay(5), pay(7)], memo: String::from("tea"), valid_for: 9, ..Request::default() };
        let view =
            PlanContext { balance: Amount::MAX, nonce: 3, height: Height::new(5), min_fee_rate: 1, new_accounts: 1 };
        plan::plan(network().spec.schedule(), &key().address(), &request, &view).expect("enough")
    }

    #[test]
    fn a_payment_comes_back_as_it_was_written() {
        let file = PaymentFile::unsigned(&body(), &network());
        let (read, carried) = PaymentFile::parse(file.to_json().as_bytes(), &network()).expect("a payment");
        assert_eq!((&read, &carried), (&file, &body()));
        assert!(matches!(read.transaction(carried, &network()), Err(PaymentFileError::Unsigned)));
        let signature = key().sign(&body().sighash(&network().id()), &[0; 32]);
        let signed = file.clone().signed(&signature);
        assert!(signed.transaction(body(), &network()).is_ok());
        let wrong = SecretKey::from_bytes(&[2; 32]).expect("a key").sign(&body().sighash(&network().id()), &[0; 32]);
        let forged = file.signed(&wrong).transaction(body(), &network());
        assert!(matches!(forged, Err(PaymentFileError::Invalid(TxError::Signature))));
    }

    /// What a person reads before signing is what is signed: each changed field is named.
    #[test]
    fn a_file_cannot_show_one_payment_and_carry_another() {
        let text = PaymentFile::unsigned(&body(), &network()).to_json();
        let other = network().spec.params().prefix.encode(&SecretKey::from_bytes(&[2; 32]).expect("a key").address());
        let own = network().spec.params().prefix.encode(&key().address());
        for (from, to, field) in [
            ("\"amount\": \"5\"", "\"amount\": \"6\"", "outputs"),
            ("\"fee\": \"228\"", "\"fee\": \"1\"", "fee"),
            ("\"max_price\": \"100000\"", "\"max_price\": \"0\"", "max_price"),
            ("\"nonce\": \"3\"", "\"nonce\": \"4\"", "nonce"),
            ("\"valid_until\": 14", "\"valid_until\": 15", "valid_until"),
            ("\"tea\"", "\"tee\"", "memo"),
            (own.as_str(), other.as_str(), "from"),
        ] {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text, "{from} is in {text}");
            let refused = PaymentFile::parse(changed.as_bytes(), &network());
            assert!(matches!(refused, Err(PaymentFileError::Changed { field: named }) if named == field), "{field}");
        }
    }

    /// Hostile bytes: whichever byte of a signed payment is another, it is refused, and nothing panics.
    #[test]
    fn a_flipped_bit_is_refused() {
        let signature = key().sign(&body().sighash(&network().id()), &[0; 32]);
        let text = PaymentFile::unsigned(&body(), &network()).signed(&signature).to_json();
        let accepted = |bytes: &[u8]| {
            let (file, body) = PaymentFile::parse(bytes, &network()).ok()?;
            file.transaction(body, &network()).ok()
        };
        assert!(accepted(text.as_bytes()).is_some(), "the control");
        for place in 0..text.trim_end().len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] ^= 1;
            assert!(accepted(&bytes).is_none(), "{place}: {}", String::from_utf8_lossy(&bytes));
        }
    }

    #[test]
    fn other_files_versions_and_networks_are_told_apart() {
        let text = PaymentFile::unsigned(&body(), &network()).to_json();
        let parse = |text: &str| PaymentFile::parse(text.as_bytes(), &network()).map(|_| ());
        assert!(matches!(parse("{}"), Err(PaymentFileError::Format { .. })));
        assert!(matches!(parse(&text.replace("cairn/payment", "x")), Err(PaymentFileError::Format { .. })));
        let later = parse(&text.replace("\"version\": 1", "\"version\": 2"));
        assert!(matches!(later, Err(PaymentFileError::Version { got: 2 })));
        let main = Network::parse(cairn_genesis::MAIN).expect("shipped");
        let refused = PaymentFile::parse(text.as_bytes(), &main).map(|_| ());
        assert!(matches!(refused, Err(PaymentFileError::OtherNetwork(_))));
        for length in 0..text.trim_end().len() {
            assert!(parse(text.get(..length).expect("ascii")).is_err(), "{length}");
        }
    }
}
