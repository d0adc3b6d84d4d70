//! Each answer that a test gets is one that the API's description has for this operation, and names the scope that it lacks.

use crate::hub::{Answer, Hub, request};
use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

pub async fn document(hub: &Hub) -> &'static Value {
    static DOCUMENT: OnceCell<Value> = OnceCell::const_new();
    let read = async || {
        let request = request("GET", "/api/openapi.json").body(Body::empty()).expect("a request");
        hub.ask(request).await.body
    };
    DOCUMENT.get_or_init(read).await
}

/// The operation that the path is of, if it is described.
pub async fn operation(hub: &Hub, method: &Method, path: &str) -> Option<Value> {
    let paths = document(hub).await["paths"].as_object()?;
    let fits = |template: &str| {
        let (wanted, given) = (template.split('/'), path.split('/'));
        template.matches('/').count() == path.matches('/').count()
            && wanted
                .zip(given)
                .all(|(wanted, given)| wanted == given || (wanted.starts_with('{') && !given.is_empty()))
    };
    // What is written out goes before what is a parameter.
    let best = paths.keys().filter(|template| fits(template)).min_by_key(|template| template.matches('{').count())?;
    paths[best].get(method.as_str().to_lowercase()).cloned()
}

/// The page that lists the codes of faults, and that of errors, which may stand there, too.
const CODES: &str = include_str!("../../../../docs/fault-codes.md");
const PROBLEMS: &str = include_str!("../../../../docs/problems.md");

/// The codes of all that an answer says is wrong with a part of a request.
fn codes(answer: &Value) -> impl Iterator<Item = &str> {
    let lists = ["faults", "refused", "left_out"].into_iter().filter_map(|list| answer[list].as_array()).flatten();
    let all = lists.flat_map(|fault| [fault].into_iter().chain(fault["more"].as_array().into_iter().flatten()));
    // The list of what failed has codes of its own.
    all.filter(|fault| fault["pointer"].is_string()).filter_map(|fault| fault["code"].as_str())
}

pub fn check(call: &str, operation: &Value, answer: &Answer) {
    // What a plugin says of its own objects has codes of its own.
    for code in codes(&answer.body).filter(|_| answer.body["code"] != "refused-fields") {
        let line = format!("\n| `{code}` |");
        let is_told = CODES.contains(&line) || PROBLEMS.contains(&line);
        assert!(is_told, "{call}: docs/fault-codes.md lacks `{code}`: {}", answer.body);
    }
    let (status, class) = (answer.status.to_string(), format!("{}XX", answer.status / 100));
    let described = operation["responses"].get(status).unwrap_or(&operation["responses"][class]);
    assert!(described.is_object(), "{call}: {} is not described: {}", answer.status, answer.body);
    let Some(code) = answer.body["code"].as_str().filter(|_| answer.status >= 400) else { return };
    let told = described["description"].as_str().unwrap_or_default();
    // What a component is refused for has codes of its own.
    assert!(told.contains(&format!("`{code}`")) || answer.status == 422, "{call}: `{code}` is not described: {told}");
    if code == "missing-scope" {
        let detail = answer.body["detail"].as_str().unwrap_or_default();
        let scope = detail.split('`').nth(1).unwrap_or_default();
        let text = format!("{} {}", operation["summary"], operation["description"]);
        // To try a change again needs what making it needs.
        let any = text.contains("making it asks for");
        assert!(any || text.contains(&format!("`{scope}`")), "{call}: it does not say that it needs `{scope}`: {text}");
    }
}

/// A key without any scope is told the one that the description names, by every operation.
#[tokio::test]
async fn each_operation_needs_the_scope_that_it_names() {
    let hub = Hub::start().await;
    let tenant = hub.tenant("shop").await;
    let key = hub.key(tenant.id, &[]).await;
    let mut guarded = 0;
    for (path, operations) in document(&hub).await["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            // Who comes in has nothing yet, and whoever is in has a session.
            if path == "/api/v1/invitation" || path.starts_with("/api/v1/session") {
                let comes_in = (method == "post" && !path.ends_with("/second-factor")) || path.contains("/oidc");
                let needed = if comes_in { Value::Null } else { json!([{"session": []}]) };
                assert_eq!(operation["security"], needed, "{method} {path}");
                continue;
            }
            let Some(needed) = operation["security"][0].as_object().and_then(|needed| needed.values().next()) else {
                assert!(!path.starts_with("/api/v1/") && !path.starts_with("/v1/"), "{method} {path} needs no key");
                continue;
            };
            let path = path.replace("{write_key}", &key).replace(['{', '}'], "");
            let body = operation.get("requestBody").map(|_| json!({}));
            let answer = hub.call(&method.to_uppercase(), &path, &key, body).await;
            let expected =
                format!("The key does not have the scope `{}`. Use another key.", needed[0].as_str().expect("a scope"));
            let detail = answer.body["detail"].as_str().unwrap_or_default();
            assert!(answer.status == 403 && detail.starts_with(&expected), "{method} {path}: {answer:?}");
            guarded += 1;
        }
    }
    assert!(guarded > 80, "{guarded} operations need a key");
}

#[tokio::test]
async fn what_others_call_is_described_and_a_value_of_the_history_is_any_json() {
    let hub = Hub::start().await;
    let document = document(&hub).await;
    for (path, method, status) in [
        ("/hooks/{tenant}/{plugin}/{source}", "post", "4XX"),
        ("/unsubscribe/{token}", "get", "404"),
        ("/unsubscribe/{token}", "post", "200"),
    ] {
        assert!(document["paths"][path][method]["responses"][status].is_object(), "{method} {path}");
    }
    let value = &document["components"]["schemas"]["HistoryEntry"]["properties"]["value"];
    assert!(value.is_object() && value.get("type").is_none(), "{value}");
}

/// Nor does the page have a code that nobody says.
#[test]
fn each_code_of_the_page_is_said() {
    let host = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders: Vec<_> =
        ["model", "journey", "runtime", "engine", "api"].map(|name| host.join(name).join("src")).into();
    let mut sources = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            match entry.extension() {
                _ if entry.is_dir() => folders.push(entry),
                Some(ending) if ending == "rs" => sources.push_str(&std::fs::read_to_string(entry).expect("a source")),
                _ => {}
            }
        }
    }
    let codes: Vec<&str> = CODES.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(codes.len() > 100 && codes.is_sorted(), "{codes:?}");
    // `unknown-` stands before the word for what is not there.
    let is_said = |code: &str| {
        let word = code.strip_prefix("unknown-").unwrap_or(code);
        [code, word].iter().any(|text| sources.contains(&format!("\"{text}\"")))
    };
    let unsaid: Vec<&&str> = codes.iter().filter(|code| !is_said(code)).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}");
}
