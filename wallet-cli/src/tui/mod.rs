//! The full-screen view of `wallet watch`: pure.

pub mod view;
