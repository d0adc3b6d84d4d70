//! What the writes of objects share: who makes them and when, and the version that the caller saw.

use axum::http::{HeaderMap, header};
use openhub_engine::objects::WriteContext;
use openhub_model::Fault;
use openhub_model::fault::instead_of;
use openhub_store::{ObjectFilter, Scope};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Authorized;
use crate::problem::{INVALID_BODY, INVALID_HEADER, NOT_FOUND, Problem};
use crate::writes::present;

/// Typed by the object type.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ObjectFields)]
pub(crate) struct Fields {
    #[schema(value_type = Object)]
    pub fields: Map<String, Value>,
}

impl Fields {
    /// A write of an object is an event, and bound like one.
    pub fn bounded(self, app: &App) -> Result<Map<String, Value>, Problem> {
        let most = app.limits.event_bytes;
        if Value::from(self.fields.clone()).to_string().len() <= most {
            return Ok(self.fields);
        }
        let fault = Fault::new("/fields", "too-large", format!("The fields are too large: at most {most} bytes."));
        Err(Problem::fault(INVALID_BODY, fault))
    }
}

/// The tenant's present, and randomness for the write's ids.
pub(crate) async fn write_context<P>(app: &App, access: &Authorized<P>) -> Result<WriteContext, Problem> {
    let mut random = [0; 8];
    random.copy_from_slice(&(app.random)()[..8]);
    let by = access.principal.clone();
    let now = present(app, &access.scope).await?;
    Ok(WriteContext { by, now, random: u64::from_le_bytes(random), once: None })
}

/// A type that nobody declares, and of which nothing is stored, is not there: most likely it is misspelt.
pub(crate) async fn expect_type(app: &App, scope: &Scope, kind: &str) -> Result<(), Problem> {
    let catalog = app.engine.in_force(scope).await?;
    if catalog.objects.contains_key(kind) {
        return Ok(());
    }
    let any = ObjectFilter { kind: kind.to_owned(), part: None, after: None, limit: 1 };
    if !app.store.objects(scope, &any).await?.is_empty() {
        return Ok(());
    }
    let detail = format!("There is no object type `{kind}`. {}", instead_of(kind, catalog.objects.keys()));
    Err(Problem::new(NOT_FOUND, detail))
}

/// The version of `If-Match`; absent, whatever version is stored is changed.
pub(crate) fn expected_version(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let mut given = headers.get_all(header::IF_MATCH).iter();
    let Some(first) = given.next() else {
        return Ok(None);
    };
    let text = first.to_str().unwrap_or_default().trim();
    match (text, given.next()) {
        ("*", None) => Ok(None),
        (text, None) if version(text).is_some() => Ok(version(text)),
        _ => {
            let message = "`If-Match` must be one version, taken from `ETag`, like `\"3\"`.";
            Err(Problem::fault(INVALID_HEADER, Fault::new("", "invalid-if-match", message)))
        }
    }
}

/// The version of an entity tag, with its quotes or without.
fn version(tag: &str) -> Option<i64> {
    let quoted = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let digits = quoted.unwrap_or(tag);
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// An object's entity tag: its version.
pub(crate) fn etag(version: i64) -> String {
    format!("\"{version}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_version_that_is_none_is_a_wrong_header_and_not_another_version() {
        let expected = |given: &[&'static str]| {
            let pairs = given.iter().map(|text| (header::IF_MATCH, HeaderValue::from_static(text)));
            expected_version(&pairs.collect())
        };
        assert_eq!(expected(&[]).unwrap(), None);
        assert_eq!(expected(&["*"]).unwrap(), None);
        for text in ["\"3\"", "3", " \"3\" "] {
            assert_eq!(expected(&[text]).unwrap(), Some(3), "{text}");
        }
        for text in ["abc", "W/\"1\"", "\"1\", \"2\"", "", "\"\"", "\"1", "\"\"1\"\"", "-1", "\"99999999999999999999\""]
        {
            assert!(expected(&[text]).unwrap_err().is(INVALID_HEADER), "{text}");
        }
        assert!(expected(&["\"1\"", "\"1\""]).unwrap_err().is(INVALID_HEADER));
    }
}
