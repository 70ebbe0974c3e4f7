//! What stands before every call, alone or in a batch: scope, depth, rate and budget.
//!
//! jsonrpsee's own service runs a whole batch by itself: middleware that only looked at single calls would be
//! walked around by putting each call into a batch of one. So [`Guard`] takes batches apart.

mod parameters;
mod rate;

use super::{RpcConfig, access::Caller, context::place, limits, metrics::Metrics, tokens::TokenStore};
use cairn_common::clock;
use cairn_rpc::error::{Code, RpcError};
use cairn_rpc::policy::MAX_RESPONSE_BYTES;
use cairn_rpc::scope::{Budget, MethodRule, Scope, is_explorer_method, method_rule};
use futures_util::future::join_all;
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, Request, RpcServiceT};
use jsonrpsee::server::{BatchResponseBuilder, MethodResponse};
use jsonrpsee::types::{ErrorObjectOwned, Id};
use parameters::MethodSignatures;
use rate::{CallRates, LogThrottle, RateKey};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{collections::BTreeSet, future::Future, net::IpAddr, time::Instant};
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::Layer;

/// What calls are judged by.
pub struct CallPolicy {
    pub tokens: Arc<TokenStore>,
    metrics: Arc<Metrics>,
    /// The methods that are served.
    served: BTreeSet<&'static str>,
    /// What they take.
    signatures: MethodSignatures,
    /// Calls a second from one address …
    rate: u32,
    /// … and from this machine.
    local_rate: u32,
    rates: Mutex<CallRates>,
    warned: Mutex<LogThrottle>,
    writer: Semaphore,
    heavy: Semaphore,
}

impl CallPolicy {
    pub fn new(
        tokens: Arc<TokenStore>,
        metrics: Arc<Metrics>,
        served: BTreeSet<&'static str>,
        config: &RpcConfig,
    ) -> Self {
        Self {
            tokens,
            metrics,
            served,
            signatures: MethodSignatures::new(),
            rate: config.rate,
            local_rate: config.local_rate,
            rates: Mutex::default(),
            warned: Mutex::default(),
            writer: Semaphore::new(limits::WRITER_QUESTIONS),
            heavy: Semaphore::new(limits::HEAVY_CALLS),
        }
    }

    /// Tells the operator of a refusal, once a minute for each address: a log that anybody can fill is an
    /// attack of its own.
    pub fn warn(&self, address: IpAddr, reason: &dyn std::fmt::Display) {
        if lock(&self.warned).is_due(address, limits::WARN_EVERY, Instant::now()) {
            tracing::warn!(target: "cairn::api", %address, %reason, "refused access; more from there is not told for a minute");
        }
    }

