//! `cairn-node token`: makes, lists and revokes access tokens. A running node notices at the next call.

use super::{CliError, NodeArgs, leading, print};
use crate::config::Settings;
use cairn_api::tokens::{self, Token, TokenFile, TokenFileError, TokenId, TokenRecord, TokenRequest};
use cairn_common::clock;
use cairn_ledger::units::Timestamp;
use cairn_rpc::scope::Scope;
use clap::{Args, Subcommand};
use serde_json::json;
use std::time::Duration;

/// The longest name of a token: a line of a list.
const MAX_NAME: usize = 64;

#[derive(Debug, Subcommand)]
pub(super) enum TokenTask {
    /// Make a token, and show it once
    New(NewToken),
    /// Show the tokens, without their secrets
    List {
        #[command(flatten)]
        node: NodeArgs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a token worthless
    Revoke {
        /// Its id, as in the list
        id: TokenId,
        #[command(flatten)]
        node: NodeArgs,
    },
}

#[derive(Debug, Args)]
pub(super) struct NewToken {
    /// What it allows: read, submit, mine, admin; each but read includes reading
    #[arg(long, value_name = "SCOPE,..", required = true, value_delimiter = ',')]
    scope: Vec<Scope>,
    /// The most calls a second it may make, such as 50/s
    #[arg(long, value_name = "N/s", value_parser = tokens::parse_rate)]
    rate: Option<u32>,
    /// How long it lasts, such as 12h or 30d; for ever by default
    #[arg(long, value_name = "TIME", value_parser = tokens::parse_duration)]
    expires: Option<Duration>,
    /// What to call it in the list
    #[arg(long, default_value = "", hide_default_value = true, value_parser = parse_name)]
    name: String,
    /// Where its holder reaches the node, for the pairing line; by default where JSON-RPC is served
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    #[command(flatten)]
    node: NodeArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

impl NodeArgs {
    fn file(self) -> Result<TokenFile, CliError> {
        Ok(TokenFile::of(&self.settings()?.data_dir))
    }
}

/// Names are shown in lists: no control characters.
fn parse_name(text: &str) -> Result<String, String> {
    if text.chars().count() <= MAX_NAME && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(format!("expected at most {MAX_NAME} characters, none of them a control character"))
}

pub(super) fn run(task: TokenTask) -> Result<(), CliError> {
    match task {
        TokenTask::New(new) => make(new),
        TokenTask::List { node, json } => {
            let hint = node.hints().command(" token new --scope read");
            list(&node.file()?.read()?, clock::now(), json, &hint)
        }
        TokenTask::Revoke { id, node } => {
            let record = node.file()?.revoke(id)?;
            print(format_args!("The token {id}{} allows nothing any more.", called(&record.name)))
        }
    }
}

fn make(new: NewToken) -> Result<(), CliError> {
    let (revoke, pair) = (
        new.node.hints().command(" token revoke ID"),
        format!("wallet{} pair", leading(new.node.chain.as_deref(), None)),
    );
    let settings = new.node.settings()?;
    let url = match new.url {
        Some(url) => url,
        None => own_url(&settings)?,
    };
    let token = Token::random().map_err(TokenFileError::Random)?;
    let wanted = TokenRequest { name: new.name, scopes: new.scope, rate: new.rate, lasts: new.expires };
    let record = TokenRecord::new(&token, wanted, clock::now());
    TokenFile::of(&settings.data_dir).add(record.clone())?;
    let pairing = format!("cairn-pair:{url}#{}", token.reveal());
    if new.json {
        let shown = json!({
            "id": record.id,
            "name": record.name,
            "scopes": record.scopes,
            "rate": record.rate,
            "expires_ms": record.expires_ms,
            "token": token.reveal(),
            "pairing": pairing,
        });
        return print(format_args!("{shown:#}"));
    }
    print(format_args!(
        "token    {}\npairing  {pairing}\n\nKeep it secret; it is not shown again. A wallet takes it with: {pair}\n\
         To take it back: {}",
        token.reveal(),
        revoke.replacen("ID", &record.id.to_string(), 1)
    ))
}

/// Where others reach JSON-RPC, and how they know that it is this node: a certificate that stands alone in its file is
/// signed by nobody whom they know, so it is named itself. Those of an authority come with the authority's own.
fn own_url(settings: &Settings) -> Result<String, CliError> {
    let port = settings.rpc_listen.port();
    let node = match settings.rpc.hosts.first() {
        Some(host) => format!("{host}:{port}"),
        None => settings.rpc_listen.to_string(),
    };
    let Some(tls) = &settings.rpc.tls else { return Ok(format!("http://{node}")) };
    let pin = cairn_api::lone_certificate(tls)?.map(|hash| format!("?cert={hash}"));
    Ok(format!("https://{node}{}", pin.unwrap_or_default()))
}

fn list(records: &[TokenRecord], now: Timestamp, json: bool, hint: &str) -> Result<(), CliError> {
    if json {
        let shown: Vec<_> = records.iter().map(|record| shown(record, now)).collect();
        return print(format_args!("{:#}", json!(shown)));
    }
    if records.is_empty() {
        return print(format_args!("There are no tokens; make one with: {hint}"));
    }
    print(format_args!("{:<8}  {:<24}  {:<9}  {:<16}  name", "id", "scopes", "rate", "expires"))?;
    for record in records {
        let scopes: Vec<&str> = record.scopes.iter().map(|scope| scope.name()).collect();
        let rate = record.rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate}/s"));
        let expires = expiry(record, now);
        print(format_args!("{:<8}  {:<24}  {rate:<9}  {expires:<16}  {}", record.id, scopes.join(","), record.name))?;
    }
    Ok(())
}

/// A record without the hash: a list is for people and scripts, not for whoever guesses.
fn shown(record: &TokenRecord, now: Timestamp) -> serde_json::Value {
    json!({
        "id": record.id,
        "name": record.name,
        "scopes": record.scopes,
        "rate": record.rate,
        "created_ms": record.created_ms,
        "expires_ms": record.expires_ms,
        "expired": record.has_expired(now),
    })
}

fn expiry(record: &TokenRecord, now: Timestamp) -> String {
    match record.expires_ms {
        None => "never".to_owned(),
        Some(_) if record.has_expired(now) => "expired".to_owned(),
        Some(end) => {
            let minutes = end.saturating_sub(now.millis()).div_ceil(60_000);
            let (days, hours) = (minutes / 1_440, minutes / 60);
            if days > 1 {
                format!("in {days} days")
            } else if hours > 1 {
                format!("in {hours} hours")
            } else {
                format!("in {minutes} minutes")
            }
        }
    }
}

fn called(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" ({name})") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_shows_when_tokens_end_and_no_hash() {
        let token = Token::random().expect("randomness");
        let record = |lasts: Option<u64>| {
            let lasts = lasts.map(Duration::from_secs);
            let wanted = TokenRequest { name: "shop".to_owned(), scopes: vec![Scope::Read], rate: None, lasts };
            TokenRecord::new(&token, wanted, Timestamp::from_millis(0))
        };
        let now = Timestamp::from_millis(1_000);
        assert_eq!(expiry(&record(None), now), "never");
        assert_eq!(expiry(&record(Some(1)), now), "expired");
        assert_eq!(expiry(&record(Some(61)), now), "in 1 minutes");
        assert_eq!(expiry(&record(Some(7_201)), now), "in 2 hours");
        assert_eq!(expiry(&record(Some(30 * 86_400)), Timestamp::from_millis(0)), "in 30 days");
        let shown = shown(&record(None), now).to_string();
        assert!(shown.contains("shop") && !shown.contains(&record(None).hash), "{shown}");
    }

    #[test]
    fn names_are_one_line_of_a_list() {
        assert!(parse_name("Käthe's shop").is_ok());
        for broken in ["a\nb", "\u{1b}[31m", &"x".repeat(65)] {
            assert!(parse_name(broken).is_err(), "{broken:?}");
        }
    }
}
