//! Request bodies: bounded in bytes and time, gzip undone under the same bound, JSON read with the pointer of
//! whatever does not fit.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use openhub_model::fault::{form, syntax};
use openhub_model::identity::Authority;
use openhub_model::misfits::{self, Misfit};
use openhub_model::strict::Strict;
use openhub_model::{Fault, limits, once};
use openhub_store::Refused;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::{Limits, Shared};
use crate::auth::{peer, sender_of};
use crate::ingest::advice;
use crate::problem::{
    BODY_TIMEOUT, INCOMPLETE_BODY, INVALID_BODY, INVALID_ENCODING, INVALID_JSON, OVERLOADED, Problem, TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
};

/// Bytes a second that a body has to come at after its grace.
const RATE: f64 = 8_192.0;
/// Bytes that are unpacked on the thread that has read them.
const AT_ONCE: usize = 4 * 1024 * 1024;
/// Bytes past the cap that are read and dropped before the connection is given up.
const DRAINED: usize = 32 * 1024 * 1024;

const KIB: usize = 1024;
/// What a body may take in memory before it waits for others.
const LIGHT: usize = 64 * KIB;
/// How long it waits.
const TURN: Duration = Duration::from_secs(5);

/// The text of one or many events, as JSON or as a browser's beacon sends it.
pub(crate) struct EventBody(pub String);

impl FromRequest<Shared> for EventBody {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let Shared { app, keys, .. } = shared;
        let sender = sender_of(app, keys, &parts.headers, &parts.uri, peer(&parts.extensions)).await;
        let cap = match &sender {
            Some(sender) if sender.authority >= Authority::Server => app.limits.server_batch_bytes,
            _ => app.limits.batch_bytes,
        };
        let read = event_bytes(&parts.headers, body, &app.limits, cap).await;
        let text = read.and_then(|read| match String::from_utf8(read.into()) {
            Ok(text) => Ok(text),
            Err(_) => Err(Problem::new(INVALID_JSON, "The body is not UTF-8. Send JSON in UTF-8.")),
        });
        if let (Some(sender), Err(problem)) = (&sender, &text)
            && problem.is_of_the_body()
        {
            // Libraries drop it, or try for ever, and tell nobody.
            let (code, at) = (problem.code(), app.now());
            let refused = Refused { key: &sender.id, code, text: advice(code), pointer: "", message_id: None, at };
            app.store.note_refused(&sender.scope, refused);
        }
        text.map(EventBody)
    }
}

/// The bytes of one or many events, at most `cap`, as they were before they were compressed. Browsers send JSON as a text or a form,
/// since those need no permission; whatever the type says, the body is JSON.
pub(crate) async fn event_bytes(
    headers: &HeaderMap,
    body: Body,
    limits: &Limits,
    cap: usize,
) -> Result<Bytes, Problem> {
    expect_media_type(headers, &["application/json", "text/plain", "application/x-www-form-urlencoded"])?;
    read(body, headers, cap, limits).await.map(without_mark)
}

/// Programs that write files put the byte order mark of UTF-8 in front of JSON, too.
fn without_mark(bytes: Bytes) -> Bytes {
    let mark = "\u{feff}".as_bytes();
    if bytes.starts_with(mark) { bytes.slice(mark.len()..) } else { bytes }
}

/// A JSON body of the hub's own API.
pub(crate) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Shared> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        parse(&json_bytes(request, shared).await?).map(JsonBody)
    }
}

/// A JSON body that may be left out.
pub(crate) struct OptionalJsonBody<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Shared> for OptionalJsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        let bytes = json_bytes(request, shared).await?;
        if bytes.is_empty() { Ok(OptionalJsonBody(T::default())) } else { parse(&bytes).map(OptionalJsonBody) }
    }
}

/// An uploaded component.
pub(crate) struct ComponentBody(pub Bytes);

impl FromRequest<Shared> for ComponentBody {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        let limits = &shared.app.limits;
        let (parts, body) = request.into_parts();
        if !parts.headers.contains_key(header::CONTENT_TYPE) {
            return Err(Problem::new(
                UNSUPPORTED_MEDIA_TYPE,
                "The request has no content type. Send the component as `application/wasm`.",
            ));
        }
        expect_media_type(&parts.headers, &["application/wasm"])?;
        read(body, &parts.headers, limits.component_bytes, limits).await.map(ComponentBody)
    }
}

