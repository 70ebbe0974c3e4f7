//! What the traits say, read from their source: the macros that make servers and clients of them keep no
//! description.

use crate::error::Code;

/// A method as its trait declares it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Method {
    /// Its name on the wire.
    pub name: String,
    /// Its comment, without errors and scope.
    pub description: String,
    /// The codes that its comment names.
    pub errors: Vec<Code>,
    /// What the comment says of scope: `read`, or `read, token`.
    pub scope: String,
    /// What it takes, in order.
    pub parameters: Vec<Parameter>,
    /// What it answers; the item, when it subscribes.
    pub result: String,
    /// The name of its notifications, when it subscribes.
    pub notification: Option<String>,
    /// What ends the subscription.
    pub unsubscribe: Option<String>,
}

/// What a method takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type, as written.
    pub kind: String,
}

impl Method {
    /// What answers this document. It belongs to no trait: its name has a dot, as OpenRPC wants it.
    pub fn discover() -> Self {
        Self {
            name: String::from("rpc.discover"),
            description: String::from("This document."),
            scope: String::from("read"),
            result: String::from("OpenRPC"),
            ..Self::default()
        }
    }
}

/// Every method, in the order of the traits.
pub fn methods() -> Vec<Method> {
    let (mut found, mut namespace, mut doc) = (Vec::new(), "", Vec::new());
    let mut lines = include_str!("../methods.rs").lines().map(str::trim);
    while let Some(line) = lines.next() {
        if let Some(name) = quoted(line, "namespace = ") {
            namespace = name;
            doc.clear();
        } else if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim());
        } else if line.starts_with("#[method(") || line.starts_with("#[subscription(") {
            let mut text = line.to_owned();
            while !text.ends_with(';') {
                let Some(more) = lines.next() else { break };
                text.push(' ');
                text.push_str(more);
            }
            found.push(read(namespace, &doc.join(" "), &text));
            doc.clear();
        }
    }
    found
}

/// The text in quotes after `before`.
fn quoted<'a>(line: &'a str, before: &str) -> Option<&'a str> {
    line.split_once(before)?.1.split('"').nth(1)
}

fn read(namespace: &str, doc: &str, text: &str) -> Method {
    let named = |before: &str| quoted(text, before).map(|name| format!("{namespace}_{name}"));
    let (rest, scope) = doc.rsplit_once("Scope: ").unwrap_or((doc, ""));
    let (description, errors) = rest.rsplit_once("Errors: ").unwrap_or((rest, ""));
    let item = text.split_once("item = ").and_then(|(_, rest)| rest.split_once(")]")).map(|(item, _)| item);
    let answer = text.split_once("RpcResult<").and_then(|(_, rest)| rest.rsplit_once('>')).map(|(answer, _)| answer);
    Method {
        name: named("name = ").unwrap_or_default(),
        description: description.trim().to_owned(),
        errors: codes(errors),
        scope: scope.trim_end_matches('.').to_owned(),
        parameters: parameters(text),
        result: plain(item.or(answer).unwrap_or_default()),
        notification: named("=> "),
        unsubscribe: named("unsubscribe = "),
    }
}

/// The codes in `1001, 1003 and 30xx, one for each reason`.
fn codes(text: &str) -> Vec<Code> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let named = words.flat_map(|word| {
        let all = Code::ALL.iter().copied();
        let prefix = word.strip_suffix("xx").filter(|prefix| prefix.parse::<i32>().is_ok()).map(str::to_owned);
        let exact = word.parse::<i32>().ok();
        all.filter(move |code| {
            exact == Some(code.number())
                || prefix.as_ref().is_some_and(|prefix| code.number().to_string().starts_with(prefix.as_str()))
        })
    });
    named.collect()
}

/// The parameters between `&self` and the answer, split at commas outside of angle brackets.
fn parameters(text: &str) -> Vec<Parameter> {
    let Some((_, rest)) = text.split_once("&self") else { return Vec::new() };
    let Some((inside, _)) = rest.split_once(") ->") else { return Vec::new() };
    let (mut depth, mut parts) = (0_i32, vec![String::new()]);
    for c in inside.chars() {
        depth += i32::from(c == '<') - i32::from(c == '>');
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    let read = |part: &String| {
        let (name, kind) = part.split_once(':')?;
        Some(Parameter { name: name.trim().to_owned(), kind: plain(kind) })
    };
    parts.iter().filter_map(read).collect()
}

/// A type without spaces.
fn plain(kind: &str) -> String {
    kind.chars().filter(|c| !c.is_whitespace()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_read_with_all_it_says() {
        let all = methods();
        let of = |name: &str| all.iter().find(|method| method.name == name).expect(name);
        let pages = of("mempool_content");
        let kinds: Vec<_> = pages.parameters.iter().map(|p| (p.name.as_str(), p.kind.as_str())).collect();
        assert_eq!(kinds, [("after", "Option<Text<PoolCursor>>"), ("count", "Option<u64>")]);
        assert_eq!((pages.result.as_str(), pages.errors.as_slice()), ("PoolPage", &[Code::BadCount][..]));
        assert_eq!((pages.scope.as_str(), of("net_peers").scope.as_str()), ("read", "read, token"));
        assert!(!pages.description.contains("Errors") && !pages.description.contains("Scope"));
        let heads = of("chain_subscribeHeads");
        assert_eq!(heads.notification.as_deref(), Some("chain_heads"));
        assert_eq!(heads.unsubscribe.as_deref(), Some("chain_unsubscribeHeads"));
        assert_eq!((heads.result.as_str(), of("net_addPeer").result.as_str()), ("HeaderJson", "()"));
        for (name, count) in [("chain_getTransactions", 3), ("chain_getProof", 3), ("state_getHistory", 3)] {
            assert_eq!(of(name).parameters.len(), count, "{name}: on one line or one by one");
        }
    }
}
