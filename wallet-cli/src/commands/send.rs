//! `wallet send`: plan, sign, journal, submit, and wait when asked to.

use super::{counted, phrase};
use crate::{
    cli::SendArguments,
    client::{ClientError, Node, lag},
    error::WalletError,
    journal::{Journal, Payment},
    output::{Inert, Output},
    plan::{self, Request, View},
    run::{Session, Wallet, file_error, now},
    wait::{Judgement, NotMined, judge},
};
use cairn_genesis::Network;
use cairn_ledger::{
    hash::{BlockId, TxId},
    keys::SecretKey,
    transaction::Transaction,
    units::Height,
};
use cairn_rpc::{
    text::Text,
    types::{TxState, TxStatus},
};
use serde::Serialize;
use std::{
    fmt,
    time::{Duration, Instant},
};

/// How long the wallet rests between two questions while it waits.
const POLL: Duration = Duration::from_millis(500);

#[derive(Serialize)]
struct Sent {
    from: String,
    #[serde(flatten)]
    payment: Payment,
    size: u64,
    /// Earlier payments of the journal with the same nonce: at most one of them and this one is mined.
    replaces: Vec<Text<TxId>>,
    state: TxState,
    block: Option<Text<BlockId>>,
    height: Option<u64>,
    confirmations: u64,
    #[serde(skip)]
    next: String,
}

pub(crate) async fn run(
    session: &Session<'_>,
    options: &SendArguments,
    output: &mut Output<'_>,
) -> Result<(), WalletError> {
    let network = session.network()?;
    let wallet = session.wallet(&network)?;
    let request = request(&network, options)?;
    let node = session.node(&network)?;
    if let Some(lag) = lag(&node.info().await?) {
        output.note(lag)?;
    }
    // What is impossible is said before anybody is asked for a password.
    plan::plan(&wallet.address, &request, &view(&node, &wallet).await?)?;
    let key = unlock(session, &network, &wallet)?;
    let mut sent = transfer(session, &wallet, &node, (&request, &key)).await?;
    if options.wait {
        let txid = sent.payment.txid.0;
        output.note(format_args!("Sent {txid}; waiting until it is in a block ..."))?;
        let limit = Duration::from_secs(options.timeout);
        sent.update(wait(&node, txid, sent.payment.valid_until, limit).await?);
    }
    output.result(&sent)?;
    Ok(())
}

fn request(network: &Network, options: &SendArguments) -> Result<Request, WalletError> {
    let to = network.spec.params().prefix.decode(&options.address);
    Ok(Request {
        to: to.map_err(|error| WalletError::Receiver(Box::new(error)))?,
        amount: options.amount,
        fee: options.fee,
        memo: options.memo.clone(),
        valid_for: options.valid_for,
    })
}

async fn view(node: &Node<'_>, wallet: &Wallet) -> Result<View, ClientError> {
    let account = node.account(wallet.keystore.address()).await?;
    Ok(View {
        balance: account.pending.balance.0,
        nonce: account.pending.nonce.0,
        height: Height::new(account.height),
        min_fee_rate: node.min_fee_rate().await?,
    })
}

fn unlock(session: &Session<'_>, network: &Network, wallet: &Wallet) -> Result<SecretKey, WalletError> {
    let password = session.options.password_source().read()?;
    let failed = |error| WalletError::Keystore { path: wallet.path.clone(), error };
    wallet.keystore.unlock(network, &password).map_err(failed)
}

/// From the nonce to the node's answer, with the journal locked: two sends of one wallet at once get two
/// nonces, not one each of the same.
async fn transfer(
    session: &Session<'_>,
    wallet: &Wallet,
    node: &Node<'_>,
    (request, key): (&Request, &SecretKey),
) -> Result<Sent, WalletError> {
    let path = session.journal_path();
    let mut journal = Journal::open(&path).map_err(file_error("open", &path))?;
    let body = plan::plan(&wallet.address, request, &view(node, wallet).await?)?;
    let mut aux = [0; 32];
    getrandom::fill(&mut aux)?;
    let network = node.network();
    let transaction = plan::sign(body, key, network, &aux)?;
    let payment = Payment::new(now(), &transaction, &network.spec.params().prefix);
    let replaces = same_nonce(&journal, &payment, wallet, network);
    journal.record(&payment).map_err(file_error("write", &path))?;
    submit(node, &transaction, &mut journal).await?;
    Ok(Sent {
        from: String::from(wallet.keystore.address()),
        next: session.options.hint(&format!("status {}", payment.txid.0)),
        size: transaction.size() as u64,
        payment,
        replaces,
        state: TxState::Pooled,
        block: None,
        height: None,
        confirmations: 0,
    })
}

/// Hands a payment of the journal to the node, and notes a refusal.
pub(super) async fn submit(
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

/// Payments that were signed with this nonce before and that nobody refused.
fn same_nonce(journal: &Journal, payment: &Payment, wallet: &Wallet, network: &Network) -> Vec<Text<TxId>> {
    let contents = journal.contents();
    let earlier = contents.payments.iter().filter(|earlier| {
        earlier.nonce == payment.nonce
            && contents.refusal(&earlier.txid.0).is_none()
            && earlier.is_of(&wallet.address, network)
    });
    earlier.map(|earlier| earlier.txid).collect()
}

/// Polls until the payment is in a block, cannot be, or time is up. A node that falls silent may come back
/// within the time.
async fn wait(node: &Node<'_>, txid: TxId, valid_until: u64, limit: Duration) -> Result<TxStatus, WalletError> {
    let (start, seconds) = (Instant::now(), limit.as_secs());
    loop {
        let why = match ask(node, txid).await {
            Ok((height, status)) => match judge(valid_until, height, &status) {
                Judgement::Mined => return Ok(status),
                Judgement::Over(why) => return Err(WalletError::NotMined { txid, why }),
                Judgement::Waiting => NotMined::TimedOut { seconds },
            },
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
        writeln!(f, "Sent {} CRN, fee {} CRN.\n", payment.amount.0, payment.fee.0)?;
        writeln!(f, "txid         {}", payment.txid.0)?;
        writeln!(f, "to           {}", payment.to)?;
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
