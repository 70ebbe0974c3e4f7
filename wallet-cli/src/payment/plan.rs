//! What to send: pure. The node's answers come in, a transaction comes out, or what is missing.

use super::state::Again;
use cairn_genesis::Network;
use cairn_ledger::codec::{BoundedBytes, BoundedVec};
use cairn_ledger::transaction::{
    MAX_MEMO_BYTES, MAX_OUTPUTS, MIN_TRANSACTION_BYTES, OUTPUT_BYTES, Output, TRANSACTION_VERSION,
};
use cairn_ledger::validate::{CheckedTransaction, check_transactions};
use cairn_ledger::{
    Address, Amount, Height, SecretKey, Transaction, TransactionBody, error::TxError, upgrades::Schedule,
};

/// The most the wallet pays for a byte without being told to. A node names the least fee it takes; this
/// keeps one that lies from spending the owner's money on fees.
pub const MAX_AUTOMATIC_FEE_RATE: u64 = 1_000;

/// The most a whole payment may pay its miner without the owner having raised it: a typing error, or a node that asks
/// for too much, costs no more (0.1 CRN).
pub const DEFAULT_MAX_FEE: u64 = Amount::PEBBLES_PER_CRN / 10;

/// What the owner asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Who receives what.
    pub outputs: Vec<Output>,
    /// The fee, or the least the node takes.
    pub fee: Option<Amount>,
    /// The most that the fee may be; [`DEFAULT_MAX_FEE`] unless the owner says otherwise.
    pub max_fee: Option<Amount>,
    /// Text that goes with it, for everybody to read.
    pub memo: String,
    /// For how many blocks from now it may be mined; 0 for ever.
    pub valid_for: u64,
    /// The place it takes among the sender's transactions, or the first free one.
    pub nonce: Option<u64>,
    /// Whether a second payment to the same receivers is meant; otherwise the owner is asked while an earlier one is
    /// open.
    pub again: Again,
}

/// What a plan needs to know: proven where the wallet has proofs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanContext {
    /// The sender's money, what its open payments may cost taken away.
    pub balance: Amount,
    /// The place that the payment takes.
    pub nonce: u64,
    /// The height of the tip.
    pub height: Height,
    /// The least fee the pool takes, in pebbles a byte.
    pub min_fee_rate: u64,
    /// How many of the receivers have no account; where they are too many to ask for, all count as such. A node that
    /// lies costs nothing: what is not needed is not spent, and where it is missing the payment is not mined.
    pub new_accounts: u64,
}

/// Why there is nothing to sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Nothing to send.
    #[error("the amount is 0; a payment moves at least 0.00000001 CRN")]
    ZeroAmount,
    /// More receivers than one transaction can hold.
    #[error("got {got} receivers, expected 1 to {MAX_OUTPUTS} in one payment; make several")]
    Receivers { got: usize },
    /// A memo that no transaction can hold.
    #[error("the memo has {got} bytes, expected at most {MAX_MEMO_BYTES}")]
    MemoTooLong { got: usize },
    /// The node asks for a fee nobody pays.
    #[error(
        "the node asks for {got} pebbles a byte, and the wallet pays more than {MAX_AUTOMATIC_FEE_RATE} only when \
         told to: name the fee with --fee, or ask another node with --node"
    )]
    FeeRateTooHigh { got: u64 },
    /// A fee beyond the owner's bound.
    #[error(
        "the fee would be {fee} CRN, and the most that is paid for one payment is {most} CRN: if that is meant, raise it \
         with --max-fee {fee}"
    )]
    FeeTooHigh { fee: Amount, most: Amount },
    /// More than there is money in the world.
    #[error("the amount and the fee together are more than all the money there can ever be")]
    BeyondSupply,
    /// Not enough money, what open payments may cost taken away.
    #[error(
        "not enough money: you have {have} CRN, {amount} CRN with a fee of {fee} CRN{} needs {need} CRN, so \
         {missing} CRN is missing",
        for_accounts(*.price)
    )]
    NotEnough { have: Amount, amount: Amount, fee: Amount, price: Amount, need: Amount, missing: Amount },
    /// Not enough money, because earlier payments may still need it.
    #[error("{error}; of your {balance} CRN the rest is held by {waiting} that {verb} open: see `wallet history`",
            waiting = if *.waiting == 1 { String::from("1 payment") } else { format!("{} payments", .waiting) },
            verb = if *.waiting == 1 { "is" } else { "are" })]
    Held { error: Box<PlanError>, balance: Amount, waiting: usize },
    /// A transaction that breaks a rule all the same.
    #[error("the payment would be invalid: {0}")]
    Invalid(#[from] TxError),
}

