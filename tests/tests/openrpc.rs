//! The OpenRPC document: it is one, `docs/rpc.md` says the same, and every method it describes answers whatever it
//! is asked.
//!
//! `CAIRN_REGENERATE=1` with this test writes `docs/rpc.md` anew.

use cairn_rpc::error::Code;
use cairn_tests::http::{admin, call};
use cairn_tests::{network::TestNetwork, node::Node, socket::Socket};
use jsonschema::{Draft, Registry};
use serde_json::{Value, json};
use std::{fmt::Write as _, fs, path::PathBuf, sync::Arc};

/// How often each method is asked something random.
const QUESTIONS: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_is_openrpc_and_the_reference_says_the_same() {
    let node = Node::start(&Arc::new(TestNetwork::new()), "documented", &[]).await;
    let document = call(node.rpc_port(), "rpc.discover", &json!([]))["result"].clone();
    let meta: Value = serde_json::from_str(include_str!("../vendor/openrpc-meta-schema.json")).expect("JSON");
    // What it calls the schema of schemas is draft 7; here that any schema is one, and below each by itself.
    let schemas = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": ["object", "boolean"],
        "definitions": {"JSONSchemaObject": {"properties": {"$ref": {"type": "string"}}}},
    });
    let registry = Registry::new().add("https://meta.json-schema.tools", &schemas).expect("a resource");
    let registry = registry.add("https://meta.json-schema.tools/", &schemas).expect("a resource");
    let registry = registry.prepare().expect("nothing is missing");
    let validator = jsonschema::options().with_draft(Draft::Draft7).with_registry(&registry).build(&meta);
    let validator = validator.expect("the vendored schema is one");
    let errors: Vec<String> = validator.iter_errors(&document).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let mut broken = document.clone();
    broken["methods"][0]["params"] = json!("none");
    assert!(!validator.is_valid(&broken), "the control: what is no document is refused");

    let methods = document["methods"].as_array().expect("a list").iter();
    let used = methods.flat_map(|method| {
        let parameters = method["params"].as_array().expect("a list").iter().map(|parameter| &parameter["schema"]);
        parameters.chain([&method["result"]["schema"]])
    });
    let defined = document["components"]["schemas"].as_object().expect("an object").values();
    for schema in used.chain(defined) {
        assert!(jsonschema::draft7::meta::is_valid(schema), "{schema}");
        let placed = json!({"allOf": [schema], "components": document["components"]});
        let compiled = jsonschema::options().with_draft(Draft::Draft7).build(&placed);
        assert!(compiled.is_ok(), "every reference leads somewhere: {schema}");
    }
    assert!(!jsonschema::draft7::meta::is_valid(&json!({"type": "text"})), "the control");

    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/rpc.md");
    let reference = reference(&document);
    if std::env::var_os("CAIRN_REGENERATE").is_some() {
        fs::write(&path, &reference).expect("docs/ can be written");
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), reference, "docs/rpc.md is out of date");
}

/// The document as people read it.
fn reference(document: &Value) -> String {
    let mut text = String::from(
        "# JSON-RPC reference\n\nGenerated from the traits in [`rpc/src/methods.rs`](../rpc/src/methods.rs) and the types in \
         [`rpc/src/types`](../rpc/src/types); a node answers the same, for programs, to `rpc.discover`. Conventions are in \
         [`rpc/src/lib.rs`](../rpc/src/lib.rs), error codes in [`rpc/src/error.rs`](../rpc/src/error.rs), tokens and limits in \
         [operating](operating.md#letting-others-in).\n",
    );
    let methods = document["methods"].as_array().expect("a list");
    let mut namespace = "";
    for method in methods {
        let of = method["tags"][0]["name"].as_str().expect("a namespace");
        if of != namespace {
            namespace = of;
            write!(text, "\n## {namespace}\n").expect("a String takes all");
        }
        describe(&mut text, method).expect("a String takes all");
    }
    text
}

