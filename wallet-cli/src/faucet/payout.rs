//! Keeps promises: each is paid by the wallet's own payment, once.
//!
//! The memo of a payment names the gift that it is for, and the journal has every payment before it leaves. So whatever
//! happens between the promise and the block, the journal says whether there is a payment for it: if there is, that
//! very one is handed over again until there is a proof of what became of it; if there is none, none has ever left.

use super::book::Grant;
use super::challenge::GrantId;
use super::desk::{Desk, Funds, Progress};
use super::error::FaucetError;
use super::server::Server;
use crate::clock::{Utc, now};
use crate::error::{Result, WalletError};
use crate::node::{Proven, Sender};
use crate::output::Output;
use crate::payment::{
    Contents, DEFAULT_MAX_FEE, Impossible, Journal, KnownPayment, Open, Outcome, Payer, Payment, PaymentError,
    PlanError, Request, note_reported, plan,
};
use crate::session::decode_address;
use cairn_ledger::transaction::{self, Transaction};
use cairn_ledger::{Amount, Height, SecretKey, TxId};
use cairn_rpc::policy::BURIED;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What the memo of a faucet's payment begins with; the gift's id comes after it.
const MEMO: &str = "faucet ";
/// For how many blocks a payment may be mined. One that is proven never to be is made anew.
const VALID_FOR: u64 = 120;
/// How many payments may be on their way: half of what pools take from one sender.
const MAX_ON_THEIR_WAY: usize = cairn_rpc::policy::MAX_PER_SENDER as usize / 2;
/// Between two looks while something is open, while nothing is, and after one that failed.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(5), Duration::from_secs(2)];
/// After how long a payment that is not mined is handed over once more: nodes forget, too.
const REMIND: Duration = Duration::from_secs(60);
/// The same for one that no node took.
const RETRY: Duration = Duration::from_secs(4);

/// Who pays.
pub struct Payout<'a, 'p> {
    payer: Payer<'p>,
    key: &'a SecretKey,
    desk: &'a Desk,
    /// What is known of payments on their way.
    seen: HashMap<GrantId, Seen>,
    /// Promises that have to wait for another payment to the same address, and the tip at which they were tried.
    blocked: HashMap<GrantId, u64>,
    /// What was last complained of.
    complaint: String,
}

struct Seen {
    txid: TxId,
    /// The tip at which it was looked for last.
    height: u64,
    /// When it was handed over last.
    handed: Option<Instant>,
    /// Whether no node took it then.
    failed: bool,
    is_mined: bool,
}

impl<'a, 'p> Payout<'a, 'p> {
    /// Pays what the desk promises.
    pub fn new(payer: Payer<'p>, key: &'a SecretKey, desk: &'a Desk) -> Self {
        Self { payer, key, desk, seen: HashMap::new(), blocked: HashMap::new(), complaint: String::new() }
    }

    /// Pays for ever: whatever fails is told, and tried again.
    ///
    /// # Errors
    /// The server has ended.
    pub async fn run(mut self, server: &Server, output: &mut Output<'_>) -> Result<()> {
        let [busy, idle, failed] = PAUSES;
        loop {
            let pause = match self.round(output).await {
                Ok(()) if self.desk.open().is_empty() => idle,
                Ok(()) => busy,
                Err(error) => {
                    self.complain(&error, output);
                    failed
                }
            };
            if server.is_over() {
                return Err(FaucetError::Ended.into());
            }
            self.desk.news(pause).await;
        }
    }

    /// Tells what fails, once.
    fn complain(&mut self, error: &WalletError, output: &mut Output<'_>) {
        let text = error.to_string();
        if text != self.complaint {
            // A faucet goes on also when nobody listens to it.
            let _unheard = output.warn(format_args!("{} {text}", Utc(now())));
            self.complaint = text;
        }
    }

    /// One look at what is open, and what there is to do for it. While something fails, nothing is promised.
    async fn round(&mut self, output: &mut Output<'_>) -> Result<()> {
        let done = match self.look().await {
            Ok((height, todo)) => self.pay_all(height, todo, output).await,
            Err(error) => Err(error),
        };
        match &done {
            Err(error) if !is_in_the_way(error) => self.desk.fund(Funds::Unknown(error.to_string())),
            Err(_) => {}
            Ok(()) if self.seen.values().any(|seen| seen.failed) => {
                self.desk.fund(Funds::Unknown(self.complaint.clone()));
            }
            Ok(()) => self.complaint.clear(),
        }
        done
    }