impl PlanError {
    /// The kind in words, as in JSON.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ZeroAmount => "zero_amount",
            Self::Receivers { .. } => "receivers",
            Self::MemoTooLong { .. } => "memo_too_long",
            Self::FeeRateTooHigh { .. } => "fee_rate_too_high",
            Self::FeeTooHigh { .. } => "fee_too_high",
            Self::Held { .. } => "not_enough_money",
            Self::BeyondSupply => "beyond_supply",
            Self::NotEnough { .. } => "not_enough_money",
            Self::Invalid(_) => "invalid_payment",
        }
    }

    /// The same, with what open payments hold of `balance`.
    #[must_use]
    pub fn with_held(self, balance: Amount, waiting: usize) -> Self {
        match self {
            Self::NotEnough { have, .. } if have < balance && waiting > 0 => {
                Self::Held { error: Box::new(self), balance, waiting }
            }
            other => other,
        }
    }
}

fn for_accounts(price: Amount) -> String {
    if price == Amount::ZERO { String::new() } else { format!(" and {price} CRN for accounts that are not there yet") }
}

/// The transaction that does what `request` asks, as far as `view` is true. The network's rules say what accounts cost,
/// no node does.
///
/// # Errors
/// Says what is missing.
pub fn plan(
    schedule: &Schedule,
    sender: &Address,
    request: &Request,
    view: &PlanContext,
) -> Result<TransactionBody, PlanError> {
    let receivers = request.outputs.len();
    let outputs = BoundedVec::new(request.outputs.clone()).map_err(|_| PlanError::Receivers { got: receivers })?;
    if receivers == 0 {
        return Err(PlanError::Receivers { got: receivers });
    }
    if request.outputs.iter().any(|output| output.amount == Amount::ZERO) {
        return Err(PlanError::ZeroAmount);
    }
    let memo = request.memo.as_bytes().to_vec();
    let got = memo.len();
    let memo = BoundedBytes::new(memo).map_err(|_| PlanError::MemoTooLong { got })?;
    let Costs { fee, price, valid_until } = Costs::of(schedule, request, view)?;
    let most = request.max_fee.or_else(|| Amount::from_pebbles(DEFAULT_MAX_FEE).ok()).unwrap_or(Amount::MAX);
    if fee > most {
        return Err(PlanError::FeeTooHigh { fee, most });
    }
    let amount = request.outputs.iter().try_fold(Amount::ZERO, |sum, output| sum.checked_add(output.amount));
    let amount = amount.ok_or(PlanError::BeyondSupply)?;
    let need = amount.checked_add(fee).and_then(|sum| sum.checked_add(price)).ok_or(PlanError::BeyondSupply)?;
    if let Some(missing) = need.checked_sub(view.balance).filter(|missing| *missing > Amount::ZERO) {
        return Err(PlanError::NotEnough { have: view.balance, amount, fee, price, need, missing });
    }
    Ok(TransactionBody {
        version: TRANSACTION_VERSION,
        sender: *sender,
        nonce: request.nonce.unwrap_or(view.nonce),
        fee,
        max_price: price,
        valid_until,
        outputs,
        memo,
    })
}

/// What one receiver gets who gets everything: the balance without the fee and the most that accounts may cost.
///
/// # Errors
/// There is no more than these.
pub fn max_amount(schedule: &Schedule, request: &Request, view: &PlanContext) -> Result<Amount, PlanError> {
    let Costs { fee, price, .. } = Costs::of(schedule, request, view)?;
    let costs = fee.checked_add(price).ok_or(PlanError::BeyondSupply)?;
    let least = Amount::from_pebbles(1).map_err(|_| PlanError::BeyondSupply)?;
    match view.balance.checked_sub(costs) {
        Some(rest) if rest >= least => Ok(rest),
        _ => {
            let need = costs.checked_add(least).ok_or(PlanError::BeyondSupply)?;
            let missing = need.checked_sub(view.balance).ok_or(PlanError::BeyondSupply)?;
            Err(PlanError::NotEnough { have: view.balance, amount: least, fee, price, need, missing })
        }
    }
}

/// A fee that the owner chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fee {
    /// So much.
    Exactly(Amount),
    /// So many pebbles for each byte.
    Rate(u64),
}

