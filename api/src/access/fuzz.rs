//! Whatever headers a request has: no page from elsewhere gets in, and nobody without a token (docs/testing.md).

use super::*;
use crate::tokens::{Token, TokenFile, TokenRecord, TokenRequest};
use cairn_fuzz::Target;
use cairn_rpc::scope::Scope;

/// The host of `HOST` or `HOST:PORT`, judged anew: from the end.
fn host_of(authority: &str) -> String {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    host.to_ascii_lowercase()
}

/// A request is its lines: Host, Origin and Authorization, as many as there are.
#[test]
fn api_access() {
    let folder = tempfile::tempdir().expect("a directory");
    let (file, now) = (TokenFile::of(folder.path()), Timestamp::from_millis(1_700_000_000_000));
    let token = Token::random().expect("randomness");
    let wanted = TokenRequest { name: "shop".to_owned(), scopes: vec![Scope::Read], rate: None, lasts: None };
    file.add(TokenRecord::new(&token, wanted, now)).expect("room");
    let tokens = TokenStore::open(file).expect("opened");
    let hosts = vec!["node.example".to_owned()];
    let rules = RpcConfig { hosts, cors_origins: vec!["https://wallet.example".to_owned()], ..RpcConfig::default() };
    let (local, remote) = (IpAddr::from([10, 0, 0, 7]), IpAddr::from([192, 0, 2, 1]));
    let seeds = [
        String::from("localhost:9741"),
        String::from("10.0.0.7:9741\nhttp://localhost:3000"),
        format!("node.example\nhttps://wallet.example\nBearer {}", token.reveal()),
    ];
    let words =
        ["127.0.0.1", "[::1]", "localhost", "evil.example", "@", ":", "\n", "bearer ", "https://", "[::ffff:10.0.0.7]"];
    Target::new("api_access").seeds(seeds).words(words).memory(64 << 10, 100).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return false };
        let mut lines = text.splitn(3, '\n');
        let (host, origin, authorization) = (lines.next(), lines.next(), lines.next());
        let mut request = HttpRequest::<()>::builder();
        for (name, value) in [("host", host), ("origin", origin), ("authorization", authorization)] {
            request = value.into_iter().fold(request, |request, value| request.header(name, value));
        }
        let Ok(request) = request.body(()) else { return false };
        let is_let_in = rules.check(&request, local, false).is_ok();
        if is_let_in {
            let authority = host.unwrap_or_default();
            let host = host_of(authority);
            let is_local = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical() == local);
            assert!(LOOPBACK.contains(&host.as_str()) || host == "node.example" || is_local, "{host:?}");
            let page = origin.map(|origin| origin.split_once("://").map_or(origin, |(_, host)| host));
            // A page of the explorer asks the port that it came from.
            let is_known = |page: &str| {
                let name = host_of(page);
                page == authority || LOOPBACK.contains(&name.as_str()) || name == "wallet.example"
            };
            assert!(page.is_none_or(is_known), "{page:?}");
        }
        let caller = identify(&request, remote, &tokens, now);
        if let Ok(caller) = &caller {
            assert_eq!(caller.grant.as_ref().map(|grant| grant.id), Some(token.id()));
            assert!(authorization.is_some_and(|text| text.contains(&token.reveal())), "nobody guesses a token");
        }
        is_let_in
    });
}
