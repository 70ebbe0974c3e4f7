//! What a node has of its machine.
//!
//! # Map
//! `data_dir` the directory in which everything is kept, and its lock · `systemd` readiness, status and watchdog ·
//! `telemetry` the log, and `log_limits` how much it may hold

pub mod data_dir;
mod log_limits;
pub mod systemd;
pub mod telemetry;