impl Fee {
    /// What was chosen, if anything was.
    pub fn chosen(fee: Option<Amount>, rate: Option<u64>) -> Option<Self> {
        fee.map(Self::Exactly).or(rate.map(Self::Rate))
    }
}

/// The fee at so many pebbles a byte.
///
/// # Errors
/// More than there is money in the world.
pub fn fee_at(rate: u64, receivers: usize, memo: usize) -> Result<Amount, PlanError> {
    let pebbles = (size(receivers, memo) as u64).saturating_mul(rate);
    Amount::from_pebbles(pebbles).map_err(|_| PlanError::BeyondSupply)
}

/// What a payment costs beside its amounts.
struct Costs {
    fee: Amount,
    /// What the receivers without an account cost at most.
    price: Amount,
    valid_until: Height,
}

impl Costs {
    fn of(schedule: &Schedule, request: &Request, view: &PlanContext) -> Result<Self, PlanError> {
        let fee = match request.fee {
            Some(fee) => fee,
            None => automatic_fee(size(request.outputs.len(), request.memo.len()), view.min_fee_rate)?,
        };
        // In any block that may hold the payment, also after an upgrade.
        let (valid_until, last) = match request.valid_for {
            0 => (Height::GENESIS, Height::new(u64::MAX)),
            blocks => (view.height.saturating_add(blocks), view.height.saturating_add(blocks)),
        };
        let each = schedule.max_account_price(view.height.saturating_add(1), last).pebbles();
        let price = each.checked_mul(view.new_accounts).and_then(|price| Amount::from_pebbles(price).ok());
        Ok(Self { fee, price: price.ok_or(PlanError::BeyondSupply)?, valid_until })
    }
}

/// Signs, and verifies what was signed: a fault in the machine must not let a broken signature out, which
/// could give the key away. `aux` is 32 fresh random bytes.
///
/// # Errors
/// Refuses a transaction that breaks a rule.
pub fn sign(
    body: TransactionBody,
    key: &SecretKey,
    network: &Network,
    aux: &[u8; 32],
) -> Result<Transaction, PlanError> {
    let genesis_id = network.id();
    let signed = body.sign(key, &genesis_id, aux);
    let checked = check_transactions(&genesis_id, vec![signed]).map_err(|(_, error)| error)?;
    let transaction = checked.first().map(CheckedTransaction::transaction).cloned();
    Ok(transaction.expect("as many come out as went in"))
}

/// The bytes of a transaction with so many receivers (at least one) and so long a memo.
fn size(receivers: usize, memo: usize) -> usize {
    let more = receivers.saturating_sub(1).saturating_mul(OUTPUT_BYTES);
    MIN_TRANSACTION_BYTES.saturating_add(more).saturating_add(memo)
}

/// The least fee for which pools let a transaction of `bytes` take the place of `old`: a tenth more, the
/// least rate for the new bytes on top, and a higher rate than the old one's.
///
/// # Errors
/// A node that asks for more than the wallet pays untold.
pub fn replacement_fee(old: &Transaction, bytes: usize, min_fee_rate: u64) -> Result<Amount, PlanError> {
    let (fee, old_bytes) = (u128::from(old.body.fee.pebbles()), old.size().max(1) as u128);
    let relay = u128::from(automatic_fee(bytes, min_fee_rate)?.pebbles());
    let tenth_more = (fee * 110).div_ceil(100);
    let higher_rate = fee * bytes as u128 / old_bytes + 1;
    let pebbles = u64::try_from(tenth_more.max(fee + relay).max(higher_rate)).unwrap_or(u64::MAX);
    Amount::from_pebbles(pebbles).map_err(|_| PlanError::BeyondSupply)
}

/// What takes the place of `old`: the same payment again, or, to cancel it, one pebble from the sender to
/// itself. Both have its nonce, so at most one of the two is ever mined. Without a fee that the owner chose it is the
/// least that replaces.
///
/// # Errors
/// A node that asks for more than the wallet pays untold.
pub fn replacement(old: &Transaction, cancel: bool, fee: Option<Fee>, min_fee_rate: u64) -> Result<Request, PlanError> {
    let body = &old.body;
    let outputs = if cancel { vec![to_itself(&body.sender)] } else { body.outputs.to_vec() };
    let memo = if cancel { String::new() } else { String::from_utf8_lossy(&body.memo).into_owned() };
    let fee = match fee {
        Some(Fee::Exactly(fee)) => fee,
        Some(Fee::Rate(rate)) => fee_at(rate, outputs.len(), memo.len())?,
        None => replacement_fee(old, size(outputs.len(), memo.len()), min_fee_rate)?,
    };
    Ok(Request { outputs, fee: Some(fee), memo, nonce: Some(body.nonce), ..Request::default() })
}

