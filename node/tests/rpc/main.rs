//! JSON-RPC: the committed shape of every answer, and a node that gives them.

mod golden;
mod live;
