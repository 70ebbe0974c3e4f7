//! Whatever a client calls: its parameters are judged as its method declares them (docs/testing.md).

use super::depth;
use super::parameters::MethodSignatures;
use cairn_fuzz::Target;
use cairn_rpc::openrpc;
use serde_json::Value;

/// How deep a value is nested, counted on the value itself.
fn nested(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(nested).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(nested).max().unwrap_or(0),
        _ => 0,
    }
}

/// A call is its method's name, a line's end, and its parameters.
#[test]
fn api_call() {
    let signatures = MethodSignatures::new();
    let methods = openrpc::methods();
    let seeds = [
        "net_ban\n[\"1.2.3.4\", 60, \"why\"]",
        "net_ban\n{\"target\": \"1.2.3.4\", \"seconds\": 60}",
        "chain_tip\n[]",
        "chain_unsubscribeHeads\n[1]",
        "no_such\n[[[{}]]]",
    ];
    let words = methods.iter().map(|method| method.name.clone()).collect::<Vec<_>>();
    let target = Target::new("api_call")
        .seeds(seeds)
        .words(words)
        .words(["{\"", "\":", "null", "[[[[", "\\\"", "\\u0073", "\n"]);
    target.memory(64 << 10, 100).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return false };
        let Some((method, parameters)) = text.split_once('\n') else { return false };
        let checked = signatures.check(method, Some(parameters));
        if let Err(error) = &checked {
            assert!(error.message().len() < 1_000 && error.message().contains("it takes"), "{}", error.message());
        }
        let _ = signatures.check(method, None);
        let Ok(value) = serde_json::from_str::<Value>(parameters) else { return false };
        // A name that is there twice hides what stood under it first.
        assert!(depth(parameters) >= nested(&value), "what is nested is counted");
        let declared = methods.iter().find(|declared| declared.name == method);
        if let (Some(declared), Value::Array(items)) = (declared, &value) {
            assert!(checked.is_err() || items.len() <= declared.parameters.len(), "none is passed over");
        }
        if let (Some(declared), Value::Object(fields)) = (declared, &value) {
            let is_known = |name: &String| declared.parameters.iter().any(|parameter| parameter.name == *name);
            assert!(checked.is_err() || fields.keys().all(is_known), "none is passed over");
        }
        checked.is_ok()
    });
}
