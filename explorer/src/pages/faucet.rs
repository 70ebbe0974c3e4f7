//! The faucet's page, which the wallet serves: it has the key.

use crate::{assets, format};
use askama::Template;

/// `/` of a faucet: who asks is told what it costs, and works for it.
#[derive(Template)]
#[template(path = "faucet.html")]
pub struct FaucetPage {
    /// The name of the network.
    pub chain: String,
    /// What its addresses begin with.
    pub prefix: String,
    /// What each visitor gets, in CRN.
    pub amount: String,
    /// How many more there are today.
    pub left: u64,
    /// How many there are in a day.
    pub per_day: u64,
    /// How many zero bits it costs now.
    pub bits: u32,
    /// The address that a link brought.
    pub address: String,
    /// What is wrong with it, as a sentence.
    pub problem: Option<String>,
    /// Why nobody gets anything now, as a sentence.
    pub closed: Option<String>,
    /// Where payments can be looked at, without a slash at its end.
    pub explorer: Option<String>,
    /// The version of the wallet.
    pub version: &'static str,
}

impl FaucetPage {
    fn url(&self, path: &str) -> String {
        assets::url(path)
    }

    fn explorer(&self) -> &str {
        self.explorer.as_deref().unwrap_or_default()
    }

    fn attempts(&self) -> String {
        format::grouped(1_u64.checked_shl(self.bits).unwrap_or(u64::MAX))
    }

    fn grouped(&self, number: &u64) -> String {
        format::grouped(*number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::write;

    #[test]
    fn what_a_link_brings_is_text_and_nothing_more() {
        let page = FaucetPage {
            chain: String::from("local"),
            prefix: String::from("lcrn"),
            amount: String::from("10"),
            left: 4,
            per_day: 100,
            bits: 20,
            address: String::from("\"><script>alert(1)</script>"),
            problem: Some(String::from("<img src=x onerror=alert(1)> is no address.")),
            closed: None,
            explorer: None,
            version: "0",
        };
        let html = write(&page).expect("a page");
        assert!(html.contains("1,048,576 tries"), "{html}");
        assert!(html.matches("<script").count() == 1 && !html.contains("<img") && !html.contains("style="), "{html}");
    }
}
