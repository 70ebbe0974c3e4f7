//! The network's task: it hands events to the [state](crate::state) and carries out the actions that follow. It owns
//! the swarm and every channel, and everything waits on it, so nothing here takes long: checks and reads run in tasks
//! of their own, in the numbers that the state allows.

use crate::{
    event::{Action, ExchangeEvent, Moment, NodeEvent},
    handle::{Command, FindError, NetworkEvent, Provider, RequestError},
    ids::SearchNumber,
    outbound::persistent::{Reason, TargetError},
    state::{NetworkState, OwnAddresses},
    swarm::NetworkSwarm,
    tasks::{Done, Tasks},
};
use cairn_chain::ChainEvent;
use cairn_common::{
    clock,
    tasks::{Shutdown, TaskError},
};
use cairn_mempool::Accepted;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::MissedTickBehavior,
};

/// How often everything periodic is looked at.
const TICK: Duration = Duration::from_millis(500);

/// What the service listens to besides the swarm.
pub(crate) struct Inlets {
    pub(crate) mailbox: mpsc::Receiver<Command>,
    pub(crate) moves: broadcast::Receiver<ChainEvent>,
    pub(crate) accepted: broadcast::Receiver<Arc<Accepted>>,
    pub(crate) events: mpsc::Sender<NetworkEvent>,
}

/// Where what a search has found goes.
type FoundSender = oneshot::Sender<Result<Vec<Provider>, FindError>>;

/// The hands of the network.
pub(crate) struct Service {
    swarm: NetworkSwarm,
    state: NetworkState,
    tasks: Tasks,
    searches: BTreeMap<SearchNumber, FoundSender>,
}

impl Service {
    /// A service at its beginning.
    pub(crate) fn new(swarm: NetworkSwarm, state: NetworkState, tasks: Tasks) -> Self {
        Self { swarm, state, tasks, searches: BTreeMap::new() }
    }

    /// Runs until the node stops or its store fails.
    pub(crate) async fn run(mut self, mut inlets: Inlets, mut shutdown: Shutdown) -> Result<(), TaskError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let (due, has_news) = (self.state.due(), self.state.has_news_for_sync());
            let event = tokio::select! {
                () = shutdown.requested() => break,
                event = self.swarm.next() => Some(event),
                Some(command) = inlets.mailbox.recv() => {
                    self.on_command(command);
                    None
                }
                done = self.tasks.next() => match done? {
                    Done::Judged(job, judged) => {
                        let travels = self.swarm.on_verdict(&job, &judged.verdict);
                        Some(ExchangeEvent::Judged { job, judged, travels }.into())
                    }
                    Done::Event(event) => Some(event),
                    Done::Nothing => None,
                },
                moved = inlets.moves.recv() => match moved {
                    Ok(event) => Some(NodeEvent::ChainMoved(event).into()),
                    Err(broadcast::error::RecvError::Lagged(_)) => Some(NodeEvent::MovesMissed.into()),
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                accepted = inlets.accepted.recv() => match accepted {
                    Ok(accepted) => Some(NodeEvent::Accepted(accepted).into()),
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        tracing::warn!(target: "cairn::network", missed, "transactions were accepted faster than sent");
                        None
                    }
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                Ok(room) = inlets.events.reserve(), if has_news => {
                    if let Some(event) = self.state.next_for_sync() {
                        room.send(event);
                    }
                    None
                }
                () = sleep_until(due), if due.is_some() => Some(NodeEvent::Due.into()),
                _ = tick.tick() => {
                    self.tasks.tidy();
                    Some(NodeEvent::Tick.into())
                }
            };
            if let Some(event) = event {
                let actions = self.state.on_event(event, &self.moment());
                self.carry_out(actions);
            }
        }
        self.tasks.save_at_end(|| self.state.unsaved_at_end()).await;
        Ok(())
    }

    /// Begins to dial somebody.
    pub(crate) fn add_target(&mut self, address: &str, reason: Reason) -> Result<(), TargetError> {
        let actions = self.state.add_target(address, reason, Instant::now())?;
        self.carry_out(actions);
        Ok(())
    }

    fn moment(&self) -> Moment {
        Moment { now: Instant::now(), clock: clock::now(), tip: self.tasks.tip() }
    }

    /// Carries actions out, and those that follow from what comes of them at once.
    fn carry_out(&mut self, actions: Vec<Action>) {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            let event = match action {
                Action::Swarm(action) => self.swarm.carry_out(action),
                Action::Task(action) => self.tasks.begin(action),
                Action::EndSearch { search, found } => {
                    // Whoever asked may be gone.
                    self.searches.remove(&search).map(|answer| answer.send(Ok(found)));
                    None
                }
            };
            if let Some(event) = event {
                let next = self.state.on_event(event, &self.moment());
                actions.extend(next);
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        let moment = self.moment();
        let actions = match command {
            Command::Announce { header, body } => self.state.announce(&header, body),
            Command::Request { peer, class, request, answer } => {
                match self.state.on_requesting(peer, class, request.len()) {
                    Some(id) => self.swarm.request(id, class, request, answer),
                    None => return drop(answer.send(Err(RequestError::Gone))),
                }
                return;
            }
            Command::Report { peer, misbehaviour } => self.state.report(peer, misbehaviour, &moment),
            Command::AddPeer { address, answer } => reply(answer, self.add_target(&address, Reason::Named)),
            Command::Peers { answer } => {
                reply(answer, self.state.list_peers(|peer| self.swarm.mesh_of(peer), moment.now))
            }
            Command::Info { answer } => {
                let addresses = OwnAddresses {
                    listening: self.swarm.listening(),
                    external: self.swarm.external(),
                    protocol_prefix: self.swarm.protocol_prefix(),
                };
                reply(answer, self.state.info(&addresses, &moment))
            }
            Command::Ban { target, seconds, reason, answer } => {
                let actions = self.state.ban(target, seconds, reason, &moment);
                let _ = answer.send(());
                actions
            }
            Command::Unban { target, answer } => reply(answer, self.state.unban(&target)),
            Command::ListBans { answer } => reply(answer, self.state.list_bans(&moment)),
            Command::Admit { peer, answer } => reply(answer, self.state.admit(peer)),
            Command::Revoke { peer, answer } => match self.state.revoke(&peer, &moment) {
                Ok((was_in, actions)) => {
                    drop(answer.send(Ok(was_in)));
                    actions
                }
                Err(error) => reply(answer, Err(error)),
            },
            Command::FindProviders { resource, answer } => match self.state.find_providers(resource) {
                Ok((search, actions)) => {
                    self.searches.insert(search, answer);
                    actions
                }
                Err(error) => reply(answer, Err(error)),
            },
            Command::SeekProviders { resource } => self.state.seek_providers(resource),
        };
        self.carry_out(actions);
    }
}

/// Answers whoever asked, who may be gone; there is nothing else to do.
fn reply<T>(answer: oneshot::Sender<T>, value: T) -> Vec<Action> {
    let _ = answer.send(value);
    Vec::new()
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due.into()).await;
    }
}
