//! The faucet: gives coins of a test or local network to whoever asks, a few, once a day, for a share of work.
//!
//! There is no captcha. The visitor's browser mines on a challenge that is bound to its address, which costs a person
//! some seconds and a bot what it takes, each time, and more as it takes more.
//!
//! # Map
//! | module | what |
//! |---|---|
//! | [`challenge`] | the work: made from a secret, remembered nowhere |
//! | [`price`] | how much of it a gift costs now: pure |
//! | [`prefix`] | who asks: prefixes of addresses, proxies that are believed |
//! | [`book`] | what was given, and the limits of a day: pure |
//! | [`grant_log`] | promises on disk, before they are paid |
//! | [`desk`] | one promise at a time; whoever only looks waits for no disk |
//! | [`payout`] | promises kept, with the wallet's own payments and journal |
//! | [`server`], [`routes`] | HTTP and its bounds; pages and JSON |
//! | [`refusal`], [`error`] | why a visitor gets nothing; why there is no faucet |
//!
//! # The path of a gift
//! `GET /api/challenge` → the browser works → `POST /api/claim`: limits, proof, **promise written and synced** → answer
//! 202 → the payout finds the promise → `Payer::pay`: **payment in the journal** → nodes → mined and buried → noted.
//!
//! # Invariants
//! 1. A gift is promised before it is paid, and the promise is on disk: killed at any place, the faucet has counted
//!    what it may have given.
//! 2. The memo of a payment names its promise, and the journal has every payment before it leaves. A promise with a
//!    payment in the journal is never paid by another one, unless it is proven that the first can never be mined.
//! 3. One proof is one promise, whoever brings it and however often; and all promises of any 24 hours are within the
//!    budget, also when the clock is set back.
//! 4. While it is not sure that promises can be kept (no node, no money, no disk), none is made.
//! 5. What visitors send is bounded in bytes, time and number, and shown inert.

mod book;
mod challenge;
mod desk;
mod error;
#[cfg(test)]
mod fuzz;
mod grant_log;
#[cfg(test)]
mod model;
mod payout;
mod prefix;
mod price;
mod refusal;
mod routes;
mod server;

pub(crate) use book::{Book, Limits, WIDE_FACTOR};
pub(crate) use challenge::Challenger;
pub(crate) use desk::{Desk, Terms};
pub(crate) use error::FaucetError;
pub(crate) use grant_log::{Owner, Place, open, read};
pub(crate) use payout::{Payout, cost};
pub(crate) use server::Server;
