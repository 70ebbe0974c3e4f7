//! Who pays: what is proven of the sender and of its payments, and what may be signed by that.

use super::error::PaymentError;
use super::journal::{self, Contents, Journal, Payment};
use super::plan::{self, PlanContext, Request};
use super::state::{self, Again, Book, Decision, Evidence, KnownPayment, Outcome, Rival};
use crate::clock::now;
use crate::error::{Result, WalletError};
use crate::node::{Claimed, Nodes, PaymentStatus, Proven, Sender, SenderView, Source};
use crate::{hints::Hints, output::Output, store::Labels};
use cairn_genesis::Network;
use cairn_host::Inert;
use cairn_ledger::{Address, AddressPrefix, Amount, Height, Transaction, TransactionBody, TxId};
use cairn_rpc::policy::LIFETIME_BLOCKS;
use std::{collections::BTreeSet, fmt, path::PathBuf};

/// Receivers that a node is asked about one by one. What is reserved for more than these and not needed is not spent.
const MAX_ASKED: usize = 64;

/// Who pays, whom to ask about its payments and what they said, and where what is known of them is kept.
pub(crate) struct Payer<'a> {
    pub network: &'a Network,
    pub nodes: &'a Nodes,
    pub hints: &'a Hints,
    /// The file of the journal.
    pub journal: PathBuf,
    /// The file of labels.
    pub labels: PathBuf,
    pub address: Address,
    /// The address as text.
    pub shown: String,
    pub source: Source<'a>,
}

impl<'a> Payer<'a> {
    /// Asks all nodes anew: blocks have come since.
    pub async fn renew(&mut self) -> Result<()> {
        self.source = Source::open(self.nodes, self.network).await?;
        Ok(())
    }

    /// The sender as it is now.
    pub async fn sender(&mut self) -> Result<SenderView> {
        Ok(self.source.sender(&self.address, &self.shown).await?)
    }

    /// What the journal says.
    pub fn contents(&self) -> Result<Contents> {
        Ok(journal::read(&self.journal)?)
    }

    /// What receivers are called.
    pub fn labels(&self) -> Result<Labels> {
        Ok(Labels::load(&self.labels)?)
    }

    /// What has become of a payment, and what nodes say of it. One whose nonce is not used is in no block.
    pub async fn outcome(
        &mut self,
        known: &KnownPayment,
        sender: Proven<Sender>,
        contents: &Contents,
    ) -> Result<(Outcome, PaymentStatus)> {
        if known.nonce >= sender.get().nonce {
            let beside = state::beside(contents, known, sender.get());
            let evidence = Evidence { sender, mined: None, rival: None, beside };
            return Ok((state::judge(known, &evidence), PaymentStatus::claimed(Vec::new())));
        }
        let mut found = self.source.payment_status(known.txid).await?;
        let mut rival = None;
        if found.mined.is_none() {
            rival = self.rival(known, contents).await?;
            found.mined = rival.filter(|rival| rival.txid == known.txid).map(|itself| itself.mined);
        }
        let evidence = Evidence { sender, mined: found.mined, rival, beside: None };
        Ok((state::judge(known, &evidence), found))
    }

    /// A payment of this wallet, the sender, and what has become of it, as far as is proven and as nodes say. The
    /// sender is asked for first: what is mined between the two questions is then found.
    pub async fn look(&mut self, txid: &TxId) -> Result<(Transaction, SenderView, Outcome, PaymentStatus)> {
        let (known, transaction, contents) = self.known(txid)?;
        let seen = self.sender().await?;
        let (mut outcome, mut found) = self.outcome(&known, seen.sender, &contents).await?;
        if found.claims.is_empty() && found.mined.is_none() {
            found = self.source.payment_status(*txid).await?;
            outcome = found.mined.map_or(outcome, |mined| Outcome::Mined(*mined.get()));
        }
        Ok((transaction, seen, outcome, found))
    }

