//! Who may speak to the port: programs of this machine and holders of tokens, and no web page from elsewhere.
//!
//! A browser on this machine carries other people's scripts. Two headers, which no script can forge, give
//! them away:
//! - **Host** names whom the browser thinks it talks to. Under DNS rebinding a page's own name leads to 127.0.0.1, and
//!   the browser still sends that name: anything but a loopback name, the address at which the connection came in, or a
//!   name that the operator has named, is refused. Pages that tell a stranger nothing he should not know may be asked
//!   for by any address, as those who watch over containers do; never by a foreign name.
//! - **Origin** names whose page is asking, in every cross-site POST and every WebSocket handshake: anything
//!   but a page served from loopback, by this very port, or one that the operator has named, is refused. Programs send
//!   none.
//!
//! What the caller may do is said by its token (RFC 6750), or, without one, by where it is.

use super::RpcConfig;
use super::tokens::{Grant, TokenStore};
use cairn_ledger::units::Timestamp;
use jsonrpsee::server::HttpRequest;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The scheme of the `Authorization` header.
const BEARER: &str = "bearer ";

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    #[error(
        "the Host header must name localhost, 127.0.0.1 or [::1], the address that the connection goes to, or a name in rpc.hosts"
    )]
    Host,
    #[error("the Origin header must name a page of localhost, 127.0.0.1 or [::1], or one in rpc.cors_origins")]
    Origin,
    #[error("from another machine every request needs a header Authorization: Bearer TOKEN; see cairn-node token new")]
    TokenNeeded,
    #[error("{}", super::tokens::InvalidToken)]
    BadToken,
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// From where.
    pub address: IpAddr,
    /// What its token allowed when the connection began.
    pub grant: Option<Grant>,
    /// Whether it can be sent notifications.
    pub web_socket: bool,
}

impl RpcConfig {
    /// Judges a request, on a connection to the address `local` of this machine, by the headers that a page cannot
    /// forge; `is_open`: what it asks for tells nothing that a stranger should not know.
    ///
    /// # Errors
    /// Which of them is wrong.
    pub fn check<B>(&self, request: &HttpRequest<B>, local: IpAddr, is_open: bool) -> Result<(), Refusal> {
        let headers = request.headers();
        // HTTP/2 has the host in the URI; a request with neither says nothing and is refused.
        let in_uri = request.uri().authority().map(|authority| authority.as_str());
        let mut hosts =
            headers.get_all("host").iter().map(|host| host.to_str().ok()).chain(in_uri.map(Some)).peekable();
        let is_address =
            |host: &str| literal(host).is_some_and(|ip| is_open || ip.to_canonical() == local.to_canonical());
        let is_ours = |host: Option<&str>| host.is_some_and(|host| self.is_ours(host) || is_address(host));
        if hosts.peek().is_none() || !hosts.all(is_ours) {
            return Err(Refusal::Host);
        }
        // The explorer's own pages ask the host that they came from, which was judged above.
        let host = headers.get("host").and_then(|host| host.to_str().ok()).or(in_uri);
        let may_ask = |origin: &str| {
            let of_this_machine = |(_, authority)| is_named(authority, LOOPBACK) || Some(authority) == host;
            origin.split_once("://").is_some_and(of_this_machine) || self.allows_origin(origin)
        };
        if !headers.get_all("origin").iter().all(|origin| origin.to_str().is_ok_and(may_ask)) {
            return Err(Refusal::Origin);
        }
        Ok(())
    }

    /// Whether the operator has named this origin.
    pub fn allows_origin(&self, origin: &str) -> bool {
        self.cors_origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    fn is_ours(&self, authority: &str) -> bool {
        is_named(authority, LOOPBACK) || is_named(authority, &self.hosts)
    }
}

/// Finds out who is asking from `address`.
///
/// # Errors
/// The token is missing or none.
pub fn identify<B>(
    request: &HttpRequest<B>,
    address: IpAddr,
    tokens: &TokenStore,
    now: Timestamp,
) -> Result<Caller, Refusal> {
    let address = address.to_canonical();
    let web_socket = jsonrpsee::server::ws::is_upgrade_request(request);
    let caller = |grant| Caller { address, grant, web_socket };
    let mut values = request.headers().get_all("authorization").iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        // None at all, or two that contradict each other.
        let without = request.headers().get("authorization").is_none();
        let refusal = if without { Refusal::TokenNeeded } else { Refusal::BadToken };
        return if without && address.is_loopback() { Ok(caller(None)) } else { Err(refusal) };
    };
    let text = value.to_str().map_err(|_| Refusal::BadToken)?;
    let is_bearer = text.get(..BEARER.len()).is_some_and(|scheme| scheme.eq_ignore_ascii_case(BEARER));
    let token = text.get(BEARER.len()..).filter(|_| is_bearer).ok_or(Refusal::BadToken)?;
    let grant = tokens.authenticate(token.trim(), now).map_err(|_| Refusal::BadToken)?;
    if grant.is_local_admin && !address.is_loopback() {
        return Err(Refusal::BadToken);
    }
    Ok(caller(Some(grant)))
}

