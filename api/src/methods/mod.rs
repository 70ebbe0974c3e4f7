//! The methods, one file for each namespace. Handlers convert and ask: they hold no rule and no state.

mod chain;
mod mempool;
mod mining;
mod net;
mod node;
mod state;
mod tx;

pub use node::table_size;

use crate::context::Context;
use cairn_rpc::methods::{ChainServer, MempoolServer, MiningServer, NetServer, NodeServer, StateServer, TxServer};
use jsonrpsee::{RpcModule, server::RegisterMethodError};

/// All methods.
pub fn all(context: &Context) -> Result<RpcModule<()>, RegisterMethodError> {
    let mut all = RpcModule::new(());
    all.merge(NodeServer::into_rpc(context.clone()))?;
    all.merge(ChainServer::into_rpc(context.clone()))?;
    all.merge(StateServer::into_rpc(context.clone()))?;
    all.merge(TxServer::into_rpc(context.clone()))?;
    all.merge(MempoolServer::into_rpc(context.clone()))?;
    all.merge(MiningServer::into_rpc(context.clone()))?;
    all.merge(NetServer::into_rpc(context.clone()))?;
    let document = cairn_rpc::openrpc::document();
    all.register_method("rpc.discover", move |_, _, _| document.clone())?;
    Ok(all)
}