    /// Lets a call in, with its place in the budget, or says why not.
    async fn admit(
        &self,
        request: &Request<'_>,
        caller: &Caller,
    ) -> Result<Option<SemaphorePermit<'_>>, ErrorObjectOwned> {
        let name = request.method_name();
        let rule = method_rule(name);
        // What the table does not know and nobody serves, jsonrpsee refuses; it costs the same.
        let (scope, open) = match rule {
            Some(rule) => (rule.scope, rule.open),
            None if self.served.contains(name) => (Scope::Admin, false),
            None => (Scope::Read, true),
        };
        self.check_scope(name, scope, open, caller)?;
        self.check_rate(caller)?;
        if rule.is_some_and(|rule| rule.subscribes) && !caller.web_socket {
            let message = format!("{name} sends notifications: call it over a WebSocket");
            return Err(RpcError::new(Code::NeedsWebSocket, message).into());
        }
        let depth = request.params.as_ref().map_or(0, |params| depth(params.get()));
        if depth > limits::MAX_DEPTH {
            let message = format!("the parameters are nested too deeply: got {depth}, expected {}", limits::MAX_DEPTH);
            return Err(RpcError::new(Code::TooDeep, message).with(depth, limits::MAX_DEPTH).into());
        }
        self.signatures.check(name, request.params.as_ref().map(|params| params.get()))?;
        Ok(self.place(rule).await?)
    }

    /// Takes the price of a request that is no call.
    ///
    /// # Errors
    /// The caller asks too fast.
    pub fn charge(&self, caller: &Caller) -> Result<(), RpcError> {
        self.check_rate(caller)
    }

    /// Lets a page use a method, at the price of a call and with its place in the budget. What pages may show is judged
    /// where they are served.
    ///
    /// # Errors
    /// The caller asks too fast, or the node is busy.
    pub async fn admit_part(
        &self,
        method: &'static str,
        caller: &Caller,
    ) -> Result<Option<SemaphorePermit<'_>>, RpcError> {
        self.check_rate(caller)?;
        self.place(method_rule(method)).await
    }

    /// Judges by the token as it is now: one that was revoked since the connection began allows nothing.
    fn check_scope(&self, name: &str, scope: Scope, open: bool, caller: &Caller) -> Result<(), RpcError> {
        let Some(grant) = &caller.grant else {
            // From elsewhere nobody comes without a token unless the explorer is public.
            if open && (caller.address.is_loopback() || is_explorer_method(name)) {
                return Ok(());
            }
            self.warn(caller.address, &format_args!("{name} without a token"));
            let message = format!(
                "{name} needs a token with the scope {scope}, in a header Authorization: Bearer TOKEN; \
                 make one with cairn-node token new, or read admin.token in the node's data directory"
            );
            return Err(RpcError { expected: Some(scope.to_string()), ..RpcError::new(Code::TokenNeeded, message) });
        };
        let grant = self.tokens.renew(grant.id, clock::now()).map_err(|refused| {
            self.warn(caller.address, &refused);
            RpcError::new(Code::BadToken, refused)
        })?;
        // On this machine a token is never worse than none.
        if grant.scopes.allow(scope) || open && caller.address.is_loopback() {
            return Ok(());
        }
        self.warn(caller.address, &format_args!("{name} with the token {} for {}", grant.id, grant.scopes));
        let message = format!("{name} needs the scope {scope}; this token has {}", grant.scopes);
        Err(RpcError::new(Code::ScopeMissing, message).with(grant.scopes, scope))
    }

    /// A call uses the allowance of its token, if that has one, and of the address it comes from.
    fn check_rate(&self, caller: &Caller) -> Result<(), RpcError> {
        let now = Instant::now();
        let own = caller.grant.as_ref().and_then(|grant| Some((RateKey::Token(grant.id), grant.rate?)));
        let is_local_admin = caller.grant.as_ref().is_some_and(|grant| grant.is_local_admin);
        let shared = (!is_local_admin).then(|| match RateKey::at(caller.address) {
            RateKey::Local => (RateKey::Local, self.local_rate),
            elsewhere => (elsewhere, self.rate),
        });
        let mut rates = lock(&self.rates);
        for (payer, rate) in own.into_iter().chain(shared) {
            rates.take(payer, rate, now).map_err(|wait| {
                let message = format!("too many calls; ask again in {} ms", wait.as_millis() + 1);
                let expected = format!("at most {rate} calls a second");
                RpcError { expected: Some(expected), ..RpcError::new(Code::TooFast, message) }
            })?;
        }
        Ok(())
    }

    /// Waits for a place among the calls of its kind. Light ones need none, and reads are counted where they
    /// happen.
    async fn place(&self, rule: Option<&MethodRule>) -> Result<Option<SemaphorePermit<'_>>, RpcError> {
        let places = match rule.map(|rule| rule.budget) {
            Some(Budget::Writer) => &self.writer,
            Some(Budget::Heavy) => &self.heavy,
            Some(Budget::Light | Budget::Read) | None => return Ok(None),
        };
        place(places).await.map(Some)
    }
}

fn is_submission(request: &Request<'_>) -> bool {
    request.method_name() == "tx_submit"
}

