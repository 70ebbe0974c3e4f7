//! Rates by prefix of an address: each host has one, its site and its group have some more, however many identities and
//! addresses are in them. Pure: the time is an argument.

use crate::addrman::ip_groups::{self, Prefix};
use cairn_common::rate_limiter::RateLimiter;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Prefixes of each length that are remembered; those that are as if they had never been used are forgotten first.
const MOST: usize = 8_192;
/// How often that is looked at, at most, while there are as many.
const TIDY_EVERY: Duration = Duration::from_secs(1);
/// What a host (one IPv4 address, IPv6 /64) may have; a site (IPv4 /24, IPv6 /48), for each that a host may have; and a
/// group (IPv4 /16, IPv6 /32).
const SHARES: [f64; 3] = [1.0, 3.0, 8.0];

/// How often something may be done, by prefix.
#[derive(Debug)]
pub(crate) struct PrefixLimiter {
    per_second: f64,
    burst: f64,
    /// Behind one private address may be a whole network: so many times as much is allowed there.
    private: f64,
    /// Of hosts, of sites and of groups.
    limiters: [BTreeMap<Prefix, RateLimiter>; 3],
    tidied: Option<Instant>,
}

impl PrefixLimiter {
    /// For each host so often a second, and so often at once after a pause; from a private address so many times as
    /// much.
    pub(crate) fn new(per_second: f64, burst: f64, private: f64) -> Self {
        Self { per_second, burst, private, limiters: Default::default(), tidied: None }
    }

    /// Whether it may be done once more from there. What is refused costs neither a neighbour anything nor memory.
    pub(crate) fn take(&mut self, ip: IpAddr, now: Instant) -> bool {
        self.tidy(now);
        let private = if ip_groups::is_private(ip) { self.private } else { 1.0 };
        let prefixes = [ip_groups::host_of(ip), ip_groups::site_of(ip), ip_groups::group_of(ip)];
        let mut taken = Vec::with_capacity(prefixes.len());
        for ((prefix, share), limiters) in prefixes.into_iter().zip(SHARES).zip(&self.limiters) {
            let factor = share * private;
            let new = || RateLimiter::new(self.per_second * factor, self.burst * factor, now);
            let mut limiter = limiters.get(&prefix).copied().unwrap_or_else(new);
            if limiter.take(1.0, now).is_err() {
                return false;
            }
            taken.push((prefix, limiter));
        }
        for ((prefix, limiter), limiters) in taken.into_iter().zip(&mut self.limiters) {
            if limiters.len() < MOST || limiters.contains_key(&prefix) {
                limiters.insert(prefix, limiter);
            }
        }
        true
    }

    fn tidy(&mut self, now: Instant) {
        let is_full = self.limiters.iter().any(|limiters| limiters.len() >= MOST);
        if is_full && self.tidied.is_none_or(|at| now.saturating_duration_since(at) >= TIDY_EVERY) {
            self.tidied = Some(now);
            self.limiters.iter_mut().for_each(|limiters| limiters.retain(|_, limiter| !limiter.is_full(now)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(limiter: &mut PrefixLimiter, ips: impl Iterator<Item = String>, now: Instant) -> usize {
        ips.filter(|ip| limiter.take(ip.parse().expect("an address"), now)).count()
    }

    #[test]
    fn a_host_a_site_and_a_group_have_each_their_rate_and_the_next_is_unharmed() {
        let (mut limiter, now) = (PrefixLimiter::new(1.0, 10.0, 20.0), Instant::now());
        assert_eq!(count(&mut limiter, (0..1_000).map(|_| "1.2.3.4".to_owned()), now), 10);
        assert!(limiter.take("1.2.3.5".parse().expect("an address"), now), "its neighbour is unharmed");
        assert_eq!(count(&mut limiter, (0..1_000).map(|n| format!("1.2.3.{}", n % 250)), now), 19);
        assert_eq!(count(&mut limiter, (0..9_000).map(|n| format!("1.2.{}.{}", n % 250, n % 7)), now), 50);
        assert!(limiter.take("1.3.3.4".parse().expect("an address"), now), "another group");
        // One who owns a whole /48 has a /64 for each connection.
        assert_eq!(count(&mut limiter, (0..9_000).map(|n| format!("2606:4700:1:{n:x}::1")), now), 30);
        assert_eq!(count(&mut limiter, (0..9_000).map(|n| format!("2606:4700:{n:x}::1")), now), 50);
        assert_eq!(count(&mut limiter, (0..9_000).map(|_| "127.0.0.1".to_owned()), now), 200);
        let later = now + Duration::from_secs(5);
        assert_eq!(count(&mut limiter, (0..1_000).map(|_| "1.2.3.4".to_owned()), later), 5);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (mut limiter, now) = (PrefixLimiter::new(1.0, 10.0, 20.0), Instant::now());
        let ips = (0..30_000).map(|n| format!("{}.{}.{}.{}", n % 200 + 1, n / 200 % 200, n % 251, n % 13));
        count(&mut limiter, ips, now);
        assert!(limiter.limiters.iter().all(|limiters| limiters.len() <= MOST));
    }
}
