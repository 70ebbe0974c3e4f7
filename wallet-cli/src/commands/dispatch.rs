//! From a request to a payment that left, and on to the block it is in: what `send`, `bump`, `cancel`,
//! `repair` and `broadcast` share.
//!
//! Plan, dry run, summary and consent, password; then under the journal's lock: plan again, sign, dry run
//! again, journal, submit.

use super::{counted, phrase};
use crate::{
    cli::WaitFor,
    client::{ClientError, Node, lag, other_rules},
    diagnose::LIFETIME_BLOCKS,
    error::WalletError,
    journal::{Contents, Journal, Payment},
    labels::Labels,
    output::{Inert, Output},
    plan::{self, Request, View},
    run::{Session, Wallet, file_error, now},
    wait::{Judgement, NotMined, judge},
};
use cairn_genesis::Network;
use cairn_ledger::{
    hash::{BlockId, TxId},
    keys::{Address, SecretKey},
    transaction::{Transaction, TransactionBody},
    units::{Amount, Height},
};
use cairn_rpc::{
    error::Code,
    text::{Pebbles, Text},
    types::{AccountJson, TxState, TxStatus},
};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

/// How long the wallet rests between two questions while it waits.
const POLL: Duration = Duration::from_millis(500);
/// A payment under so many blocks, its own counted, counts as buried: the depth at which a light proof reads
/// accounts (docs/protocol.md, section 9).
pub(crate) const BURIED: u64 = 6;
/// Receivers that a node is asked about one by one. What is reserved for more than these and not needed is not spent.
const MAX_ASKED: usize = 64;
/// How often a payment is signed anew because another wallet with the same words was faster.
const MAX_ATTEMPTS: usize = 3;

/// Who pays, and through which node.
pub(crate) struct Payer<'a> {
    pub session: &'a Session<'a>,
    pub network: &'a Network,
    pub wallet: Wallet,
    pub node: Node<'a>,
}

/// A payment that left.
#[derive(Serialize)]
pub(crate) struct Sent {
    pub from: String,
    #[serde(flatten)]
    pub payment: Payment,
    pub size: u64,
    /// Earlier payments of the journal with the same nonce: at most one of them and this one is mined.
    pub replaces: Vec<Text<TxId>>,
    pub state: TxState,
    pub block: Option<Text<BlockId>>,
    pub height: Option<u64>,
    pub confirmations: u64,
    #[serde(skip)]
    pub labels: Labels,
    #[serde(skip)]
    pub next: String,
}

impl<'a> Payer<'a> {
    /// The chosen wallet and the chosen node, which has to be on its network.
    pub async fn open(
        session: &'a Session<'a>,
        network: &'a Network,
        output: &mut Output<'_>,
    ) -> Result<Self, WalletError> {
        let (wallet, node) = (session.wallet(network)?, session.node(network)?);
        let info = node.info().await?;
        for said in [lag(&info), other_rules(&info, network)].into_iter().flatten() {
            output.note(said)?;
        }
        Ok(Self { session, network, wallet, node })
    }

    /// The sender's account and what a plan needs besides: of the request, which receivers have no account.
    pub async fn view(&self, request: Option<&Request>) -> Result<(AccountJson, View), ClientError> {
        let account = self.node.account(self.wallet.keystore.address()).await?;
        let new_accounts = match request {
            Some(request) => self.new_accounts(request).await?,
            None => 0,
        };
        let view = View {
            balance: account.pending.balance.0,
            nonce: account.pending.nonce.0,
            height: Height::new(account.height),
            min_fee_rate: self.node.min_fee_rate().await?,
            new_accounts,
        };
        Ok((account, view))
    }

    /// How many of a payment's receivers have no account. With many of them, nobody is asked and all count.
    async fn new_accounts(&self, request: &Request) -> Result<u64, ClientError> {
        let mut receivers: BTreeSet<Address> = request.outputs.iter().map(|output| output.to).collect();
        receivers.remove(&self.wallet.address);
        if receivers.len() > MAX_ASKED {
            return Ok(receivers.len() as u64);
        }
        let mut absent = 0;
        for receiver in &receivers {
            let account = self.node.account(&self.network.spec.params().prefix.encode(receiver)).await?;
            absent += u64::from(!account.exists);
        }
        Ok(absent)
    }

