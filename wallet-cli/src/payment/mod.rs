mod diagnosis;
mod error;
mod file;
mod flow;
#[cfg(test)]
mod fuzz;
pub(crate) mod journal;
pub(crate) mod nonce_gaps;
mod payer;
pub(crate) mod plan;
mod receipt;
pub(crate) mod recipients;
mod state;
mod status;
mod uri;

pub(crate) use diagnosis::{Facts, diagnose};
pub(crate) use error::PaymentError;
pub(crate) use file::{PaymentFile, PaymentFileError};
pub(crate) use flow::{new_accounts, note_reported};
pub(crate) use journal::{Contents, Journal, Payment, Refusal};
pub(crate) use nonce_gaps::{PoolView, Step, UnusedPayment};
pub(crate) use payer::{Payer, agree, check_locally};
pub(crate) use plan::{DEFAULT_MAX_FEE, Fee, MAX_AUTOMATIC_FEE_RATE, PlanError, Request};
pub(crate) use receipt::{MAX_RECEIPT_BYTES, ReceiptFile, ReceiptFileError};
pub(crate) use recipients::{CsvError, MAX_CSV_BYTES};
pub(crate) use state::{Again, Impossible, KnownPayment, Open, Outcome};
pub(crate) use status::{WaitArguments, counted, phrase, with_basis};
pub(crate) use uri::{PaymentUri, URI_SCHEME, UriError};
