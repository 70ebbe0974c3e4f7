//! Whose request is answered next when upload is scarce, and when. Pure: the time is an argument.
//!
//! Start-time fair queueing (Goyal, Vin and Cheng, 1996) at two levels: between those who give and those who only
//! take, eight bytes to one; and among each of the two, between peers, however many requests each has in line. So
//! whoever serves others goes first, nobody who waits is starved, and of what others leave unused everybody has all.

use crate::requests::class::Class;
use cairn_chain::PeerNumber;
use cairn_common::rate_limiter::RateLimiter;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Bytes for those who give, to each byte for those who only take, while both wait.
const GIVERS_WEIGHT: f64 = 8.0;
/// What may leave at once after a pause: a second's worth.
const BURST: Duration = Duration::from_secs(1);

/// What a peer has lately been for this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// It has given in proportion to what it took.
    Gives,
    /// It only takes, or has just come.
    Takes,
}

/// Virtual times: whoever has the least is next. One that was away has no credit for that.
#[derive(Debug)]
struct Fair<K> {
    clock: f64,
    /// Those who are ahead of the clock: only they are remembered.
    ends: BTreeMap<K, f64>,
}

impl<K: Copy + Ord> Fair<K> {
    fn new() -> Self {
        Self { clock: 0.0, ends: BTreeMap::new() }
    }

    fn start(&self, key: &K) -> f64 {
        self.ends.get(key).copied().unwrap_or(self.clock).max(self.clock)
    }

    /// The one that is next; of equals the first.
    fn next(&self, waiting: impl Iterator<Item = K>) -> Option<K> {
        waiting.min_by(|one, other| self.start(one).total_cmp(&self.start(other)))
    }

    fn begin(&mut self, key: K, cost: f64) {
        self.clock = self.start(&key);
        self.ends.insert(key, self.clock + cost);
        let clock = self.clock;
        self.ends.retain(|_, end| *end > clock);
    }

    /// A cost was another than it was thought to be.
    fn correct(&mut self, key: &K, more: f64) {
        if let Some(end) = self.ends.get_mut(key) {
            *end += more;
        }
    }
}

/// A request that is being answered: what was set aside for it.
#[derive(Debug)]
#[must_use = "what was set aside has to be given back"]
pub(crate) struct Reserved {
    number: PeerNumber,
    standing: Standing,
    bytes: usize,
}

/// The upload of answers.
#[derive(Debug)]
pub(crate) struct Upload {
    /// Bytes a second; `None` where the line is the only limit.
    limiter: Option<RateLimiter>,
    standings: Fair<Standing>,
    /// Each standing has a clock of its own: that of those who give runs ahead of the others'.
    givers: Fair<PeerNumber>,
    takers: Fair<PeerNumber>,
}

impl Upload {
    /// With the most bytes a second.
    pub(crate) fn new(rate: Option<usize>, now: Instant) -> Self {
        let limiter = rate.map(|rate| RateLimiter::new(rate as f64, rate as f64 * BURST.as_secs_f64(), now));
        Self { limiter, standings: Fair::new(), givers: Fair::new(), takers: Fair::new() }
    }

    /// Whether another answer may be begun now.
    pub(crate) fn is_free(&self, now: Instant) -> bool {
        self.free_at(now).is_none()
    }

    /// When it will be free again; `None` when it is.
    pub(crate) fn free_at(&self, now: Instant) -> Option<Instant> {
        let wait = self.limiter.as_ref()?.wait(now);
        // A little later rather than a little too early, which would be asked again and again.
        (!wait.is_zero()).then(|| now + wait + Duration::from_millis(1))
    }

    fn spend(&mut self, bytes: f64, now: Instant) {
        if let Some(limiter) = &mut self.limiter {
            limiter.spend(bytes, now);
        }
    }

    /// Which of those in line is next.
    pub(crate) fn next(&self, line: &[(PeerNumber, Standing)]) -> Option<usize> {
        let standing = self.standings.next(line.iter().map(|(_, standing)| *standing))?;
        let peers = match standing {
            Standing::Gives => &self.givers,
            Standing::Takes => &self.takers,
        };
        let peer = peers.next(line.iter().filter(|(_, of)| *of == standing).map(|(number, _)| *number))?;
        line.iter().position(|(number, _)| *number == peer)
    }

    fn peers(&mut self, standing: Standing) -> &mut Fair<PeerNumber> {
        match standing {
            Standing::Gives => &mut self.givers,
            Standing::Takes => &mut self.takers,
        }
    }

    /// Begins an answer. Until it is there, as much is set aside as it may have at most.
    pub(crate) fn begin(&mut self, number: PeerNumber, standing: Standing, class: Class, now: Instant) -> Reserved {
        let bytes = class.max_answer();
        self.spend(bytes as f64, now);
        self.standings.begin(standing, weighed(standing, bytes as f64));
        self.peers(standing).begin(number, bytes as f64);
        Reserved { number, standing, bytes }
    }

