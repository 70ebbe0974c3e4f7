//! How fast a caller may ask, a token bucket for each, and how often the log says so. Pure: the time is handed in.

use crate::{access::prefix, tokens::TokenId};
use cairn_common::rate_limiter::RateLimiter;
use std::time::{Duration, Instant};
use std::{collections::HashMap, hash::Hash, net::IpAddr};

/// Callers that are remembered: more than can be connected at a time. When there are more, those that have
/// been quiet are forgotten, which changes nothing for them.
const MAX_KEYS: usize = 4_096;

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

/// What every caller may still ask.
#[derive(Debug, Default)]
pub struct CallRates(HashMap<(RateKey, u32), RateLimiter>);

impl CallRates {
    /// Lets a call of `key` through if it keeps to `rate` calls a second.
    ///
    /// # Errors
    /// How long to wait.
    pub fn take(&mut self, key: RateKey, rate: u32, now: Instant) -> Result<(), Duration> {
        make_room(&mut self.0, |limiter| !limiter.is_full(now));
        // A quiet caller may use a second of its rate at once.
        let burst = f64::from(rate.max(1));
        self.0.entry((key, rate)).or_insert_with(|| RateLimiter::new(burst, burst, now)).take(1.0, now)
    }
}

/// Something that is logged at most once in a while for each address.
#[derive(Debug, Default)]
pub struct LogThrottle {
    logged_at: HashMap<IpAddr, Instant>,
}

impl LogThrottle {
    /// Whether nothing was logged of `key` for this long.
    pub fn is_due(&mut self, key: IpAddr, pause: Duration, now: Instant) -> bool {
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
fn make_room<K: Eq + Hash, V>(map: &mut HashMap<K, V>, matters: impl Fn(&V) -> bool) {
    if map.len() >= MAX_KEYS {
        map.retain(|_, value| matters(value));
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
            assert!(throttle.is_due(IpAddr::from(n.to_be_bytes()), Duration::from_secs(1), now));
            assert!(rates.0.len() <= MAX_KEYS && throttle.logged_at.len() <= MAX_KEYS);
        }
    }

    #[test]
    fn something_is_said_once_in_a_while() {
        let (mut throttle, start, pause) = (LogThrottle::default(), Instant::now(), Duration::from_secs(60));
        let mut due = |host: u8, seconds| {
            throttle.is_due(IpAddr::from([192, 0, 2, host]), pause, start + Duration::from_secs(seconds))
        };
        assert_eq!((due(1, 0), due(1, 59), due(2, 59), due(1, 60)), (true, false, true, true));
    }
}
