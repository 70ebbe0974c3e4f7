//! The machine's hands. They own what is here of headers and runs, on which one call at a time works.

use super::machine::{End, HeadersHere, Machine, Pivot, RestoreAction, RestoreEvent, RunFailure};
use crate::sync::driver::{Failure, Inlets, Outlet, TICK};
use crate::sync::presync::{Presync, PresyncRules, Step};
use crate::{Kind, NetworkEvent, NetworkHandle, wire::MAX_LOCATOR};
use cairn_chain::{ChainHandle, PeerNumber, Restore, StoreError};
use cairn_common::runtime::{self, JoinError, TaskSet};
use cairn_common::{clock, random, tasks::TaskError};
use cairn_ledger::{accounts::StateRun, block::Header, hash::Hash, pow::Work};
use std::{collections::VecDeque, pin::pin};
use tokio::sync::broadcast;

/// What is done on what is here.
enum Call {
    TakeHeaders { job: u64, headers: Vec<Header>, may_replace: bool },
    Presync { job: u64, claimed: Work, look: Option<Box<Presync>>, headers: Vec<Header> },
    BeginState,
    TakeRun(Box<StateRun>),
}

/// What is done outside the machine ends like this; after a call what is here comes back.
type Done = Result<(Option<RestoreEvent>, Option<Box<Restore>>), Failure>;

/// A restore under way.
pub(in crate::sync) struct Restoring {
    machine: Machine,
    chain: ChainHandle,
    network: NetworkHandle,
    /// What is here, unless a call works on it.
    restore: Option<Box<Restore>>,
    calls: VecDeque<Call>,
    /// What the machine said and is not done yet: as much as the machine has in flight, and no more.
    tasks: TaskSet<Done>,
    end: Option<End>,
}

impl Restoring {
    /// Goes on with a restore, or begins one; `None` where the operator wants none, or the chain is not at its genesis.
    pub(in crate::sync) async fn begin(
        chain: &ChainHandle,
        network: &NetworkHandle,
        may_be_alone: bool,
    ) -> Result<Option<Self>, Failure> {
        let restore = match chain.begin_restore().await? {
            Some(restore) => Box::new(restore),
            None => return Ok(None),
        };
        let read = runtime::blocking(move || headers_here(&restore).map(|here| (restore, here)));
        let (restore, here) = read.await??;
        tracing::info!(target: "cairn::sync", headers = here.height.get(), "beginning with a snapshot of the accounts");
        let machine = Machine::new(here, may_be_alone, clock::instant());
        let (chain, network) = (chain.clone(), network.clone());
        let (calls, tasks) = (VecDeque::new(), TaskSet::default());
        Ok(Some(Self { machine, chain, network, restore: Some(restore), calls, tasks, end: None }))
    }

    /// Runs until the chain stands at the pivot, or there is nothing to restore: the peers, for whoever goes on. `None`
    /// when the node is stopping.
    pub(in crate::sync) async fn run(
        mut self,
        inlets: &mut Inlets,
        outlet: &mut Outlet,
    ) -> Result<Option<Vec<NetworkEvent>>, TaskError> {
        let Inlets { events, moves, shutdown } = inlets;
        let (mut tick, mut stop) = (runtime::interval(TICK), pin!(shutdown.requested()));
        loop {
            let event = tokio::select! {
                biased;
                () = &mut stop => return Ok(None),
                moved = moves.recv() => match moved {
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => Some(RestoreEvent::ChainMoved),
                    Err(broadcast::error::RecvError::Closed) => return Ok(None),
                },
                Some(done) = self.tasks.join_next() => self.on_done(done)?,
                _ = tick.tick() => Some(RestoreEvent::Tick),
                event = events.recv() => match event {
                    Some(event) => Some(RestoreEvent::Network(event)),
                    None => return Ok(None),
                },
            };
            let now = clock::instant();
            let actions = event.map(|event| self.machine.on_event(now, event)).unwrap_or_default();
            actions.into_iter().for_each(|action| self.act(action));
            self.begin_call();
            outlet.tell(now, self.machine.status(now));
            if let Some((end, restore)) = self.end.and_then(|end| Some((end, self.restore.take()?))) {
                finish(&self.chain, end, *restore).await.or_else(|failure| failure.end(()))?;
                return Ok(Some(self.machine.into_peers().collect()));
            }
        }
    }

    fn on_done(&mut self, done: Result<Done, JoinError>) -> Result<Option<RestoreEvent>, TaskError> {
        let (event, restore) = done.map_err(Failure::from).flatten().or_else(|failure| failure.end((None, None)))?;
        if let Some(restore) = restore {
            self.restore = Some(restore);
        }
        Ok(event)
    }

