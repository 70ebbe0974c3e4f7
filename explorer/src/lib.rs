//! The pages of Cairn's block explorer, made from the same structs that JSON-RPC answers with.
//!
//! Nothing here asks anything: a node gathers what a [`Route`] needs and has it written. The node serves the pages on
//! the port of its JSON-RPC; a browser that runs scripts keeps them up to date and checks what they show, and one that
//! runs none can read all of it.
//!
//! # Map
//! [`route`] which page an address names, and what a search means · [`pages`] the pages: what each shows, and its
//! template in `templates/` · [`format`](mod@format) values as people read them · [`chart`] small charts as SVG ·
//! [`assets`] the files in `web/`
//!
//! # Invariants
//! 1. What comes from outside (memos, searches, addresses, what peers say) is written inert: escaped as HTML, and
//!    without characters that control a terminal or reorder text.
//! 2. No page holds a script or a style: both are files of their own, so that a Content-Security-Policy can forbid all
//!    others.
//! 3. Each figure that a light client can prove stands in an element with `data-claim` and its exact value as
//!    `data-value`, next to an `<output class="proof">`, in an element `data-proven`.

#![forbid(unsafe_code)]

pub mod assets;
pub mod chart;
pub mod format;
pub mod pages;
pub mod route;

pub use pages::Shell;
pub use route::{NoRoute, Route, Wanted, wanted};