/// A body as it was sent, whatever its type and encoding.
pub(crate) async fn raw_bytes(body: Body, limits: &Limits, cap: usize) -> Result<Bytes, Problem> {
    let collected = tokio::time::timeout(limits.body_time, collect(body, cap, limits.body_grace)).await;
    collected.map_err(|_| Problem::new(BODY_TIMEOUT, "The body arrived too slowly. Send it faster."))?
}

async fn json_bytes(request: Request, shared: &Shared) -> Result<Bytes, Problem> {
    let (parts, body) = request.into_parts();
    let most = &shared.app.limits;
    expect_media_type(&parts.headers, &["application/json"])?;
    let bytes = without_mark(read(body, &parts.headers, most.json_bytes, most).await?);
    let weight = limits::weight(&bytes);
    if weight > most.json_weight {
        return Err(Problem::new(TOO_LARGE, "The body has too many values. Send it in several requests, or say less."));
    }
    if weight > LIGHT {
        let taken = shared.weights.take(weight).await?;
        if let Some(weighed) = parts.extensions.get::<Weighed>() {
            weighed.hold(taken);
        }
    }
    Ok(bytes)
}

/// What all bodies that are handled may take in memory, in KiB.
#[derive(Clone)]
pub(crate) struct Weights(Arc<Semaphore>);

impl Weights {
    pub fn new(bytes: usize) -> Weights {
        Weights(Arc::new(Semaphore::new(bytes / KIB)))
    }

    async fn take(&self, weight: usize) -> Result<OwnedSemaphorePermit, Problem> {
        let taken = Arc::clone(&self.0).acquire_many_owned(u32::try_from(weight / KIB).unwrap_or(u32::MAX));
        match tokio::time::timeout(TURN, taken).await {
            Ok(Ok(taken)) => Ok(taken),
            _ => Err(Problem::new(OVERLOADED, "Too many large bodies are being handled. Send it again later.")
                .retry_after(1)),
        }
    }
}

