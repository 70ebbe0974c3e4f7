//! How fast a caller may ask: the generic cell rate algorithm (ITU-T I.371), one moment of memory for each
//! caller. Pure: the time is handed in.

use crate::api::{access::prefix, tokens::TokenId};
use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    time::{Duration, Instant},
};

/// Callers that are remembered: more than can be connected at a time. When there are more, those that have
/// been quiet are forgotten, which changes nothing for them.
const MAX_KEYS: usize = 4_096;
/// How much of its rate a quiet caller may use at once.
const BURST: Duration = Duration::from_secs(1);

/// Whose allowance a call uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RateKey {
    /// All programs of this machine.
    Local,
    /// A machine elsewhere. Whoever has one IPv6 address has its whole /64.
    Address(IpAddr),
    /// Whoever holds this token.
    Token(TokenId),
}

impl RateKey {
    /// Who pays for calls from this address.
    pub fn at(address: IpAddr) -> Self {
        match address.to_canonical() {
            address if address.is_loopback() => Self::Local,
            address => Self::Address(prefix(address, 32, 64)),
        }
    }
}

/// What every caller has used.
#[derive(Debug, Default)]
pub struct CallRates {
    /// When each will have paid for what it has asked.
    paid_at: HashMap<RateKey, Instant>,
}

impl CallRates {
    /// Lets a call of `key` through if it keeps to `rate` calls a second.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&mut self, key: RateKey, rate: u32, now: Instant) -> Result<(), Duration> {
        let each = Duration::from_secs(1) / rate.max(1);
        let paid_at = self.paid_at.get(&key).copied().unwrap_or(now).max(now) + each;
        let ahead = paid_at.saturating_duration_since(now);
        // A rate of one call a second still lets one through.
        if ahead > BURST.max(each) {
            return Err(ahead - BURST.max(each));
        }
        make_room(&mut self.paid_at, |paid_at| *paid_at > now);
        self.paid_at.insert(key, paid_at);
        Ok(())
    }
}

/// Something that is said at most once in a while to each caller.
#[derive(Debug)]
pub struct LogThrottle<K> {
    logged_at: HashMap<K, Instant>,
}

impl<K> Default for LogThrottle<K> {
    fn default() -> Self {
        Self { logged_at: HashMap::new() }
    }
}

impl<K: Eq + Hash> LogThrottle<K> {
    /// Whether `key` has not been told for this long.
    pub fn is_due(&mut self, key: K, pause: Duration, now: Instant) -> bool {
        if self.logged_at.get(&key).is_some_and(|logged_at| now.saturating_duration_since(*logged_at) < pause) {
            return false;
        }
        make_room(&mut self.logged_at, |logged_at| now.saturating_duration_since(*logged_at) < pause);
        self.logged_at.insert(key, now);
        true
    }
}

/// Forgets what no longer matters when there is much; everything, when all of it still matters: then so many
/// callers ask at once that the connections' limit is what holds them.
fn make_room<K: Eq + Hash>(map: &mut HashMap<K, Instant>, matters: impl Fn(&Instant) -> bool) {
    if map.len() >= MAX_KEYS {
        map.retain(|_, at| matters(at));
    }
    if map.len() >= MAX_KEYS {
        map.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: RateKey = RateKey::Local;

    #[test]
    fn a_caller_has_its_rate_and_one_second_of_it_at_once() {
        let (mut rates, start) = (CallRates::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let burst = (0..100).filter(|_| rates.take(A, 10, at(0)).is_ok()).count();
        assert_eq!(burst, 10);
        assert_eq!(rates.take(A, 10, at(0)), Err(Duration::from_millis(100)));
        assert_eq!(rates.take(A, 10, at(99)), Err(Duration::from_millis(1)));
        assert_eq!(rates.take(A, 10, at(100)), Ok(()));
        let later = (0..100).filter(|_| rates.take(A, 10, at(60_000)).is_ok()).count();
        assert_eq!(later, 10, "what was not used does not pile up");
        assert_eq!(rates.take(RateKey::Token("00000001".parse().expect("an id")), 1, at(60_000)), Ok(()), "another's");
    }

    #[test]
    fn who_has_one_address_of_a_network_pays_for_all_of_it() {
        let key = |text: &str| RateKey::at(text.parse().expect("an address"));
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        for local in ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(key(local), RateKey::Local, "{local}");
        }
    }

    #[test]
    fn memory_is_bounded_however_many_ask() {
        let (mut rates, mut throttle, now) = (CallRates::default(), LogThrottle::default(), Instant::now());
        for n in 0..3 * MAX_KEYS as u32 {
            assert_eq!(rates.take(RateKey::at(IpAddr::from(n.to_be_bytes())), 1, now), Ok(()));
            assert!(throttle.is_due(n, BURST, now));
            assert!(rates.paid_at.len() <= MAX_KEYS && throttle.logged_at.len() <= MAX_KEYS);
        }
    }

    #[test]
    fn something_is_said_once_in_a_while() {
        let (mut throttle, start, pause) = (LogThrottle::default(), Instant::now(), Duration::from_secs(60));
        let mut due = |key, seconds| throttle.is_due(key, pause, start + Duration::from_secs(seconds));
        assert_eq!((due(1, 0), due(1, 59), due(2, 59), due(1, 60)), (true, false, true, true));
    }
}
