//! The memory of the process, divided among the parts: `memory.max_bytes` or, where that is not set, what the machine
//! or the container has.
//!
//! What is not divided is fixed, or bounded elsewhere: the program, the last states (some 20 MiB at the most),
//! connections (the peers' number is limited). The rest is for accounts and the hashes over them; those that do not fit
//! are on the disk.

use super::{ConfigError, value::Sourced};
use cairn_chain::store::{BLOCK_BYTES, CHECKED_BYTES, DbOptions};
use cairn_mempool::PoolConfig;

/// The least that makes sense: what a node that has just started holds, and room for each part.
const LEAST: u64 = 256 << 20;
/// With so much, the parts need no shares.
const ENOUGH: u64 = 1 << 30;
/// What has no share and does not grow with the chain: nine sixteenths of the whole, at most this.
const FIXED: u64 = 160 << 20;

/// What the process may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// All of it together; `None` where neither the configuration nor the system says.
    pub max_bytes: Option<u64>,
    /// The shares of the parts, where they have to be small or somebody set a bound.
    pub shares: Option<Shares>,
    /// Whether somebody set the bound: otherwise others on the machine want some of it.
    is_given: bool,
}

/// The shares of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// What the database caches: an eighth.
    cache: usize,
    /// What was written lately: a thirty-second, at most 256 MiB, beyond which it is no faster. While it goes to the
    /// disk, as much again is written.
    write_buffer: usize,
    /// Blocks that wait for others, as they are encoded: a thirty-second, as checked ones take three times as much, and
    /// more are on their way.
    blocks: usize,
    /// Transactions that were checked for the pool: a sixteenth, for the most part the same as those of the pool.
    checked: usize,
    /// Transactions that wait: an eighth of the whole for them and what finds them, which takes as much again.
    pool: usize,
    /// In MiB: no new peers come in above seven eighths.
    pub no_new_peers_mib: usize,
}

impl Memory {
    /// Divides `given`, or what the system `has`.
    pub fn of(given: Option<&Sourced<u64>>, has: Option<u64>) -> Result<Self, ConfigError> {
        let Some(max) = given else {
            let shares =
                has.filter(|has| *has < ENOUGH).map(|has| Shares::of(usize::try_from(has).unwrap_or(usize::MAX)));
            return Ok(Self { max_bytes: has, shares, is_given: false });
        };
        let whole = usize::try_from(max.value).ok().filter(|_| max.value >= LEAST);
        let whole = whole.ok_or_else(|| max.refuse("at least 256MiB, and no more than this machine can address"))?;
        Ok(Self { max_bytes: Some(max.value), shares: Some(Shares::of(whole)), is_given: true })
    }

    /// The database's options, where nothing else was said for them.
    pub fn database(&self) -> DbOptions {
        self.shares.map_or_else(DbOptions::default, |shares| DbOptions {
            cache_bytes: shares.cache,
            write_buffer_bytes: shares.write_buffer,
            block_bytes: shares.blocks,
            checked_bytes: shares.checked,
            ..DbOptions::default()
        })
    }

    /// The pool's, where nothing else was said for them.
    pub fn pool(&self) -> PoolConfig {
        self.shares
            .map_or_else(PoolConfig::default, |shares| PoolConfig { max_bytes: shares.pool, ..PoolConfig::default() })
    }

    /// The parts, as they were set in the end, must leave half of what was `given` to what has no limit of its own.
    pub fn check(given: &Sourced<u64>, storage: &DbOptions, pool: &PoolConfig) -> Result<(), ConfigError> {
        let parts = parts(storage, pool);
        if parts <= given.value / 2 {
            return Ok(());
        }
        Err(given.refuse(format!(
            "twice what its parts take, {} MiB: storage.cache_mib, storage.write_buffer_mib and twice mempool.max_mib",
            parts >> 20
        )))
    }

    /// What is left for accounts beside everything else.
    pub fn for_accounts(&self, storage: &DbOptions, pool: &PoolConfig) -> Option<u64> {
        let whole = self.max_bytes?;
        let whole = if self.is_given { whole } else { whole - whole / 8 };
        Some(whole.saturating_sub(parts(storage, pool)).saturating_sub(FIXED.min(whole / 16 * 9)))
    }
}

impl Shares {
    fn of(whole: usize) -> Self {
        Self {
            cache: whole / 8,
            write_buffer: (whole / 32).min(256 << 20),
            blocks: (whole / 32).min(BLOCK_BYTES),
            checked: (whole / 16).min(CHECKED_BYTES),
            pool: whole / 16,
            no_new_peers_mib: (whole - whole / 8) >> 20,
        }
    }
}

/// What the parts may take that have a limit.
fn parts(storage: &DbOptions, pool: &PoolConfig) -> u64 {
    (storage.cache_bytes as u64)
        .saturating_add(storage.write_buffer_bytes as u64)
        .saturating_add((pool.max_bytes as u64).saturating_mul(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A node in a container of 128 MiB once refused to start: the parts took what they take on a large machine.
    #[test]
    fn what_the_container_allows_is_divided_and_something_is_left_for_accounts() {
        let accounts = |mib: u64| {
            let memory = Memory::of(None, Some(mib << 20)).expect("nothing is given that could be refused");
            memory.for_accounts(&memory.database(), &memory.pool()).expect("it is known") >> 20
        };
        let left: Vec<u64> = [128, 256, 512, 1024, 8192].map(accounts).into();
        assert_eq!(left, [13, 26, 144, 580, 6852]);
        let memory = Memory::of(None, None).expect("nothing is given that could be refused");
        assert_eq!(memory.for_accounts(&memory.database(), &memory.pool()), None, "nobody says how much there is");
    }
}
