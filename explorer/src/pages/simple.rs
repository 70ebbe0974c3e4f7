//! Pages without a chain in them.

use super::Shell;
use askama::Template;

/// `/settings`: which network and which nodes the visitor's browser trusts. Kept in the browser alone.
#[derive(Template)]
#[template(path = "settings.html")]
pub struct SettingsPage {
    /// What stands around it.
    pub shell: Shell,
}

/// What is shown instead of a page.
#[derive(Template)]
#[template(path = "error.html")]
pub struct ErrorPage {
    /// What stands around it.
    pub shell: Shell,
    /// In two words.
    pub title: &'static str,
    /// What is wrong, as a sentence.
    pub sentence: String,
    /// What may be done.
    pub advice: &'static str,
}
