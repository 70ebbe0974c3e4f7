//! What a visitor may be given, decided; shared between the server, which asks, and the payout, which pays.
//!
//! A promise is made under the lock of the file: limits are looked at, the work is looked at, the promise is written
//! and synced, and only then is it counted as given. So no two requests ever share what is left for one. What is known
//! has a lock of its own, which nobody holds while waiting for the disk: whoever only looks waits for nothing.

use super::book::{Book, Grant, Limits};
use super::challenge::{Challenger, GrantId, WORK_TAG, expires, window};
use super::grant_log::GrantLog;
use super::prefix::IpPrefix;
use super::price;
use super::refusal::{Refusal, shown};
use cairn_host::FileError;
use cairn_ledger::{Address, AddressPrefix, Amount, TxId};
use cairn_rpc::{Pebbles, Text};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// How many promises may wait to be paid. More than that means that payments do not leave.
pub const MAX_WAITING: usize = 64;

/// What a faucet gives, and to whom.
#[derive(Clone, Debug)]
pub struct Terms {
    /// What is given away at most.
    pub limits: Limits,
    /// How many zero bits the cheapest gift costs.
    pub difficulty: u32,
    /// The name of the network.
    pub chain: String,
    /// What its addresses begin with.
    pub prefix: AddressPrefix,
    /// The wallet's own address.
    pub address: String,
    /// Where payments can be looked at, without a slash at its end.
    pub explorer: Option<String>,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: Vec<IpAddr>,
}

/// Whether promises can be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Funds {
    /// There is money for so many more.
    For(u64),
    /// Nobody knows, and why.
    Unknown(String),
}

/// What has become of a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is signed, and on its way.
    Sent(TxId),
    /// It is in the block at this height.
    Mined(TxId, u64),
}

/// Where visitors are answered.
pub struct Desk {
    /// What is given, and to whom.
    pub terms: Terms,
    challenger: Challenger,
    /// Taken before `state`, and only where waiting for the disk is allowed.
    grant_log: Mutex<GrantLog>,
    /// Held for moments.
    state: Mutex<State>,
    /// One promise is written at a time; the others wait in the order in which they came, without a thread.
    turn: Arc<Semaphore>,
    /// That something was promised.
    news: Notify,
}

struct State {
    book: Book,
    funds: Funds,
    progress: HashMap<GrantId, Progress>,
}

/// What a visitor brings.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Whom to pay.
    pub address: String,
    /// The window of the challenge.
    pub window: u64,
    /// The proof.
    pub nonce: Text<u64>,
}

/// What a visitor has to do.
#[derive(Clone, Debug, Serialize)]
pub struct Offer {
    address: String,
    amount: Pebbles,
    tag: &'static str,
    challenge: String,
    window: u64,
    /// Unix ms.
    expires: u64,
    /// How many zero bits it costs now.
    bits: u32,
}

/// What a visitor was promised.
#[derive(Clone, Debug, Serialize)]
pub struct GrantView {
    id: Text<GrantId>,
    address: String,
    amount: Pebbles,
    /// When, Unix ms.
    time: u64,
    /// `granted`, `sent`, `mined` or `settled`.
    state: &'static str,
    txid: Option<Text<TxId>>,
    height: Option<u64>,
}

/// How the faucet is.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    chain: String,
    /// The faucet's own.
    address: String,
    amount: Pebbles,
    per_day: u64,
    per_prefix: u64,
    /// How many more gifts there are now.
    pub left: u64,
    /// When there are more, Unix ms, if there are none.
    pub again: Option<u64>,
    /// How many zero bits a gift costs a visitor who had none.
    pub bits: u32,
    /// How many promises wait to be paid.
    waiting: usize,
    /// What keeps it from giving, if anything does.
    pub trouble: Option<String>,
}

