//! U+0000 is refused at every door: PostgreSQL cannot store it and columns between host and guests end with it. A path is UTF-8,
//! and so is a query: read as if it were, it would ask for something else than was written.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use openhub_model::Fault;
pub(crate) use openhub_model::limits::step;

use crate::parameters::name_of;
use crate::problem::{INVALID_PATH, INVALID_QUERY, Problem};

/// Refuses `%00` in the path and in the query, and what is not UTF-8 in either, whatever the route.
pub(crate) async fn refuse_unreadable_target(request: Request, next: Next) -> Response {
    if !is_utf8(request.uri().path()) {
        let detail = "The path is not UTF-8: write each character as the percent signs of its UTF-8 bytes, like `%C3%A4` for `ä`.";
        return Problem::new(INVALID_PATH, detail).into_response();
    }
    if request.uri().path().contains("%00") {
        return Problem::new(INVALID_PATH, "The path contains the character U+0000: remove it.").into_response();
    }
    if request.uri().query().is_some_and(|query| query.contains("%00")) {
        return Problem::new(INVALID_QUERY, "The query contains the character U+0000: remove it.").into_response();
    }
    let unreadable = request.uri().query().into_iter().flat_map(|query| query.split('&')).find(|pair| !is_utf8(pair));
    if let Some(name) = unreadable.map(name_of) {
        let message = format!(
            "The parameter `{name}` is not UTF-8: write each character as the percent signs of its UTF-8 bytes, like `%C3%A4` for `ä`."
        );
        return Problem::fault(INVALID_QUERY, Fault::new(step("", name), "invalid-parameter", message)).into_response();
    }
    next.run(request).await
}

/// Whether what the percent signs stand for is UTF-8. A sign without two digits stands for itself.
fn is_utf8(path: &str) -> bool {
    let mut rest = path.as_bytes();
    let mut decoded = Vec::with_capacity(rest.len());
    while let Some((first, behind)) = rest.split_first() {
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                decoded.push(digit(high).unwrap_or_default() << 4 | digit(low).unwrap_or_default());
                rest = behind;
            }
            _ => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    std::str::from_utf8(&decoded).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_percent_signs_stand_for_is_utf8_or_not() {
        for path in ["/", "/a%20b", "/%C3%A4", "/%e6%b7%b1", "/100%", "/%zz", "/%4", "/ä"] {
            assert!(is_utf8(path), "{path}");
        }
        for path in ["/%FF", "/%c3", "/a/%C3%28/b", "/%ED%A0%80", "/%80"] {
            assert!(!is_utf8(path), "{path}");
        }
    }
}