    /// The sender's key, for its password.
    pub fn unlock(&self) -> Result<SecretKey, WalletError> {
        self.session.unlock(self.network, &self.wallet)
    }

    /// What would leave, checked and shown; its owner may still say no. What is impossible is said before
    /// anybody is asked for a password.
    pub async fn propose(
        &self,
        request: &Request,
        freed: Amount,
        yes: bool,
        output: &mut Output<'_>,
    ) -> Result<(), WalletError> {
        let (account, view) = self.view(Some(request)).await?;
        let body = plan::plan(self.network.spec.schedule(), &self.wallet.address, request, &with(view, freed))?;
        self.check_locally(&body, &account)?;
        if request.nonce.is_none() {
            self.warn_of_lost(body.nonce, account.height, output)?;
        }
        if yes || !output.can_ask() {
            return Ok(());
        }
        let labels = self.session.labels()?;
        let prefix = &self.network.spec.params().prefix;
        let summary = Summary { body: &body, view: &with(view, freed), labels: &labels, prefix };
        output.note(summary)?;
        if output.ask("Pay? [y/N] ")? { Ok(()) } else { Err(WalletError::Declined) }
    }

    /// Signs and sends, with the journal locked: two sends of one wallet at once get two nonces, not one each
    /// of the same. Another wallet with the same words may still take the nonce first; once its payment is
    /// mined this one can never be, so it is made anew.
    pub async fn pay(&self, request: &Request, freed: Amount, key: &SecretKey) -> Result<Sent, WalletError> {
        let path = self.session.journal_path();
        let mut journal = Journal::open(&path).map_err(file_error("open", &path))?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let (account, view) = self.view(Some(request)).await?;
            let body = plan::plan(self.network.spec.schedule(), &self.wallet.address, request, &with(view, freed))?;
            self.check_locally(&body, &account)?;
            let mut aux = [0; 32];
            getrandom::fill(&mut aux)?;
            let transaction = plan::sign(body, key, self.network, &aux)?;
            match self.hand_over(&transaction, &mut journal).await {
                Err(WalletError::Refused { error: ClientError::Refused { code: Code::TxNonceUsed, .. }, .. })
                    if attempts < MAX_ATTEMPTS && request.nonce.is_none() => {}
                answer => return answer,
            }
        }
    }

    /// The rules of execution, against the sender's account as the node has it (docs/protocol.md, section 4),
    /// and the pool's rule on how long a payment must live. What another of the sender's payments will change
    /// is left to the node.
    pub fn check_locally(&self, body: &TransactionBody, account: &AccountJson) -> Result<(), WalletError> {
        if body.nonce < account.nonce.0 {
            return Err(WalletError::NonceUsed { nonce: body.nonce, next: account.nonce.0 });
        }
        let (valid_until, height) = (body.valid_until.get(), account.height);
        if valid_until != 0 && valid_until < height.saturating_add(LIFETIME_BLOCKS) {
            return Err(WalletError::TooLate { valid_until, height });
        }
        let balance = account.balance.0;
        if body.most() > balance.pebbles() {
            let need = Amount::from_pebbles(body.most()).unwrap_or(Amount::MAX);
            return Err(WalletError::Overdrawn { have: balance, need });
        }
        Ok(())
    }

    /// Journal first, then the node. A payment that is in the journal already, because it was signed elsewhere
    /// and is sent twice, is not written twice.
    pub async fn hand_over(&self, transaction: &Transaction, journal: &mut Journal) -> Result<Sent, WalletError> {
        let payment = Payment::new(now(), transaction, &self.network.spec.params().prefix);
        let mut replaces = self.same_nonce(journal.contents(), payment.nonce.0);
        replaces.retain(|earlier| earlier.0 != payment.txid.0);
        let path = self.session.journal_path();
        if journal.contents().payment(&payment.txid.0).is_none() {
            journal.record(&payment).map_err(file_error("write", &path))?;
        }
        submit(&self.node, transaction, journal).await?;
        Ok(Sent {
            from: String::from(self.wallet.keystore.address()),
            next: self.session.options.hint(&format!("status {}", payment.txid.0)),
            size: transaction.size() as u64,
            payment,
            replaces,
            state: TxState::Pooled,
            block: None,
            height: None,
            confirmations: 0,
            labels: self.session.labels()?,
        })
    }

    /// Payments that were signed with this nonce before and that nobody refused.
    fn same_nonce(&self, contents: &Contents, nonce: u64) -> Vec<Text<TxId>> {
        let earlier = contents.payments.iter().filter(|earlier| {
            earlier.nonce.0 == nonce
                && contents.refusal(&earlier.txid.0).is_none()
                && earlier.is_of(&self.wallet.address, self.network)
        });
        earlier.map(|earlier| earlier.txid).collect()
    }

    /// A new payment in the place of one that was lost on its way: its owner may want that one instead.
    fn warn_of_lost(&self, nonce: u64, height: u64, output: &mut Output<'_>) -> Result<(), WalletError> {
        let contents = self.session.journal()?;
        let mut lost = self.same_nonce(&contents, nonce);
        let least = height.saturating_add(LIFETIME_BLOCKS);
        lost.retain(|lost| contents.payment(&lost.0).is_some_and(|payment| payment.valid_until >= least));
        let Some(Text(lost)) = lost.pop() else { return Ok(()) };
        let repair = self.session.options.hint("repair");
        output.note(format_args!(
            "The payment {lost} was signed before and the node does not have it; the new one takes its nonce.\n\
             To hand that one over again first: {repair}\n"
        ))?;
        Ok(())
    }

    /// Follows a payment as far as was asked for, and tells of each step.
    pub async fn follow(
        &self,
        sent: &mut Sent,
        (wait_for, seconds): (WaitFor, u64),
        output: &mut Output<'_>,
    ) -> Result<(), WalletError> {
        let txid = sent.payment.txid.0;
        output.note(format_args!("Sent {txid}; {} ...", wait_for.phrase()))?;
        let limit = Duration::from_secs(seconds);
        let status = wait(&self.node, (txid, sent.payment.valid_until), wait_for, limit, output).await?;
        sent.update(status);
        Ok(())
    }
}

