//! Error codes: stable numbers, and the kind in words.

use cairn_ledger::error::{ExecutionError, TxError};
use cairn_ledger::{address::AddressError, codec::DecodeError};
use jsonrpsee::types::ErrorObjectOwned;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $kind:literal;)*) => {
        /// What went wrong. A number is never used again for something else.
        ///
        /// 1xxx bad parameter · 2xxx not found · 3xxx transaction refused · 4xxx mining · 5xxx network ·
        /// 6xxx access and limits · 9xxx node. jsonrpsee keeps -32xxx for malformed requests.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i32)]
        pub enum Code {
            $($(#[$doc])* $name = $number,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The kind in words, as in `data.kind`.
            pub fn kind(self) -> &'static str {
                match self {
                    $(Self::$name => $kind,)*
                }
            }

            /// The code with this number.
            pub fn from_number(number: i32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// Text that is no address of this network.
    BadAddress = 1001, "bad_address";
    /// Bytes that are no transaction.
    BadTransaction = 1002, "bad_transaction";
    /// A number outside its range.
    BadCount = 1003, "bad_count";
    /// Text that is no peer's address.
    BadPeerAddress = 1004, "bad_peer_address";

    /// Text that names nobody who can be banned.
    BadBanTarget = 1041, "bad_ban_target";
    /// Text that is no peer id.
    BadPeerId = 1042, "bad_peer_id";
    /// Text that names no kind of resource.
    BadResource = 1043, "bad_resource";
    /// A directory that is there already, or a path that is not absolute.
    BadDirectory = 1044, "bad_directory";

    /// No such block.
    BlockNotFound = 2001, "block_not_found";
    /// No such transaction.
    TransactionNotFound = 2002, "transaction_not_found";
    /// The accounts as they were after a block are not at hand: it is too far below the tip, or not on the
    /// followed chain.
    StateNotKept = 2003, "state_not_kept";
    /// The transactions of the block were pruned.
    BlockPruned = 2004, "block_pruned";

    /// [`TxError::Version`].
    TxVersion = 3001, "tx_version";
    /// [`TxError::ZeroSender`].
    TxZeroSender = 3002, "tx_zero_sender";
    /// [`TxError::LastNonce`].
    TxLastNonce = 3003, "tx_last_nonce";
    /// [`TxError::NoOutputs`].
    TxNoOutputs = 3004, "tx_no_outputs";
    /// [`TxError::ZeroAmount`].
    TxZeroAmount = 3005, "tx_zero_amount";
    /// [`TxError::ZeroReceiver`].
    TxZeroReceiver = 3006, "tx_zero_receiver";
    /// [`TxError::Signature`].
    TxSignature = 3007, "tx_signature";
    /// [`ExecutionError::UnknownSender`].
    TxUnknownSender = 3011, "tx_unknown_sender";
    /// [`ExecutionError::Nonce`]: it was used already.
    TxNonceUsed = 3012, "tx_nonce_used";
    /// [`ExecutionError::Expired`].
    TxExpired = 3013, "tx_expired";
    /// [`ExecutionError::InsufficientBalance`], with the sender's pooled transactions counted.
    TxInsufficientBalance = 3014, "tx_insufficient_balance";
    /// [`ExecutionError::TooManyNewAccounts`].
    TxTooManyNewAccounts = 3015, "tx_too_many_new_accounts";
    /// [`ExecutionError::BalanceOverflow`].
    TxBalanceOverflow = 3016, "tx_balance_overflow";
    /// [`ExecutionError::PriceAboveMax`]: the receivers without an account cost more than `max_price`.
    TxPriceAboveMax = 3017, "tx_price_above_max";
    /// Already in the pool.
    TxAlreadyPooled = 3021, "tx_already_pooled";
    /// Already in a block.
    TxAlreadyMined = 3022, "tx_already_mined";
    /// Below the least fee.
    TxFeeTooLow = 3023, "tx_fee_too_low";
    /// A replacement that does not pay enough more.
    TxReplacementFeeTooLow = 3024, "tx_replacement_fee_too_low";
    /// The sender has as many transactions in the pool as one may.
    TxSenderLimit = 3025, "tx_sender_limit";
    /// The nonce leaves too wide a gap.
    TxNonceGap = 3026, "tx_nonce_gap";
    /// Its last height is too near to reach a block.
    TxExpiresSoon = 3027, "tx_expires_soon";
    /// The pool is full of transactions that pay more.
    TxPoolFull = 3028, "tx_pool_full";

    /// This network is not local: blocks are found, not generated.
    GenerateNotAllowed = 4001, "generate_not_allowed";
    /// No address is set to receive the rewards.
    NoBeneficiary = 4002, "no_beneficiary";
    /// The chain has caught up with the clock.
    ChainAheadOfClock = 4003, "chain_ahead_of_clock";

    /// Nobody would take a block now.
    MiningPaused = 4004, "mining_paused";
    /// The work is unknown, or another block came in between.
    StaleWork = 4005, "stale_work";
    /// The nonce does not solve the work.
    LowWork = 4006, "low_work";

    /// The peer could not be reached.
    DialFailed = 5001, "dial_failed";
    /// Anyone may join this network: nobody is admitted or shut out.
    NotPrivate = 5011, "not_private";
    /// As many peers are admitted as may be.
    TooManyAdmitted = 5012, "too_many_admitted";
    /// The node does not use the DHT.
    DiscoveryOff = 5013, "discovery_off";

    /// The node is too busy to answer now.
    Busy = 6001, "busy";
    /// The method needs a token, and none came.
    TokenNeeded = 6002, "token_needed";
    /// The token is unknown, revoked or expired.
    BadToken = 6003, "bad_token";
    /// The token does not allow the method.
    ScopeMissing = 6004, "scope_missing";
    /// The caller asks too much in too short a time.
    TooFast = 6005, "too_fast";
    /// A subscription over plain HTTP.
    NeedsWebSocket = 6006, "needs_web_socket";
    /// A subscription begins too far from the tip.
    TooFarBehind = 6008, "too_far_behind";
    /// Parameters nested too deeply.
    TooDeep = 6007, "too_deep";

    /// The node is stopping.
    Stopping = 9001, "stopping";
    /// The node's storage failed.
    Storage = 9002, "storage";
    /// A backup could not be written. The node is as it was.
    BackupFailed = 9003, "backup_failed";
    /// The node keeps no index of addresses.
    IndexOff = 9011, "index_off";
    /// The node is still building its index of addresses.
    IndexBuilding = 9012, "index_building";
}

impl Code {
    /// The number on the wire.
    pub fn number(self) -> i32 {
        self as i32
    }
}

/// An error as the node answers it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// What went wrong.
    pub code: Code,
    /// The same as a sentence.
    pub message: String,
    /// What was given, where that can be said.
    pub got: Option<String>,
    /// What was expected, where that can be said.
    pub expected: Option<String>,
}

/// The `data` of an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// [`Code::kind`].
    pub kind: String,
    /// What was given.
    pub got: Option<String>,
    /// What was expected.
    pub expected: Option<String>,
}

impl RpcError {
    /// An error with a sentence.
    pub fn new(code: Code, message: impl ToString) -> Self {
        Self { code, message: message.to_string(), got: None, expected: None }
    }

    /// Adds what was given and what was expected.
    #[must_use]
    pub fn with(self, got: impl ToString, expected: impl ToString) -> Self {
        Self { got: Some(got.to_string()), expected: Some(expected.to_string()), ..self }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let data = ErrorData { kind: String::from(error.code.kind()), got: error.got, expected: error.expected };
        Self::owned(error.code.number(), error.message, Some(data))
    }
}

impl From<AddressError> for RpcError {
    fn from(error: AddressError) -> Self {
        Self::new(Code::BadAddress, error)
    }
}

impl From<DecodeError> for RpcError {
    fn from(error: DecodeError) -> Self {
        Self::new(Code::BadTransaction, error)
    }
}

impl From<TxError> for RpcError {
    fn from(error: TxError) -> Self {
        let code = match error {
            TxError::Version { .. } => Code::TxVersion,
            TxError::ZeroSender => Code::TxZeroSender,
            TxError::LastNonce => Code::TxLastNonce,
            TxError::NoOutputs => Code::TxNoOutputs,
            TxError::ZeroAmount { .. } => Code::TxZeroAmount,
            TxError::ZeroReceiver { .. } => Code::TxZeroReceiver,
            TxError::Signature => Code::TxSignature,
        };
        Self::new(code, error)
    }
}

impl From<ExecutionError> for RpcError {
    fn from(error: ExecutionError) -> Self {
        let say = |code| Self::new(code, error);
        match error {
            ExecutionError::UnknownSender { .. } => say(Code::TxUnknownSender),
            ExecutionError::Nonce { got, expected } => say(Code::TxNonceUsed).with(got, expected),
            ExecutionError::Expired { valid_until, height } => say(Code::TxExpired).with(valid_until, height),
            ExecutionError::PriceAboveMax { price, max_price } => {
                say(Code::TxPriceAboveMax).with(max_price.pebbles(), price)
            }
            ExecutionError::InsufficientBalance { balance, needed } => {
                say(Code::TxInsufficientBalance).with(balance.pebbles(), needed)
            }
            ExecutionError::TooManyNewAccounts { got, max } => say(Code::TxTooManyNewAccounts).with(got, max),
            ExecutionError::BalanceOverflow { .. } => say(Code::TxBalanceOverflow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_and_kinds_are_unique_and_read_back() {
        let numbers: BTreeSet<i32> = Code::ALL.iter().map(|code| code.number()).collect();
        let kinds: BTreeSet<&str> = Code::ALL.iter().map(|code| code.kind()).collect();
        assert_eq!((numbers.len(), kinds.len()), (Code::ALL.len(), Code::ALL.len()));
        for code in Code::ALL {
            assert_eq!(Code::from_number(code.number()), Some(*code));
        }
        assert_eq!(Code::from_number(0), None);
    }

    #[test]
    fn an_error_says_what_it_got_and_what_it_expected() {
        let error = RpcError::from(ExecutionError::Nonce { got: 3, expected: 5 });
        let object = serde_json::to_value(ErrorObjectOwned::from(error)).expect("an error is JSON");
        let expected = serde_json::json!({
            "code": 3012,
            "message": "got nonce 3, expected 5",
            "data": {"kind": "tx_nonce_used", "got": "3", "expected": "5"},
        });
        assert_eq!(object, expected);
    }
}
