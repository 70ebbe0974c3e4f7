//! `status`, `call` and `stop`: a node that runs, asked and told by the user it runs as.

use super::{CliError, NodeArgs, db, print};
use crate::config::Settings;
use crate::system::data_dir::{DataDir, Occupancy};
use cairn_rpc::methods::{MempoolClient, MiningClient, NetClient, NodeClient};
use cairn_rpc::openrpc;
use cairn_rpc::types::{MempoolInfo, MiningInfo, NetInfo, NodeInfo, SyncPhase};
use clap::Args;
use jsonrpsee::core::client::{ClientT, Error as CallError};
use jsonrpsee::core::traits::ToRpcParams;
use jsonrpsee_ws_client::WsClient;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};
use std::fmt;
use std::time::{Duration, Instant};

/// How long a node may take to say how it is.
const STATUS_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take for one call: no shorter than it allows itself.
const CALL_WITHIN: Duration = Duration::from_secs(120);
/// Between two looks whether it has stopped.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// As JSON: what node_info, net_info, mempool_info and mining_info answer
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// The method, such as chain_getBlock; docs/rpc.md lists them, and rpc.discover does
    method: String,
    /// Its parameters in order, each as JSON or as plain text; or all of them by name, as NAME=VALUE
    #[arg(value_name = "PARAMETER", allow_negative_numbers = true)]
    parameters: Vec<String>,
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Debug, Args)]
pub(super) struct StopArgs {
    #[command(flatten)]
    node: NodeArgs,
    /// How long to wait until it has stopped
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

/// Asks the node that runs.
fn ask<T>(
    settings: &Settings,
    within: Duration,
    question: impl AsyncFnOnce(&WsClient) -> Result<T, CallError>,
) -> Result<T, CliError> {
    match DataDir::look(&settings.data_dir)? {
        Occupancy::Used(occupant) => db::ask(settings, &occupant, within, question),
        Occupancy::Free { .. } | Occupancy::Absent => Err(CliError::NotRunning { path: settings.data_dir.clone() }),
    }
}

/// What a node says of itself.
struct Status {
    node: NodeInfo,
    net: NetInfo,
    pool: MempoolInfo,
    mining: MiningInfo,
}

pub(super) fn status(args: StatusArgs) -> Result<(), CliError> {
    let hints = args.node.hints();
    let status = ask(&args.node.settings()?, STATUS_WITHIN, async |client| {
        Ok(Status {
            node: client.node_info().await?,
            net: client.net_info().await?,
            pool: client.mempool_info().await?,
            mining: client.mining_info().await?,
        })
    })?;
    if args.json {
        let Status { node, net, pool, mining } = status;
        return print(format_args!("{:#}", json!({"node": node, "net": net, "mempool": pool, "mining": mining})));
    }
    print(format_args!("{}", hints.complete_to_show(&status.to_string())))
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, net, pool, mining } = self;
        writeln!(f, "network   {}, cairn-node {}, up {}", node.chain, node.version, lasting(node.uptime_ms))?;
        writeln!(f, "tip       block {}\n          {}", node.height, node.tip.0)?;
        writeln!(f, "sync      {}", sync(node))?;
        for problem in &node.health.problems {
            writeln!(f, "problem   {}\n          {}", problem.message, problem.advice)?;
        }
        if let Some(notice) = &node.rules_notice {
            writeln!(f, "rules     {notice}")?;
        }
        let NetInfo { peers, inbound, outbound, reach, .. } = net;
        writeln!(f, "peers     {peers}: {inbound} dialled us, {outbound} we dialled; reached {reach}")?;
        writeln!(f, "pool      {} payments, {}", pool.count, bytes(pool.bytes))?;
        let mining = if mining.threads == 0 { "off".to_owned() } else { format!("{} threads", mining.threads) };
        writeln!(f, "mining    {mining}")?;
        let room = &node.room;
        write!(f, "disk      {} taken, {} free", bytes(room.used_bytes), bytes(room.free_bytes))?;
        room.days_until_full.map_or(Ok(()), |days| write!(f, ", full in {days} days at this rate"))
    }
}

