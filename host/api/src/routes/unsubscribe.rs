//! `/unsubscribe/{token}`: what a message links to. Looking at it changes nothing, since programs that protect mailboxes look at
//! every link; sending the form does, and so does a mail program that sends it with one click (RFC 8058).

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use openhub_engine::{Subscription, UNSUBSCRIBE};
use openhub_model::customer::Consent;
use openhub_model::identity::Authority;
use openhub_store::Scope;

use crate::app::Shared;
use crate::ingest::admit;
use crate::openapi::Problems;
use crate::overload::{address, shed};
use crate::problem::Problem;

pub(crate) fn path() -> String {
    format!("{UNSUBSCRIBE}/{{token}}")
}

/// What the page says, in the language of who reads it.
struct Words {
    lang: &'static str,
    title: &'static str,
    ask: &'static str,
    button: &'static str,
    done: &'static str,
    unknown: &'static str,
}

const EN: Words = Words {
    lang: "en",
    title: "Unsubscribe",
    ask: "You will get no more messages of this kind.",
    button: "Unsubscribe",
    done: "Done. You will get no more messages of this kind.",
    unknown: "This link is not complete. Please open the whole link of the message.",
};
const ZH: Words = Words {
    lang: "zh",
    title: "退订",
    ask: "退订后，您将不再收到此类消息。",
    button: "退订",
    done: "已退订，您将不再收到此类消息。",
    unknown: "链接不完整，请打开消息中的完整链接。",
};

/// The page that asks.
#[utoipa::path(get, path = "/unsubscribe/{token}", tag = "privacy",
    params(("token" = String, Path, description = "Of the link in a message.")),
    responses((status = 200, body = String, content_type = "text/html", description = "The page that asks."),
        (status = 404, body = String, content_type = "text/html", description = "The link is not complete."), Problems))]
pub(crate) async fn ask(State(shared): State<Shared>, Path(token): Path<String>, headers: HeaderMap) -> Response {
    let words = words(&headers);
    match Subscription::read(&shared.app.engine.marker(), &token) {
        None => page(words, StatusCode::NOT_FOUND, words.unknown, false),
        Some(_) => page(words, StatusCode::OK, words.ask, true),
    }
}

/// Withdraws the consent. Whoever is gone has nothing to withdraw, and is told the same.
#[utoipa::path(post, path = "/unsubscribe/{token}", tag = "privacy",
    params(("token" = String, Path, description = "Of the link in a message.")),
    responses((status = 200, body = String, content_type = "text/html", description = "The page that says that it is done."),
        (status = 404, body = String, content_type = "text/html", description = "The link is not complete."), Problems))]
pub(crate) async fn withdraw(
    State(shared): State<Shared>,
    Path(token): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let words = words(request.headers());
    let Some(_place) = shared.strangers.take(address(&request)) else { return Ok(shed("unsubscribe")) };
    let app = &*shared.app;
    let Some(wanted) = Subscription::read(&app.engine.marker(), &token) else {
        return Ok(page(words, StatusCode::NOT_FOUND, words.unknown, false));
    };
    let scope = Scope::of(wanted.tenant());
    if app.store.tenant(wanted.tenant()).await?.is_some()
        && let Some(customer) = app.store.customer(&scope, wanted.part).await?
        // Whoever has a link may send its form for ever.
        && customer.consent(&wanted.purpose, Some(&wanted.channel)) != Consent::Denied
    {
        let now = app.now();
        admit(app, &scope, Authority::Browser, 1).await?;
        let at = app.engine.present(&scope, now).await?;
        app.store.append(&scope, vec![wanted.withdrawal(&token, at, now)]).await?;
    }
    Ok(page(words, StatusCode::OK, words.done, false))
}

/// Chinese for who asks for it first.
fn words(headers: &HeaderMap) -> &'static Words {
    let asked = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if asked.trim_start().to_ascii_lowercase().starts_with("zh") { &ZH } else { &EN }
}

fn page(words: &Words, status: StatusCode, text: &str, asks: bool) -> Response {
    let Words { lang, title, button, .. } = words;
    let form = match asks {
        true => format!("<form method=\"post\"><button>{button}</button></form>"),
        false => String::new(),
    };
    let html = format!(
        "<!doctype html><html lang=\"{lang}\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}}\
         button{{font:inherit;padding:.5rem 1.5rem}}</style><main><h1>{title}</h1><p>{text}</p>{form}</main></html>\n"
    );
    let mut response = (status, Html(html)).into_response();
    let headers: [(HeaderName, &str); 4] = [
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in headers {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