    /// The payment of the sender that is proven to have used a nonce: another one of the journal, or one of another
    /// wallet with the same words that an index of addresses shows, or whichever the blocks hold.
    async fn rival(&mut self, known: &KnownPayment, contents: &Contents) -> Result<Option<Rival>> {
        let address = self.address;
        let others = self.same_nonce(contents, known.nonce).filter(|other| other.txid.0 != known.txid);
        for transaction in others.filter_map(Payment::transaction).collect::<Vec<_>>() {
            if let Some(mined) = self.source.payment_status(transaction.id()).await?.mined {
                return Ok(Some(Rival::new(&transaction, mined, &known.outputs)));
            }
        }
        let shown = &self.shown;
        let Source::Proven(client) = &mut self.source else { return Ok(None) };
        if let Some(transaction) = client.sent_with(&address, shown, known.nonce).await
            && let Some(mined) = client.payment(transaction.id()).await?.mined
        {
            return Ok(Some(Rival::new(&transaction, mined, &known.outputs)));
        }
        let used_by = client.used_by(&address, known.nonce, known.signed).await;
        Ok(used_by.map(|(transaction, mined)| Rival::new(&transaction, mined, &known.outputs)))
    }

    /// What one receiver gets who gets everything: fixed here, so that what comes in meanwhile stays.
    pub async fn max_amount(&mut self, request: &Request) -> Result<Amount> {
        let contents = self.contents()?;
        // Whether it is a second payment is asked about the amount that it turns out to be.
        let request = Request { again: Again::Any, ..request.clone() };
        let (view, ..) = self.view(&request, &contents).await?;
        Ok(plan::max_amount(self.network.spec.schedule(), &request, &view)?)
    }

    /// What a plan needs to know, by what is proven now: of the sender, and of those of its payments that matter to one
    /// to these receivers.
    async fn view(&mut self, request: &Request, contents: &Contents) -> Result<(PlanContext, Sender, Book)> {
        let SenderView { sender, claimed, .. } = self.sender().await?;
        let (network, address) = (self.network, self.address);
        let mut payments = Vec::new();
        for known in state::relevant(contents, network, &address, sender.get(), &request.outputs) {
            let (outcome, _) = self.outcome(&known, sender, contents).await?;
            payments.push((known, outcome));
        }
        let book = Book::new(sender, payments);
        if request.again == Again::No && !contents.hiding.is_empty() {
            let (path, lines) = (self.journal.clone(), contents.hiding.clone());
            return Err(PaymentError::DamagedJournal { path, lines }.into());
        }
        let pending = Claimed::new(claimed.get().pending.nonce.0);
        let decision = match request.nonce {
            Some(nonce) => book.decide_at(&request.outputs, nonce, request.again),
            None => book.decide(&request.outputs, Some(pending), request.again),
        };
        let nonce = match decision {
            Decision::Pay { nonce } => nonce,
            Decision::Ask(payments) => {
                let first = payments.first().map(|first| first.txid.to_string()).unwrap_or_default();
                let resend = self.hints.here(&format!("resend {first}"));
                return Err(PaymentError::InTheWay { payments, resend }.into());
            }
        };
        let sender = *sender.get();
        let view = PlanContext {
            balance: book.available(Some(nonce)),
            nonce,
            height: Height::new(sender.height),
            min_fee_rate: *self.source.min_fee_rate().await?.get(),
            new_accounts: self.new_accounts(request).await?,
        };
        Ok((view, sender, book))
    }

    /// What may be signed for `request`, by what is proven now.
    pub(super) async fn prepare(
        &mut self,
        request: &Request,
        contents: &Contents,
    ) -> Result<(TransactionBody, PlanContext)> {
        let (view, sender, book) = self.view(request, contents).await?;
        let body = plan::plan(self.network.spec.schedule(), &self.address, request, &view);
        let body = body.map_err(|error| error.with_held(sender.balance, book.waiting()))?;
        check_locally(&body, &sender)?;
        Ok((body, view))
    }

    /// How many of a payment's receivers have no account. With many of them, nobody is asked and all count.
    async fn new_accounts(&self, request: &Request) -> Result<u64> {
        let mut receivers: BTreeSet<Address> = request.outputs.iter().map(|output| output.to).collect();
        receivers.remove(&self.address);
        if receivers.len() > MAX_ASKED {
            return Ok(receivers.len() as u64);
        }
        let mut absent = 0;
        for receiver in &receivers {
            let exists = self.source.exists(&self.network.spec.params().prefix.encode(receiver)).await?;
            absent += u64::from(!exists.get());
        }
        Ok(absent)
    }

