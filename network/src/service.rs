//! The network's task: it hands events to the [state](crate::state) and carries out the actions that follow. It owns
//! the swarm and every channel, and everything waits on it, so nothing here takes long: checks and reads run in tasks
//! of their own, in the numbers that the state allows.

use crate::event::{Action, Context, Event};
use crate::handle::{Command, FindError, NetworkEvent, NetworkInfo, Provider, RequestError};
use crate::outbound::persistent::{Reason, TargetError};
use crate::{ids::SearchNumber, state::NetworkState, tasks::Tasks, transport::Transport};
use cairn_chain::ChainEvent;
use cairn_common::tasks::{Shutdown, TaskError};
use cairn_common::{clock, runtime};
use cairn_mempool::Accepted;
use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, oneshot};

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
pub(crate) struct Service<T> {
    swarm: T,
    state: NetworkState,
    tasks: Tasks,
    searches: BTreeMap<SearchNumber, FoundSender>,
}

impl<T: Transport> Service<T> {
    /// A service at its beginning.
    pub(crate) fn new(swarm: T, state: NetworkState, tasks: Tasks) -> Self {
        Self { swarm, state, tasks, searches: BTreeMap::new() }
    }

    /// Runs until the node stops or its store fails.
    pub(crate) async fn run(mut self, mut inlets: Inlets, mut shutdown: Shutdown) -> Result<(), TaskError> {
        let (mut tick, mut stop) = (runtime::interval(TICK), pin!(shutdown.requested()));
        loop {
            let (due, has_news) = (self.state.due(), self.state.has_news_for_sync());
            let event = tokio::select! {
                // What this node has begun itself, of which there is a bounded number, before what strangers send.
                biased;
                () = &mut stop => break,
                Some(command) = inlets.mailbox.recv() => {
                    self.on_command(command);
                    None
                }
                done = self.tasks.next() => match done? {
                    Some(Event::Judged { job, judged, .. }) => {
                        let travels = self.swarm.on_verdict(&job, &judged.verdict);
                        Some(Event::Judged { job, judged, travels })
                    }
                    event => event,
                },
                moved = inlets.moves.recv() => match moved {
                    Ok(event) => Some(Event::ChainMoved(event)),
                    Err(broadcast::error::RecvError::Lagged(_)) => Some(Event::MovesMissed),
                    Err(broadcast::error::RecvError::Closed) => break,
                },
                accepted = inlets.accepted.recv() => match accepted {
                    Ok(accepted) => Some(Event::Accepted(accepted)),
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
                () = sleep_until(due), if due.is_some() => Some(Event::Due),
                () = tick.tick() => {
                    self.tasks.tidy();
                    Some(Event::Tick)
                }
                event = self.swarm.next() => Some(event),
            };
            if let Some(event) = event {
                let actions = self.state.on_event(event, &mut self.context());
                self.carry_out(actions);
            }
            // At once, where sync has room: it costs another round otherwise.
            while self.state.has_news_for_sync()
                && let Ok(room) = inlets.events.try_reserve()
            {
                if let Some(event) = self.state.next_for_sync() {
                    room.send(event);
                }
            }
        }
        self.tasks.save_at_end(|| self.state.unsaved(true)).await;
        Ok(())
    }

    /// Begins to dial somebody.
    pub(crate) fn add_target(&mut self, address: &str, reason: Reason) -> Result<(), TargetError> {
        let mut cx = self.context();
        self.state.add_target(address, reason, &mut cx)?;
        self.carry_out(cx.take());
        Ok(())
    }

    fn context(&self) -> Context {
        Context::new(clock::instant(), clock::now(), self.tasks.tip())
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
                let next = self.state.on_event(event, &mut self.context());
                actions.extend(next);
            }
        }
    }

    fn on_command(&mut self, command: Command) {
        let mut cx = self.context();
        match command {
            Command::Announce { header, body } => self.state.announce(&header, body, &mut cx),
            Command::Request { peer, class, request, answer } => {
                match self.state.on_requesting(peer, class, request.len()) {
                    Some(id) => self.swarm.request(id, class, request, answer),
                    None => reply(answer, Err(RequestError::Gone)),
                }
            }
            Command::Report { peer, misbehaviour } => cx.report(peer, misbehaviour),
            Command::AddPeer { address, answer } => {
                reply(answer, self.state.add_target(&address, Reason::Named, &mut cx));
            }
            Command::Peers { answer } => reply(answer, self.state.list_peers(|peer| self.swarm.mesh_of(peer), cx.now)),
            Command::Info { answer } => {
                let (listening, external) = (self.swarm.listening(), self.swarm.external());
                let protocol_prefix = self.swarm.protocol_prefix();
                reply(answer, NetworkInfo { listening, external, protocol_prefix, ..self.state.info(&cx) });
            }
            Command::Ban { target, seconds, reason, answer } => {
                self.state.ban(target, seconds, reason, &mut cx);
                reply(answer, ());
            }
            Command::Unban { target, answer } => reply(answer, self.state.unban(&target)),
            Command::ListBans { answer } => reply(answer, self.state.list_bans(&cx)),
            Command::Admit { peer, answer } => reply(answer, self.state.admit(peer)),
            Command::Revoke { peer, answer } => reply(answer, self.state.revoke(&peer, &mut cx)),
            Command::FindProviders { resource, answer } => match self.state.find_providers(resource, &mut cx) {
                Ok(search) => drop(self.searches.insert(search, answer)),
                Err(error) => reply(answer, Err(error)),
            },
            Command::SeekProviders { resource } => self.state.seek_providers(resource, &mut cx),
        }
        let actions = self.state.finish(&mut cx);
        self.carry_out(actions);
    }
}

/// Answers whoever asked, who may be gone; there is nothing else to do.
fn reply<T>(answer: oneshot::Sender<T>, value: T) {
    let _ = answer.send(value);
}

async fn sleep_until(due: Option<Instant>) {
    if let Some(due) = due {
        runtime::sleep_until(due).await;
    }
}