/// What is inside is whole at any moment, and a panic stops the node anyway.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How deeply the lists and objects of a JSON text are nested. The text is known to be JSON.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// Puts a [`Guard`] before a service.
#[derive(Clone)]
pub struct GuardLayer(pub Arc<CallPolicy>);

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, policy: Arc::clone(&self.0), under_way: Arc::new(Semaphore::new(limits::MAX_UNDER_WAY)) }
    }
}

/// Lets calls through to `S` that the [`CallPolicy`] admits.
#[derive(Clone)]
pub struct Guard<S> {
    inner: S,
    policy: Arc<CallPolicy>,
    /// Places for the calls of this connection: jsonrpsee makes one of these for each.
    under_way: Arc<Semaphore>,
}

impl<S> Guard<S>
where
    S: RpcServiceT<MethodResponse = MethodResponse>,
{
    async fn answer(&self, request: Request<'_>) -> MethodResponse {
        let started = Instant::now();
        let method = method_rule(request.method_name()).map_or("other", |rule| rule.name);
        let caller = request.extensions().get::<Caller>().cloned();
        // Every request is given its caller by the server; one without would be our own mistake.
        let place = self.under_way.try_acquire();
        let admitted = match &caller {
            _ if place.is_err() => {
                Err(RpcError::new(Code::Busy, "too many calls of this connection are under way").into())
            }
            Some(caller) => self.policy.admit(&request, caller).await,
            None => Err(RpcError::new(Code::TokenNeeded, "nobody knows who is asking").into()),
        };
        let answer = match admitted {
            Ok(_place) => self.inner.call(request).await,
            Err(error) => MethodResponse::error(request.id.clone(), error),
        };
        let outcome = if answer.is_success() { "ok" } else { "error" };
        self.policy.metrics.called(method, outcome, started.elapsed());
        answer
    }
}

impl<S> RpcServiceT for Guard<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let this = self.clone();
        async move { this.answer(request).await }
    }

    /// As jsonrpsee does it, but each call goes through the policy.
    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let this = self.clone();
        async move {
            let mut answers = BatchResponseBuilder::new_with_limit(MAX_RESPONSE_BYTES as usize);
            let mut entries = batch.into_iter().peekable();
            while let Some(entry) = entries.next() {
                let together = match entry {
                    Ok(BatchEntry::Call(request)) => {
                        // Payments that stand next to each other are checked together. Nothing else is: answers
                        // may be large, and are made one after the other while there is room.
                        let mut calls = vec![request];
                        while calls.iter().all(is_submission)
                            && let Some(Ok(BatchEntry::Call(next))) = entries
                                .next_if(|next| matches!(next, Ok(BatchEntry::Call(next)) if is_submission(next)))
                        {
                            calls.push(next);
                        }
                        join_all(calls.into_iter().map(|request| this.answer(request))).await
                    }
                    Ok(BatchEntry::Notification(notification)) => vec![this.notification(notification).await],
                    Err(broken) => {
                        let (error, id) = broken.into_parts();
                        vec![MethodResponse::error(id, error)]
                    }
                };
                for answer in together {
                    if let Err(too_large) = answers.append(answer) {
                        return too_large;
                    }
                }
            }
            MethodResponse::from_batch(answers.finish())
        }
    }

    /// Every call is answered, so that nobody takes one for done that was not run: without an id none is.
    fn notification<'a>(&self, _: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        std::future::ready(MethodResponse::error(Id::Null, parameters::no_id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_what_is_nested_and_not_what_is_quoted() {
        for (json, expected) in [
            ("1", 0),
            ("[]", 1),
            ("[[],[[]]]", 3),
            (r#"{"a":[{"b":1}]}"#, 3),
            (r#"["[[[["]"#, 1),
            (r#"["\"[["]"#, 1),
            (r#"["\\",[]]"#, 2),
        ] {
            assert_eq!(depth(json), expected, "{json}");
        }
        assert_eq!(depth(&"[".repeat(100_000)), 100_000);
    }
}

#[cfg(test)]
mod fuzz;