/// What the body of a request has taken of [`Weights`].
#[derive(Clone, Default)]
pub(crate) struct Weighed(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Weighed {
    fn hold(&self, taken: OwnedSemaphorePermit) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(taken);
    }

    pub fn is_answered(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A body without a type is taken for the first of the `accepted`.
fn expect_media_type(headers: &HeaderMap, accepted: &[&str]) -> Result<(), Problem> {
    let Some(given) = headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    let essence = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if accepted.iter().any(|accepted| accepted.eq_ignore_ascii_case(essence)) {
        return Ok(());
    }
    Err(Problem::new(
        UNSUPPORTED_MEDIA_TYPE,
        format!("The content type `{essence}` is not accepted. Send `{}`.", accepted.join("` or `")),
    ))
}

async fn read(body: Body, headers: &HeaderMap, cap: usize, limits: &Limits) -> Result<Bytes, Problem> {
    let bytes = raw_bytes(body, limits, cap).await?;
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter().map(|of| of.as_bytes().to_ascii_lowercase());
    let encoding = encodings.next();
    if encodings.next().is_some() {
        let detail = "The body has more than one content encoding. Encode it once, with `gzip` or `deflate`.";
        return Err(Problem::new(UNSUPPORTED_MEDIA_TYPE, detail));
    }
    match encoding.as_deref() {
        None | Some(b"" | b"identity") => Ok(bytes),
        Some(b"gzip" | b"x-gzip") => unpack(bytes, Packing::Gzip, cap).await,
        // It has the header of zlib, or none: the first byte tells.
        Some(b"deflate") if bytes.first().is_some_and(|byte| byte & 0x0f == 8) => {
            unpack(bytes, Packing::Zlib, cap).await
        }
        Some(b"deflate") => unpack(bytes, Packing::Deflate, cap).await,
        Some(_) => {
            Err(Problem::new(UNSUPPORTED_MEDIA_TYPE, "This content encoding is not accepted. Use `gzip` or `deflate`."))
        }
    }
}

#[derive(Clone, Copy)]
enum Packing {
    Gzip,
    Zlib,
    Deflate,
}

/// What becomes larger than a batch of events holds its thread for too long, and is unpacked on another.
async fn unpack(bytes: Bytes, packing: Packing, cap: usize) -> Result<Bytes, Problem> {
    let work = move || match packing {
        Packing::Gzip => unpacked(flate2::read::MultiGzDecoder::new(&*bytes), cap),
        Packing::Zlib => unpacked(flate2::read::ZlibDecoder::new(&*bytes), cap),
        Packing::Deflate => unpacked(flate2::read::DeflateDecoder::new(&*bytes), cap),
    };
    if cap <= AT_ONCE {
        return work();
    }
    tokio::task::spawn_blocking(work).await.map_err(|panic| Problem::internal(&panic))?
}

/// Keeps at most `cap` bytes. What is too large is still read for a while: a caller who is cut off while sending
/// would see a broken connection instead of the answer.
async fn collect(mut body: Body, cap: usize, grace: Duration) -> Result<Bytes, Problem> {
    let mut kept = BytesMut::new();
    let mut seen = 0;
    let began = Instant::now();
    loop {
        let late = began + grace + Duration::from_secs_f64(seen as f64 / RATE);
        let next = tokio::time::timeout_at(late.into(), body.frame()).await;
        let Some(frame) =
            next.map_err(|_| Problem::new(BODY_TIMEOUT, "The body arrived too slowly. Send it faster."))?
        else {
            break;
        };
        let frame = frame.map_err(|_| {
            Problem::new(INCOMPLETE_BODY, "The connection broke off before the whole body arrived. Send it again.")
        })?;
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen <= cap {
            kept.extend_from_slice(&data);
        } else if seen > cap + DRAINED {
            break;
        }
    }
    if seen > cap { Err(too_large(cap)) } else { Ok(kept.freeze()) }
}

/// Stops one byte past the cap, so that a bomb costs no more than an honest body.
fn unpacked(packed: impl Read, cap: usize) -> Result<Bytes, Problem> {
    let mut plain = Vec::new();
    let wrong =
        |_| Problem::new(INVALID_ENCODING, "The body does not match its content encoding. Check `Content-Encoding`.");
    packed.take(cap as u64 + 1).read_to_end(&mut plain).map_err(wrong)?;
    if plain.len() > cap { Err(too_large(cap)) } else { Ok(plain.into()) }
}

pub(crate) fn too_large(cap: usize) -> Problem {
    Problem::new(TOO_LARGE, format!("The body is too large: at most {cap} bytes."))
}

/// Reads a small JSON text, refusing a field that is there twice, U+0000 and what lies too deep, and naming the field that does not fit.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let (value, repeated) = once::from_slice(bytes).map_err(|error| Problem::new(INVALID_JSON, syntax(&error)))?;
    if let Some(pointer) = repeated {
        let message = "This field is there twice. Write it once.";
        return Err(Problem::fault(INVALID_BODY, Fault::new(pointer, "repeated-field", message)));
    }
    if let Some(fault) = limits::value(&value, "") {
        return Err(Problem::fault(INVALID_BODY, fault));
    }
    // What has its form is moved and not copied. What has not is read again, for all of its faults.
    T::deserialize(Strict(value)).map_err(|error| {
        let value = once::from_slice(bytes).map(|(value, _)| value).unwrap_or_default();
        let faults = from_value::<T>(&value, "").err().filter(|faults| !faults.is_empty());
        let first = || vec![Fault::new("", "wrong-form", form(&error.to_string()))];
        Problem::faults(INVALID_BODY, faults.unwrap_or_else(first))
    })
}

/// What a body means can be wrong, though it has its form.
pub(crate) trait Meaning {
    /// All that is wrong, with pointers into the body.
    fn faults(&self) -> Vec<Fault>;
}

/// A small JSON body of which all is told that is wrong, its form and its meaning.
pub(crate) struct MeantBody<T>(pub T);

impl<T: DeserializeOwned + Meaning> FromRequest<Shared> for MeantBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        let body = HalfBody::<T>::from_request(request, shared).await?;
        let meaning = body.value().map(Meaning::faults).unwrap_or_default();
        body.meant(meaning).map(MeantBody)
    }
}

/// A small JSON body whose form was read, and whose meaning its handler looks at: then all that is wrong with it is told at once.
pub(crate) struct HalfBody<T>(misfits::Read<T>);

impl<T: DeserializeOwned> FromRequest<Shared> for HalfBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Shared) -> Result<Self, Problem> {
        let bytes = json_bytes(request, shared).await?;
        let value: Value = parse(&bytes)?;
        Ok(HalfBody(misfits::read::<T>(&value)))
    }
}

impl<T> HalfBody<T> {
    /// With stand-ins where it does not have its form.
    pub fn value(&self) -> Option<&T> {
        self.0.value.as_ref()
    }

