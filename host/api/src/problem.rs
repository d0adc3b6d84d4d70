//! Every error of the API as problem details (RFC 9457). The only place that knows HTTP errors.
//!
//! `type` is stable: clients may compare it. A 5xx says nothing about the inside; its cause is logged here, once.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use openhub_engine::EngineError;
use openhub_engine::objects::ObjectError;
use openhub_model::Fault;
use openhub_runtime::Refusal;
use openhub_store::StoreError;
use serde::Serialize;
use std::borrow::Cow;
use utoipa::ToSchema;

const BASE: &str = "https://openhub.dev/problems/";

/// A kind of problem: status, code (the end of `type`) and title.
pub(crate) type Kind = (StatusCode, &'static str, &'static str);

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $code:literal, $title:literal;)*) => {
        $($(#[$doc])* pub(crate) const $name: Kind = (StatusCode::$status, $code, $title);)*

        /// All of them.
        pub(crate) const KINDS: &[Kind] = &[$($name),*];
    };
}

kinds! {
    INVALID_JSON = BAD_REQUEST, "invalid-json", "The body is not valid JSON";
    INVALID_BODY = BAD_REQUEST, "invalid-body", "The body does not have the expected form";
    INVALID_EVENT = BAD_REQUEST, "invalid-event", "The event is refused";
    INVALID_QUERY = BAD_REQUEST, "invalid-query", "A query parameter is not valid";
    INVALID_HEADER = BAD_REQUEST, "invalid-header", "A header is not valid";
    INVALID_PATH = BAD_REQUEST, "invalid-path", "The path is not valid";
    INVALID_ENCODING = BAD_REQUEST, "invalid-encoding", "The body cannot be decompressed";
    INCOMPLETE_BODY = BAD_REQUEST, "incomplete-body", "The body ended before it was complete";
    UNAUTHENTICATED = UNAUTHORIZED, "unauthenticated", "A valid key is needed";
    SESSION_ENDED = UNAUTHORIZED, "session-ended", "Log in again";
    LOGIN_REFUSED = UNAUTHORIZED, "login-refused", "The log-in is refused";
    SECOND_FACTOR_NEEDED = UNAUTHORIZED, "second-factor-needed", "A code of the authenticator is needed";
    OIDC_WRONG_STATE = UNAUTHORIZED, "oidc-wrong-state", "The log-in was not begun in this browser";
    OIDC_REFUSED = UNAUTHORIZED, "oidc-refused", "The identity provider lets nobody in";
    OIDC_WRONG_ISSUER = UNAUTHORIZED, "oidc-wrong-issuer", "The answer is of another identity provider";
    OIDC_WRONG_AUDIENCE = UNAUTHORIZED, "oidc-wrong-audience", "The token is for somebody else than this hub";
    OIDC_WRONG_NONCE = UNAUTHORIZED, "oidc-wrong-nonce", "The token is of another log-in";
    OIDC_WRONG_SIGNATURE = UNAUTHORIZED, "oidc-wrong-signature", "The token is not signed by the identity provider";
    OIDC_WRONG_CLOCK = UNAUTHORIZED, "oidc-wrong-clock", "The token is not of this time";
    INVITATION_ENDED = UNAUTHORIZED, "invitation-ended", "The invitation does not work any more";
    MISSING_SCOPE = FORBIDDEN, "missing-scope", "A scope is missing";
    ORIGIN_NOT_ALLOWED = FORBIDDEN, "origin-not-allowed", "Pages of this origin do not send events here";
    ADDRESS_NOT_ALLOWED = FORBIDDEN, "address-not-allowed", "The key does not work from this address";
    FOREIGN_ORIGIN = FORBIDDEN, "foreign-origin", "A session changes nothing from another site";
    OIDC_UNVERIFIED = FORBIDDEN, "oidc-unverified-address", "The identity provider vouches for no address";
    OIDC_NOT_INVITED = FORBIDDEN, "oidc-not-invited", "Nobody has invited this person";
    MASKED = FORBIDDEN, "masked", "The role sees no personal data";
    WIDER_THAN_OWN = FORBIDDEN, "wider-than-own", "Nobody gives more than they have";
    NOT_FOUND = NOT_FOUND, "not-found", "There is nothing here";
    OIDC_NOT_SET_UP = NOT_FOUND, "oidc-not-set-up", "The tenant has no identity provider";
    UNKNOWN_ROUTE = NOT_FOUND, "unknown-route", "There is no such route";
    METHOD_NOT_ALLOWED = METHOD_NOT_ALLOWED, "method-not-allowed", "The route does not know this method";
    BODY_TIMEOUT = REQUEST_TIMEOUT, "body-timeout", "The body took too long to arrive";
    CONFLICT = CONFLICT, "conflict", "The present state does not allow this";
    ALREADY_EXISTS = CONFLICT, "already-exists", "It exists already";
    REQUEST_IN_PROGRESS = CONFLICT, "request-in-progress", "The same request is being done";
    ANSWER_NOT_KEPT = CONFLICT, "answer-not-kept", "It was done, and its answer is not kept";
    NOT_AGREED = CONFLICT, "not-agreed", "What it asks for is not agreed to";
    OTHER_DIFFERENCE = CONFLICT, "other-difference", "The agreement is to another difference";
    OTHER_VERSION = CONFLICT, "other-version", "The agreement is to a version that is not here";
    VERSION_REUSED = CONFLICT, "version-reused", "The version number belongs to another component";
    DOWNGRADE = CONFLICT, "downgrade", "The version is older than the active one";
    NO_PREVIOUS = CONFLICT, "no-previous-version", "There is no version to go back to";
    CANNOT_BE_TRIED = CONFLICT, "cannot-be-tried", "The version cannot be tried beside the active one";
    BEING_TRIED = CONFLICT, "being-tried", "A version of the plugin is being tried";
    NAME_TAKEN = CONFLICT, "name-taken", "A plugin of another publisher has this name";
    OTHER_PUBLISHER_KEY = CONFLICT, "other-publisher-key", "The component is signed by somebody else";
    UNSIGNED = CONFLICT, "unsigned", "The component is not signed";
    NARROWS = CONFLICT, "narrows", "Objects may not fit the new version";
    IN_USE = CONFLICT, "in-use", "It is still used";
    LIVE_CLOCK = CONFLICT, "live-clock", "The tenant's clock is live and cannot be set";
    USAGE_KEY_REUSED = CONFLICT, "usage-key-reused", "The key of the usage stands for another quantity";
    TENANT_CYCLE = CONFLICT, "tenant-cycle", "A tenant cannot stand below itself";
    WIDER_CEILING = CONFLICT, "wider-ceiling", "A ceiling only gets tighter on the way down";
    LAST_OWNER = CONFLICT, "last-owner", "The tenant would have no owner";
    OFFERING_ARCHIVED = CONFLICT, "offering-archived", "Nobody comes onto this version any more";
    KEY_REUSED = CONFLICT, "key-reused", "The key belongs to another request";
    ALREADY_DECIDED = CONFLICT, "already-decided", "The request was answered already";
    NOT_ACTIVE = CONFLICT, "not-active", "What was agreed on is not in force";
    BLOCKED = CONFLICT, "blocked", "A block on the subscription stops this";
    CHANGED_HERE = CONFLICT, "changed-here", "The tenant has changed what would be overwritten";
    BEYOND_CEILING = CONFLICT, "beyond-ceiling", "The tenant's ceiling does not allow this";
    VERSION_MISMATCH = PRECONDITION_FAILED, "version-mismatch", "It was changed in between";
    TOO_LARGE = PAYLOAD_TOO_LARGE, "too-large", "The body is too large";
    UNSUPPORTED_MEDIA_TYPE = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The media type is not supported";
    IDEMPOTENCY_KEY_REUSED = UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The key belongs to another request";
    REFUSED_FIELDS = UNPROCESSABLE_ENTITY, "refused-fields", "The object's type refuses the fields";
    INVALID_OBJECT_TYPE = UNPROCESSABLE_ENTITY, "invalid-object-type", "The object type cannot be declared like this";
    INVALID_JOURNEY = UNPROCESSABLE_ENTITY, "invalid-journey", "The journey cannot be published";
    INVALID_CONDITION = UNPROCESSABLE_ENTITY, "invalid-condition", "The condition cannot be evaluated";
    TOO_COSTLY = UNPROCESSABLE_ENTITY, "too-costly", "The condition takes too long to count";
    INVALID_INSTALLATION = UNPROCESSABLE_ENTITY, "invalid-installation", "The plugin cannot be enabled like this";
    INVALID_OFFERING = UNPROCESSABLE_ENTITY, "invalid-offering", "The version cannot be made like this";
    INVALID_SUBSCRIPTION = UNPROCESSABLE_ENTITY, "invalid-subscription", "The subscription cannot be made like this";
    OPERATION_OPEN = UNPROCESSABLE_ENTITY, "operation-open", "Another operation is not over";
    MISSING_PARAMETER = UNPROCESSABLE_ENTITY, "missing-parameter", "A parameter of the offering has no value";
    INVALID_WEBHOOK = UNPROCESSABLE_ENTITY, "invalid-webhook", "The webhook cannot be set up like this";
    CALL_REFUSED = BAD_REQUEST, "call-refused", "The plugin refuses the call";
    HOOK_REFUSED = BAD_REQUEST, "hook-refused", "The plugin refuses the request";
    INVALID_SECRET = UNPROCESSABLE_ENTITY, "invalid-secret", "The secret cannot be decoded";
    PLUGIN_FAILED = BAD_GATEWAY, "plugin-failed", "The plugin failed";
    IDENTITY_PROVIDER_FAILED = BAD_GATEWAY, "identity-provider-failed", "The identity provider does not answer as it should";
    TOO_MANY_REQUESTS = TOO_MANY_REQUESTS, "too-many-requests", "Too many requests are under way";
    RATE_LIMITED = TOO_MANY_REQUESTS, "rate-limited", "Too many requests were sent in this minute";
    TOO_MANY_GUESSES = TOO_MANY_REQUESTS, "too-many-guesses", "Too many unknown keys were sent";
    TOO_MANY_LOGINS = TOO_MANY_REQUESTS, "too-many-logins", "Somebody tried to log in too often";
    QUOTA_EXHAUSTED = TOO_MANY_REQUESTS, "quota-exhausted", "The quota or the cap of this period is used up";
    TOO_FAR_BEHIND = TOO_MANY_REQUESTS, "too-far-behind", "Too many events wait already";
    OVERLOADED = SERVICE_UNAVAILABLE, "overloaded", "Too many requests are under way";
    TENANT_CLOSED = SERVICE_UNAVAILABLE, "tenant-closed", "The tenant is paused";
    UNAVAILABLE = SERVICE_UNAVAILABLE, "unavailable", "The hub cannot do this now";
    INTERNAL = INTERNAL_SERVER_ERROR, "internal", "Something went wrong in the hub";
}

/// An error on its way out.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    title: &'static str,
    detail: String,
    faults: Vec<Fault>,
    retry_after_s: Option<u32>,
}

