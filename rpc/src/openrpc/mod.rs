//! The methods as an OpenRPC document, as `rpc.discover` answers it.
//!
//! # Map
//! `source` reads the traits of [`methods`](crate::methods), which stay the one place where a method is declared
//! and described · here: names, scopes and error codes become an OpenRPC 1.3.2 document, and the types' own
//! schemas (JSON Schema, draft 7) its components
//!
//! # Invariants
//! 1. Nothing is said twice: what the document says of a method is what its trait and the table of
//!    [`scope`](crate::scope) say.
//! 2. Every type that a method takes or gives has a schema; a test says which is missing.

mod source;

pub use source::{Method, Parameter, methods};

use crate::text::{HexBytes, Text};
use crate::{error::Code, scope::method_rule, types::*};
use cairn_ledger::hash::{BlockId, Hash, TxId};
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The version of OpenRPC that the document follows.
const OPENRPC: &str = "1.3.2";

/// Writes the function that finds the schema of a type by its text in a trait.
macro_rules! schemas {
    ($($type:ty),+ $(,)?) => {
        fn schema_of_type(generator: &mut SchemaGenerator, text: &str) -> Option<Value> {
            match text {
                $(text if text == stringify!($type).replace(' ', "") => {
                    Some(generator.subschema_for::<$type>().to_value())
                })+
                _ => None,
            }
        }
    };
}

schemas! {
    String, bool, u64, HexBytes, Text<BlockId>, Text<TxId>, Text<Hash>, Text<u64>, Text<HistoryCursor>,
    Text<PoolCursor>, AccountJson, AddressHistory, AddressMove, BackupInfo, BanJson, BlockJson, BlockPage, BlockRef,
    ChainMove, DifficultyJson, FeeEstimateJson, FoundBlock, Generated, HeaderJson, HeaderPage, LightProofJson,
    MempoolInfo, MiningInfo, NetInfo, NodeInfo, PeerJson, PoolEntry, PoolPage, ProofJson, ProviderJson, StorageInfo,
    Submitted, Supply, TransactionInfo, TransactionPage, TransactionProofJson, TxCheck, TxStatus, WorkJson,
}

/// The schema of a type of the traits; `None` when it has none here.
fn schema(generator: &mut SchemaGenerator, text: &str) -> Option<Value> {
    let inside = |outer: &str| text.strip_prefix(outer).and_then(|rest| rest.strip_suffix('>'));
    if let Some(inner) = inside("Option<") {
        return Some(json!({"anyOf": [schema(generator, inner)?, {"type": "null"}]}));
    }
    if let Some(inner) = inside("Vec<") {
        return Some(json!({"type": "array", "items": schema(generator, inner)?}));
    }
    if text == "()" { Some(json!({"type": "null"})) } else { schema_of_type(generator, text) }
}

/// The document.
pub fn document() -> Value {
    let mut settings = SchemaSettings::draft07();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let methods: Vec<Value> = methods().iter().map(|method| describe(&mut generator, method)).collect();
    let schemas: Map<String, Value> = generator.take_definitions(true);
    json!({
        "openrpc": OPENRPC,
        "info": {
            "title": "Cairn node",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "JSON-RPC 2.0 over HTTP and WebSocket. Parameters go by name or by position.",
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "methods": methods,
        "components": {"schemas": schemas},
    })
}

fn describe(generator: &mut SchemaGenerator, method: &Method) -> Value {
    let schema = |generator: &mut SchemaGenerator, kind: &str| schema(generator, kind).unwrap_or(json!(true));
    let parameters: Vec<Value> = method
        .parameters
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "required": !parameter.kind.starts_with("Option<"),
                "schema": schema(generator, &parameter.kind),
            })
        })
        .collect();
    let result = schema(generator, &method.result);
    let mut shown = json!({
        "name": method.name,
        "description": method.description,
        "tags": [{"name": method.name.split('_').next().unwrap_or_default()}],
        "params": parameters,
        "errors": method.errors.iter().map(|code| error(*code)).collect::<Vec<_>>(),
    });
    match &method.notification {
        // What subscribing answers is the subscription's id; what it sends is the item.
        Some(notification) => {
            shown["result"] = json!({"name": "subscription", "schema": {"type": ["string", "integer"]}});
            shown["x-notification"] = json!({"method": notification, "name": method.result, "schema": result});
            shown["x-unsubscribe"] = json!(method.unsubscribe);
        }
        None => shown["result"] = json!({"name": method.result, "schema": result}),
    }
    if let Some(rule) = method_rule(&method.name) {
        shown["x-scope"] = json!(rule.scope.name());
        shown["x-open-on-loopback"] = json!(rule.open);
    }
    shown
}

fn error(code: Code) -> Value {
    json!({"code": code.number(), "message": code.kind()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_of_the_traits_has_a_schema() {
        let mut generator = SchemaSettings::draft07().into_generator();
        for method in methods() {
            for kind in method.parameters.iter().map(|parameter| &parameter.kind).chain([&method.result]) {
                assert!(schema(&mut generator, kind).is_some(), "{} has {kind}, which is not in the list", method.name);
            }
        }
    }

    #[test]
    fn the_document_describes_every_method_of_the_table() {
        let document = document();
        let methods = document["methods"].as_array().expect("a list");
        for method in methods {
            assert!(method["x-scope"].is_string(), "{} has no row in scope::METHODS", method["name"]);
            assert!(method["description"].as_str().is_some_and(|text| text.ends_with('.')), "{method}");
        }
        let of = |name: &str| methods.iter().find(|method| method["name"] == name).expect(name);
        let get_block = of("chain_getBlock");
        assert_eq!(get_block["params"][1]["required"], false);
        assert_eq!(get_block["errors"][0]["code"], 2001);
        assert_eq!(get_block["result"]["schema"]["$ref"], "#/components/schemas/BlockJson");
        assert!(document["components"]["schemas"]["BlockJson"]["properties"]["header"].is_object());
        let submit = of("tx_submit")["errors"].as_array().expect("a list");
        assert!(submit.len() > 15, "1002 and every 30xx: {submit:?}");
        assert_eq!(of("chain_subscribeHeads")["x-notification"]["method"], "chain_heads");
    }
}