impl Caller {
    /// Who asks from elsewhere without a token, where the explorer is public.
    pub fn visitor<B>(request: &HttpRequest<B>, address: IpAddr) -> Self {
        let web_socket = jsonrpsee::server::ws::is_upgrade_request(request);
        Self { address: address.to_canonical(), grant: None, web_socket }
    }

    /// Who asks at the node's own Unix socket: the kernel has said who that is.
    pub fn own<B>(request: &HttpRequest<B>, tokens: &TokenStore) -> Self {
        let web_socket = jsonrpsee::server::ws::is_upgrade_request(request);
        Self { address: Ipv4Addr::LOCALHOST.into(), grant: Some(tokens.local_admin()), web_socket }
    }
}

/// The first bits of an address, the others zero.
pub fn prefix(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(u32::BITS.saturating_sub(v4)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(address) & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(u128::BITS.saturating_sub(v6)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(address) & mask))
        }
    }
}

/// The address in `IP` or `IP:PORT`, where there is one and no name. No page has such an address under DNS rebinding.
fn literal(authority: &str) -> Option<IpAddr> {
    let bracketed = || authority.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let v4 = || authority.parse().ok().map(IpAddr::V4);
    v4().or_else(bracketed).or_else(|| Some(authority.parse::<SocketAddr>().ok()?.ip()))
}

const LOOPBACK: &[&str] = &["localhost", "127.0.0.1", "[::1]"];

