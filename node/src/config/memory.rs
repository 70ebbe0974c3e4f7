//! `memory.max_bytes`, divided among the parts.
//!
//! What it does not divide is fixed, or follows from the chain: the last states (some 20 MiB at the most), connections
//! (the peers' number is limited), and all accounts with the hashes over them, some 180 bytes for each. So half of the
//! whole is left to those, and a node whose network has more accounts than that leaves room for says so and ends
//! ([`accounts_within`]).

use super::{ConfigError, value::Sourced};
use cairn_chain::store::DbOptions;
use cairn_mempool::PoolConfig;

/// The least that makes sense: what a node that has just started holds, and room for each part.
const LEAST: u64 = 256 << 20;

/// The shares of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// What the database caches: an eighth.
    cache: usize,
    /// What was written lately: a sixteenth, at most 256 MiB, beyond which it is no faster.
    write_buffer: usize,
    /// Transactions that wait: an eighth of the whole for them and what finds them, which takes as much again.
    pool: usize,
    /// In MiB: no new peers come in above seven eighths.
    pub no_new_peers_mib: usize,
}

impl Shares {
    /// Divides the whole.
    pub fn of(max: &Sourced<u64>) -> Result<Self, ConfigError> {
        let whole = usize::try_from(max.value).ok().filter(|_| max.value >= LEAST);
        let whole = whole.ok_or_else(|| max.refuse("at least 256MiB, and no more than this machine can address"))?;
        Ok(Self {
            cache: whole / 8,
            write_buffer: (whole / 16).min(256 << 20),
            pool: whole / 16,
            no_new_peers_mib: (whole - whole / 8) >> 20,
        })
    }

    /// The database's, where nothing else was said for it.
    pub fn database(self) -> DbOptions {
        DbOptions { cache_bytes: self.cache, write_buffer_bytes: self.write_buffer, ..DbOptions::default() }
    }

    /// The pool's, where nothing else was said for it.
    pub fn pool(self) -> PoolConfig {
        PoolConfig { max_bytes: self.pool, ..PoolConfig::default() }
    }

    /// The parts, as they were set in the end, must leave half of the whole to what has no limit of its own.
    pub fn check(max: &Sourced<u64>, storage: &DbOptions, pool: &PoolConfig) -> Result<(), ConfigError> {
        let parts = (storage.cache_bytes as u64)
            .saturating_add(storage.write_buffer_bytes as u64)
            .saturating_add((pool.max_bytes as u64).saturating_mul(2));
        if parts <= max.value / 2 {
            return Ok(());
        }
        Err(max.refuse(format!(
            "twice what its parts take, {} MiB: storage.cache_mib, storage.write_buffer_mib and twice mempool.max_mib",
            parts >> 20
        )))
    }
}

/// What has no share and does not grow with the chain: the program, the last states, connections.
const FIXED: u64 = 96 << 20;
/// What an account takes with the hashes over it, and room for tables to grow.
const ACCOUNT: u64 = 192;

/// How many accounts fit into so many bytes beside everything else.
pub fn accounts_within(whole: u64, storage: &DbOptions, pool: &PoolConfig) -> u64 {
    let parts = (storage.cache_bytes as u64)
        .saturating_add(storage.write_buffer_bytes as u64)
        .saturating_add((pool.max_bytes as u64).saturating_mul(2));
    whole.saturating_sub(parts).saturating_sub(FIXED) / ACCOUNT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_memory_holds_some_hundred_thousand_accounts_and_a_gibibyte_four_million() {
        let within = |whole: usize| {
            let pool = PoolConfig { max_bytes: whole / 16, ..PoolConfig::default() };
            let database = DbOptions { cache_bytes: whole / 8, write_buffer_bytes: whole / 16, ..DbOptions::default() };
            accounts_within(whole as u64, &database, &pool)
        };
        assert!((300_000..600_000).contains(&within(256 << 20)), "{}", within(256 << 20));
        assert!((3_000_000..4_500_000).contains(&within(1 << 30)), "{}", within(1 << 30));
        assert_eq!(accounts_within(1 << 20, &DbOptions::default(), &PoolConfig::default()), 0);
    }
}