    /// Pays what has no payment, as long as those before it get on.
    async fn pay_all(&mut self, height: u64, todo: Vec<Grant>, output: &mut Output<'_>) -> Result<()> {
        self.blocked.retain(|id, at| *at == height && todo.iter().any(|grant| grant.id == *id));
        let mut failure = None;
        for grant in todo {
            let on_their_way = self.seen.values().filter(|seen| !seen.is_mined).count();
            if on_their_way >= MAX_ON_THEIR_WAY || self.seen.values().any(|seen| seen.failed) {
                break;
            }
            if self.blocked.contains_key(&grant.id) {
                continue;
            }
            match self.pay(&grant, output).await {
                // This one has to wait for another to the same address; others have not.
                Err(error) if is_in_the_way(&error) => {
                    self.blocked.insert(grant.id, height);
                    failure = Some(error);
                }
                paid => paid?,
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// What has become of payments that left, and whether there is money for more: the height of the tip, and the
    /// promises that have no payment.
    async fn look(&mut self) -> Result<(u64, Vec<Grant>)> {
        self.payer.nodes.renew_time();
        self.payer.renew().await?;
        let sender = self.payer.sender().await?.sender;
        let contents = self.payer.contents()?;
        if !contents.hiding.is_empty() {
            let (path, lines) = (self.payer.journal.clone(), contents.hiding.clone());
            return Err(PaymentError::DamagedJournal { path, lines }.into());
        }
        let open = self.desk.open();
        self.seen.retain(|id, _| open.iter().any(|grant| grant.id == *id));
        let payments = payments(&contents);
        let (mut todo, mut failure) = (Vec::new(), None);
        for grant in open {
            let payment = payments.get(&grant.id);
            let payment = payment.filter(|payment| payment.is_of(&self.payer.address, self.payer.network));
            let Some((payment, signed)) = payment.and_then(|payment| Some((*payment, payment.transaction()?))) else {
                todo.push(grant);
                continue;
            };
            match self.follow(&grant, payment, &signed, sender, &contents).await {
                Ok(true) => todo.push(grant),
                Ok(false) => {}
                Err(error @ WalletError::Node(_)) => return Err(error),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => {
                let height = sender.get().height;
                self.count_money(height).await?;
                Ok((height, todo))
            }
        }
    }

    /// Follows a payment to where it is settled, and hands it over again while it is not mined. Gives whether it is
    /// proven that it never will be, so that another has to be made.
    async fn follow(
        &mut self,
        grant: &Grant,
        payment: &Payment,
        signed: &Transaction,
        sender: Proven<Sender>,
        contents: &Contents,
    ) -> Result<bool> {
        let known = KnownPayment::new(payment, signed, contents);
        let (txid, Sender { height, nonce, .. }) = (known.txid, *sender.get());
        let seen = self.seen.entry(grant.id).or_insert_with(|| Seen::new(txid));
        if seen.txid != txid {
            *seen = Seen::new(txid);
        }
        // What is mined changes with the tip alone.
        if known.nonce < nonce && seen.height == height {
            return Ok(false);
        }
        seen.height = height;
        let is_due = seen.is_due();
        if !seen.is_mined {
            self.desk.progress(grant.id, Progress::Sent(txid));
        }
        let (outcome, _) = self.payer.outcome(&known, sender, contents).await?;
        if let Some(seen) = self.seen.get_mut(&grant.id) {
            seen.is_mined = matches!(outcome, Outcome::Mined(_));
            seen.failed &= matches!(outcome, Outcome::Open(Open::Unused));
        }
        match outcome {
            Outcome::Mined(mined) if mined.confirmations >= BURIED => {
                note_reported(&self.payer.journal, txid);
                self.desk.settle(grant.id, txid, now())?;
            }
            Outcome::Mined(mined) => self.desk.progress(grant.id, Progress::Mined(txid, mined.height)),
            // Its owner bumped it, or pays with the same words elsewhere.
            Outcome::Impossible(Impossible::Replaced(rival)) if rival.pays_the_same => {
                self.desk.settle(grant.id, rival.txid, now())?;
            }
            Outcome::Impossible(_) => return Ok(true),
            Outcome::Open(Open::Unused) if is_due => self.hand_over(grant.id, signed).await?,
            Outcome::Open(_) => {}
        }
        Ok(false)
    }

    /// Hands over what is signed, as it is.
    async fn hand_over(&mut self, id: GrantId, signed: &Transaction) -> Result<()> {
        let mut journal = Journal::open(&self.payer.journal)?;
        let submitted = self.payer.submit(signed, &mut journal).await;
        drop(journal);
        self.handed(id, signed.id(), submitted.is_ok());
        submitted.map(|_| ())
    }

    fn handed(&mut self, id: GrantId, txid: TxId, is_taken: bool) {
        let seen = self.seen.entry(id).or_insert_with(|| Seen::new(txid));
        (seen.txid, seen.handed, seen.failed) = (txid, Some(Instant::now()), !is_taken);
        self.desk.progress(id, Progress::Sent(txid));
        if is_taken {
            note_reported(&self.payer.journal, txid);
        }
    }

    /// For how many more there is money, what is on its way taken off.
    async fn count_money(&mut self, height: u64) -> Result<()> {
        let outputs = vec![plan::to_itself(&self.payer.address)];
        let request = Request { outputs, valid_for: VALID_FOR, ..Request::default() };
        let all = match self.payer.max_amount(&request).await {
            Err(WalletError::Plan(PlanError::NotEnough { .. } | PlanError::Held { .. })) => Amount::ZERO,
            counted => counted?,
        };
        let each = cost(&self.payer, self.desk.terms.limits.amount, height);
        self.desk.fund(Funds::For(all.pebbles() / each.max(1)));
        Ok(())
    }

    /// Pays a promise for which there is no payment, or none that can be mined.
    async fn pay(&mut self, grant: &Grant, output: &mut Output<'_>) -> Result<()> {
        let to = decode_address(self.payer.network, &grant.address)?;
        let request = Request {
            outputs: vec![transaction::Output { to, amount: grant.amount }],
            memo: format!("{MEMO}{}", grant.id),
            valid_for: VALID_FOR,
            ..Request::default()
        };
        match self.payer.pay(&request, self.key).await {
            Ok(sent) => {
                let txid = sent.payment.txid.0;
                self.handed(grant.id, txid, true);
                let (given, budget) = self.desk.given(now());
                let (amount, address, from) = (grant.amount, &grant.address, grant.from);
                let _unheard = output.note(format_args!(
                    "{}  {amount} CRN to {address} from {from}: {txid} ({given} of {budget} CRN in 24 h)",
                    Utc(now())
                ));
                sent.untaken.iter().for_each(|untaken| {
                    let _unheard = output.warn(untaken);
                });
                Ok(())
            }
            Err(error) => {
                // Signed all the same: it is followed from now on.
                if let (Some(txid), false) = (error.txid(), is_in_the_way(&error)) {
                    self.handed(grant.id, txid, false);
                }
                Err(error)
            }
        }
    }
}

impl Seen {
    fn new(txid: TxId) -> Self {
        Self { txid, height: 0, handed: None, failed: false, is_mined: false }
    }

    fn is_due(&self) -> bool {
        let after = if self.failed { RETRY } else { REMIND };
        self.handed.is_none_or(|handed| handed.elapsed() >= after)
    }
}

/// Whether a payment has to wait for an earlier one to the same address.
fn is_in_the_way(error: &WalletError) -> bool {
    matches!(error, WalletError::Payment(error) if matches!(**error, PaymentError::InTheWay { .. }))
}

/// What a gift costs the faucet at most: itself, an account that is not there yet, and the fee.
pub fn cost(payer: &Payer<'_>, amount: Amount, height: u64) -> u64 {
    let (first, last) = (Height::new(height).saturating_add(1), Height::new(height).saturating_add(VALID_FOR));
    let price = payer.network.spec.schedule().max_account_price(first, last);
    amount.pebbles().saturating_add(price.pebbles()).saturating_add(DEFAULT_MAX_FEE)
}

/// The last payment for each gift.
fn payments(contents: &Contents) -> HashMap<GrantId, &Payment> {
    let named = |payment: &Payment| payment.memo.strip_prefix(MEMO)?.parse().ok();
    contents.payments.iter().filter_map(|payment| Some((named(payment)?, payment))).collect()
}
