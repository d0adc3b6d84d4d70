//! `openhub import`: a file of past events, through the public API, in batches.
//!
//! What is imported is history (`POST /v1/import`): it changes state and triggers nothing, unless `--live` asks for the
//! opposite. An event without a `messageId` gets one from the file's name and its line, so that a second run of the
//! same import changes nothing.

mod csv_rows;
mod json_lines;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Map, Value, json};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use crate::hub::{Hub, HubFlags};

/// Below the hub's limits of 500 KB a request, with room for the envelope.
const BATCH_BYTES: usize = 450 * 1024;
const BATCH_EVENTS: usize = 500;

#[derive(Args)]
pub struct Arguments {
    /// JSON Lines (one Segment event a line) or CSV (one event a row).
    file: PathBuf,
    /// Told by the file's name if absent.
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    #[command(flatten)]
    hub: HubFlags,
    /// Let the events trigger rules and journeys, as if they came in now.
    #[arg(long)]
    live: bool,
    #[command(flatten)]
    columns: csv_rows::Columns,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    Jsonl,
    Csv,
}

/// One event with the line that it came from.
pub struct Row {
    pub line: u64,
    /// Bytes of the file read so far.
    pub read: u64,
    pub event: Map<String, Value>,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let path = arguments.file.as_path();
    let file = File::open(path).with_context(|| path.display().to_string())?;
    let bytes = file.metadata()?.len();
    let format = arguments.format.or_else(|| told_by_name(path)).context("say --format jsonl or --format csv")?;
    let reader = BufReader::new(file);
    let rows: Box<dyn Iterator<Item = Result<Row>>> = match format {
        FileFormat::Jsonl => Box::new(json_lines::read(reader)),
        FileFormat::Csv => Box::new(csv_rows::read(reader, &arguments.columns)?),
    };
    let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(
        "{bar:40} {percent:>3} %  {binary_bytes}/{binary_total_bytes}  {msg}  {eta} left",
    )?);
    let mut import = Import {
        hub: Hub::new(&arguments.hub)?,
        name: stem(path),
        path: if arguments.live { "/v1/import?historical=false" } else { "/v1/import" },
        batch: Batch::default(),
        sent: 0,
        refused: 0,
    };
    for row in rows {
        import.take(row?, &bar).await?;
    }
    import.send(&bar).await?;
    bar.finish_and_clear();
    println!("{} events sent, {} refused", import.sent, import.refused);
    ensure!(import.refused == 0, "{} events were refused; the others are in", import.refused);
    Ok(())
}

fn told_by_name(path: &Path) -> Option<FileFormat> {
    match path.extension()?.to_str()? {
        "jsonl" | "ndjson" | "json" => Some(FileFormat::Jsonl),
        "csv" => Some(FileFormat::Csv),
        _ => None,
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "import".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// The events of the next request, already as text.
#[derive(Default)]
struct Batch {
    events: Vec<String>,
    lines: Vec<u64>,
    bytes: usize,
}

struct Import {
    hub: Hub,
    name: String,
    path: &'static str,
    batch: Batch,
    sent: u64,
    refused: u64,
}

impl Import {
    async fn take(&mut self, row: Row, bar: &ProgressBar) -> Result<()> {
        let text = Value::Object(complete(row.event, &self.name, row.line)).to_string();
        if self.batch.events.len() == BATCH_EVENTS || self.batch.bytes + text.len() > BATCH_BYTES {
            self.send(bar).await?;
        }
        self.batch.bytes += text.len() + 1;
        self.batch.events.push(text);
        self.batch.lines.push(row.line);
        bar.set_position(row.read);
        Ok(())
    }

    async fn send(&mut self, bar: &ProgressBar) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        if batch.events.is_empty() {
            return Ok(());
        }
        let answer = self.hub.ingest(self.path, format!("{{\"batch\":[{}]}}", batch.events.join(","))).await?;
        let refused = answer["refused"].as_array().map(Vec::as_slice).unwrap_or_default();
        for refusal in refused {
            let line = refusal["index"].as_u64().and_then(|index| batch.lines.get(index as usize));
            let said = |key: &str| refusal[key].as_str().unwrap_or_default();
            bar.suspend(|| eprintln!("line {}: {} {}", line.unwrap_or(&0), said("code"), said("message")));
        }
        self.refused += refused.len() as u64;
        self.sent += batch.events.len() as u64;
        bar.set_message(format!("{} events", self.sent));
        Ok(())
    }
}

/// Fills in what the file left out.
fn complete(mut event: Map<String, Value>, file: &str, line: u64) -> Map<String, Value> {
    event.entry("type").or_insert_with(|| json!("track"));
    event.entry("messageId").or_insert_with(|| json!(format!("import-{file}-{line}")));
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn what_the_file_says_is_kept_and_the_rest_is_filled_in() {
        let said = json!({"type": "identify", "messageId": "m1", "traits": {"plan": "gold"}});
        assert_eq!(Value::Object(complete(event(said.clone()), "orders", 3)), said);
        let bare = Value::Object(complete(event(json!({"event": "Seen"})), "orders", 3));
        assert_eq!(bare, json!({"event": "Seen", "type": "track", "messageId": "import-orders-3"}));
    }
}