fn sync(node: &NodeInfo) -> String {
    match node.sync.phase {
        SyncPhase::Discovering => "it looks for peers".to_owned(),
        SyncPhase::Headers | SyncPhase::Bodies => {
            let left = node.sync.left_ms.map_or_else(String::new, |left| format!(", {} left", lasting(left)));
            format!("block {} of {}, {:.1} %{left}", node.height, node.sync.target, node.sync.progress * 100.0)
        }
        SyncPhase::Snapshot => {
            let (height, here, runs) = node.sync.snapshot.map_or((0, 0, None), |it| (it.height, it.here, it.runs));
            let of = runs.map_or_else(String::new, |runs| format!(" of {runs}"));
            format!("accounts after block {height}: {here}{of} runs")
        }
        SyncPhase::CaughtUp => "it follows the best chain it knows".to_owned(),
        SyncPhase::Stalled => "it does not get on".to_owned(),
    }
}

fn lasting(millis: u64) -> String {
    let minutes = millis / 60_000;
    match (minutes / 1_440, minutes / 60 % 24, minutes % 60) {
        (0, 0, 0) => format!("{} s", millis / 1_000),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{} KB", count.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}

pub(super) fn call(args: CallArgs) -> Result<(), CliError> {
    let method = method(&args.method)?;
    let parameters = CallParameters::read(&method, &args.parameters)?;
    let settings = args.node.settings()?;
    let answer = ask(&settings, CALL_WITHIN, async |client| match client.request(&method.name, parameters).await {
        Err(CallError::Call(refusal)) => Ok(Err(refusal)),
        answer => answer.map(Ok),
    })?;
    match answer {
        Ok(Value::String(text)) if !text.contains(char::is_control) => print(format_args!("{text}")),
        Ok(answer) => print(format_args!("{answer:#}")),
        Err(refusal) => {
            let message = refusal.message().chars().filter(|c| !c.is_control()).collect();
            Err(CliError::Refused { method: method.name, message, code: refusal.code() })
        }
    }
}

/// A method that can be called from a command line: one that answers once.
fn method(name: &str) -> Result<openrpc::Method, CliError> {
    let mut all = openrpc::methods();
    all.retain(|method| method.notification.is_none());
    all.push(openrpc::Method::discover());
    if let Some(at) = all.iter().position(|method| method.name == name) {
        return Ok(all.swap_remove(at));
    }
    let names = all.into_iter().map(|method| method.name);
    let nearest = names.min_by_key(|known| strsim::levenshtein(name, known)).unwrap_or_default();
    Err(CliError::NoMethod { got: name.chars().filter(|c| !c.is_control()).take(80).collect(), nearest })
}

/// The parameters of a call, as a list or by name.
#[derive(Debug, PartialEq)]
struct CallParameters(Value);

impl CallParameters {
    /// All by name when the first begins with the name of a parameter and `=`.
    fn read(method: &openrpc::Method, texts: &[String]) -> Result<Self, CliError> {
        let kind = |name: &str| {
            let named = method.parameters.iter().find(|parameter| parameter.name == name);
            named.map(|parameter| parameter.kind.as_str())
        };
        let named = |text: &str| text.split_once('=').is_some_and(|(name, _)| kind(name).is_some());
        if !texts.first().is_some_and(|text| named(text)) {
            let kinds = method.parameters.iter().map(|parameter| parameter.kind.as_str()).chain(std::iter::repeat(""));
            return Ok(Self(texts.iter().zip(kinds).map(|(text, kind)| value(kind, text)).collect()));
        }
        let values = texts.iter().map(|text| {
            let (name, shown) = text.split_once('=').ok_or_else(|| CliError::MixedParameters { got: text.clone() })?;
            Ok((name.to_owned(), value(kind(name).unwrap_or_default(), shown)))
        });
        values.collect::<Result<Map<_, _>, _>>().map(|values| Self(Value::Object(values)))
    }
}

impl ToRpcParams for CallParameters {
    fn to_rpc_params(self) -> Result<Option<Box<RawValue>>, serde_json::Error> {
        to_raw_value(&self.0).map(Some)
    }
}

/// What a text means for a parameter of this type: `5` is a number where one is taken, and a text where that is.
fn value(kind: &str, text: &str) -> Value {
    let kind = kind.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(kind);
    let is_text = kind == "String" || kind == "HexBytes" || kind.starts_with("Text<");
    match serde_json::from_str(text) {
        Ok(value @ (Value::String(_) | Value::Null)) => value,
        Ok(value) if !is_text => value,
        _ => Value::String(text.to_owned()),
    }
}

pub(super) fn stop(args: StopArgs) -> Result<(), CliError> {
    let settings = args.node.settings()?;
    ask(&settings, STATUS_WITHIN, async |client| match client.node_stop().await {
        // It may close the connection before it has answered.
        Err(CallError::RestartNeeded(_) | CallError::Transport(_)) => Ok(()),
        stopped => stopped,
    })?;
    let (began, limit) = (Instant::now(), Duration::from_secs(args.timeout));
    // Its lock is the last that it gives back.
    while matches!(DataDir::look(&settings.data_dir)?, Occupancy::Used(_)) {
        if began.elapsed() >= limit {
            return Err(CliError::StillRuns { seconds: args.timeout });
        }
        std::thread::sleep(LOOK_EVERY);
    }
    print(format_args!("The node has stopped."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(name: &str, texts: &[&str]) -> Result<CallParameters, CliError> {
        let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
        CallParameters::read(&method(name)?, &texts)
    }

    #[test]
    fn parameters_are_read_in_order_or_by_name() {
        let in_order = |name, texts: &[&str]| parameters(name, texts).expect("in order").0;
        assert_eq!(in_order("chain_tip", &[]), json!([]));
        assert_eq!(in_order("chain_getBlock", &["100", "true"]), json!([100, true]));
        assert_eq!(in_order("net_ban", &["203.0.113.7", "60", "5 times"]), json!(["203.0.113.7", 60, "5 times"]));
        assert_eq!(in_order("net_ban", &["203.0.113.7", "null", "60"]), json!(["203.0.113.7", null, "60"]));
        assert_eq!(in_order("mining_submit", &["00", "7"]), json!(["00", "7"]), "a nonce is a text");
        assert_eq!(in_order("mining_submit", &["\"00\"", "\"7\""]), json!(["00", "7"]), "and may be JSON already");
        assert_eq!(in_order("chain_tip", &["x"]), json!(["x"]), "the node says that there are none");
        let by_name = parameters("net_ban", &["seconds=60", "target=a=b"]).expect("by name");
        assert_eq!(by_name, CallParameters(json!({"seconds": 60, "target": "a=b"})));
        assert!(matches!(parameters("net_ban", &["seconds=60", "1.2.3.4"]), Err(CliError::MixedParameters { .. })));
    }

    #[test]
    fn a_method_that_does_not_exist_is_refused_with_the_nearest() {
        for (got, nearest) in [("chain_Tip", "chain_tip"), ("net_bann", "net_ban"), ("rpc.discovr", "rpc.discover")] {
            let error = method(got).expect_err("no such method").to_string();
            assert!(error.contains(&format!("did you mean {nearest}?")), "{error}");
        }
        assert!(method("chain_subscribeHeads").is_err(), "a subscription has no end");
        assert!(method("rpc.discover").is_ok());
    }

    #[test]
    fn times_and_sizes_are_short() {
        for (millis, text) in [(5_000, "5 s"), (61_000, "1 min"), (3_660_000, "1 h 1 min"), (90_000_000, "1 d 1 h")] {
            assert_eq!(lasting(millis), text);
        }
        for (count, text) in [(0, "0 KB"), (1, "1 KB"), (5_000_000, "5 MB"), (2_500_000_000, "2.5 GB")] {
            assert_eq!(bytes(count), text);
        }
    }
}
