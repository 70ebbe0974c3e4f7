//! The Cairn wallet for the command line: keys in an encrypted file, payments through a node.
//!
//! The wallet trusts its own file and the rules of [`cairn_ledger`]. It does not trust the node: a node
//! cannot learn a key, change a payment or move money by lying, and balances and payments are shown as proven
//! (`node::verify`); it can only withhold, and what it says is printed inert. Unix only: files are private by their
//! mode.
//!
//! # Map
//! | room | what |
//! |---|---|
//! | [`cli`] | the command line: options, what single commands take, help |
//! | [`commands`] | one match from the command line to a handler; commands that belong together are one file, all I/O: `pay/`, `show/`, `keys/`, `misc/` |
//! | [`session`] | what every command works with: the network, the wallet and its file, the nodes |
//! | [`payment`] | what to send and for what fee; what has become of a payment; journal, files, receipts, payment URIs |
//! | [`faucet`] | coins of test networks for whoever asks: work, limits, promises on disk, HTTP |
//! | [`keys`] | 24 words and the keys that follow from them, the encrypted wallet file, passwords, signed messages |
//! | [`node`] | the node, as the wallet sees it, and **what nodes say, proven**: `node::verify` |
//! | [`store`] | where files are; labels |
//! | [`tui`] | the full-screen view |
//! | [`network`], [`output`], [`error`] | which network; text or JSON; sentences, kinds and exit codes |
//!
//! Keys of several people, MuSig2 and FROST, are a crate of their own: [`cairn_shared_keys`]. Commands use the session,
//! the session uses the rooms, and no room knows either: each has errors of its own, which [`error::WalletError`] puts
//! together.
//!
//! # The path of a payment
//! `payment::state::Book` and `payment::plan::plan` against what is proven → password →
//! `keys::keystore::Keystore::unlock` → under the journal's lock: look again, sign, verify →
//! `payment::journal::Journal::record` (synced) → to every node → told. It stays open until `payment::state::judge`
//! has a proof.
//!
//! # Invariants
//! 1. A payment leaves only after it is in the journal on disk, and only when its owner says so, who tells a faucet
//!    once for all: it is never lost, and nothing else is sent again on the wallet's own account. No answer of a node
//!    closes it: only a proof does.
//! 2. A wallet file is never overwritten by another wallet, and never seen half-written: a new account or a new
//!    password replaces it whole.
//! 3. Secrets live in memory that is wiped, and leave only as ciphertext, or as the words `new` shows. (What the
//!    library of MuSig2 computes with, for the moment of one signature, it does not wipe.)
//! 4. Nothing a file claims costs more than `keys::keystore::MAX_MEMORY_KIB` of memory.
//! 5. Text from outside (memos, labels, what nodes say) reaches the terminal without control characters.
//!
//! # Looking for ...
//! | what | where |
//! |---|---|
//! | faucet, proof of work instead of a captcha | [`faucet`] |
//! | double payments, rebroadcast, stuck transactions | `payment::state`, `commands/pay/resend.rs`, `payment::diagnosis` |
//! | nonce gaps | [`payment::nonce_gaps`], `commands/pay/resend.rs` |
//! | fee bumping (RBF), cancelling, fee rates | `commands/pay/send.rs`, [`payment::plan`] |
//! | light client, FlyClient, SPV, proof of a balance | `node::verify` (`check.rs`), `cairn_ledger::light` |
//! | mnemonic, seed, derivation path, BIP39, BIP32 | `keys::mnemonic` |
//! | multisig, threshold signatures, distributed key generation | [`cairn_shared_keys`], `commands/pay/cosign.rs` |
//! | offline signing, PSBT | `payment::file`, `commands/pay/offline.rs` |
//! | passphrase, key derivation, wallet file | `keys::keystore`, `keys::secret` |
//! | write-ahead log of payments | [`payment::journal`] |
//! | BIP 21 payment URIs, CSV, BIP 329 labels | `payment::uri`, `payment::recipients`, `store::labels` |
//! | TLS, certificate pinning, access tokens | `node::node_url`, `node::pairing` |

#![forbid(unsafe_code)]
#![expect(rustdoc::private_intra_doc_links, reason = "the map of a program leads into it")]

mod cli;
mod clock;
mod commands;
mod error;
mod faucet;
mod hints;
mod keys;
mod network;
mod node;
mod output;
mod payment;
mod session;
mod store;
mod tui;

use error::{Result, WalletError};
use output::{Output, Style};
use session::Session;
use std::io::{self, IsTerminal};
use std::{ffi::OsString, process::ExitCode};

/// Reads the command line, runs one command, and gives its exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (mut stdout, mut stderr) = (io::stdout().lock(), io::stderr().lock());
    let arguments = match cli::parse(arguments) {
        Ok(arguments) => arguments,
        Err(stopped) => return stopped.show(&mut stdout, &mut stderr),
    };
    let terminal = stdout.is_terminal() && stderr.is_terminal();
    let style = Style::of(terminal, std::env::var_os("NO_COLOR").as_deref());
    let mut output = Output::new(arguments.global.json, style, &mut stdout, &mut stderr);
    output.leading = arguments.global.leading();
    output.columns = cairn_host::shell::terminal_columns().filter(|_| terminal);
    match commands::run(&arguments, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.failure(error.kind(), &error.to_string(), error.txid());
            ExitCode::from(error.exit_code())
        }
    }
}

/// Fresh random bytes that are no secret: salts, nonces of ciphers, ids.
fn random<const N: usize>() -> std::result::Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}
