//! Whether each column of a file is a field of the object type: a column that is none would refuse every row, one by one. The hub
//! knows, and says so of a row that has nothing but that field, without storing anything.

use anyhow::{Result, bail};
use openhub_model::fault::nearest;
use reqwest::Method;
use serde_json::{Value, json};

use crate::hub::Hub;

/// The code of the hub for a field that the type does not have.
const UNKNOWN: &str = "unknown-field";

/// Refuses columns, each given with the field that it is read as, of which the hub knows no field.
pub async fn check(hub: &Hub, kind: &str, columns: &[(String, String)]) -> Result<()> {
    if columns.is_empty() {
        return Ok(());
    }
    let row = |(index, (_, field)): (usize, &(String, String))| json!({"id": format!("column-{index}"), "fields": {field.as_str(): "x"}});
    let rows: Vec<Value> = columns.iter().enumerate().map(row).collect();
    let path = format!("/api/v1/import/objects/{kind}?dry_run=true");
    let answer = hub.call(Method::POST, &path, &json!({ "rows": rows })).await?;
    let refused = answer["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
    let unknown: Vec<&Value> = refused.iter().filter(|refusal| refusal["code"] == UNKNOWN).collect();
    let Some(first) = unknown.first() else { return Ok(()) };
    // The hub names the fields that there are behind what it says of this one.
    let message = first["message"].as_str().unwrap_or_default();
    let there_are = message.find("There are").map_or("", |at| &message[at..]);
    let known: Vec<&str> = there_are.trim_end_matches('.').split([':', ',']).skip(1).map(str::trim).collect();
    let column = |refusal: &&Value| {
        let index = refusal["index"].as_u64().and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| columns.get(index))
    };
    let told: Vec<String> =
        unknown.iter().filter_map(column).map(|(column, field)| told(column, field, &known)).collect();
    bail!(
        "the object type `{kind}` has no field for {}. {there_are} Nothing was sent: map each such column to a field, or leave it \
         out, like `--map {}=-`",
        told.join(", "),
        unknown.first().and_then(column).map_or("COLUMN", |(column, _)| column)
    )
}

fn told(column: &str, field: &str, known: &[&str]) -> String {
    let meant = nearest(field, known.iter().copied()).map(|meant| format!(" (did you mean `{meant}`?)"));
    format!("the column `{column}`{}", meant.unwrap_or_default())
}
