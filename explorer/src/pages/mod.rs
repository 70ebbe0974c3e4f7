//! The pages: what each shows. Templates stand in `templates/`, one for each.

mod address;
mod block;
mod faucet;
mod network;
mod overview;
mod payment;
mod pool;
mod rows;
mod simple;

pub use address::{AddressPage, History};
pub use block::{BlockBody, BlockPage, BlocksPage, PAYMENTS_ON_PAGE};
pub use faucet::FaucetPage;
pub use network::{Holders, NetworkPage, OtherNode};
pub use overview::Overview;
pub use payment::{Found, PaymentPage};
pub use pool::PoolPage;
pub use rows::{BlockSummary, BodySummary, Id, Moment, Money, PaymentRow};
pub use simple::{ErrorPage, SettingsPage};

pub use askama::Template;

use crate::assets;

/// From how many confirmations on a page does not change any more: a block is buried.
pub const BURIED: u64 = 100;

/// For lists of payments that are no block’s: nothing is claimed of their places.
const NO_CLAIMS: Option<u64> = None;

/// What stands around every page.
#[derive(Clone, Debug, Default)]
pub struct Shell {
    /// The name of the network.
    pub chain: String,
    /// Its genesis id.
    pub genesis: String,
    /// The height of the tip.
    pub height: u64,
    /// The id of the tip.
    pub tip: String,
    /// URLs of other nodes that the operator names.
    pub nodes: Vec<String>,
    /// Where a faucet is, without a slash at its end.
    pub faucet: Option<String>,
    /// The version of the node.
    pub version: String,
    /// The part of the site the page belongs to, for the menu.
    pub part: &'static str,
}

impl Shell {
    /// Where a file is loaded from.
    fn url(&self, path: &str) -> String {
        assets::url(path)
    }

    /// Whether there is a file.
    fn has(&self, path: &str) -> bool {
        assets::find(path).is_some()
    }

    /// The other nodes, in one attribute.
    fn node_list(&self) -> String {
        self.nodes.join(" ")
    }
}

/// Writes a page.
///
/// # Errors
/// Never for pages of this crate: a template fails only when what it shows does.
pub fn write(page: &impl Template) -> Result<String, askama::Error> {
    page.render()
}
