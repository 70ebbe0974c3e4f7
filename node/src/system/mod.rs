//! What a node has of its machine.
//!
//! # Map
//! `data_dir` the directory in which everything is kept, and its lock · `disk_budget` the room that the data takes:
//! watched, forecast, kept · `file_stamp` whether a file was replaced · `ipc` the Unix socket of the node's own tools ·
//! `systemd` readiness, status and watchdog · `telemetry` the log, and `log_limits` how much it may hold

pub mod data_dir;
pub mod disk_budget;
pub mod file_stamp;
pub mod ipc;
mod log_limits;
pub mod systemd;
pub mod telemetry;