impl Problem {
    pub(crate) fn new((status, code, title): Kind, detail: impl Into<String>) -> Problem {
        let detail = detail.into();
        Problem { status, code: code.into(), title, detail, faults: Vec::new(), retry_after_s: None }
    }

    pub(crate) fn with_faults(mut self, faults: Vec<Fault>) -> Problem {
        self.faults = faults;
        self
    }

    pub(crate) fn retry_after(mut self, seconds: u32) -> Problem {
        self.retry_after_s = Some(seconds);
        self
    }

    /// A problem with one fault in the input.
    pub(crate) fn fault(kind: Kind, fault: Fault) -> Problem {
        Problem::new(kind, fault.message.clone()).with_faults(vec![fault])
    }

    /// A problem with faults in the input; its text is the first one's, and says how many more there are.
    pub(crate) fn faults(kind: Kind, faults: Vec<Fault>) -> Problem {
        let first = faults.first().map(|fault| fault.message.clone()).unwrap_or_default();
        let detail = match faults.len() {
            0 | 1 => first,
            2 => format!("{first} There is one more fault: see `faults`."),
            many => format!("{first} There are {} more faults: see `faults`.", many - 1),
        };
        Problem::new(kind, detail).with_faults(faults)
    }

    pub(crate) fn not_found(what: &str) -> Problem {
        Problem::new(NOT_FOUND, format!("There is no such {what}. Check its id or name."))
    }

