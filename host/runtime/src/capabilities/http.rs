//! `openhub:http/http`: requests to the hosts that were granted, many at once. I/O lane only.

use futures::StreamExt;
use openhub_model::Timestamp;
use openhub_model::manifest::Manifest;
use std::sync::Arc;
use std::time::Duration;
use wasmtime::component::Linker;

use crate::bindings::http::http::{self, Fault, Request};
use crate::bindings::types::types::Response;
use crate::capabilities::taped::{Tapes, taped};
use crate::captured::Capture;
use crate::config::Defaults;
use crate::egress::hosts::Pattern;
use crate::egress::{Egress, request, send};
use crate::error::Refusal;
use crate::fault::{FaultKind, Raised};
use crate::host::Host;

/// Requests of one call that are under way at the same time.
const AT_ONCE: usize = 32;

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    http::add_to_linker::<Host, Tapes>(linker, taped)
}

/// Hosts must be named.
pub fn check(manifest: &Manifest) -> Result<(), Refusal> {
    match manifest.hosts.is_empty() {
        true => Err(Refusal::new(
            Refusal::BAD_MANIFEST,
            "the component uses openhub:http/http, but the manifest names no host: name one in `hosts`",
        )),
        false => Ok(()),
    }
}

/// What was masked and is handed over.
fn size(answer: &Result<Response, Fault>) -> usize {
    match answer {
        Ok(Response { headers, body, .. }) => {
            body.len() + headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>()
        }
        Err(Fault::Denied(reason) | Fault::NotSent(reason) | Fault::Unknown(reason)) => reason.len(),
    }
}

/// What the requests of one call are held to.
pub struct Requests {
    egress: Arc<Egress>,
    hosts: Vec<Pattern>,
    left: u32,
    at_most: Duration,
    response_bytes: u64,
}

impl Requests {
    pub fn prepare(egress: &Arc<Egress>, granted: &[String], limits: &Defaults, items: usize) -> Requests {
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        Requests {
            egress: Arc::clone(egress),
            hosts: granted.iter().filter_map(|host| Pattern::parse(host)).collect(),
            left: limits.fetches_per_item.saturating_mul(items),
            at_most: Duration::from_millis(u64::from(limits.fetch_ms)),
            response_bytes: limits.response_bytes,
        }
    }

    fn take_one(&mut self) -> Result<(), String> {
        self.left = self.left.checked_sub(1).ok_or("this call has used up its fetches")?;
        Ok(())
    }
}

impl Host {
    /// Sends them side by side. The first answer gives the secret `given`, if there is one.
    async fn send_all(
        &mut self,
        requests: Vec<Request>,
        given: Option<&str>,
    ) -> wasmtime::Result<Vec<Result<Response, Fault>>> {
        let io = self.io()?;
        let secrets = Arc::clone(&io.secrets);
        let egress = Arc::clone(&io.requests.egress);
        let (mut began, mut bytes) = (Vec::new(), 0);
        let mut checked = Vec::with_capacity(requests.len());
        for request in requests {
            // Each may be a large one; others have their turn in between.
            tokio::task::yield_now().await;
            let concerns = request.concerns.clone();
            let result = io.requests.take_one().and_then(|()| {
                let grant = request::Grant { hosts: &io.requests.hosts, secrets: &secrets, egress: &egress };
                request::check(request, &grant, io.requests.at_most)
            });
            if let Ok(request) = &result {
                began.push(concerns);
                bytes += request.bytes;
            }
            checked.push(result);
        }
        let response_bytes = io.requests.response_bytes;
        // One that asks for a secret delivers no message.
        if !began.is_empty() && given.is_none() {
            let told = io.settlement.fetch_began(&began);
            told.map_err(|message| Raised::error(FaultKind::Malformed, message))?;
        }
        self.meter.fetches += began.len() as u32;
        self.meter.bytes_out += bytes;
        let (egress, secrets) = (&egress, &*secrets);
        let pointer = given.map(|name| secrets.pointer(name)).transpose();
        let pointer = pointer.map_err(|message| Raised::error(FaultKind::Malformed, message))?;
        let sent = checked.into_iter().map(|checked| async move {
            match checked {
                Ok(request) => send::send(request, egress, (secrets, pointer), response_bytes).await,
                Err(reason) => (Err(Fault::Denied(reason)), None),
            }
        });
        let answers: Vec<_> = futures::stream::iter(sent).buffered(AT_ONCE).collect().await;
        let size = answers.iter().map(|(answer, _)| size(answer)).sum::<usize>();
        // One that gives a secret is read once more.
        self.meter.work(secrets.masks.work(size) + given.map_or(0, |_| size))?;
        let now = self.io()?.clock.clone()();
        let mut told = Vec::with_capacity(answers.len());
        for (answer, value) in answers {
            if let Some((name, value)) = given.zip(value) {
                let io = self.io()?;
                io.secrets = Arc::new(io.secrets.with(name, Capture { value, at: now }));
            }
            told.push(answer);
        }
        Ok(told)
    }
}

impl http::Host for Host {
    async fn fetch(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Response, Fault>>> {
        self.meter.host_call(requests.iter().map(request::work).sum())?;
        self.send_all(requests, None).await
    }

    async fn capture(&mut self, secret: String, request: Request) -> wasmtime::Result<Result<Response, Fault>> {
        self.meter.host_call(secret.len() + request::work(&request))?;
        if let Err(message) = self.io()?.secrets.pointer(&secret) {
            return Ok(Err(Fault::Denied(message)));
        }
        let answer = self.send_all(vec![request], Some(&secret)).await?.pop();
        Ok(answer.unwrap_or_else(|| Err(Fault::NotSent("there was no request".to_owned()))))
    }

    async fn captured(&mut self, secret: String) -> wasmtime::Result<Option<i64>> {
        self.meter.host_call(secret.len())?;
        Ok(self.io()?.secrets.captured_at(&secret).map(Timestamp::micros))
    }
}
