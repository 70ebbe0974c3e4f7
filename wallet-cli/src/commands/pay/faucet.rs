//! `wallet faucet`: gives coins of a test or local network to whoever asks, for a share of work.

use crate::cli::FaucetArguments;
use crate::clock::{Utc, now};
use crate::faucet::{
    self, Book, Challenger, Desk, FaucetError, Limits, Owner, Payout, Place, Server, Terms, WIDE_FACTOR, cost,
};
use crate::payment::{Payer, Request, plan};
use crate::session::Wallet;
use crate::{Output, Result, Session, WalletError};
use cairn_genesis::Network;
use cairn_ledger::Amount;
use cairn_rpc::Pebbles;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::{fmt, sync::Arc};

/// From how far behind on a clock is said to be wrong, in ms.
const CLOCK_LAG_MS: u64 = 60_000;

/// What a faucet gives, as its owner is told.
#[derive(Serialize)]
struct Started {
    url: String,
    chain: String,
    address: String,
    amount: Pebbles,
    per_day: u64,
    per_prefix: u64,
    difficulty: u32,
    /// What was given in the last 24 hours.
    given: Pebbles,
    budget: Pebbles,
    /// What one gift costs the faucet at most, with an account that is not there yet and the fee.
    costs: Pebbles,
    /// For how many gifts there is money.
    enough_for: u64,
    /// Promises that are not settled yet, which are paid first.
    open: usize,
    dry_run: bool,
}

pub(crate) async fn run(session: &Session<'_>, options: &FaucetArguments, output: &mut Output<'_>) -> Result<()> {
    check_network(session.network()?)?;
    let wallet = session.wallet()?;
    wallet.check_has_key()?;
    let (amount, per_day, per_prefix) = (options.amount, options.per_day, options.per_prefix);
    if amount == Amount::ZERO {
        return Err(FaucetError::NothingToGive.into());
    }
    let limits = Limits { amount, per_day, per_prefix };
    let mut payer = session.payer(&wallet, output).await?;
    let place = Place { path: session.data.faucet_file(&session.name), lock: session.data.faucet_lock(&session.name) };
    let owner = Owner { genesis_id: wallet.network.id(), address: payer.shown.clone() };
    let address = options.listen.unwrap_or_else(|| at_home(wallet.network));
    if options.dry_run {
        let book = faucet::read(&place, &owner, limits)?;
        let started = started(&mut payer, options, limits, &book, address).await?;
        return Ok(output.result(&started, &started)?);
    }
    let (ledger, book) = faucet::open(&place, &owner, limits, now())?;
    let lag = book.clock_lag(now());
    if lag > CLOCK_LAG_MS {
        let newest = Utc(book.now(0));
        output.warn(format_args!(
            "the clock of this machine is behind: something was given at {newest}. Until then limits stand still; set \
             the clock right"
        ))?;
    }
    let key = wallet.unlock()?;
    let listener = TcpListener::bind(address).map_err(|error| FaucetError::Listen { address, error })?;
    let address = listener.local_addr().map_err(FaucetError::Serve)?;
    let mut started = started(&mut payer, options, limits, &book, address).await?;
    let desk = Arc::new(Desk::new(terms(options, limits, &wallet, &payer), Challenger::new(&key), ledger, book));
    let server = Server::start(listener, Arc::clone(&desk))?;
    started.dry_run = false;
    output.result(&started, &started)?;
    Payout::new(payer, &key, &desk).run(&server, output).await
}

fn terms(options: &FaucetArguments, limits: Limits, wallet: &Wallet<'_>, payer: &Payer<'_>) -> Terms {
    let params = wallet.network.spec.params();
    Terms {
        limits,
        difficulty: options.difficulty,
        chain: params.name.clone(),
        prefix: params.prefix,
        address: payer.shown.clone(),
        explorer: options.explorer.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
        proxies: options.proxy.clone(),
    }
}

/// The port after the network's JSON-RPC, on this machine.
fn at_home(network: &Network) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, network.defaults.rpc_port.saturating_add(1)))
}

/// Refuses the main network, and what shares its name or its addresses: there a gift would be money.
fn check_network(network: &Network) -> Result<()> {
    let (params, main) = (network.spec.params(), Network::parse(cairn_genesis::MAIN));
    let is_main = main.is_ok_and(|main| main.id() == network.id() || main.spec.params().prefix == params.prefix);
    if is_main || params.name == "main" {
        return Err(FaucetError::MainNetwork { chain: params.name.clone() }.into());
    }
    Ok(())
}

async fn started(
    payer: &mut Payer<'_>,
    options: &FaucetArguments,
    limits: Limits,
    book: &Book,
    address: SocketAddr,
) -> Result<Started> {
    let request = Request { outputs: vec![plan::to_itself(&payer.address)], ..Request::default() };
    let money = match payer.max_amount(&request).await {
        Err(WalletError::Plan(error)) if error.kind() == "not_enough_money" => Amount::ZERO,
        counted => counted?,
    };
    let height = payer.sender().await?.sender.get().height;
    let costs = cost(payer, limits.amount, height);
    Ok(Started {
        url: format!("http://{address}/"),
        chain: payer.network.spec.params().name.clone(),
        address: payer.shown.clone(),
        amount: Pebbles(limits.amount),
        per_day: limits.per_day,
        per_prefix: limits.per_prefix,
        difficulty: options.difficulty,
        given: Pebbles(Amount::from_pebbles(book.given(now())).unwrap_or(Amount::MAX)),
        budget: Pebbles(limits.budget()),
        costs: Pebbles(Amount::from_pebbles(costs).unwrap_or(Amount::MAX)),
        enough_for: money.pebbles() / costs.max(1),
        open: book.open().count(),
        dry_run: true,
    })
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (amount, budget, given, costs) = (self.amount.0, self.budget.0, self.given.0, self.costs.0);
        writeln!(f, "gives      {amount} CRN each on the network {}", self.chain)?;
        writeln!(f, "a day      {} gifts, {budget} CRN together; {given} CRN given in the last 24 h", self.per_day)?;
        writeln!(f, "visitors   one a day for each address, {} for each /24 or /64,", self.per_prefix)?;
        writeln!(f, "           {} for each /16 or /48", self.per_prefix.saturating_mul(WIDE_FACTOR))?;
        let attempts = 1_u64.checked_shl(self.difficulty).unwrap_or(u64::MAX);
        writeln!(f, "work       {} zero bits at least: {attempts} hashes", self.difficulty)?;
        writeln!(f, "money      enough for {} at {costs} CRN at most, from {}", self.enough_for, self.address)?;
        if self.open > 0 {
            writeln!(f, "open       {} promised earlier, and paid first", self.open)?;
        }
        if self.dry_run {
            writeln!(f, "\nNothing was given, and nothing listens: this was --dry-run for {}", self.url)
        } else {
            writeln!(f, "\nFaucet: {}", self.url)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_network_has_no_faucet_under_any_name() {
        let check = |text: &str| check_network(&Network::parse(text).expect("a network")).is_ok();
        assert!(check(cairn_genesis::TEST) && check(cairn_genesis::LOCAL), "the control");
        assert!(!check(cairn_genesis::MAIN));
        assert!(!check(&cairn_genesis::LOCAL.replacen("\"local\"", "\"main\"", 1)));
        let renamed = cairn_genesis::MAIN.replacen("\"main\"", "\"test\"", 1);
        assert!(renamed != cairn_genesis::MAIN && !check(&renamed));
    }
}
