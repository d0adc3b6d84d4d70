//! `/api/v1/settings`: what a tenant says about itself.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use openhub_engine::is_time_zone;
use openhub_model::tenant::{self, Home};
use openhub_model::{Fault, limits};
use openhub_store::{Op, PageSettings, Settings, act};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use std::sync::Arc;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{Authorized, KeyCache, SettingsWrite, StatusRead};
use crate::body::{Meaning, MeantBody};
use crate::change::Change;
use crate::openapi::Problems;
use crate::problem::Problem;
use crate::views::PendingView;
use crate::writes::{Progress, accepted};

/// Ten years.
const MOST_DAYS: i64 = 3_650;
/// Origins, and events, that a tenant may name.
const MOST_NAMES: usize = 100;

#[derive(Serialize, ToSchema)]
#[schema(as = Settings)]
pub(crate) struct SettingsView {
    /// Days that the list of faults is kept.
    fault_days: i64,
    /// The origins of pages that may send events with a page's key. Empty: all.
    page_origins: Vec<String>,
    /// Names of events that a page's key may not send, like orders, since anybody can read such a key.
    server_events: Vec<String>,
    /// The language of customers who have no attribute `locale`: a language tag of BCP 47, like `zh-CN`.
    locale: String,
    /// The time zone of customers who have no attribute `timezone`: a name of the IANA database, like `Europe/Berlin`.
    time_zone: String,
}

impl From<Settings> for SettingsView {
    fn from(settings: Settings) -> SettingsView {
        let Settings { fault_days, pages: PageSettings { origins, server_events }, home } = settings;
        let Home { locale, time_zone } = home;
        SettingsView { fault_days, page_origins: origins, server_events, locale, time_zone }
    }
}

/// What is left out stays, and `null` puts back the default.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SettingsChange)]
pub(crate) struct SettingsChange {
    /// Days, 1 to 3650 (default 90).
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<i64>)]
    fault_days: Option<Option<i64>>,
    /// Origins like `https://shop.example`, up to 100. An empty list (the default) allows all.
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<Vec<String>>)]
    page_origins: Option<Option<Vec<String>>>,
    /// Names of events as they are sent, with their capital letters, up to 100 (default: none).
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<Vec<String>>)]
    server_events: Option<Option<Vec<String>>>,
    /// A language tag of BCP 47, like `zh-CN` (default `en`).
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    locale: Option<Option<String>>,
    /// A name of the IANA database, like `Europe/Berlin` (default `UTC`).
    #[serde(default, deserialize_with = "said")]
    #[schema(value_type = Option<String>)]
    time_zone: Option<Option<String>>,
}

/// What is there says something, `null` too.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// The tenant's settings.
#[utoipa::path(get, path = "/api/v1/settings", tag = "settings",
    security(("api_key" = ["status:read"])),
    responses((status = 200, body = SettingsView), Problems))]
pub(crate) async fn get_settings(
    State(app): State<Arc<App>>,
    access: Authorized<StatusRead>,
) -> Result<Json<SettingsView>, Problem> {
    Ok(Json(app.store.settings(&access.scope).await?.into()))
}

/// Changes settings; what is not named stays, and `null` puts back the default.
///
/// What is said about pages is in force at once, and within five seconds on the other nodes of a hub that has several.
#[utoipa::path(patch, path = "/api/v1/settings", tag = "settings", request_body = SettingsChange,
    security(("api_key" = ["settings:write"])),
    responses((status = 200, body = SettingsView), (status = 202, body = PendingView), Problems))]