/// What a plan may spend when a payment that is in the pool makes way for it.
fn with(view: View, freed: Amount) -> View {
    View { balance: view.balance.checked_add(freed).unwrap_or(Amount::MAX), ..view }
}

/// Hands a payment of the journal to the node, and notes a refusal.
pub(crate) async fn submit(
    node: &Node<'_>,
    transaction: &Transaction,
    journal: &mut Journal,
) -> Result<(), WalletError> {
    let txid = transaction.id();
    let Err(error) = node.submit(transaction).await else { return Ok(()) };
    if error.is_silence() {
        return Err(WalletError::InDoubt { txid, error });
    }
    if let Some(refusal) = error.refusal() {
        // A journal that cannot take the note has the payment all the same; the refusal is what to say.
        let _unwritten = journal.refuse(now(), txid, refusal);
    }
    Err(WalletError::Refused { txid, error })
}

/// Polls until the payment is where it was to be, cannot get there, or time is up. A node that falls silent
/// may come back within the time.
async fn wait(
    node: &Node<'_>,
    (txid, valid_until): (TxId, u64),
    wait_for: WaitFor,
    limit: Duration,
    output: &mut Output<'_>,
) -> Result<TxStatus, WalletError> {
    let (start, seconds) = (Instant::now(), limit.as_secs());
    let mut told = String::new();
    loop {
        let why = match ask(node, txid).await {
            Ok((height, status)) => {
                let now = phrase(&status);
                if now != told {
                    output.note(format_args!("  {now}"))?;
                    told = now;
                }
                match judge(valid_until, height, &status) {
                    Judgement::Mined if status.confirmations >= wait_for.confirmations() => return Ok(status),
                    Judgement::Mined => NotMined::Shallow { seconds, confirmations: status.confirmations },
                    Judgement::Over(why) => return Err(WalletError::NotMined { txid, why }),
                    Judgement::Waiting if status.state == TxState::Pooled && wait_for == WaitFor::Pooled => {
                        return Ok(status);
                    }
                    Judgement::Waiting => NotMined::TimedOut { seconds },
                }
            }
            Err(error) if error.is_silence() => NotMined::Silent { seconds, reason: error.to_string() },
            Err(error) => return Err(error.into()),
        };
        let left = limit.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Err(WalletError::NotMined { txid, why });
        }
        tokio::time::sleep(POLL.min(left)).await;
    }
}

