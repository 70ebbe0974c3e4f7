//! What a call brings, compared with what its method takes: exactly that, by name or by position.
//!
//! jsonrpsee passes over names that it does not know and positions that are too many, so that a misspelt
//! `secnds` would turn a ban of a minute into one of an hour. Here both are refused, with the names that exist.
//! What a method takes is read from its trait, where it is declared.

use cairn_rpc::error::ErrorData;
use cairn_rpc::openrpc::{self, Method, Parameter};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::{INVALID_PARAMS_CODE, INVALID_REQUEST_CODE};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::{collections::BTreeMap, fmt};

/// Names of one call that are looked at: more than any method takes.
const MAX_NAMES: usize = 16;
/// Characters of a name that are shown.
const SHOWN: usize = 40;

/// The parameters of every method.
pub struct MethodSignatures(BTreeMap<String, Signature>);

struct Signature {
    parameters: Vec<Parameter>,
    /// Whether they go by name, too: what ends a subscription takes its id by position alone.
    by_name: bool,
}

/// What a call brings.
enum Received {
    Positions(usize),
    Names(Vec<String>),
}

impl MethodSignatures {
    /// Of all methods.
    pub fn new() -> Self {
        let mut all = BTreeMap::new();
        for method in openrpc::methods().into_iter().chain([Method::discover()]) {
            if let Some(ends) = method.unsubscribe {
                let subscription = Parameter { name: String::from("subscription"), kind: String::from("Id") };
                all.insert(ends, Signature { parameters: vec![subscription], by_name: false });
            }
            all.insert(method.name, Signature { parameters: method.parameters, by_name: true });
        }
        Self(all)
    }

    /// Refuses parameters that the method does not take, and their lack. A method that nobody declared is let
    /// through: jsonrpsee says that it does not exist.
    ///
    /// # Errors
    /// Says what the method takes.
    pub fn check(&self, method: &str, parameters: Option<&str>) -> Result<(), ErrorObjectOwned> {
        let Some(signature) = self.0.get(method) else { return Ok(()) };
        signature.check(parameters).map_err(|Fault { what, got }| {
            let message = format!("{method}: {what}; it takes {signature}");
            invalid(INVALID_PARAMS_CODE, "invalid_params", message, &got, signature)
        })
    }
}

/// What is wrong with what a call brings.
struct Fault {
    what: String,
    got: String,
}

fn fault(what: impl Into<String>, got: impl ToString) -> Result<(), Fault> {
    Err(Fault { what: what.into(), got: got.to_string() })
}

fn is_required(parameter: &Parameter) -> bool {
    !parameter.kind.starts_with("Option<")
}

impl Signature {
    fn required(&self) -> impl Iterator<Item = &Parameter> {
        // A position can be left out at the end alone, so optional ones stand there.
        self.parameters.iter().filter(|parameter| is_required(parameter))
    }

    fn check(&self, parameters: Option<&str>) -> Result<(), Fault> {
        match parameters.map(serde_json::from_str) {
            None => self.check_count(0),
            Some(Ok(Received::Positions(count))) => self.check_count(count),
            Some(Ok(Received::Names(_))) if !self.by_name => fault("its parameter goes by position alone", "an object"),
            Some(Ok(Received::Names(names))) => self.check_names(&names),
            Some(Err(_)) => fault("its parameters are neither a list nor an object", "something else"),
        }
    }

    fn check_count(&self, count: usize) -> Result<(), Fault> {
        if count > self.parameters.len() {
            return fault(format!("got {count} parameters"), count);
        }
        match self.required().nth(count) {
            Some(lacking) => fault(format!("the parameter {:?} is missing", lacking.name), count),
            None => Ok(()),
        }
    }

    fn check_names(&self, names: &[String]) -> Result<(), Fault> {
        for (place, name) in names.iter().enumerate() {
            if !self.parameters.iter().any(|parameter| parameter.name == *name) {
                let shown: String = name.chars().take(SHOWN).collect();
                return fault(format!("there is no parameter {shown:?}"), shown);
            }
            if names.iter().take(place).any(|before| before == name) {
                return fault(format!("the parameter {name:?} is given twice"), name);
            }
        }
        match self.required().find(|parameter| !names.contains(&parameter.name)) {
            Some(lacking) => fault(format!("the parameter {:?} is missing", lacking.name), "nothing"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.parameters.is_empty() {
            return f.write_str("no parameters");
        }
        let optional = |parameter: &Parameter| if is_required(parameter) { "" } else { " (optional)" };
        let shown = self.parameters.iter().map(|parameter| format!("{}{}", parameter.name, optional(parameter)));
        f.write_str(&shown.collect::<Vec<_>>().join(", "))
    }
}

impl<'de> Deserialize<'de> for Received {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ReceivedVisitor;
        impl<'de> Visitor<'de> for ReceivedVisitor {
            type Value = Received;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list or an object")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Received, A::Error> {
                let mut count = 0;
                while items.next_element::<IgnoredAny>()?.is_some() {
                    count += 1;
                }
                Ok(Received::Positions(count))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Received, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = items.next_key::<String>()? {
                    items.next_value::<IgnoredAny>()?;
                    if names.len() == MAX_NAMES {
                        return Err(A::Error::custom("too many names"));
                    }
                    names.push(name);
                }
                Ok(Received::Names(names))
            }
        }
        deserializer.deserialize_any(ReceivedVisitor)
    }
}

