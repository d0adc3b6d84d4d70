//! U+0000 is refused at every door: PostgreSQL cannot store it and columns between host and guests end with it.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use openhub_model::Fault;
use serde_json::Value;

use crate::problem::{INVALID_PATH, INVALID_QUERY, Problem};

/// Refuses `%00` in the path and in the query, whatever the route.
pub(crate) async fn refuse_nul_in_target(request: Request, next: Next) -> Response {
    if request.uri().path().contains("%00") {
        return Problem::new(INVALID_PATH, "The path contains U+0000.").into_response();
    }
    if request.uri().query().is_some_and(|query| query.contains("%00")) {
        return Problem::new(INVALID_QUERY, "The query contains U+0000.").into_response();
    }
    next.run(request).await
}

/// The first U+0000 in a text or a key of `value`, as a fault below `pointer`.
pub(crate) fn find_nul(value: &Value, pointer: &str) -> Option<Fault> {
    let fault = |pointer: String| Fault::new(pointer, "null-character", "U+0000 is not allowed.");
    match value {
        Value::String(text) => text.contains('\0').then(|| fault(pointer.to_owned())),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| find_nul(item, &format!("{pointer}/{index}")))
        }
        Value::Object(fields) => fields.iter().find_map(|(name, field)| {
            if name.contains('\0') { Some(fault(pointer.to_owned())) } else { find_nul(field, &step(pointer, name)) }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// `pointer` one step further, with the escapes of RFC 6901.
pub(crate) fn step(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_pointer_is_escaped_and_leads_to_the_text() {
        let value = json!({"a/b": ["x", {"c~d": "bad\0"}]});
        let fault = find_nul(&value, "/body").expect("there is one");
        assert_eq!(fault.pointer, "/body/a~1b/1/c~0d");
        assert_eq!(find_nul(&json!({"a": "ok \\u0000"}), ""), None);
    }
}
