//! What is seen of plugins from outside: the lines that they log, which are written every second with the meters, and how long their
//! calls take. A node sees its own calls.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openhub_model::{Id, TenantId, Timestamp};
use openhub_runtime::{LogLevel, LogLine, Observed, Observer, Recording};
use openhub_store::{Installation, NewRecording, PluginLog, RECORDING_BYTES, RecordingOrder};
use serde_json::Value;

use crate::clock::Clock;

/// Lines of a tenant that gather until they are written: of more, the newest.
const GATHERED: usize = 1_000;

/// Recordings of a tenant's calls that gather until they are written; more are left out.
const RECORDED: usize = 50;

/// What is seen of all plugins.
pub struct Watch {
    clock: Clock,
    lines: Mutex<HashMap<TenantId, Gathered>>,
    /// Calls of the I/O lane that failed, or were drawn.
    recordings: Mutex<HashMap<TenantId, Vec<NewRecording>>>,
    /// Of all calls that were recorded.
    recorded: AtomicU64,
    /// By tenant and digest: a version keeps what was seen of it when the tenant's catalog is read again.
    took: Mutex<HashMap<(TenantId, String), Arc<Latency>>>,
    /// Tells this node's lines from another's of the same time.
    node: Id,
}

#[derive(Default)]
struct Gathered {
    lines: VecDeque<PluginLog>,
    last: Timestamp,
    dropped: u64,
}

impl Watch {
    pub fn new(clock: Clock) -> Watch {
        let process = std::process::id().to_le_bytes();
        let node = Id::named(&[&clock().micros().to_le_bytes(), &process]);
        let (recordings, recorded) = (Mutex::default(), AtomicU64::new(0));
        Watch { clock, lines: Mutex::default(), recordings, recorded, took: Mutex::default(), node }
    }

    /// Who watches the calls of a version of a plugin.
    pub fn of(self: &Arc<Watch>, tenant: TenantId, plugin: &Installation) -> Observed {
        let key = (tenant, plugin.digest.clone());
        let mut took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        let took = took.entry(key).or_default().clone();
        let Installation { name, digest, version, recording, .. } = plugin;
        let (name, digest, version) = (name.clone(), digest.clone(), version.clone());
        let (order, calls) = (recording.clone(), AtomicU64::new(0));
        Observed::by(Arc::new(Watcher { watch: self.clone(), took, tenant, name, digest, version, order, calls }))
    }

    /// How long the calls of a version took on this node, if it made any.
    pub fn latency(&self, tenant: TenantId, digest: &str) -> Option<Quantiles> {
        let took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        took.get(&(tenant, digest.to_owned())).and_then(|latency| latency.quantiles())
    }

    /// All lines that have gathered, by tenant.
    pub fn take(&self) -> Vec<(TenantId, Vec<PluginLog>)> {
        let mut all = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = all.iter_mut().filter(|(_, gathered)| !gathered.lines.is_empty()).map(|(tenant, gathered)| {
            let mut lines: Vec<PluginLog> = std::mem::take(&mut gathered.lines).into();
            if let (Some(first), dropped @ 1..) = (lines.first_mut(), std::mem::take(&mut gathered.dropped)) {
                let more =
                    format!(" (the hub dropped {dropped} lines before this one: the tenant's plugins log too much)");
                first.message.push_str(&more);
            }
            (*tenant, lines)
        });
        taken.collect()
    }

    /// All recordings that have gathered, by tenant.
    pub fn take_recordings(&self) -> Vec<(TenantId, Vec<NewRecording>)> {
        let mut all = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        all.drain().collect()
    }

