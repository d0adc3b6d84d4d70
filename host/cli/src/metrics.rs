//! Prometheus metrics of the process: one recorder, rendered for `/metrics`.

use anyhow::{Context, Result};
use metrics::{describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::time::Duration;

/// Upper bounds in seconds, from a cached read to a slow call of a channel.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// What a metric is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

use Kind::{Counter, Gauge, Histogram};

/// Every metric of the hub, and what it says. A test holds the code and the dashboard to it.
const METRICS: &[(Kind, &str, &str)] = &[
    (Histogram, "openhub_attempt_commit_seconds", "how long the commits of batches took"),
    (Histogram, "openhub_attempt_compute_seconds", "how long the engine computed a batch, plugins included"),
    (Histogram, "openhub_attempt_load_seconds", "how long the engine read what a batch touches"),
    (Counter, "openhub_attempts_late_total", "batches that were cut short because they took too long"),
    (
        Counter,
        "openhub_attribute_values_refused_total",
        "values that an attribute did not take, because it is declared with another type",
    ),
    (Counter, "openhub_connections_closed_total", "connections that the hub closed, by `why`"),
    (Counter, "openhub_customers_erased_total", "customers that were erased"),
    (Counter, "openhub_events_accepted_total", "events that were stored"),
    (Counter, "openhub_events_duplicate_total", "events that were known already"),
    (Counter, "openhub_events_processed_total", "events that the engine has handled"),
    (Counter, "openhub_events_refused_total", "events that were refused"),
    (Counter, "openhub_events_too_deep_total", "caused events that were left out because they were eight levels deep"),
    (Counter, "openhub_events_too_many_total", "caused events that were left out because one event caused too many"),
    (Counter, "openhub_faults_total", "entries of the list of faults, by `kind`"),
    (Histogram, "openhub_http_request_seconds", "how long requests took, by `route`"),
    (Counter, "openhub_http_requests_total", "requests, by `method`, `route` and `status`"),
    (Histogram, "openhub_ingest_slowed_seconds", "how long callers were held back because the engine is behind"),
    (Counter, "openhub_messages_total", "messages that were tried, by the `status` that they came to"),
    (Counter, "openhub_plugin_calls_total", "calls of rules, checks, steps and functions"),
    (Counter, "openhub_plugin_fuel_total", "fuel that these calls burnt"),
    (Counter, "openhub_plugin_row_faults_total", "rows that plugins failed on"),
    (Counter, "openhub_plugin_rows_total", "rows that plugins were called with"),
    (Counter, "openhub_requests_shed_total", "requests that were refused to protect the hub, by `door`"),
    (Counter, "openhub_segment_customers_filled_total", "customers that were checked for a segment that is new"),
    (Counter, "openhub_set_aside_total", "events that were set aside"),
    (Gauge, "openhub_tenants_awake", "tenants that are awake on this node"),
    (Counter, "openhub_timers_fired_total", "timers that fired"),
    (Counter, "openhub_waves_total", "waves of batches"),
];

/// Installs the recorder and keeps its histograms short.
pub fn install() -> Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .and_then(PrometheusBuilder::install_recorder)
        .context("the metrics recorder could not be installed")?;
    for (kind, name, help) in METRICS {
        match kind {
            Counter => describe_counter!(*name, *help),
            Gauge => describe_gauge!(*name, *help),
            Histogram => describe_histogram!(*name, *help),
        }
    }
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(Duration::from_secs(5));
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Names that begin as ours do, in texts of the sources and of the dashboard.
    fn names(text: &str, before: char) -> BTreeSet<String> {
        let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        let starts = text.match_indices("openhub_").filter(|(at, _)| text[..*at].ends_with(before));
        starts.map(|(at, _)| text[at..].chars().take_while(|letter| is_name(*letter)).collect()).collect()
    }

    fn sources(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("cli/src/metrics.rs") {
                let text = std::fs::read_to_string(&path).expect("a text");
                for macros in ["counter!(", "gauge!(", "histogram!("] {
                    let first = text.split(macros).skip(1).filter_map(|rest| rest.split([',', ')']).next());
                    found.extend(first.flat_map(|first| names(first, '"')));
                }
            }
        }
    }

    fn described() -> BTreeSet<String> {
        METRICS.iter().map(|(_, name, _)| (*name).to_owned()).collect()
    }

    #[test]
    fn every_metric_is_described() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the house");
        let mut counted = BTreeSet::new();
        for room in ["api", "cli", "engine", "runtime", "store"] {
            sources(&root.join(room).join("src"), &mut counted);
        }
        assert_eq!(counted, described());
    }

    #[test]
    fn the_dashboard_shows_what_there_is() {
        let dashboard = include_str!("../../../docs/dashboard.json");
        let read: serde_json::Value = serde_json::from_str(dashboard).expect("JSON");
        assert!(read["panels"].as_array().is_some_and(|panels| panels.len() > 8));
        let shown = ['(', ' ', '"'].into_iter().flat_map(|before| names(dashboard, before));
        let shown: BTreeSet<String> = shown.map(|name| name.trim_end_matches("_bucket").to_owned()).collect();
        assert!(shown.len() > 15, "{shown:?}");
        assert_eq!(shown.difference(&described()).collect::<Vec<_>>(), Vec::<&String>::new());
    }
}
