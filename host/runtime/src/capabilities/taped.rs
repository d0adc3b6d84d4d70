//! The host as plugins of the I/O lane meet it: each question passes by the tape of the call.

use wasmtime::component::HasData;

use crate::bindings::channel::openhub::types::types::{Failure, Fault as PluginFault, Identity, NewEvent, Response};
use crate::bindings::clock::clock;
use crate::bindings::customers::customers::{self, Customer, MemberPage};
use crate::bindings::events::events;
use crate::bindings::http::http::{self, Fault, Request};
use crate::bindings::kv::kv::{self, Write};
use crate::bindings::objects::objects::{self, Conflict, Object, Operation};
use crate::bindings::secrets::secrets::{self, Key};
use crate::host::Host;
use crate::tape::Question;

/// A host whose answers are kept, or come from a recording.
pub struct Taped<'a>(&'a mut Host);

pub fn taped(host: &mut Host) -> Taped<'_> {
    Taped(host)
}

/// Says that [`Taped`] stands for the host.
pub struct Tapes;

impl HasData for Tapes {
    type Data<'a> = Taped<'a>;
}

/// Asks the tape, and then the host.
macro_rules! asked {
    ($taped:expr, $call:literal, $asked:expr, $answer:expr) => {{
        let question = match $taped.0.question($call, $asked)? {
            Question::Answered(answer) => return Ok(answer),
            Question::Open(question) => question,
        };
        let answer = $answer;
        $taped.0.answered($call, question, &answer);
        answer
    }};
}

type Answer<T> = wasmtime::Result<Result<T, Failure>>;

impl clock::Host for Taped<'_> {
    fn now(&mut self) -> wasmtime::Result<i64> {
        asked!(self, "clock.now", (), clock::Host::now(self.0))
    }

    fn deadline(&mut self) -> wasmtime::Result<i64> {
        asked!(self, "clock.deadline", (), clock::Host::deadline(self.0))
    }
}

impl http::Host for Taped<'_> {
    async fn fetch(&mut self, requests: Vec<Request>) -> wasmtime::Result<Vec<Result<Response, Fault>>> {
        asked!(self, "http.fetch", &requests, http::Host::fetch(self.0, requests).await)
    }

    async fn capture(&mut self, secret: String, request: Request) -> wasmtime::Result<Result<Response, Fault>> {
        asked!(self, "http.capture", (&secret, &request), http::Host::capture(self.0, secret, request).await)
    }

    async fn captured(&mut self, secret: String) -> wasmtime::Result<Option<i64>> {
        asked!(self, "http.captured", &secret, http::Host::captured(self.0, secret).await)
    }
}

impl kv::Host for Taped<'_> {
    async fn get(&mut self, key: String) -> Answer<Option<kv::Entry>> {
        asked!(self, "kv.get", &key, kv::Host::get(self.0, key).await)
    }

    async fn set(&mut self, write: Write) -> Answer<u64> {
        asked!(self, "kv.set", &write, kv::Host::set(self.0, write).await)
    }

    async fn compare_and_set(&mut self, write: Write, expected: u64) -> Answer<Option<u64>> {
        let asked = (&write, expected);
        asked!(self, "kv.compare-and-set", asked, kv::Host::compare_and_set(self.0, write, expected).await)
    }

    async fn delete(&mut self, key: String) -> Answer<()> {
        asked!(self, "kv.delete", &key, kv::Host::delete(self.0, key).await)
    }

    async fn scan(&mut self, prefix: String, after: Option<String>, limit: u32) -> Answer<kv::Page> {
        asked!(self, "kv.scan", (&prefix, &after, limit), kv::Host::scan(self.0, prefix, after, limit).await)
    }
}

impl events::Host for Taped<'_> {
    async fn track(&mut self, events: Vec<NewEvent>) -> Answer<Vec<Result<(), Vec<PluginFault>>>> {
        asked!(self, "events.track", &events, events::Host::track(self.0, events).await)
    }
}

