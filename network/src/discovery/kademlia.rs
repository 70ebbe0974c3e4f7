//! Finding peers in the DHT, and who serves what there. How the DHT itself is set up stands in
//! [`swarm::dht`](crate::swarm::dht).

use crate::event::{Context, SwarmAction};
use crate::ids::{PeerId, SearchNumber};
use crate::{discovery::resource::Resource, handle::FindError, outbound::backoff::Backoff};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// How often a node says again what it provides: a third of the time for which that stands.
const PROVIDE_EVERY: Duration = Duration::from_secs(1200);
/// Searches for providers at once; further ones are refused.
const SEARCHES: usize = 16;
/// The most providers a search answers with.
const MAX_FOUND: usize = 100;

/// What providers are looked for for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SearchPurpose {
    /// Somebody wants to know.
    Answer,
    /// To dial some.
    Dial,
}

#[derive(Debug)]
struct Search {
    found: BTreeSet<PeerId>,
    purpose: SearchPurpose,
}

/// What the DHT is being asked.
#[derive(Debug, Default)]
pub(crate) struct Dht {
    is_on: bool,
    running: BTreeMap<SearchNumber, Search>,
    last: u64,
    /// What this node provides, and when to say so again.
    provided: Vec<(Resource, Backoff)>,
}

impl Dht {
    /// Whether there is a DHT to ask.
    pub(crate) fn new(is_on: bool) -> Self {
        Self { is_on, ..Self::default() }
    }

    /// Says what this node provides, once there is somebody to say it to, and again from time to time.
    pub(crate) fn provide(&mut self, resources: &[Resource], cx: &mut Context) {
        if !self.is_on {
            return;
        }
        let gone = self.provided.extract_if(.., |(resource, _)| !resources.contains(resource));
        gone.for_each(|(resource, _)| cx.push(SwarmAction::StopProviding(resource)));
        let is_said = |provided: &[(Resource, Backoff)], one| provided.iter().any(|(resource, _)| resource == one);
        for resource in resources {
            if !is_said(&self.provided, resource) {
                self.provided.push((*resource, Backoff::default()));
            }
        }
        let due = self.provided.iter().filter(|(_, said)| said.is_due(cx.now)).map(|(resource, _)| *resource);
        due.collect::<Vec<_>>().into_iter().for_each(|resource| cx.push(SwarmAction::Provide(resource)));
    }

    /// There was somebody to say that to.
    pub(crate) fn on_providing(&mut self, resource: Resource, now: Instant) {
        let said = self.provided.iter_mut().filter(|(one, _)| *one == resource);
        said.for_each(|(_, said)| said.tried(now, PROVIDE_EVERY));
    }

    /// Asks the DHT who provides something.
    pub(crate) fn find_providers(
        &mut self,
        resource: Resource,
        purpose: SearchPurpose,
        cx: &mut Context,
    ) -> Result<SearchNumber, FindError> {
        if !self.is_on {
            return Err(FindError::Off);
        }
        if self.running.len() >= SEARCHES {
            return Err(FindError::Busy);
        }
        self.last += 1;
        let search = SearchNumber(self.last);
        self.running.insert(search, Search { found: BTreeSet::new(), purpose });
        cx.push(SwarmAction::FindProviders { search, resource });
        Ok(search)
    }

    /// Some providers were found. Those that are to be dialled are returned at once: while the search goes on,
    /// Kademlia knows where they are.
    pub(crate) fn on_providers(&mut self, search: SearchNumber, providers: &[PeerId]) -> bool {
        let Some(search) = self.running.get_mut(&search) else { return false };
        search.found.extend(providers);
        search.purpose == SearchPurpose::Dial
    }

    /// Ends a search when it is through, or has found enough: whom it has found, if somebody wants to know.
    pub(crate) fn end(&mut self, search: SearchNumber, is_last: bool) -> Option<Vec<PeerId>> {
        let is_over = is_last || self.running.get(&search).is_some_and(|search| search.found.len() >= MAX_FOUND);
        if !is_over {
            return None;
        }
        let Search { found, purpose } = self.running.remove(&search)?;
        (purpose == SearchPurpose::Answer).then(|| found.into_iter().take(MAX_FOUND).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::resource::Kind;
    use crate::testing::{at, context, on_swarm};

    fn resource() -> Resource {
        Resource::new(Kind::FullHistory, [0; 32])
    }

    #[test]
    fn a_search_answers_once_with_each_of_whom_it_has_found() {
        let (mut dht, mut cx) = (Dht::new(true), context());
        let search = dht.find_providers(resource(), SearchPurpose::Answer, &mut cx).expect("there is a DHT");
        assert!(
            matches!(&on_swarm(&mut cx)[..], [SwarmAction::FindProviders { search: asked, .. }] if *asked == search)
        );
        let (first, second) = (PeerId::random(), PeerId::random());
        assert!(!dht.on_providers(search, &[first, second]), "nobody is dialled for an answer");
        assert_eq!(dht.end(search, false), None);
        dht.on_providers(search, &[first]);
        assert_eq!(dht.end(search, true), Some(BTreeSet::from([first, second]).into_iter().collect()));
        assert_eq!(dht.end(search, true), None);
    }

    #[test]
    fn only_so_many_search_at_once_and_nobody_without_a_dht() {
        let (mut dht, mut cx) = (Dht::new(true), context());
        let searches: Vec<_> =
            (0..SEARCHES).flat_map(|_| dht.find_providers(resource(), SearchPurpose::Dial, &mut cx)).collect();
        assert_eq!(searches.len(), SEARCHES);
        assert_eq!(dht.find_providers(resource(), SearchPurpose::Answer, &mut cx), Err(FindError::Busy));
        assert_eq!(dht.end(searches[0], true), None, "nobody wants to know");
        assert!(dht.find_providers(resource(), SearchPurpose::Answer, &mut cx).is_ok(), "the control: one has ended");
        assert_eq!(Dht::new(false).find_providers(resource(), SearchPurpose::Answer, &mut cx), Err(FindError::Off));
    }

    #[test]
    fn what_is_provided_is_said_until_somebody_heard_it_and_then_now_and_then() {
        let (mut dht, mut cx) = (Dht::new(true), context());
        let now = cx.now;
        for _ in 0..3 {
            dht.provide(&[resource()], at(&mut cx, now));
        }
        assert_eq!(on_swarm(&mut cx).len(), 3);
        dht.on_providing(resource(), now);
        dht.provide(&[resource()], at(&mut cx, now));
        assert_eq!(on_swarm(&mut cx).len(), 0);
        dht.provide(&[resource()], at(&mut cx, now + PROVIDE_EVERY));
        assert_eq!(on_swarm(&mut cx).len(), 1);
    }

    #[test]
    fn a_new_snapshot_is_told_of_at_once_and_one_that_is_gone_no_more() {
        let (mut dht, mut cx) = (Dht::new(true), context());
        let (now, snapshot) = (cx.now, Resource::new(Kind::Snapshot, [1; 32]));
        dht.provide(&[resource()], &mut cx);
        dht.on_providing(resource(), now);
        on_swarm(&mut cx);
        dht.provide(&[resource(), snapshot], at(&mut cx, now));
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::Provide(new)] if *new == snapshot));
        dht.on_providing(snapshot, now);
        dht.provide(&[resource()], at(&mut cx, now));
        assert!(matches!(&on_swarm(&mut cx)[..], [SwarmAction::StopProviding(gone)] if *gone == snapshot));
        dht.provide(&[resource()], at(&mut cx, now));
        assert_eq!(on_swarm(&mut cx).len(), 0, "the control: what goes on is not told anew");
    }
}