    /// What is not there, and what is.
    pub(crate) fn not_among<T: AsRef<str>>(what: &str, name: &str, all: impl IntoIterator<Item = T>) -> Problem {
        Problem::new(NOT_FOUND, format!("There is no {what} `{name}`. {}", openhub_model::fault::instead_of(name, all)))
    }

    /// Logs the cause and tells the client nothing of it.
    pub(crate) fn internal(cause: &dyn std::fmt::Display) -> Problem {
        tracing::error!(error = %cause, "A request failed inside the hub.");
        Problem::new(INTERNAL, "The hub logged the failure. Try again later.")
    }

    /// Logs the cause; the client may try again.
    pub(crate) fn unavailable(cause: &dyn std::fmt::Display) -> Problem {
        tracing::warn!(error = %cause, "A request could not be served for now.");
        Problem::new(UNAVAILABLE, "Nothing was accepted. Try again later.").retry_after(1)
    }

    /// Logs the cause; the client has to look before it tries again.
    pub(crate) fn unknown(cause: &dyn std::fmt::Display) -> Problem {
        tracing::warn!(error = %cause, "It is not known whether a request was carried out.");
        let detail = "The hub does not know whether this was accepted. Send it again with the same `messageId` or \
                      `Idempotency-Key`; without one, first read what is there.";
        Problem::new(UNAVAILABLE, detail).retry_after(1)
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    /// Seconds that the client is to wait.
    pub(crate) fn waits(&self) -> Option<u32> {
        self.retry_after_s
    }

    /// Whether it is wrong with what was sent, so that it is no better the next time.
    pub(crate) fn is_of_the_body(&self) -> bool {
        [INVALID_JSON, INVALID_BODY, TOO_LARGE, INVALID_ENCODING, UNSUPPORTED_MEDIA_TYPE]
            .iter()
            .any(|kind| self.is(*kind))
    }

    /// Whether it may be gone the next time, with nothing changed.
    pub(crate) fn is_passing(&self) -> bool {
        self.status.is_server_error() || self.status == StatusCode::TOO_MANY_REQUESTS || self.is(VERSION_MISMATCH)
    }

    /// All of it as one text for people.
    pub(crate) fn in_words(&self) -> String {
        let faults = self.faults.iter().filter(|fault| fault.message != self.detail);
        let lines = faults.take(20).map(|fault| format!(" {}: {}", fault.pointer, fault.message));
        std::iter::once(self.detail.clone()).chain(lines).collect()
    }

    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.code == kind.1
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Problem::new(NOT_FOUND, "What this request names does not exist."),
            StoreError::AlreadyExists(what) => {
                Problem::new(ALREADY_EXISTS, format!("`{what}` already exists. Choose another name or key."))
            }
            StoreError::UniqueConflict(..) => Problem::new(
                ALREADY_EXISTS,
                "An object with this key or unique value already exists. Choose another one.",
            ),
            StoreError::VersionConflict(..) | StoreError::OtherType(_) => {
                Problem::new(VERSION_MISMATCH, "Someone else changed it. Read it again and repeat the change.")
            }
            StoreError::Overtaken => Problem::new(
                REQUEST_IN_PROGRESS,
                "Another try of this request has come before, and nothing was done. Send it again with the same `Idempotency-Key`.",
            ),
            StoreError::Migrating(kind) => {
                let detail = format!(
                    "Objects of the type `{kind}` are being migrated to its next version. Nothing was accepted. Try again later."
                );
                Problem::new(UNAVAILABLE, detail).retry_after(1)
            }
            StoreError::LeadsNowhere(_) | StoreError::LedTo(_) => {
                Problem::new(CONFLICT, "An object that this change is about was changed meanwhile. Repeat the change.")
            }
            StoreError::Masked => Problem::new(
                MASKED,
                "This shows what customers are, and your role works without personal data. Ask for what shows ids and counts.",
            ),
            StoreError::Unavailable | StoreError::Unreachable { .. } | StoreError::FenceLost | StoreError::Moved => {
                Problem::unavailable(&error)
            }
            // It would be refused again: to try later does not help.
            StoreError::Database(_) if error.is_refusal() => Problem::internal(&error),
            StoreError::Database(_) | StoreError::TooMuch => Problem::unavailable(&error),
            StoreError::Unknown => Problem::unknown(&error),
            StoreError::Newer { .. }
            | StoreError::Older
            | StoreError::AbovePolicies { .. }
            | StoreError::Absent(_)
            | StoreError::Corrupt(_)
            | StoreError::Undone => Problem::internal(&error),
        }
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Store(error) => error.into(),
            error => Problem::internal(&error),
        }
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::UnknownType(kind) => Problem::new(
                NOT_FOUND,
                format!("Nobody declares the object type `{kind}`. Check the name, declare it, or enable its plugin."),
            ),
            ObjectError::NotFound => Problem::not_found("object"),
            ObjectError::Refused(faults) => {
                let below = |fault: Fault| Fault { pointer: format!("/fields{}", fault.pointer), ..fault };
                Problem::new(REFUSED_FIELDS, "Nothing was changed. `faults` says what to correct.")
                    .with_faults(faults.into_iter().map(below).collect())
            }
            ObjectError::InUse(faults) => {
                Problem::new(IN_USE, "Other objects lead to it. First change what `faults` names.").with_faults(faults)
            }
            ObjectError::VersionMoved => {
                Problem::new(VERSION_MISMATCH, "Someone else changed it. Read it again and repeat the change.")
            }
            ObjectError::Plugin(fault) => {
                tracing::warn!(error = %fault, "A plugin failed to check an object.");
                Problem::new(PLUGIN_FAILED, "The plugin that checks these objects failed. Nothing was changed.")
            }
            ObjectError::Store(error) => error.into(),
            ObjectError::Engine(error) => error.into(),
        }
    }
}