/// The height first: a payment that is in no block after that height was seen missed it.
async fn ask(node: &Node<'_>, txid: TxId) -> Result<(u64, TxStatus), ClientError> {
    let height = node.info().await?.height;
    Ok((height, node.status(txid).await?))
}

/// What is about to be paid, for its owner to confirm.
struct Summary<'a> {
    body: &'a TransactionBody,
    view: &'a View,
    labels: &'a Labels,
    prefix: &'a cairn_ledger::address::AddressPrefix,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body;
        for output in body.outputs.iter() {
            let to = self.prefix.encode(&output.to);
            writeln!(f, "pay          {} CRN to {}", output.amount, named(&to, self.labels))?;
        }
        writeln!(f, "fee          {} CRN", body.fee)?;
        let count = self.view.new_accounts;
        if body.max_price > Amount::ZERO {
            let have = if count == 1 { "receiver has no account" } else { "receivers have no account" };
            writeln!(f, "new accounts at most {} CRN, burned: {count} {have} yet", body.max_price)?;
        }
        let left = self.view.balance.pebbles().saturating_sub(body.most());
        writeln!(f, "left         {} CRN", Amount::from_pebbles(left).unwrap_or(Amount::ZERO))?;
        if body.valid_until.get() != 0 {
            writeln!(f, "valid until  block {}; the tip is block {}", body.valid_until.get(), self.view.height.get())?;
        }
        if !body.memo.is_empty() {
            writeln!(f, "memo         {}", Inert(&String::from_utf8_lossy(&body.memo)))?;
        }
        Ok(())
    }
}

/// What new accounts may cost, to be said after the fee.
pub(crate) fn new_accounts(max_price: Amount) -> String {
    if max_price == Amount::ZERO { String::new() } else { format!(", new accounts at most {max_price} CRN") }
}

/// An address with what it is called.
pub(crate) fn named(address: &str, labels: &Labels) -> String {
    match labels.address(address) {
        Some(label) => format!("{} ({})", Inert(address), Inert(label)),
        None => Inert(address).to_string(),
    }
}

impl Sent {
    fn update(&mut self, status: TxStatus) {
        self.state = status.state;
        self.block = status.block;
        self.height = status.height;
        self.confirmations = status.confirmations;
    }

    fn status(&self) -> TxStatus {
        TxStatus {
            txid: self.payment.txid,
            state: self.state,
            block: self.block,
            height: self.height,
            confirmations: self.confirmations,
            reason: None,
        }
    }
}

impl fmt::Display for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let payment = &self.payment;
        let accounts = new_accounts(payment.max_price.0);
        writeln!(f, "Sent {} CRN, fee {} CRN{accounts}.\n", payment.amount.0, payment.fee.0)?;
        writeln!(f, "txid         {}", payment.txid.0)?;
        if payment.outputs.is_empty() {
            writeln!(f, "to           {}", named(&payment.to, &self.labels))?;
        }
        for output in &payment.outputs {
            let Pebbles(amount) = output.amount;
            writeln!(f, "to           {}  {amount} CRN", named(&output.to, &self.labels))?;
        }
        writeln!(f, "nonce        {}", payment.nonce.0)?;
        if payment.valid_until != 0 {
            writeln!(f, "valid until  block {}", payment.valid_until)?;
        }
        if !payment.memo.is_empty() {
            writeln!(f, "memo         {}", Inert(&payment.memo))?;
        }
        writeln!(f, "state        {}\n", phrase(&self.status()))?;
        if !self.replaces.is_empty() {
            let earlier = counted(self.replaces.len() as u64, "earlier payment");
            writeln!(f, "It has the nonce of {earlier} of this wallet, so at most one of them is mined:")?;
            self.replaces.iter().try_for_each(|txid| writeln!(f, "  {}", txid.0))?;
            writeln!(f)?;
        }
        writeln!(f, "Next: {}", self.next)
    }
}