    fn keep(&self, watcher: &Watcher, recording: &Recording) {
        let text = recording.to_text();
        if text.len() > RECORDING_BYTES {
            return;
        }
        let number = self.recorded.fetch_add(1, Ordering::Relaxed);
        let at = (self.clock)().micros().to_le_bytes();
        let kept = NewRecording {
            id: Id::named(&[b"recording", self.node.as_bytes(), &at, &number.to_le_bytes()]),
            plugin: watcher.name.clone(),
            digest: watcher.digest.clone(),
            kind: recording.call.kind().to_owned(),
            name: recording.call.name().to_owned(),
            outcome: recording.fault.as_ref().map_or("answered", |fault| &fault.kind).to_owned(),
            // It shows nobody.
            part: None,
            recording: text,
        };
        let mut all = self.recordings.lock().unwrap_or_else(PoisonError::into_inner);
        let gathered = all.entry(watcher.tenant).or_default();
        if gathered.len() < RECORDED {
            gathered.push(kept);
        }
    }

    fn gather(&self, watcher: &Watcher, line: LogLine) {
        let now = (self.clock)();
        let mut all = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let gathered = all.entry(watcher.tenant).or_default();
        // No two lines of a node have one time: a reader goes on behind the last one.
        gathered.last = now.max(Timestamp::from_micros(gathered.last.micros() + 1));
        if gathered.lines.len() == GATHERED {
            gathered.lines.pop_front();
            gathered.dropped += 1;
        }
        let LogLine { level, message, fields } = line;
        gathered.lines.push_back(PluginLog {
            at: gathered.last,
            id: self.node,
            plugin: watcher.name.clone(),
            digest: watcher.digest.clone(),
            version: watcher.version.clone(),
            level: rank(level),
            message,
            fields,
        });
    }
}

/// As the store orders levels.
pub fn rank(level: LogLevel) -> i64 {
    match level {
        LogLevel::Debug => 0,
        LogLevel::Info => 1,
        LogLevel::Warn => 2,
        LogLevel::Error => 3,
    }
}

struct Watcher {
    watch: Arc<Watch>,
    took: Arc<Latency>,
    tenant: TenantId,
    name: String,
    digest: String,
    version: String,
    /// Which calls are recorded that do not fail.
    order: Option<RecordingOrder>,
    /// Calls that it was asked about.
    calls: AtomicU64,
}

impl Observer for Watcher {
    fn logged(&self, line: LogLine) {
        self.watch.gather(self, line);
    }

    fn called(&self, took: Duration) {
        self.took.add(took);
    }

    fn tapes(&self) -> bool {
        true
    }

    /// One of so many calls, evenly.
    fn draws(&self, given: &Value) -> bool {
        let Some(order) = self.order.as_ref().filter(|order| (self.watch.clock)() < order.until) else { return false };
        if order.customer.is_some_and(|customer| !given.to_string().contains(&customer.to_string())) {
            return false;
        }
        let (rate, number) = (u64::from(order.per_million), self.calls.fetch_add(1, Ordering::Relaxed));
        number.wrapping_add(1).wrapping_mul(rate) / 1_000_000 != number.wrapping_mul(rate) / 1_000_000
    }

    fn recorded(&self, recording: Recording) {
        self.watch.keep(self, &recording);
    }
}

/// Buckets of an octave.
const FINE: u64 = 4;
/// From 1 µs to more than a minute.
const BUCKETS: usize = 27 * FINE as usize;

/// Durations, each counted in a bucket that is at most a quarter wider than it.
struct Latency([AtomicU64; BUCKETS]);

/// Of the calls on one node since it started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    pub calls: u64,
    /// Milliseconds, rounded up by a quarter at most.
    pub p50: f64,
    pub p99: f64,
}

