//! `openhub plugin jobs`: what runs by the clock, and what came of it.

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use crate::hub::Hub;

/// Lines of a run's log that are shown.
const LINES: usize = 5;

/// Asks for a run of the job that is named, if one is; and shows all.
pub async fn run(hub: &Hub, plugin: &str, job: Option<&str>) -> Result<()> {
    if let Some(job) = job {
        hub.call(Method::POST, &format!("/api/v1/plugins/{plugin}/jobs/{job}/run"), &json!({})).await?;
        println!("{job} will run as soon as there is a place for it");
    }
    let listed = hub.get(&format!("/api/v1/plugins/{plugin}/jobs")).await?;
    let jobs = listed["jobs"].as_array().cloned().unwrap_or_default();
    if jobs.is_empty() {
        println!("{plugin} has no jobs");
    }
    jobs.iter().for_each(|job| print!("{}", shown(job)));
    Ok(())
}

fn shown(job: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out =
        format!("{} runs {} (catch-up: {})\n", word(&job["name"]), word(&job["schedule"]), word(&job["catch_up"]));
    match (job["running_since"].as_str(), job["next_at"].as_str()) {
        (Some(since), _) => out.push_str(&format!("  it runs since {since}\n")),
        (None, Some(next)) => out.push_str(&format!("  next at {next}\n")),
        (None, None) => out.push_str("  only when somebody asks\n"),
    }
    if let Some(failures) = job["failures"].as_i64().filter(|failures| *failures > 0) {
        out.push_str(&format!("  failed {failures} times in a row\n"));
    }
    for run in job["runs"].as_array().into_iter().flatten() {
        let (code, note) = (word(&run["code"]), word(&run["note"]));
        let line = format!("  {} {:<8} {code} {note}", word(&run["started_at"]), word(&run["outcome"]));
        out.push_str(line.trim_end());
        out.push('\n');
        if run["code"].is_string() {
            let log: Vec<&str> = run["log"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            log.iter().skip(log.len().saturating_sub(LINES)).for_each(|line| out.push_str(&format!("      {line}\n")));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_told_with_what_came_of_its_runs() {
        let told = shown(&json!({
            "name": "poll", "schedule": "every 15m", "catch_up": "once", "next_at": "2026-01-31T12:15:00Z", "failures": 1,
            "runs": [
                {"started_at": "2026-01-31T12:00:00Z", "outcome": "retried", "code": "trap", "note": "unreachable",
                    "log": ["info: began", "error: no"]},
                {"started_at": "2026-01-31T11:45:00Z", "outcome": "done", "code": null, "note": "7 orders", "log": ["info: x"]},
            ],
        }));
        assert_eq!(
            told,
            "poll runs every 15m (catch-up: once)\n  next at 2026-01-31T12:15:00Z\n  failed 1 times in a row\n  \
             2026-01-31T12:00:00Z retried  trap unreachable\n      info: began\n      error: no\n  \
             2026-01-31T11:45:00Z done      7 orders\n"
        );
    }
}