fn describe(text: &mut String, method: &Value) -> std::fmt::Result {
    let said = |field: &str| method[field].as_str().unwrap_or_default();
    writeln!(text, "\n### `{}`\n{}\n", said("name"), said("description"))?;
    for parameter in method["params"].as_array().into_iter().flatten() {
        let optional = if parameter["required"] == true { "" } else { ", optional" };
        let name = parameter["name"].as_str().unwrap_or_default();
        writeln!(text, "- `{name}`: {}{optional}", kind(&parameter["schema"]))?;
    }
    match method["x-notification"]["name"].as_str() {
        Some(item) => {
            writeln!(text, "- sends `{item}` as `{}`", method["x-notification"]["method"].as_str().unwrap_or(""))?
        }
        None => writeln!(text, "- answers {}", kind(&method["result"]["schema"]))?,
    }
    let place = if method["x-open-on-loopback"] == true { "; none needed on the node's machine" } else { "" };
    writeln!(text, "- scope: {}{place}", said("x-scope"))?;
    let errors = method["errors"].as_array().into_iter().flatten();
    let errors: Vec<String> =
        errors.map(|error| format!("{} {}", error["code"], error["message"].as_str().unwrap_or(""))).collect();
    if errors.is_empty() { Ok(()) } else { writeln!(text, "- errors: {}", errors.join(", ")) }
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str() {
        return format!("`{}`", name.rsplit('/').next().unwrap_or(name));
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.first().map(kind).unwrap_or_default();
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let kinds: Vec<String> = any.iter().filter(|one| one["type"] != "null").map(kind).collect();
        return kinds.join(" or ");
    }
    match schema["type"].as_str() {
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("null") => String::from("nothing"),
        Some(name) => String::from(name),
        None => String::from("anything"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_method_answers_whatever_it_is_asked() {
    let node = Node::start(&Arc::new(TestNetwork::new()), "asked", &["--index.addresses=true"]).await;
    let port = node.rpc_port();
    node.generate(3, 0).await;
    let document = call(port, "rpc.discover", &json!([]))["result"].clone();
    let mut asker = Asker { port, random: Random(0x9e37_79b9_7f4a_7c15), results: 0, refusals: 0 };
    let methods = document["methods"].as_array().expect("a list");
    // The calls of admins among them: none stops the node but the one that is there for it.
    assert!(methods.iter().any(|method| method["x-scope"] == "admin"));
    for method in methods.iter().filter(|method| method["name"] != "node_stop") {
        match method["x-unsubscribe"].as_str() {
            None => asker.ask(method, &document),
            Some(unsubscribe) => asker.subscribe(method, unsubscribe, &document),
        }
    }
    assert!(asker.results > 100 && asker.refusals > 100, "{} results, {} refusals", asker.results, asker.refusals);
    assert!(node.info().await.height >= 3, "and the node goes on");
}

/// Asks a node what its document allows, and sometimes what it does not.
struct Asker {
    port: u16,
    random: Random,
    results: u64,
    refusals: u64,
}

impl Asker {
    fn draw(&mut self, method: &Value, document: &Value) -> Value {
        let parameters = method["params"].as_array().expect("a list");
        parameters.iter().map(|parameter| self.random.draw(&parameter["schema"], document)).collect()
    }

    fn ask(&mut self, method: &Value, document: &Value) {
        let name = method["name"].as_str().expect("a name");
        for _ in 0..QUESTIONS {
            let given = self.draw(method, document);
            let answer = call(self.port, name, &given);
            self.judge(name, &given, &answer);
        }
    }

    /// Over WebSockets, which alone take subscriptions; each is ended again, and what was never begun, too.
    fn subscribe(&mut self, method: &Value, unsubscribe: &str, document: &Value) {
        let name = method["name"].as_str().expect("a name");
        let admin = admin(self.port).expect("a node of ours");
        let mut socket = Socket::open(self.port, &[&admin]).expect("a WebSocket");
        for _ in 0..QUESTIONS {
            let given = self.draw(method, document);
            let answer = socket.call(name, &given).unwrap_or_else(|error| panic!("{name} {given}: {error}"));
            self.judge(name, &given, &answer);
            let id = answer.get("result").cloned().unwrap_or_else(|| json!(self.random.below(10)));
            let ended = socket.call(unsubscribe, &json!([id])).expect("it answers");
            assert!(ended["result"].is_boolean() || ended["error"]["code"] == -32602, "{unsubscribe} {id}: {ended}");
        }
        let over_http = call(self.port, name, &json!([]));
        assert_eq!(over_http["error"]["code"], Code::NeedsWebSocket.number(), "{name}: {over_http}");
    }

    /// A result, or an error of ours with its kind, or one of jsonrpsee's about parameters; never an internal one.
    fn judge(&mut self, name: &str, given: &Value, answer: &Value) {
        let Some(code) = answer["error"]["code"].as_i64() else {
            assert!(answer.get("result").is_some(), "{name} {given}: {answer}");
            self.results += 1;
            return;
        };
        let known = i32::try_from(code).ok().and_then(Code::from_number);
        let typed = known.is_some_and(|code| answer["error"]["data"]["kind"] == code.kind());
        assert!((typed && known != Some(Code::Storage)) || code == -32602, "{name} {given}: {answer}");
        self.refusals += 1;
    }
}

/// A small generator of numbers (xorshift): the same questions in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }

    /// A value that the schema allows, or, one time in eight, one that it may not.
    fn draw(&mut self, schema: &Value, document: &Value) -> Value {
        if self.below(8) == 0 {
            let odd =
                [json!(null), json!(-1), json!(1.5), json!(true), json!("\u{1b}[31m"), json!([[]]), json!({"a": 1})];
            return odd[usize::try_from(self.below(odd.len() as u64)).expect("small")].clone();
        }
        if let Some(name) = schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()) {
            return self.draw(&document["components"]["schemas"][name], document);
        }
        // Draft 7 knows no sibling of a reference: one with a description stands in a list of one.
        if let Some(all) = schema["allOf"].as_array() {
            return self.draw(&all[0], document);
        }
        if let Some(any) = schema["anyOf"].as_array() {
            let at = usize::try_from(self.below(any.len() as u64)).expect("small");
            return self.draw(&any[at], document);
        }
        match schema["type"].as_str() {
            Some("integer") => match self.below(4) {
                0 => json!(u64::MAX),
                1 => json!(self.below(u64::MAX)),
                _ => json!(self.below(10)),
            },
            Some("boolean") => json!(self.below(2) == 0),
            Some("string") => json!(self.text(schema["pattern"].as_str())),
            Some("null") => Value::Null,
            other => panic!("a parameter of type {other:?}: teach this test to draw it"),
        }
    }

    fn text(&mut self, pattern: Option<&str>) -> String {
        let mut hex = |count| (0..count).map(|_| format!("{:x}", self.below(16))).collect::<String>();
        match pattern {
            Some("^[0-9a-f]{64}$") => hex(64),
            Some("^[0-9a-f]{8}$") => hex(8),
            Some("^([0-9a-f]{2})*$") => hex(354),
            Some("^(0|[1-9][0-9]*)-[0-9a-f]{64}$") => format!("7-{}", hex(64)),
            Some("^(0|[1-9][0-9]*)-(0|[1-9][0-9]*)-[0-9a-f]{64}$") => format!("2-1-{}", hex(64)),
            Some("^(0|[1-9][0-9]*)$") => self.below(u64::MAX).to_string(),
            Some(other) => panic!("a text like {other}: teach this test to draw it"),
            None => ["", "lcrn1x", "/ip4/127.0.0.1/tcp/1", "\u{202e}", "%s"]
                [usize::try_from(self.below(5)).expect("small")]
            .to_owned(),
        }
    }
}
