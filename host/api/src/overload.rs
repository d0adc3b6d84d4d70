//! Refuses work before it is accepted: at most so many requests at once, shared among tenants. Whose request it is tell its
//! headers; only then is the body read, so that memory stays bounded and who is nobody holds nothing of a tenant's.
//!
//! A key that comes in the body, as browsers send it, is what the body is read for first, in places of their own.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use openhub_engine::quotas::More;
use openhub_model::price::Meter;
use openhub_store::Key;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::app::{RateLimits, Shared};
use crate::auth::{Asked, Caller, caller, key_in_body, known, peer, writer};
use crate::body::{Weighed, event_bytes};
use crate::ingest::within;
use crate::problem::{OVERLOADED, Problem, TOO_MANY_GUESSES, TOO_MANY_REQUESTS, UNAUTHENTICATED};
use crate::rates::{Counted, Left, Rates, tell};

const RETRY_AFTER_S: u32 = 1;
/// Unknown keys of an address, in so long a time, before it is told to wait. Valid keys are not counted.
const GUESSES: u32 = 200;
const WINDOW: Duration = Duration::from_secs(10);
/// Addresses that are remembered for their guesses.
const ADDRESSES: usize = 10_000;

/// For the event calls: 429, which the Segment libraries retry.
pub(crate) async fn shed_ingest(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let (address, from) = (address(&request), peer(request.extensions()));
    let mut counted = Counting::of(&shared);
    if let Err(problem) = counted.address(address) {
        return counted.told(problem.into_response());
    }
    let key = match writer(&shared.app, &shared.keys, request.headers(), request.uri(), from).await {
        Ok(Some(key)) => key,
        Ok(None) => return keyless(shared, address, request, next, counted).await,
        Err(problem) => return shared.guesses.told(address, problem).into_response(),
    };
    if let Err(problem) = counted.events(&key) {
        return counted.told(problem.into_response());
    }
    let Some(_place) = shared.ingest.take_by(shared.weight(key.tenant), key.tenant) else { return shed("ingest") };
    let Some(_share) = shared.callers.take(key.tenant, address) else { return shed("ingest") };
    counted.told(next.run(request).await)
}

/// The key is in the body, if there is one. What is read for it is handed on.
async fn keyless(
    shared: Shared,
    address: Option<IpAddr>,
    request: Request,
    next: Next,
    mut counted: Counting,
) -> Response {
    let Some(stranger) = shared.strangers.take(address) else { return shed("keyless") };
    let (mut parts, body) = request.into_parts();
    let bytes = match event_bytes(&parts.headers, body, &shared.app.limits, shared.app.limits.batch_bytes).await {
        Ok(bytes) => bytes,
        Err(problem) => return problem.into_response(),
    };
    let key = match key_in_body(&bytes) {
        Ok(key) => key,
        Err(problem) => return problem.into_response(),
    };
    let key = match key {
        Some(key) => known(&shared.app, &shared.keys, &key, peer(&parts.extensions)).await,
        // Its problem is told where the body is looked at.
        None => return next.run(Request::from_parts(parts, Body::from(bytes))).await,
    };
    let key = match key {
        Ok(key) => key,
        Err(problem) => return shared.guesses.told(address, problem).into_response(),
    };
    if let Err(problem) = counted.events(&key) {
        return counted.told(problem.into_response());
    }
    let Some(_place) = shared.ingest.take_by(shared.weight(key.tenant), key.tenant) else { return shed("ingest") };
    let Some(_share) = shared.callers.take(key.tenant, address) else { return shed("ingest") };
    drop(stranger);
    plain(&mut parts.headers);
    counted.told(next.run(Request::from_parts(parts, Body::from(bytes))).await)
}

/// Counts a request, and tells how the limits stand.
struct Counting {
    rates: Arc<Rates>,
    limits: RateLimits,
    left: Vec<Left>,
}

impl Counting {
    fn of(shared: &Shared) -> Counting {
        Counting { rates: shared.rates.clone(), limits: shared.app.limits.rates, left: Vec::new() }
    }

    /// Whoever it is.
    fn address(&mut self, address: Option<IpAddr>) -> Result<(), Problem> {
        let Some(address) = address else { return Ok(()) };
        self.count([(Counted::Address(address), self.limits.address)])
    }

    /// A call of the API.
    fn call(&mut self, caller: &Caller) -> Result<(), Problem> {
        let most = least(self.limits.tenant, caller.line().ceiling.requests_per_minute);
        let own = (Counted::Key(caller.id().to_owned()), self.limits.key);
        self.count([own, (Counted::Tenant(caller.tenant()), most)])
    }

    /// Of events.
    fn events(&mut self, key: &Key) -> Result<(), Problem> {
        let most = least(self.limits.tenant, key.line.ceiling.event_requests_per_minute);
        self.count([(Counted::Key(key.id.clone()), self.limits.key), (Counted::Events(key.tenant), most)])
    }

    fn count<const N: usize>(&mut self, limits: [(Counted, Option<u32>); N]) -> Result<(), Problem> {
        let (left, over) = self.rates.count(limits, Instant::now());
        self.left.extend(left);
        if over.is_some() {
            metrics::counter!("openhub_requests_shed_total", "door" => "rate").increment(1);
        }
        over.map_or(Ok(()), Err)
    }

