//! What the hub did not join of an import's rows. It finds that out after it has answered, in the order of its log, and says it by
//! events `Identity Refused`; so the command waits until the hub has handled the rows, and reads them.

use anyhow::Result;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::summary::Reasons;
use crate::hub::Hub;

/// How long the hub may take to handle the rows before the command ends without its word.
const LONGEST: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
/// Events that are read for it at most.
const PAGES: usize = 200;

/// Where an import's rows stand in the log.
pub struct Place<'p> {
    /// The cursor behind which what came of them stands.
    pub after: &'p str,
    /// The position of the last of them.
    pub position: i64,
    /// What the ids of its rows begin with.
    pub ids: &'p str,
    /// The rows of ids that begin otherwise.
    pub carried: &'p HashMap<String, u64>,
}

/// An identity that was not joined to the customer of its row.
pub struct NotJoined {
    pub row: u64,
    pub reason: String,
    /// What it is, and why.
    pub message: String,
}

/// By reason, each with the line of the first row. `lines` says where rows begin.
pub fn reasons(all: &[NotJoined], lines: &BTreeMap<u64, u64>) -> Reasons {
    let mut reasons = Reasons::default();
    for NotJoined { row, reason, message } in all {
        reasons.add(reason, || match lines.get(row) {
            Some(line) => format!("line {line}: {message}"),
            None => format!("row {row}: {message}"),
        });
    }
    reasons
}

/// The first row of each reason.
pub fn first_rows(all: &[NotJoined]) -> BTreeSet<u64> {
    let mut seen = BTreeSet::new();
    all.iter().filter(|one| seen.insert(one.reason.as_str())).map(|one| one.row).collect()
}

/// The identities that were not joined; none if the hub has not handled the rows yet.
pub async fn refused(hub: &Hub, place: &Place<'_>) -> Result<Option<Vec<NotJoined>>> {
    let began = Instant::now();
    while hub.get("/api/v1/status").await?["checkpoint"].as_i64().is_some_and(|done| done < place.position) {
        if began.elapsed() > LONGEST {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
    let mut found = Vec::new();
    let mut after = place.after.to_owned();
    for _ in 0..PAGES {
        let page = hub.get(&format!("/api/v1/events?name=Identity%20Refused&limit=1000&after={after}")).await?;
        for event in page["events"].as_array().into_iter().flatten() {
            let said = &event["body"]["properties"];
            // What has no form of an identity, the hub has said at once.
            let is_told = ["format", "blocked"].contains(&said["reason"].as_str().unwrap_or_default());
            if let Some(row) = row_of(event, place).filter(|_| !is_told) {
                let word = |name: &str| said[name].as_str().unwrap_or_default();
                let message = format!("`{}` ({}): {}", word("value"), word("kind"), word("message"));
                found.push(NotJoined { row, reason: word("reason").to_owned(), message });
            }
        }
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    Ok(Some(found))
}

/// The number of the row whose event caused this one.
fn row_of(event: &Value, place: &Place<'_>) -> Option<u64> {
    let cause = event["cause"].as_str()?;
    if let Some(behind) = cause.strip_prefix(place.ids) {
        return behind.split('-').next()?.parse().ok();
    }
    let id = cause.split_once("-consents-").map_or(cause, |(id, _)| id);
    place.carried.get(id.strip_prefix("import-")?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_leads_back_to_its_row() {
        let caused = |cause: &str| json!({"cause": cause});
        let carried = HashMap::from([("c3-4".to_owned(), 1)]);
        let place = Place { after: "", position: 0, ids: "import-a1-", carried: &carried };
        for (cause, row) in [
            ("import-a1-17", Some(17)),
            ("import-a1-17-consents-0", Some(17)),
            ("import-b2-17", None),
            ("import-c3-4", Some(1)),
            ("import-c3-4-consents-1", Some(1)),
        ] {
            assert_eq!(row_of(&caused(cause), &place), row, "{cause}");
        }
        assert_eq!(row_of(&json!({"cause": null}), &place), None);
    }
}