impl From<Refusal> for Problem {
    /// A component that cannot be installed: the refusal's code is the problem's.
    fn from(refusal: Refusal) -> Self {
        if refusal.code == Refusal::TOO_MANY {
            let detail = "Other components of this tenant wait to be compiled. Upload one after another.";
            return Problem::new(OVERLOADED, detail).retry_after(10);
        }
        Problem {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            code: refusal.code.into(),
            title: "The component is refused",
            detail: refusal.message,
            faults: Vec::new(),
            retry_after_s: None,
        }
    }
}

/// Problem details (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// Stable; `https://openhub.dev/problems/` and the code.
    r#type: String,
    title: String,
    status: u16,
    detail: String,
    /// The end of `type`, and `detail` again: two common libraries read these names, and retry for ever without them.
    code: String,
    message: String,
    /// What is wrong with the input, and where.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<crate::views::FaultView>)]
    faults: Vec<Fault>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A browser that is told of Basic asks for a password by itself.
        let ways = match self.is(UNAUTHENTICATED) {
            true => "Bearer, Basic realm=\"openhub\"",
            false => "Bearer",
        };
        let body = ProblemBody {
            r#type: format!("{BASE}{}", self.code),
            title: self.title.to_owned(),
            status: self.status.as_u16(),
            message: self.detail.clone(),
            detail: self.detail,
            code: self.code.into_owned(),
            faults: self.faults,
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(ways));
        }
        response
    }
}

/// What a panic in a handler becomes.
pub(crate) fn from_panic(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    Problem::internal(&text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[test]
    fn each_problem_stands_in_the_documentation() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/problems.md");
        let page = std::fs::read_to_string(page).expect("the page is there");
        for (status, code, title) in KINDS {
            let line = format!("| `{code}` | {} | {title} |", status.as_u16());
            assert!(page.contains(&line), "docs/problems.md lacks: {line}");
        }
    }

    #[test]
    fn a_queue_of_components_that_is_full_is_no_fault_of_the_component() {
        let refused = |code| Problem::from(Refusal { code, message: String::new() }).into_response();
        let busy = refused(Refusal::TOO_MANY);
        assert_eq!(busy.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(busy.headers().contains_key("retry-after"));
        assert_eq!(refused(Refusal::COMPILE_TOO_LONG).status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[tokio::test]
    async fn a_panic_shows_nothing_of_the_inside() {
        let response = from_panic(Box::new("the password is swordfish"));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        let body = response.into_body().collect().await.expect("a body in memory").to_bytes();
        let text = String::from_utf8(body.into()).expect("JSON is UTF-8");
        assert!(text.contains("/problems/internal") && !text.contains("swordfish"), "{text}");
    }
}