impl customers::Host for Taped<'_> {
    async fn get(&mut self, ids: Vec<String>, fields: Vec<String>) -> Answer<Vec<Option<Customer>>> {
        asked!(self, "customers.get", (&ids, &fields), customers::Host::get(self.0, ids, fields).await)
    }

    async fn find(&mut self, identities: Vec<Identity>, fields: Vec<String>) -> Answer<Vec<Option<Customer>>> {
        asked!(self, "customers.find", (&identities, &fields), customers::Host::find(self.0, identities, fields).await)
    }

    async fn members(&mut self, segment: String, after: Option<String>, limit: u32) -> Answer<MemberPage> {
        let asked = (&segment, &after, limit);
        asked!(self, "customers.members", asked, customers::Host::members(self.0, segment, after, limit).await)
    }
}

impl objects::Host for Taped<'_> {
    async fn get(&mut self, kind: String, keys: Vec<String>) -> Answer<Vec<Option<Object>>> {
        asked!(self, "objects.get", (&kind, &keys), objects::Host::get(self.0, kind, keys).await)
    }

    async fn find(&mut self, kind: String, tests: String, after: Option<String>, limit: u32) -> Answer<objects::Page> {
        let asked = (&kind, &tests, &after, limit);
        asked!(self, "objects.find", asked, objects::Host::find(self.0, kind, tests, after, limit).await)
    }

    async fn commit(&mut self, operations: Vec<Operation>) -> Answer<Result<(), Conflict>> {
        asked!(self, "objects.commit", &operations, objects::Host::commit(self.0, operations).await)
    }
}

impl secrets::Host for Taped<'_> {
    fn hmac(&mut self, key: Key, algorithm: String, data: Vec<u8>) -> Answer<Vec<u8>> {
        asked!(self, "secrets.hmac", (&key, &algorithm, &data), secrets::Host::hmac(self.0, key, algorithm, data))
    }

    fn verify_hmac(&mut self, key: Key, algorithm: String, data: Vec<u8>, mac: Vec<u8>) -> Answer<bool> {
        let asked = (&key, &algorithm, &data, &mac);
        asked!(self, "secrets.verify-hmac", asked, secrets::Host::verify_hmac(self.0, key, algorithm, data, mac))
    }

    fn verify_token(&mut self, secret: String, token: Vec<u8>) -> Answer<bool> {
        asked!(self, "secrets.verify-token", (&secret, &token), secrets::Host::verify_token(self.0, secret, token))
    }

    fn verify_sorted(&mut self, secret: String, algorithm: String, others: Vec<String>, mac: String) -> Answer<bool> {
        let asked = (&secret, &algorithm, &others, &mac);
        let verify = secrets::Host::verify_sorted;
        asked!(self, "secrets.verify-sorted", asked, verify(self.0, secret, algorithm, others, mac))
    }

    fn sign(&mut self, secret: String, algorithm: String, data: Vec<u8>) -> Answer<Vec<u8>> {
        asked!(self, "secrets.sign", (&secret, &algorithm, &data), secrets::Host::sign(self.0, secret, algorithm, data))
    }

    fn verify_signature(
        &mut self,
        secret: String,
        algorithm: String,
        data: Vec<u8>,
        signature: Vec<u8>,
    ) -> Answer<bool> {
        let asked = (&secret, &algorithm, &data, &signature);
        let verify = secrets::Host::verify_signature;
        asked!(self, "secrets.verify-signature", asked, verify(self.0, secret, algorithm, data, signature))
    }

    fn aes_cbc_decrypt(&mut self, secret: String, iv: Vec<u8>, data: Vec<u8>) -> Answer<Vec<u8>> {
        let asked = (&secret, &iv, &data);
        asked!(self, "secrets.aes-cbc-decrypt", asked, secrets::Host::aes_cbc_decrypt(self.0, secret, iv, data))
    }
}