impl Desk {
    /// With what was promised before. Whether there is money is not known yet.
    pub fn new(terms: Terms, challenger: Challenger, grant_log: GrantLog, book: Book) -> Self {
        let funds = Funds::Unknown(String::from("it has just been started"));
        let state = Mutex::new(State { book, funds, progress: HashMap::new() });
        let (grant_log, turn) = (Mutex::new(grant_log), Arc::new(Semaphore::new(1)));
        Self { terms, challenger, grant_log, state, turn, news: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // It is whole at any moment: what is written comes first, and what is counted after it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file; whoever has it is the only one that makes promises.
    fn grant_log(&self) -> MutexGuard<'_, GrantLog> {
        // It knows itself what of it is whole.
        self.grant_log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn to make a promise, once those that came before have had theirs.
    ///
    /// # Errors
    /// None: turns are never closed.
    pub async fn turn(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        turn.map_err(|closed| Refusal::Internal { reason: closed.to_string() })
    }

    /// What an address is, and its one spelling.
    ///
    /// # Errors
    /// It is none of this network.
    pub fn address(&self, text: &str) -> Result<(Address, String), Refusal> {
        let decoded = self.terms.prefix.decode(text.trim());
        let address = decoded.map_err(|error| {
            let reason = match error {
                // What was got is said already.
                cairn_ledger::address::AddressError::NotAnAddress { expected, .. } => {
                    format!("expected one that begins with {expected}1")
                }
                error => cairn_host::inert::in_short(&error.to_string()),
            };
            Refusal::BadAddress { got: shown(text), chain: self.terms.chain.clone(), reason }
        })?;
        Ok((address, self.terms.prefix.encode(&address)))
    }

    /// What a visitor has to do for a gift.
    ///
    /// # Errors
    /// There is none now, whatever it does.
    pub fn offer(&self, address: &str, ip: IpAddr, clock: u64) -> Result<Offer, Refusal> {
        let (decoded, address) = self.address(address)?;
        let state = self.state();
        let load = state.book.check(clock, &address, IpPrefix::narrow(ip))?;
        state.check_funds(&self.terms)?;
        let window = window(state.book.now(clock));
        Ok(Offer {
            amount: Pebbles(self.terms.limits.amount),
            tag: WORK_TAG,
            challenge: self.challenger.challenge(&decoded, window).to_string(),
            window,
            expires: expires(window),
            bits: price::bits(self.terms.difficulty, &load),
            address,
        })
    }

    /// Promises a gift for work that is done, once. It waits for the disk.
    ///
    /// # Errors
    /// Says why not, and nothing was promised.
    pub fn claim(&self, claim: &Claim, ip: IpAddr, clock: u64) -> Result<GrantView, Refusal> {
        // From the look at the limits until the promise counts.
        let mut grant_log = self.grant_log();
        let grant = self.judge(claim, ip, clock)?;
        let storage = |error: FileError| Refusal::Storage { reason: error.error.to_string() };
        grant_log.granted(&grant).map_err(storage)?;
        let mut state = self.state();
        let view = state.view(&grant);
        state.book.add(grant);
        drop(state);
        self.news.notify_one();
        Ok(view)
    }

    /// What would be promised for this work now; nothing is.
    ///
    /// # Errors
    /// Says why not.
    pub fn judge(&self, claim: &Claim, ip: IpAddr, clock: u64) -> Result<Grant, Refusal> {
        let (decoded, address) = self.address(&claim.address)?;
        let state = self.state();
        let now = state.book.now(clock);
        let challenge = self.challenger.brought(&decoded, claim.window, now).map_err(|_| Refusal::OldChallenge)?;
        let (id, got) = (challenge.grant(), challenge.zeros(claim.nonce.0));
        if let Some(grant) = state.book.grant(id).filter(|_| got >= self.terms.difficulty) {
            return Err(Refusal::UsedProof { id, again: grant.time.saturating_add(super::book::DAY_MS) });
        }
        let from = IpPrefix::narrow(ip);
        let load = state.book.check(clock, &address, from)?;
        let bits = price::bits(self.terms.difficulty, &load);
        if got < bits {
            return Err(Refusal::WeakProof { got, bits });
        }
        state.check_funds(&self.terms)?;
        Ok(Grant { id, time: now, address, from, amount: self.terms.limits.amount, settled: None })
    }

    /// What has become of a gift.
    ///
    /// # Errors
    /// It is not known.
    pub fn grant(&self, text: &str) -> Result<GrantView, Refusal> {
        let unknown = || Refusal::NoGrant { got: shown(text) };
        let id = text.parse().map_err(|_| unknown())?;
        let state = self.state();
        state.book.grant(id).map(|grant| state.view(grant)).ok_or_else(unknown)
    }

    /// How the faucet is.
    pub fn status(&self, clock: u64) -> Status {
        let (state, terms) = (self.state(), &self.terms);
        Status {
            chain: terms.chain.clone(),
            address: terms.address.clone(),
            amount: Pebbles(terms.limits.amount),
            per_day: terms.limits.per_day,
            per_prefix: terms.limits.per_prefix,
            left: state.book.left(clock),
            again: state.book.budget_opens(clock),
            bits: price::bits(terms.difficulty, &state.book.load(clock)),
            waiting: state.waiting(),
            trouble: state.check_funds(terms).err().map(|refusal| refusal.to_string()),
        }
    }

    /// What is promised and not settled, the oldest first.
    pub fn open(&self) -> Vec<Grant> {
        self.state().book.open().cloned().collect()
    }

    /// Notes whether promises can be kept.
    pub fn fund(&self, funds: Funds) {
        self.state().funds = funds;
    }

    /// Notes what has become of a promise; one that is on its way has its money set aside.
    pub fn progress(&self, id: GrantId, progress: Progress) {
        let mut state = self.state();
        let is_new = state.progress.insert(id, progress).is_none();
        if let (true, Funds::For(count)) = (is_new, &mut state.funds) {
            *count = count.saturating_sub(1);
        }
    }

    /// Notes that a promise is kept for good. It waits for the disk.
    ///
    /// # Errors
    /// It cannot be written; then it is found out anew after the next start.
    pub fn settle(&self, id: GrantId, txid: TxId, clock: u64) -> Result<(), FileError> {
        let mut state = self.state();
        state.book.settle(id, txid);
        state.progress.remove(&id);
        drop(state);
        self.grant_log().settled(clock, id, txid)
    }

    /// Until something is promised, or so long.
    pub async fn news(&self, within: Duration) {
        // Either way there is a reason to look.
        let _elapsed = tokio::time::timeout(within, self.news.notified()).await;
    }

    /// How much is left of the day, for whoever runs the faucet.
    pub fn given(&self, clock: u64) -> (Amount, Amount) {
        let given = Amount::from_pebbles(self.state().book.given(clock)).unwrap_or(Amount::MAX);
        (given, self.terms.limits.budget())
    }
}

impl State {
    /// How many promises have no payment yet.
    fn waiting(&self) -> usize {
        self.book.open().filter(|grant| !self.progress.contains_key(&grant.id)).count()
    }

    /// Whether one more promise can be kept.
    fn check_funds(&self, terms: &Terms) -> Result<(), Refusal> {
        let waiting = self.waiting();
        match &self.funds {
            Funds::Unknown(reason) => Err(Refusal::no_node(reason)),
            Funds::For(count) if *count <= waiting as u64 => Err(Refusal::Empty { address: terms.address.clone() }),
            Funds::For(_) if waiting >= MAX_WAITING => Err(Refusal::Busy { waiting }),
            Funds::For(_) => Ok(()),
        }
    }

    fn view(&self, grant: &Grant) -> GrantView {
        let (state, txid, height) = match (grant.settled, self.progress.get(&grant.id)) {
            (Some(txid), _) => ("settled", Some(txid), None),
            (None, Some(Progress::Mined(txid, height))) => ("mined", Some(*txid), Some(*height)),
            (None, Some(Progress::Sent(txid))) => ("sent", Some(*txid), None),
            (None, None) => ("granted", None, None),
        };
        GrantView {
            id: Text(grant.id),
            address: grant.address.clone(),
            amount: Pebbles(grant.amount),
            time: grant.time,
            state,
            txid: txid.map(Text),
            height,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::grant_log::{Owner, Place, open};
    use super::*;
    use cairn_genesis::Network;
    use cairn_ledger::testing::key;
    use std::fs::File;
    use std::io::{ErrorKind, Read, Write};
    use std::net::Ipv4Addr;
    use std::os::{fd::OwnedFd, unix::net::UnixStream};
    use std::sync::mpsc::channel;
    use std::thread;
    use tempfile::TempDir;

    /// A moment at which a window begins.
    const T: u64 = 1_000 * super::super::book::DAY_MS;
    const IP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    /// Longer than anything here takes that does not hang.
    const WITHIN: Duration = Duration::from_secs(30);

    /// A desk with money for many, and the directory of its file.
    fn desk() -> (Arc<Desk>, TempDir) {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Place { path: dir.path().join("x.faucet"), lock: dir.path().join("x.faucet.lock") };
        let network = Network::parse(cairn_genesis::LOCAL).expect("shipped");
        let owner = Owner { genesis_id: network.spec.genesis_id(), address: String::from("lcrn1x") };
        let limits = Limits { amount: "1".parse().expect("an amount"), per_day: 9, per_prefix: 9 };
        let (grant_log, book) = open(&place, &owner, limits, T).expect("new");
        let terms = Terms {
            limits,
            difficulty: 1,
            chain: String::from("local"),
            prefix: network.spec.params().prefix,
            address: owner.address,
            explorer: None,
            proxies: Vec::new(),
        };
        let desk = Desk::new(terms, Challenger::new(&key(0)), grant_log, book);
        desk.fund(Funds::For(9));
        (Arc::new(desk), dir)
    }

    /// Work that is done for the n-th key.
    fn done(desk: &Desk, number: u64) -> Claim {
        let (address, window) = (key(number).address(), window(T));
        let challenge = desk.challenger.challenge(&address, window);
        let nonce = (0..).find(|nonce| challenge.zeros(*nonce) >= 12).expect("one of 4 096 in the mean");
        Claim { address: desk.terms.prefix.encode(&address), window, nonce: Text(nonce) }
    }

    /// A disk that takes nothing until its other end is read.
    fn hanging() -> (File, UnixStream) {
        let (mut disk, end) = UnixStream::pair().expect("sockets");
        disk.set_nonblocking(true).expect("set");
        while disk.write(&[0; 4_096]).map_err(|error| assert_eq!(error.kind(), ErrorKind::WouldBlock)).is_ok() {}
        disk.set_nonblocking(false).expect("set");
        (File::from(OwnedFd::from(disk)), end)
    }

    #[test]
    fn whoever_only_looks_does_not_wait_while_a_promise_waits_for_the_disk() {
        let (desk, _dir) = desk();
        let first = desk.claim(&done(&desk, 1), IP, T).expect("the control: a disk that writes");
        let (disk, mut end) = hanging();
        desk.grant_log().swap_file(disk);
        let claim = done(&desk, 2);
        let (other, brought) = (Arc::clone(&desk), claim.clone());
        let writer = thread::spawn(move || other.claim(&brought, IP, T));
        while desk.grant_log.try_lock().is_ok() {
            thread::yield_now();
        }
        let (other, (told, seen)) = (Arc::clone(&desk), channel());
        let id = first.id.0.to_string();
        thread::spawn(move || {
            let (left, open) = (other.status(T).left, other.open().len());
            let offered = other.offer(&claim.address, IP, T).is_ok() && other.judge(&claim, IP, T).is_ok();
            told.send((left, open, offered, other.grant(&id).is_ok())).ok();
        });
        let seen = seen.recv_timeout(WITHIN).expect("looking does not wait for the disk");
        assert_eq!(seen, (8, 1, true, true), "what is not on the disk is not promised");
        // The disk goes on; but it is none that can be synced.
        let drained = thread::spawn(move || end.read_to_end(&mut Vec::new()));
        let refused = writer.join().expect("it does not panic");
        assert!(matches!(refused, Err(Refusal::Storage { .. })), "{refused:?}");
        assert_eq!((desk.status(T).left, desk.open().len()), (8, 1));
        drop(desk);
        drained.join().expect("it does not panic").expect("read");
    }

    #[test]
    fn one_proof_that_many_bring_at_once_is_one_promise_and_the_day_has_its_budget() {
        let (desk, _dir) = desk();
        let claims: Vec<Claim> = (1..=12).map(|number| done(&desk, number)).collect();
        let given = thread::scope(|scope| {
            let bring = |claim| desk.claim(claim, IP, T).is_ok();
            let all: Vec<_> = claims.iter().chain(&claims).map(|claim| scope.spawn(move || bring(claim))).collect();
            all.into_iter().map(|one| one.join().expect("it does not panic")).filter(|given| *given).count()
        });
        assert_eq!((given, desk.open().len(), desk.status(T).left), (9, 9, 0));
        let mut ids: Vec<GrantId> = desk.open().iter().map(|grant| grant.id).collect();
        ids.dedup();
        assert_eq!(ids.len(), 9);
    }
}