/// The payment that does nothing but take up its nonce: one pebble, the least there is.
pub fn to_itself(sender: &Address) -> Output {
    Output { to: *sender, amount: Amount::from_pebbles(1).expect("one pebble is an amount") }
}

fn automatic_fee(bytes: usize, min_fee_rate: u64) -> Result<Amount, PlanError> {
    if min_fee_rate > MAX_AUTOMATIC_FEE_RATE {
        return Err(PlanError::FeeRateTooHigh { got: min_fee_rate });
    }
    let pebbles = (bytes as u64).saturating_mul(min_fee_rate.max(1));
    Amount::from_pebbles(pebbles).map_err(|_| PlanError::BeyondSupply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_ledger::codec;
    use std::sync::OnceLock;

    fn schedule() -> &'static Schedule {
        static LOCAL: OnceLock<Network> = OnceLock::new();
        LOCAL.get_or_init(|| Network::parse(cairn_genesis::LOCAL).expect("shipped")).spec.schedule()
    }

    fn crn(text: &str) -> Amount {
        text.parse().expect("an amount")
    }

    fn key(byte: u8) -> SecretKey {
        SecretKey::from_bytes(&[byte; 32]).expect("a key")
    }

    fn request() -> Request {
        let outputs = vec![Output { to: key(2).address(), amount: crn("1.5") }];
        Request { outputs, memo: String::from("tea"), valid_for: 120, ..Request::default() }
    }

    fn paying(amount: Amount) -> Request {
        Request { outputs: vec![Output { to: key(2).address(), amount }], ..request() }
    }

    fn view() -> PlanContext {
        PlanContext { balance: crn("10"), nonce: 7, height: Height::new(1000), min_fee_rate: 1, new_accounts: 0 }
    }

    #[test]
    fn everything_is_the_balance_without_fee_and_accounts_and_leaves_nothing() {
        for new_accounts in [0, 1] {
            let view = PlanContext { new_accounts, ..view() };
            let amount = max_amount(schedule(), &paying(crn("0")), &view).expect("enough money");
            let body = plan(schedule(), &key(1).address(), &paying(amount), &view).expect("it can be paid");
            assert_eq!(body.max_cost(), view.balance.pebbles(), "nothing is left");
            let more = Amount::from_pebbles(amount.pebbles() + 1).expect("an amount");
            let refused = plan(schedule(), &key(1).address(), &paying(more), &view);
            assert!(matches!(refused, Err(PlanError::NotEnough { .. })), "and no pebble more");
        }
        let fee = max_amount(schedule(), &Request { fee: Some(crn("1")), ..paying(crn("0")) }, &view());
        assert_eq!(fee, Ok(crn("9")));
        for balance in ["0", "0.00000001", "0.00000188"] {
            let poor = max_amount(schedule(), &paying(crn("0")), &PlanContext { balance: crn(balance), ..view() });
            assert!(matches!(poor, Err(PlanError::NotEnough { .. })), "{balance}: {poor:?}");
        }
    }

    #[test]
    fn a_fee_by_rate_is_the_rate_times_the_bytes() {
        let request = Request { fee: fee_at(5, 1, "tea".len()).ok(), ..request() };
        let body = plan(schedule(), &key(1).address(), &request, &view()).expect("enough money");
        let signed = sign(body.clone(), &key(1), &Network::parse(cairn_genesis::LOCAL).expect("shipped"), &[1; 32]);
        assert_eq!(body.fee.pebbles(), signed.expect("a valid payment").size() as u64 * 5);
        assert_eq!(fee_at(u64::MAX, 1, 0), Err(PlanError::BeyondSupply));
    }

    #[test]
    fn a_plan_is_the_request_with_the_nodes_numbers() {
        let body = plan(schedule(), &key(1).address(), &request(), &view()).expect("enough money");
        assert_eq!((body.nonce, body.valid_until, body.fee.pebbles()), (7, Height::new(1120), 188));
        assert_eq!(body.outputs.first().map(|output| (output.to, output.amount)), Some((key(2).address(), crn("1.5"))));
        assert_eq!(&*body.memo, b"tea");
    }

    #[test]
    fn the_fee_pays_for_every_byte() {
        for rate in [0, 1, 3, MAX_AUTOMATIC_FEE_RATE] {
            let network = Network::parse(cairn_genesis::LOCAL).expect("shipped");
            let body = plan(schedule(), &key(1).address(), &request(), &PlanContext { min_fee_rate: rate, ..view() })
                .expect("a plan");
            let signed = sign(body, &key(1), &network, &[0; 32]).expect("valid");
            assert_eq!(signed.body.fee.pebbles(), codec::encode(&signed).len() as u64 * rate.max(1));
        }
    }

    #[test]
    fn a_named_fee_is_taken_as_it_is() {
        let named = Request { fee: Some(crn("0.1")), ..request() };
        let greedy = PlanContext { min_fee_rate: u64::MAX, ..view() };
        assert_eq!(plan(schedule(), &key(1).address(), &named, &greedy).map(|body| body.fee), Ok(crn("0.1")));
    }

    #[test]
    fn the_price_of_new_accounts_is_allowed_for_and_no_more() {
        let price = |new_accounts| {
            let view = PlanContext { new_accounts, ..view() };
            plan(schedule(), &key(1).address(), &request(), &view).map(|body| body.max_price)
        };
        assert_eq!((price(0), price(1), price(3)), (Ok(Amount::ZERO), Ok(crn("0.001")), Ok(crn("0.003"))));
        let short = PlanContext { balance: crn("1.5009"), new_accounts: 1, ..view() };
        let free = Request { fee: Some(Amount::ZERO), ..request() };
        let error = plan(schedule(), &key(1).address(), &free, &short).expect_err("the price is missing");
        assert_eq!(
            error.to_string(),
            "not enough money: you have 1.5009 CRN, 1.5 CRN with a fee of 0 CRN and 0.001 CRN for accounts that are \
             not there yet needs 1.501 CRN, so 0.0001 CRN is missing"
        );
        assert!(plan(schedule(), &key(1).address(), &free, &PlanContext { balance: crn("1.501"), ..short }).is_ok());
    }

    /// A payment that may wait beyond an upgrade allows for the price after it; one that cannot does not.
    #[test]
    fn an_upgrade_within_reach_counts() {
        let upgrade = "[[upgrade]]\nheight = 1050\nname = \"dear\"\naccount_price = \"0.5\"\n";
        let network = Network::parse(&format!("{}\n{upgrade}", cairn_genesis::LOCAL)).expect("a network");
        let price = |valid_for| {
            let view = PlanContext { new_accounts: 1, ..view() };
            let request = Request { valid_for, ..request() };
            plan(network.spec.schedule(), &key(1).address(), &request, &view).map(|body| body.max_price)
        };
        assert_eq!((price(49), price(50), price(0)), (Ok(crn("0.001")), Ok(crn("0.5")), Ok(crn("0.5"))));
    }

    #[test]
    fn no_limit_is_zero_and_the_last_height_never_overflows() {
        let until = |valid_for, height| {
            let view = PlanContext { height: Height::new(height), ..view() };
            plan(schedule(), &key(1).address(), &Request { valid_for, ..request() }, &view)
                .map(|body| body.valid_until.get())
        };
        assert_eq!(until(0, 1000), Ok(0));
        assert_eq!(until(4, 1000), Ok(1004));
        assert_eq!(until(u64::MAX, 1000), Ok(u64::MAX));
    }

    #[test]
    fn everything_may_be_spent_and_not_one_pebble_more() {
        let all = Request { fee: Some(crn("0.5")), max_fee: Some(crn("0.5")), ..paying(crn("1")) };
        let have =
            |balance: &str| plan(schedule(), &key(1).address(), &all, &PlanContext { balance: crn(balance), ..view() });
        assert!(have("1.5").is_ok());
        let error = have("1.49999999").expect_err("one pebble short");
        assert_eq!(
            error.to_string(),
            "not enough money: you have 1.49999999 CRN, 1 CRN with a fee of 0.5 CRN needs 1.5 CRN, so 0.00000001 \
             CRN is missing"
        );
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        let refused = |request: Request, view: PlanContext| {
            plan(schedule(), &key(1).address(), &request, &view).expect_err("refused")
        };
        assert_eq!(refused(paying(Amount::ZERO), view()), PlanError::ZeroAmount);
        let long = Request { memo: "é".repeat(129), ..request() };
        assert_eq!(refused(long, view()), PlanError::MemoTooLong { got: 258 });
        let greedy = PlanContext { min_fee_rate: MAX_AUTOMATIC_FEE_RATE + 1, ..view() };
        assert_eq!(refused(request(), greedy), PlanError::FeeRateTooHigh { got: 1001 });
        assert_eq!(refused(paying(Amount::MAX), view()), PlanError::BeyondSupply);
    }

    #[test]
    fn several_receivers_share_one_payment() {
        let network = Network::parse(cairn_genesis::LOCAL).expect("shipped");
        let pay = |byte, amount| Output { to: key(byte).address(), amount: crn(amount) };
        let three = Request { outputs: vec![pay(2, "1"), pay(3, "2"), pay(4, "3")], ..request() };
        let body = plan(schedule(), &key(1).address(), &three, &view()).expect("enough");
        assert_eq!(body.total(), 600_000_000 + body.fee.pebbles());
        let signed = sign(body, &key(1), &network, &[0; 32]).expect("valid");
        assert_eq!(signed.body.fee.pebbles(), codec::encode(&signed).len() as u64);
        for got in [0, MAX_OUTPUTS + 1] {
            let many = Request { outputs: vec![pay(2, "0.001"); got], ..request() };
            assert_eq!(plan(schedule(), &key(1).address(), &many, &view()), Err(PlanError::Receivers { got }));
        }
    }

    /// The pool's rule, restated: a tenth more, the new bytes paid for again, a higher rate.
    /// The attack, and the typing error: a fee that nobody means.
    #[test]
    fn an_absurd_fee_is_refused_until_the_bound_is_raised() {
        let plan = |request: &Request| plan(schedule(), &key(1).address(), request, &view()).map(|body| body.fee);
        let dear = Request { fee: Some(crn("0.10000001")), ..request() };
        let refused = plan(&dear).expect_err("too dear");
        assert_eq!(refused, PlanError::FeeTooHigh { fee: crn("0.10000001"), most: crn("0.1") });
        assert!(refused.to_string().contains("--max-fee 0.10000001"), "{refused}");
        assert_eq!(plan(&Request { max_fee: Some(crn("0.2")), ..dear }), Ok(crn("0.10000001")));
        assert_eq!(plan(&Request { fee: Some(crn("0.1")), ..request() }), Ok(crn("0.1")), "the control");
        // The bound binds the fee that a node asks for, too.
        let thrifty = Request { max_fee: Some(crn("0.00000001")), ..request() };
        assert!(matches!(plan(&thrifty), Err(PlanError::FeeTooHigh { .. })));
    }

    #[test]
    fn a_replacement_pays_what_pools_ask_for() {
        let network = Network::parse(cairn_genesis::LOCAL).expect("shipped");
        for (fee, memo) in [("0.00000177", ""), ("0.5", ""), ("0.00001", "a longer memo than the other's")] {
            let max_fee = Some(crn("1"));
            let first = Request { fee: Some(crn(fee)), max_fee, memo: String::from(memo), ..request() };
            let body = plan(schedule(), &key(1).address(), &first, &view()).expect("enough");
            let old = sign(body, &key(1), &network, &[0; 32]).expect("valid");
            for cancel in [false, true] {
                let request = replacement(&old, cancel, None, 2).expect("a request");
                let request = Request { max_fee, valid_for: 120, ..request };
                let body = plan(schedule(), &key(1).address(), &request, &view()).expect("enough");
                let new = sign(body, &key(1), &network, &[0; 32]).expect("valid");
                let (was, is) = (old.body.fee.pebbles(), new.body.fee.pebbles());
                assert!(is >= was + 2 * new.size() as u64 && is * 10 >= was * 11, "{was} {is}");
                assert!(is * old.size() as u64 > was * new.size() as u64, "a higher rate");
                assert_eq!(new.body.nonce, old.body.nonce);
                assert_eq!(cancel, new.body.outputs.iter().all(|output| output.to == key(1).address()));
            }
        }
    }

    #[test]
    fn signing_verifies_what_it_signed() {
        let network = Network::parse(cairn_genesis::LOCAL).expect("shipped");
        let body = plan(schedule(), &key(1).address(), &request(), &view()).expect("a plan");
        assert!(sign(body.clone(), &key(1), &network, &[9; 32]).is_ok());
        // Another key than the sender's.
        assert_eq!(sign(body.clone(), &key(3), &network, &[9; 32]), Err(PlanError::Invalid(TxError::Signature)));
        let last = TransactionBody { nonce: u64::MAX, ..body };
        assert_eq!(sign(last, &key(1), &network, &[9; 32]), Err(PlanError::Invalid(TxError::LastNonce)));
    }
}