    /// The body, if its form and its meaning are right.
    pub fn meant(self, meaning: Vec<Fault>) -> Result<T, Problem> {
        let HalfBody(mut read) = self;
        let misfits = std::mem::take(&mut read.misfits);
        let mut faults: Vec<Fault> = misfits.into_iter().map(|misfit| fault_of(misfit, "")).collect();
        faults.extend(meaning.into_iter().filter(|fault| read.is_as_written(&fault.pointer)));
        match read.value.filter(|_| faults.is_empty()) {
            Some(value) => Ok(value),
            None => {
                faults.truncate(misfits::TOLD);
                Err(Problem::faults(INVALID_BODY, faults))
            }
        }
    }
}

/// Turns a JSON value into a `T`, whose structs are objects, or says below `pointer` each place where it does not fit.
pub(crate) fn from_value<T: DeserializeOwned>(value: &Value, pointer: &str) -> Result<T, Vec<Fault>> {
    let misfits::Read { value, misfits, .. } = misfits::read(value);
    match value.filter(|_| misfits.is_empty()) {
        Some(value) => Ok(value),
        None => Err(misfits.into_iter().map(|misfit| fault_of(misfit, pointer)).collect()),
    }
}

/// A place that does not fit, as a fault below `pointer`.
pub(crate) fn fault_of(misfit: Misfit, pointer: &str) -> Fault {
    Fault::new(format!("{pointer}{}", misfit.pointer), "wrong-form", form(&misfit.said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Condition;
    use serde_json::json;

    #[test]
    fn a_bomb_is_cut_at_the_cap() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        std::io::Write::write_all(&mut encoder, &vec![b' '; 10_000_000]).unwrap();
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 20_000);
        let gunzip = |bytes: &[u8], cap| unpacked(flate2::read::MultiGzDecoder::new(bytes), cap);
        assert!(gunzip(&bomb, 500 * 1024).unwrap_err().is(TOO_LARGE));
        assert_eq!(gunzip(&bomb, 10_000_000).unwrap().len(), 10_000_000);
        assert!(gunzip(&bomb[..bomb.len() / 2], 20_000_000).unwrap_err().is(INVALID_ENCODING));
    }

    #[tokio::test]
    async fn a_component_is_unpacked_on_a_thread_that_may_be_held() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::copy(&mut std::io::repeat(0).take(8 << 20), &mut packed).unwrap();
        let packed = Bytes::from(packed.finish().unwrap());
        let mut large = Box::pin(unpack(packed.clone(), Packing::Gzip, 32 << 20));
        assert!(futures::poll!(&mut large).is_pending(), "another thread has it");
        assert_eq!(large.await.unwrap().len(), 8 << 20);
        let mut events = Box::pin(unpack(packed, Packing::Gzip, AT_ONCE));
        assert!(matches!(futures::poll!(&mut events), std::task::Poll::Ready(Err(_))), "a hop costs events more");
    }

    #[tokio::test]
    async fn a_body_that_is_encoded_twice_is_refused_however_that_is_said() {
        let limits = Limits::default();
        for said in [&["gzip", "gzip"][..], &["gzip, gzip"], &["identity", "gzip"]] {
            let pairs = said.iter().map(|text| (header::CONTENT_ENCODING, header::HeaderValue::from_static(text)));
            let refused = read(Body::from("{}"), &pairs.collect(), 100, &limits).await.unwrap_err();
            assert!(refused.is(UNSUPPORTED_MEDIA_TYPE), "{said:?}");
        }
    }

    #[test]
    fn a_field_twice_is_pointed_at_however_deep_it_stands() {
        let body = br#"{"condition": {"all": [{"tag": "a", "tag": "b"}]}}"#;
        assert!(parse::<Value>(body).unwrap_err().is(INVALID_BODY));
        let text = format!("{:?}", parse::<Value>(body).unwrap_err());
        assert!(text.contains("/condition/all/0/tag") && text.contains("repeated-field"), "{text}");
    }

    #[test]
    fn what_does_not_fit_is_pointed_at() {
        let value = json!({"all": [{"tag": "vip"}, {"attribute": {"name": "a", "is": "above", "value": 1}}]});
        let faults = from_value::<Condition>(&value, "/condition").unwrap_err();
        let [fault] = faults.as_slice() else { panic!("{faults:?}") };
        assert_eq!((fault.pointer.as_str(), fault.code.as_str()), ("/condition/all/1/attribute/is", "wrong-form"));
    }
}