/// Whether `authority` is `name` or `name:port` for one of the names.
fn is_named(authority: &str, names: &[impl AsRef<str>]) -> bool {
    names.iter().map(AsRef::as_ref).any(|name| match authority.split_at_checked(name.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(name) => {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{Token, TokenFile, TokenRecord, TokenRequest};
    use cairn_rpc::scope::Scope;

    /// An operator that has named one host and one page.
    fn rules() -> RpcConfig {
        let hosts = vec!["node.example".to_owned()];
        RpcConfig { hosts, cors_origins: vec!["https://wallet.example".to_owned()], ..RpcConfig::default() }
    }

    fn judge(headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let builder =
            headers.iter().fold(HttpRequest::<()>::builder(), |builder, (name, value)| builder.header(*name, *value));
        rules().check(&builder.body(()).expect("a request"), LOCAL, false)
    }

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

    #[test]
    fn programs_of_this_machine_are_let_in() {
        for host in
            ["localhost", "localhost:9741", "LocalHost:1", "127.0.0.1:9741", "[::1]", "[::1]:9741", "node.example:9741"]
        {
            assert_eq!(judge(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn dns_rebinding_is_refused_by_the_host() {
        for host in [
            "evil.example",
            "node.example.evil.example",
            "evil.example:9741",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.1:9741:1",
            "localhost:",
            "localhost:99999",
            "localhost:9741@evil.example",
            "192.0.2.1",
            "[::2]",
            "0.0.0.0:9741",
            "",
        ] {
            assert_eq!(judge(&[("host", host)]), Err(Refusal::Host), "{host}");
        }
        assert_eq!(judge(&[]), Err(Refusal::Host));
        assert_eq!(judge(&[("host", "localhost"), ("host", "evil.example")]), Err(Refusal::Host));
    }

    #[test]
    fn a_container_is_asked_by_its_address_and_never_by_a_foreign_name() {
        let ask = |host: &str, is_open| {
            let request = HttpRequest::<()>::builder().header("host", host).body(()).expect("a request");
            rules().check(&request, LOCAL, is_open)
        };
        for host in ["10.0.0.7", "10.0.0.7:9741", "[::ffff:10.0.0.7]:9741"] {
            assert_eq!((ask(host, true), ask(host, false)), (Ok(()), Ok(())), "{host}");
        }
        for host in ["10.0.0.8:9741", "[2001:db8::1]", "[2001:db8::1]:9741"] {
            assert_eq!((ask(host, true), ask(host, false)), (Ok(()), Err(Refusal::Host)), "{host}");
        }
        for host in ["evil.example", "10.0.0.7.evil.example:9741", "10.0.0.7:9741:1", "::1", "10.0.0.7:", ""] {
            assert_eq!((ask(host, true), ask(host, false)), (Err(Refusal::Host), Err(Refusal::Host)), "{host}");
        }
    }

    #[test]
    fn pages_from_elsewhere_are_refused_by_their_origin() {
        let with = |origin| judge(&[("host", "localhost:9741"), ("origin", origin)]);
        for origin in ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:9741", "https://wallet.example"] {
            assert_eq!(with(origin), Ok(()), "{origin}");
        }
        for origin in [
            "https://evil.example",
            "https://wallet.example.evil.example",
            "http://wallet.example",
            "http://localhost.evil.example",
            "http://evil.example/localhost",
            "null",
            "",
            "localhost",
            "file://",
            "chrome-extension://abcdef",
        ] {
            assert_eq!(with(origin), Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn a_page_of_this_very_port_may_ask_it_and_one_of_its_neighbours_may_not() {
        let ask = |host, origin| judge(&[("host", host), ("origin", origin)]);
        assert_eq!(ask("node.example:9741", "https://node.example:9741"), Ok(()));
        assert_eq!(ask("10.0.0.7:9741", "http://10.0.0.7:9741"), Ok(()));
        for (host, origin) in [
            ("node.example:9741", "https://node.example:8000"),
            ("node.example:9741", "https://10.0.0.7:9741"),
            ("localhost:9741", "https://node.example:9741"),
            ("10.0.0.7:9741", "http://10.0.0.8:9741"),
        ] {
            assert_eq!(ask(host, origin), Err(Refusal::Origin), "{host} {origin}");
        }
        let rebound = ask("evil.example:9741", "http://evil.example:9741");
        assert_eq!(rebound, Err(Refusal::Host), "under DNS rebinding the host is what gives it away");
    }

    #[test]
    fn the_host_of_http_2_is_judged_too() {
        let request = |uri: &str| HttpRequest::<()>::builder().uri(uri).body(()).expect("a request");
        let to = |uri: &str| rules().check(&request(uri), LOCAL, false);
        assert_eq!(to("http://localhost:9741/"), Ok(()));
        assert_eq!(to("http://evil.example/"), Err(Refusal::Host));
    }

    struct Door {
        _directory: tempfile::TempDir,
        tokens: TokenStore,
        admin: String,
        shop: String,
    }

    const NOW: Timestamp = Timestamp::from_millis(1);

    fn door() -> Door {
        let directory = tempfile::tempdir().expect("a directory");
        let file = TokenFile::of(directory.path());
        let tokens = TokenStore::open(file.clone()).expect("opened");
        let token = Token::random().expect("randomness");
        let wanted = TokenRequest { name: "shop".to_owned(), scopes: vec![Scope::Read], rate: None, lasts: None };
        file.add(TokenRecord::new(&token, wanted, NOW)).expect("added");
        let admin = std::fs::read_to_string(file.admin_path()).expect("made").trim().to_owned();
        Door { _directory: directory, tokens, admin, shop: token.reveal() }
    }

    fn ask(door: &Door, address: &str, authorizations: &[&str]) -> Result<Option<bool>, Refusal> {
        let builder = HttpRequest::<()>::builder();
        let builder = authorizations.iter().fold(builder, |builder, value| builder.header("authorization", *value));
        let request = builder.body(()).expect("a request");
        let caller = identify(&request, address.parse().expect("an address"), &door.tokens, NOW)?;
        Ok(caller.grant.map(|grant| grant.scopes.allow(Scope::Admin)))
    }

    #[test]
    fn another_machine_needs_a_token_and_this_one_does_not() {
        let door = door();
        let shop = format!("Bearer {}", door.shop);
        assert_eq!(ask(&door, "127.0.0.1", &[]), Ok(None));
        assert_eq!(ask(&door, "::ffff:127.0.0.1", &[]), Ok(None));
        assert_eq!(ask(&door, "192.0.2.1", &[]), Err(Refusal::TokenNeeded));
        for address in ["192.0.2.1", "127.0.0.1"] {
            assert_eq!(ask(&door, address, &[&shop]), Ok(Some(false)), "{address}");
        }
    }

    #[test]
    fn a_wrong_token_is_refused_even_where_none_is_needed() {
        let door = door();
        let shop = format!("Bearer {}", door.shop);
        let basic = format!("Basic {}", door.shop);
        for said in [&["Bearer x"][..], &["Bearer "], &["Bearer"], &[""], &[&basic], &[&door.shop], &[&shop, &shop]] {
            assert_eq!(ask(&door, "127.0.0.1", said), Err(Refusal::BadToken), "{said:?}");
        }
        assert_eq!(ask(&door, "127.0.0.1", &[&shop.to_lowercase()]), Ok(Some(false)), "the scheme has no case");
    }

    #[test]
    fn the_local_users_token_is_good_on_this_machine_only() {
        let door = door();
        let admin = format!("Bearer {}", door.admin);
        assert_eq!(ask(&door, "127.0.0.1", &[&admin]), Ok(Some(true)));
        assert_eq!(ask(&door, "192.0.2.1", &[&admin]), Err(Refusal::BadToken));
    }
}

#[cfg(test)]
mod fuzz;