    /// What would be signed, for a payment that is signed elsewhere; its owner may be asked whether it is a second one.
    pub async fn unsigned(
        &mut self,
        request: &mut Request,
        yes: bool,
        output: &mut Output<'_>,
    ) -> Result<(TransactionBody, PlanContext)> {
        let contents = self.contents()?;
        match self.prepare(request, &contents).await {
            Err(WalletError::Payment(error)) => {
                let named = error.asks_about();
                if !named.is_empty() {
                    Journal::open(&self.journal)?.asked(now(), &named)?;
                }
                if !error.is_question() || yes || !output.can_ask() {
                    return Err(WalletError::Payment(error));
                }
                output.note(&error)?;
                agree("Pay all the same? [y/N] ", yes, output)?;
                request.again = Again::Known;
                self.prepare(request, &self.contents()?).await
            }
            prepared => prepared,
        }
    }

    /// What would leave, checked and shown; its owner may still say no. What is impossible is said before anybody is
    /// asked for a password.
    pub async fn propose(&mut self, request: &mut Request, yes: bool, output: &mut Output<'_>) -> Result<()> {
        let (body, view) = self.unsigned(request, yes, output).await?;
        if !yes && output.can_ask() {
            let labels = self.labels()?;
            let prefix = &self.network.spec.params().prefix;
            output.note(Summary { body: &body, view: &view, labels: &labels, prefix })?;
        }
        agree("Pay? [y/N] ", yes, output)
    }

    /// What is known of a payment of this wallet, and its transaction.
    pub fn known(&self, txid: &TxId) -> Result<(KnownPayment, Transaction, Contents)> {
        let contents = self.contents()?;
        let payment = contents.payment(txid).filter(|payment| payment.is_of(&self.address, self.network));
        let Some((payment, transaction)) = payment.and_then(|payment| Some((payment, payment.transaction()?))) else {
            return Err(PaymentError::NotInJournal { txid: *txid }.into());
        };
        let known = KnownPayment::new(payment, &transaction, &contents);
        Ok((known, transaction, contents))
    }

    /// Payments of this wallet that were signed with this nonce before.
    pub fn same_nonce<'c>(&self, contents: &'c Contents, nonce: u64) -> impl Iterator<Item = &'c Payment> {
        let (address, network) = (self.address, self.network);
        let same = contents.payments.iter().filter(move |earlier| earlier.nonce.0 == nonce);
        same.filter(move |earlier| earlier.is_of(&address, network))
    }
}

/// The rules of execution, against the sender's account (docs/protocol.md, section 4), and the pool's rule on how long
/// a payment must live. What another of the sender's payments will change is left to the node.
pub(crate) fn check_locally(body: &TransactionBody, sender: &Sender) -> Result<()> {
    if body.nonce < sender.nonce {
        return Err(PaymentError::NonceUsed { nonce: body.nonce, next: sender.nonce }.into());
    }
    let (valid_until, height) = (body.valid_until.get(), sender.height);
    if valid_until != 0 && valid_until < height.saturating_add(LIFETIME_BLOCKS) {
        return Err(PaymentError::TooLate { valid_until, height }.into());
    }
    if body.max_cost() > sender.balance.pebbles() {
        let need = Amount::from_pebbles(body.max_cost()).unwrap_or(Amount::MAX);
        return Err(PaymentError::Overdrawn { have: sender.balance, need }.into());
    }
    Ok(())
}

/// Asks the owner, who may say no; whoever said yes before, or cannot be asked, is not.
pub(crate) fn agree(question: &str, yes: bool, output: &mut Output<'_>) -> Result<()> {
    if yes || !output.can_ask() || output.ask(question)? { Ok(()) } else { Err(PaymentError::Declined.into()) }
}

/// What is about to be paid, for its owner to confirm.
struct Summary<'a> {
    body: &'a TransactionBody,
    view: &'a PlanContext,
    labels: &'a Labels,
    prefix: &'a AddressPrefix,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = self.body;
        for output in body.outputs.iter() {
            let to = self.prefix.encode(&output.to);
            writeln!(f, "pay          {} CRN", output.amount)?;
            writeln!(f, "to           {}", self.labels.named(&to))?;
        }
        writeln!(f, "fee          {} CRN", body.fee)?;
        let count = self.view.new_accounts;
        if body.max_price > Amount::ZERO {
            let have = if count == 1 { "receiver has no account" } else { "receivers have no account" };
            writeln!(f, "new accounts at most {} CRN, burned: {count} {have} yet", body.max_price)?;
        }
        let left = self.view.balance.pebbles().saturating_sub(body.max_cost());
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