    fn act(&mut self, action: RestoreAction) {
        let network = self.network.clone();
        match action {
            RestoreAction::FetchHeaders { job, peer, mut locator } => {
                locator.truncate(MAX_LOCATOR);
                self.tasks.spawn(async move {
                    let answer = network.request_headers(peer, locator).await;
                    Ok((Some(RestoreEvent::Headers { job, answer }), None))
                });
            }
            RestoreAction::FetchRun { job, peer, state_root, number } => {
                self.tasks.spawn(async move {
                    let answer = fetch_run(&network, peer, state_root, number).await?;
                    Ok((Some(RestoreEvent::Run { job, answer }), None))
                });
            }
            RestoreAction::SeekHolders { state_root } => {
                self.tasks.spawn(async move {
                    network.seek_providers(Kind::Snapshot, *state_root.as_bytes()).await;
                    Ok((None, None))
                });
            }
            RestoreAction::Report { peer, misbehaviour } => {
                self.tasks.spawn(async move {
                    network.report(peer, misbehaviour).await;
                    Ok((None, None))
                });
            }
            RestoreAction::TakeHeaders { job, headers, may_replace } => {
                self.calls.push_back(Call::TakeHeaders { job, headers, may_replace });
            }
            RestoreAction::Presync { job, claimed, look, headers } => {
                self.calls.push_back(Call::Presync { job, claimed, look, headers });
            }
            RestoreAction::BeginState => self.calls.push_back(Call::BeginState),
            RestoreAction::TakeRun(run) => self.calls.push_back(Call::TakeRun(run)),
            RestoreAction::End(end) => {
                self.calls.clear();
                self.end = Some(end);
            }
        }
    }

    /// Begins the next call, unless one works.
    fn begin_call(&mut self) {
        if self.restore.is_none() {
            return;
        }
        let Some(call) = self.calls.pop_front() else { return };
        let Some(mut restore) = self.restore.take() else { return };
        self.tasks.spawn(async move {
            let called = runtime::blocking(move || {
                let event = call.work(&mut restore)?;
                Ok((Some(event), Some(restore)))
            });
            called.await?
        });
    }
}

impl Call {
    fn work(self, restore: &mut Restore) -> Result<RestoreEvent, Failure> {
        Ok(match self {
            Self::TakeHeaders { job, headers, may_replace } => {
                let refusal = restore.take_headers(headers, clock::now(), may_replace)?.err();
                RestoreEvent::HeadersTaken { job, refusal, here: headers_here(restore)? }
            }
            Self::Presync { job, claimed, look, headers } => {
                let Some(mut look) =
                    look.map_or_else(|| begin_presync(restore, claimed, &headers), |look| Ok(Some(look)))?
                else {
                    return Ok(RestoreEvent::Presynced { job, look: None, step: Step::Differs });
                };
                let rules = PresyncRules { spec: restore.spec(), now: clock::now(), tip: restore.total_work() };
                let step = look.take(&rules, headers);
                RestoreEvent::Presynced { job, look: Some(look), step }
            }
            Self::BeginState => RestoreEvent::StateBegun { progress: restore.begin_state()? },
            Self::TakeRun(run) => {
                let number = run.number;
                let progress = restore.take_run(*run)?;
                RestoreEvent::RunTaken { number, progress, is_complete: restore.is_complete() }
            }
        })
    }
}

/// A presync of the chain of which these are the first headers; nothing where it does not begin at a block that is
/// here.
fn begin_presync(restore: &Restore, claimed: Work, headers: &[Header]) -> Result<Option<Box<Presync>>, Failure> {
    let Some(first) = headers.first() else { return Ok(None) };
    let mut secret = [0; 32];
    random::fill(&mut secret).map_err(Failure::Random)?;
    Ok(restore.context_of(first)?.map(|fork| Box::new(Presync::new(fork, claimed, &secret))))
}

fn headers_here(restore: &Restore) -> Result<HeadersHere, StoreError> {
    let pivot =
        restore.pivot()?.map(|pivot| Pivot { height: pivot.header().height, state_root: pivot.header().state_root });
    let (height, total_work, locator) = (restore.height(), restore.total_work(), restore.locator()?);
    Ok(HeadersHere { height, total_work, locator, pivot })
}

/// Asks a peer for a run, and checks it: thousands of hashes take a while, not on a thread that drives the network.
async fn fetch_run(
    network: &NetworkHandle,
    peer: PeerNumber,
    state_root: Hash,
    number: u64,
) -> Result<Result<Option<Box<StateRun>>, RunFailure>, Failure> {
    let run = match network.request_state_run(peer, state_root, number).await {
        Ok(Some(run)) => run,
        Ok(None) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(RunFailure::Request(error))),
    };
    let checked = runtime::blocking(move || run.verify(number, &state_root).map(|_| Some(Box::new(run))));
    Ok(checked.await?.map_err(RunFailure::Wrong))
}

/// Moves the chain to the pivot, or removes what is here.
async fn finish(chain: &ChainHandle, end: End, restore: Restore) -> Result<(), Failure> {
    match end {
        End::Complete => {
            // The chain says what that means.
            if !chain.finish_restore(restore).await? {
                tracing::warn!(target: "cairn::sync", "the snapshot is not used: fetching all blocks");
                let Some(rest) = chain.begin_restore().await? else { return Ok(()) };
                runtime::blocking(move || rest.abandon()).await??;
            }
        }
        End::GivenUp(reason) => {
            tracing::warn!(target: "cairn::sync", "{reason}: fetching all blocks");
            runtime::blocking(move || restore.abandon()).await??;
        }
    }
    Ok(())
}