    fn told(&self, mut response: Response) -> Response {
        tell(response.headers_mut(), &self.left);
        response
    }
}

fn least(a: Option<u32>, b: Option<u32>) -> Option<u32> {
    a.into_iter().chain(b).min()
}

/// The body is as it was before it was compressed.
fn plain(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
}

/// For the hub's own API: 503.
pub(crate) async fn shed_api(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let (address, from) = (address(&request), peer(request.extensions()));
    let mut counted = Counting::of(&shared);
    if let Err(problem) = counted.address(address) {
        return counted.told(problem.into_response());
    }
    let caller = match caller(&shared.app, &shared.keys, Asked::of(&request), from).await {
        Ok(Some(caller)) => caller,
        // Refused before its body is read.
        Ok(None) => return next.run(request).await,
        Err(problem) => return shared.guesses.told(address, problem).into_response(),
    };
    if let Err(problem) = counted.call(&caller) {
        return counted.told(problem.into_response());
    }
    let Some(_place) = shared.api.take_by(shared.weight(caller.tenant()), caller.tenant()) else {
        metrics::counter!("openhub_requests_shed_total", "door" => "api").increment(1);
        return Problem::new(OVERLOADED, "The hub is busy and did nothing. Send it again later.")
            .retry_after(RETRY_AFTER_S)
            .into_response();
    };
    if let Err(problem) = within_calls_of_api(&shared, &caller, request.uri().path()).await {
        return counted.told(problem.into_response());
    }
    shared.app.engine.count_call(caller.tenant());
    // What its body weighs is held until it is answered.
    let weighed = Weighed::default();
    request.extensions_mut().insert(weighed.clone());
    let answer = next.run(request).await;
    weighed.is_answered();
    counted.told(answer)
}

/// What a partner whose calls are used up may still do: look at that, change it, and leave.
const LEFT: [&str; 5] =
    ["/api/v1/quotas", "/api/v1/meters", "/api/v1/statements", "/api/v1/subscriptions", "/api/v1/catalog"];

/// Refuses a call that goes beyond a quota of calls.
async fn within_calls_of_api(shared: &Shared, caller: &Caller, path: &str) -> Result<(), Problem> {
    if LEFT.iter().any(|left| path.strip_prefix(left).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))) {
        return Ok(());
    }
    within(&shared.app, &caller.scope(), &More { meter: &Meter::ApiCalls, of: None, quantity: 1 }).await
}

/// For who is not logged in yet: a place for those who have shown nothing.
pub(crate) async fn shed_entrance(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let address = address(&request);
    let mut counted = Counting::of(&shared);
    if let Err(problem) = counted.address(address) {
        return counted.told(problem.into_response());
    }
    let Some(_stranger) = shared.strangers.take(address) else { return shed("entrance") };
    let answer = next.run(request).await;
    counted.told(answer)
}

pub(crate) fn shed(door: &'static str) -> Response {
    metrics::counter!("openhub_requests_shed_total", "door" => door).increment(1);
    Problem::new(TOO_MANY_REQUESTS, "The hub is busy and accepted nothing. Send it again later.")
        .retry_after(RETRY_AFTER_S)
        .into_response()
}

/// Absent where the service is called without a network. Of IPv6 the network of 64 bits: whoever has one address of it has all.
pub(crate) fn address(request: &Request) -> Option<IpAddr> {
    Some(match peer(request.extensions())? {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address => address,
    })
}

/// Who has sent how many unknown keys of late.
#[derive(Default)]
pub(crate) struct Guesses(Mutex<HashMap<IpAddr, (Instant, u32)>>);

impl Guesses {
    /// The problem, or that there were too many like it from there. A valid key never comes here.
    pub fn told(&self, address: Option<IpAddr>, problem: Problem) -> Problem {
        match address {
            Some(address) if problem.is(UNAUTHENTICATED) && self.are_too_many(address, Instant::now()) => {
                metrics::counter!("openhub_requests_shed_total", "door" => "guesses").increment(1);
                Problem::new(TOO_MANY_GUESSES, "This address sent too many unknown keys. Wait, then send a valid key.")
                    .retry_after(WINDOW.as_secs() as u32)
            }
            _ => problem,
        }
    }

    fn are_too_many(&self, address: IpAddr, now: Instant) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= ADDRESSES && !all.contains_key(&address) {
            all.retain(|_, (since, _)| now.saturating_duration_since(*since) < WINDOW);
            if all.len() >= ADDRESSES {
                all.clear();
            }
        }
        let (since, count) = all.entry(address).or_insert((now, 0));
        if now.saturating_duration_since(*since) >= WINDOW {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count > GUESSES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn d1_guesses_are_counted_by_address_and_forgotten() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let [here, there] = [1, 2].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
        assert!((0..GUESSES).all(|_| !guesses.are_too_many(here, now)));
        assert!(guesses.are_too_many(here, now));
        assert!(!guesses.are_too_many(there, now));
        assert!(!guesses.are_too_many(here, now + WINDOW));
        for number in 0..2 * ADDRESSES as u32 {
            guesses.are_too_many(IpAddr::V4(Ipv4Addr::from_bits(number)), now);
        }
        assert!(guesses.0.lock().unwrap().len() <= ADDRESSES);
    }
}