pub(crate) async fn change_settings(
    State(app): State<Arc<App>>,
    State(keys): State<Arc<KeyCache>>,
    change: Change<SettingsWrite>,
    MeantBody(wanted): MeantBody<SettingsChange>,
) -> Result<Response, Problem> {
    let _alone = change.alone().await?;
    let mut settings = app.store.settings(&change.scope).await?;
    act::note_before(&json!(SettingsView::from(settings.clone())));
    let default = Settings::default();
    let mut said = serde_json::Map::new();
    let SettingsChange { fault_days, page_origins, server_events, locale, time_zone } = wanted;
    if let Some(days) = fault_days {
        settings.fault_days = days.unwrap_or(default.fault_days);
        said.insert("fault_days".into(), settings.fault_days.into());
    }
    for (name, wanted, default, held) in [
        ("page_origins", page_origins, default.pages.origins, &mut settings.pages.origins),
        ("server_events", server_events, default.pages.server_events, &mut settings.pages.server_events),
    ] {
        let Some(wanted) = wanted else { continue };
        *held = wanted.unwrap_or(default);
        said.insert(name.into(), json!(held));
    }
    for (name, wanted, default, held) in [
        ("locale", locale, default.home.locale, &mut settings.home.locale),
        ("time_zone", time_zone, default.home.time_zone, &mut settings.home.time_zone),
    ] {
        let Some(wanted) = wanted else { continue };
        *held = wanted.unwrap_or(default);
        said.insert(name.into(), json!(held));
    }
    if said.is_empty() {
        return Ok(Json(SettingsView::from(settings)).into_response());
    }
    let body = json!({ "settings": said });
    let progress = change.commit_with(vec![Op::PutSettings(settings)], "settings.changed", body).await?;
    keys.forget(change.tenant());
    match progress {
        Progress::Done => Ok(Json(SettingsView::from(app.store.settings(&change.scope).await?)).into_response()),
        Progress::Pending(position) => Ok(accepted(position)),
    }
}

impl Meaning for SettingsChange {
    fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.fault_days.flatten().is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
            let message = format!("This must be 1 to {MOST_DAYS} days.");
            faults.push(Fault::new("/fault_days", "out-of-range", message));
        }
        if self.locale.iter().flatten().any(|locale| !tenant::is_locale(locale)) {
            let message = "This must be a language tag, like `en` or `zh-CN`.";
            faults.push(Fault::new("/locale", "invalid-locale", message));
        }
        if self.time_zone.iter().flatten().any(|zone| !is_time_zone(zone)) {
            let message = "This must be the name of a time zone, like `Europe/Berlin` or `Asia/Shanghai`.";
            faults.push(Fault::new("/time_zone", "invalid-time-zone", message));
        }
        for (name, list) in [("page_origins", &self.page_origins), ("server_events", &self.server_events)] {
            let pointer = format!("/{name}");
            let list: &[String] = list.as_ref().and_then(Option::as_deref).unwrap_or_default();
            if list.len() > MOST_NAMES {
                let message = format!("There are too many: at most {MOST_NAMES}.");
                faults.push(Fault::new(pointer.as_str(), "too-many", message));
            }
            for (index, item) in list.iter().enumerate() {
                let at = format!("{pointer}/{index}");
                if name == "page_origins" && !is_origin(item) {
                    faults.push(Fault::new(at, "invalid-origin", no_origin(item)));
                } else if let Err(fault) = limits::name(item, || at) {
                    faults.push(fault);
                }
            }
        }
        faults
    }
}

/// As browsers send it: nothing behind the port, and no port that the scheme has by itself.
fn is_origin(text: &str) -> bool {
    sent(text).as_deref() == Some(text)
}

/// The origin that browsers send for an address; none of what is no address.
fn sent(address: &str) -> Option<String> {
    let address = address.trim().to_ascii_lowercase();
    let (scheme, rest) = address.split_once("://")?;
    let usual = match scheme {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.strip_suffix(usual).unwrap_or(host);
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    (!host.is_empty() && host.bytes().all(fits)).then(|| format!("{scheme}://{host}"))
}

/// What is wrong with a text that is no origin.
fn no_origin(text: &str) -> String {
    match sent(text) {
        Some(origin) => format!("Browsers send this origin as `{origin}`: write it like that."),
        None if text.contains('*') => "An origin is one host. List each host, without `*`.".to_owned(),
        None => "An origin must be a scheme, a host and, if needed, a port, like `https://shop.example`.".to_owned(),
    }
}