    /// The answer has so many bytes.
    pub(crate) fn settle(&mut self, reserved: &Reserved, bytes: usize, now: Instant) {
        let Reserved { number, standing, bytes: set_aside } = reserved;
        let more = bytes as f64 - *set_aside as f64;
        self.spend(more, now);
        self.standings.correct(standing, weighed(*standing, more));
        self.peers(*standing).correct(number, more);
    }
}

fn weighed(standing: Standing, bytes: f64) -> f64 {
    match standing {
        Standing::Gives => bytes / GIVERS_WEIGHT,
        Standing::Takes => bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Standing::{Gives, Takes};

    const ANSWER: usize = 100_000;

    /// Answers so many requests of a line that is always as long, and counts whose they were.
    fn serve(upload: &mut Upload, line: &[(PeerNumber, Standing)], count: usize) -> BTreeMap<PeerNumber, usize> {
        let (mut served, now) = (BTreeMap::new(), Instant::now());
        for _ in 0..count {
            let (number, standing) = line[upload.next(line).expect("somebody waits")];
            let reserved = upload.begin(number, standing, Class::Bodies, now);
            upload.settle(&reserved, ANSWER, now);
            *served.entry(number).or_default() += 1;
        }
        served
    }

    fn unlimited() -> Upload {
        Upload::new(None, Instant::now())
    }

    const GIVER: PeerNumber = PeerNumber(1);

    #[test]
    fn a_leecher_is_served_last_but_never_starved() {
        let mut upload = unlimited();
        // However many leechers there are, and however many requests they have in line.
        let mut line: Vec<_> = (2..50).map(|n| (PeerNumber(n), Takes)).collect();
        line.extend(line.clone());
        line.push((GIVER, Gives));
        let served = serve(&mut upload, &line, 900);
        assert!((790..=810).contains(&served[&GIVER]), "{served:?}");
        assert!(served.len() == 49 && served.values().all(|count| *count >= 2), "each has some: {served:?}");
        // The negative control: as one of them, it gets what each of them gets.
        let line: Vec<_> = line.into_iter().map(|(number, _)| (number, Takes)).collect();
        let served = serve(&mut unlimited(), &line, 490);
        assert!(served.values().all(|count| *count == 10), "{served:?}");
    }

    #[test]
    fn what_others_leave_unused_a_leecher_has_all_of() {
        let mut upload = unlimited();
        let leecher = [(PeerNumber(2), Takes)];
        assert_eq!(serve(&mut upload, &leecher, 500)[&PeerNumber(2)], 500);
        // Nobody has credit for having been away, nor owes for having had what nobody else wanted.
        let both = [(GIVER, Gives), leecher[0]];
        let served = serve(&mut upload, &both, 90);
        assert!((78..=82).contains(&served[&GIVER]), "{served:?}");
        serve(&mut upload, &both[..1], 500);
        let served = serve(&mut upload, &both, 90);
        assert!((78..=82).contains(&served[&GIVER]), "{served:?}");
    }

    #[test]
    fn more_requests_in_line_do_not_bring_more_answers() {
        let many = [(GIVER, Gives), (GIVER, Gives), (GIVER, Gives), (PeerNumber(2), Gives)];
        let served = serve(&mut unlimited(), &many, 100);
        assert_eq!((served[&GIVER], served[&PeerNumber(2)]), (50, 50));
    }

    #[test]
    fn upload_stays_within_its_rate() {
        let start = Instant::now();
        let mut upload = Upload::new(Some(1_000_000), start);
        let (mut now, mut sent) = (start, 0);
        while now < start + Duration::from_secs(10) {
            assert!(upload.is_free(now));
            let reserved = upload.begin(GIVER, Takes, Class::Bodies, now);
            assert!(!upload.is_free(now), "what an answer may need is set aside");
            upload.settle(&reserved, ANSWER, now);
            sent += ANSWER;
            if !upload.is_free(now) {
                now = upload.free_at(now).expect("it is not free");
            }
        }
        // A second's worth at once, and then as much as is earned.
        assert!((10_900_000..=11_300_000).contains(&sent), "{sent}");
        assert!(unlimited().free_at(start).is_none() && unlimited().is_free(start), "the control: no limit, no wait");
    }

    #[test]
    fn only_those_ahead_of_the_clock_are_remembered() {
        let (mut upload, now) = (unlimited(), Instant::now());
        for number in (1..10_000).map(PeerNumber) {
            let reserved = upload.begin(number, Takes, Class::Headers, now);
            upload.settle(&reserved, ANSWER, now);
            let reserved = upload.begin(number, Takes, Class::Headers, now);
            upload.settle(&reserved, ANSWER, now);
        }
        assert!(upload.takers.ends.len() < 10, "{}", upload.takers.ends.len());
    }
}