impl Default for Latency {
    fn default() -> Latency {
        Latency(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Latency {
    fn add(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        self.0[bucket(micros)].fetch_add(1, Ordering::Relaxed);
    }

    fn quantiles(&self) -> Option<Quantiles> {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let calls: u64 = counts.iter().sum();
        let at = |share: u64| {
            let rank = (calls * share).div_ceil(100).max(1);
            let mut seen = 0;
            let is_in = |count: &u64| {
                seen += count;
                seen >= rank
            };
            counts.iter().position(is_in).map(|bucket| bound(bucket) as f64 / 1_000.0)
        };
        Some(Quantiles { calls, p50: at(50)?, p99: at(99)? })
    }
}

/// Where a duration counts: an octave, and a quarter of it.
fn bucket(micros: u64) -> usize {
    // Nothing takes a year.
    let micros = micros.clamp(1, 1 << 45);
    let octave = u64::from(micros.ilog2());
    let quarter = ((micros - (1 << octave)) * FINE) >> octave;
    ((octave * FINE + quarter) as usize).min(BUCKETS - 1)
}

/// The first duration behind a bucket.
fn bound(bucket: usize) -> u64 {
    let (octave, quarter) = (bucket as u64 / FINE, bucket as u64 % FINE);
    (1 << octave) + ((quarter + 1) << octave).div_ceil(FINE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::manifest::Manifest;

    fn watched(clock: Clock) -> (Arc<Watch>, Installation) {
        let manifest = Manifest { name: "points".to_owned(), version: "1.2.0".to_owned(), ..Manifest::default() };
        let plugin = Installation::uploaded("sha256:1".to_owned(), manifest, Timestamp::from_micros(0));
        (Arc::new(Watch::new(clock)), plugin)
    }

    fn watcher(watch: &Arc<Watch>, tenant: i64, plugin: &Installation) -> Watcher {
        let Installation { name, digest, version, .. } = plugin.clone();
        let tenant = TenantId(tenant);
        let took = watch.took.lock().unwrap().entry((tenant, digest.clone())).or_default().clone();
        let (order, calls) = (plugin.recording.clone(), AtomicU64::new(0));
        Watcher { watch: watch.clone(), took, tenant, name, digest, version, order, calls }
    }

    #[test]
    fn each_duration_is_within_a_quarter_of_its_bound() {
        for micros in (1..5_000).chain([65_536, 1_000_000, 59_999_999]) {
            let bound = bound(bucket(micros));
            assert!(bound > micros && (bound - micros) <= micros / 4 + 1, "{micros} is told as {bound}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn the_median_and_the_slowest_are_told() {
        let (watch, plugin) = watched(Arc::new(|| Timestamp::from_micros(5)));
        assert_eq!(watch.latency(TenantId(1), "sha256:1"), None);
        let seen = watcher(&watch, 1, &plugin);
        assert_eq!(watch.latency(TenantId(1), "sha256:1"), None, "nothing was called");
        (0..97).for_each(|_| seen.called(Duration::from_micros(100)));
        (0..3).for_each(|_| seen.called(Duration::from_millis(40)));
        let told = watch.latency(TenantId(1), "sha256:1").expect("calls");
        assert_eq!(told.calls, 100);
        assert!((0.1..=0.125).contains(&told.p50) && (40.0..=50.0).contains(&told.p99), "{told:?}");
        assert_eq!(watch.latency(TenantId(2), "sha256:1"), None, "another tenant's");
    }

    #[test]
    fn lines_gather_in_order_and_of_too_many_the_newest() {
        let (watch, plugin) = watched(Arc::new(|| Timestamp::from_micros(5)));
        let seen = watcher(&watch, 1, &plugin);
        let line =
            |number: usize| LogLine { level: LogLevel::Warn, message: number.to_string(), fields: "{}".to_owned() };
        (0..GATHERED + 2).for_each(|number| seen.logged(line(number)));
        watcher(&watch, 2, &plugin).logged(line(7));
        let mut taken = watch.take();
        taken.sort_by_key(|(tenant, _)| tenant.0);
        let [(_, lines), (_, others)] = &taken[..] else { panic!("{}", taken.len()) };
        assert_eq!((lines.len(), others.len()), (GATHERED, 1));
        assert!(lines[0].message.starts_with("2 (the hub dropped 2 lines"), "{}", lines[0].message);
        assert!(lines.is_sorted_by(|a, b| a.at < b.at));
        assert_eq!((&*lines[9].version, lines[9].level), ("1.2.0", 2));
        assert!(watch.take().is_empty());
    }
}