/// The refusal of a call that has no id to be answered with, or none that JSON-RPC knows. jsonrpsee takes both
/// for notifications and runs neither: whoever waits for an answer would not learn it.
pub fn no_id() -> ErrorObjectOwned {
    let expected = "one id: a whole number from 0 to 18446744073709551615, or a text";
    let message = format!("the call was not run: there is no id that its answer could carry; expected {expected}");
    invalid(INVALID_REQUEST_CODE, "invalid_request", message, &"no such id", &expected)
}

fn invalid(
    code: i32,
    kind: &str,
    message: String,
    got: &dyn fmt::Display,
    expected: &dyn fmt::Display,
) -> ErrorObjectOwned {
    let data = ErrorData { kind: kind.to_owned(), got: Some(got.to_string()), expected: Some(expected.to_string()) };
    ErrorObjectOwned::owned(code, message, Some(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_rpc::scope::METHODS;

    fn refusal(method: &str, parameters: &str) -> Option<String> {
        let checked = MethodSignatures::new().check(method, (!parameters.is_empty()).then_some(parameters));
        checked.err().map(|error| {
            assert_eq!(error.code(), INVALID_PARAMS_CODE);
            error.message().to_owned()
        })
    }

    #[test]
    fn parameters_that_a_method_takes_are_let_through() {
        for (method, parameters) in [
            ("chain_tip", ""),
            ("chain_tip", "[]"),
            ("chain_tip", "{}"),
            ("net_ban", r#"["1.2.3.4"]"#),
            ("net_ban", r#"["1.2.3.4", 60, "why"]"#),
            ("net_ban", r#"["1.2.3.4", null, "why"]"#),
            ("net_ban", r#"{"seconds": 60, "target": "1.2.3.4"}"#),
            ("chain_unsubscribeHeads", "[1]"),
            ("no_such", "[1, 2, 3]"),
        ] {
            assert_eq!(refusal(method, parameters), None, "{method} {parameters}");
        }
    }

    #[test]
    fn a_parameter_that_is_unknown_misspelt_surplus_twice_or_missing_is_refused_with_the_names_that_exist() {
        let takes = "it takes target, seconds (optional), reason (optional)";
        for (parameters, says) in [
            (r#"{"target": "1.2.3.4", "secnds": 60}"#, r#"there is no parameter "secnds""#),
            (r#"{"target": "1.2.3.4", "Seconds": 60}"#, r#"there is no parameter "Seconds""#),
            (r#"{"target": "1.2.3.4", "": 60}"#, r#"there is no parameter """#),
            (r#"{"target": "1.2.3.4", "seconds": 60, "seconds": 5}"#, r#""seconds" is given twice"#),
            (r#"{"seconds": 60}"#, r#""target" is missing"#),
            (r#"["1.2.3.4", 60, "why", 1]"#, "got 4 parameters"),
            ("[]", r#""target" is missing"#),
            ("", r#""target" is missing"#),
            ("60", "neither a list nor an object"),
            (r#""1.2.3.4""#, "neither a list nor an object"),
        ] {
            let refusal = refusal("net_ban", parameters).unwrap_or_default();
            assert!(refusal.contains(says) && refusal.ends_with(takes), "{parameters}: {refusal}");
        }
        for parameters in ["[1]", r#"{"x": 1}"#, "5"] {
            let refusal = refusal("chain_tip", parameters).unwrap_or_default();
            assert!(refusal.ends_with("it takes no parameters"), "{parameters}: {refusal}");
        }
        assert!(refusal("net_revoke", r#"{"peerId": "x"}"#).is_some_and(|refusal| refusal.ends_with("peer_id")));
        assert!(refusal("chain_unsubscribeHeads", r#"{"subscription": 1}"#).is_some());
        let many: Vec<String> = (0..100_000).map(|n| format!("\"{n}\": {n}")).collect();
        assert!(refusal("chain_tip", &format!("{{{}}}", many.join(","))).is_some());
    }

    #[test]
    fn every_method_is_declared_and_only_its_last_parameters_are_optional() {
        let signatures = MethodSignatures::new();
        for rule in METHODS {
            let signature = signatures.0.get(rule.name).unwrap_or_else(|| panic!("{} is not declared", rule.name));
            let required: Vec<bool> = signature.parameters.iter().map(is_required).collect();
            assert!(required.is_sorted_by(|before, after| before >= after), "{}: {required:?}", rule.name);
            assert!(required.len() < MAX_NAMES);
        }
        assert_eq!(signatures.0.len(), METHODS.len());
    }
}
