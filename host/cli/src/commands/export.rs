//! `openhub export`: everything of a kind as a file, through the public API.
//!
//! The file appears under its name when it is whole: until then it is called `FILE.part`.

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::hub::{Hub, HubFlags};

#[derive(Args)]
pub struct Arguments {
    /// What to export.
    #[arg(value_enum)]
    what: What,
    /// The file to write; `-` is stdout. Its name tells the format.
    file: PathBuf,
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    hub: HubFlags,
    /// The columns, separated by commas: `identity.user_id,attribute.city,tag.vip,consent.news` (default: the usual ones).
    #[arg(long, value_name = "NAMES")]
    fields: Option<String>,
    /// For objects: their type.
    #[arg(long = "type", value_name = "KIND", required_if_eq("what", "objects"))]
    kind: Option<String>,
    /// For customers: only those for whom this condition holds, as JSON.
    #[arg(long, value_name = "JSON")]
    condition: Option<String>,
    /// For events: only those of this name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// For events and objects: only those of this customer, by id.
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Customers,
    Events,
    Objects,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Jsonl,
    Csv,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let format = arguments.format.or_else(|| told_by_name(&arguments.file));
    let format = match format.context("the name does not tell the format: add `--format jsonl` or `--format csv`")? {
        Format::Csv => "csv",
        Format::Jsonl => "jsonl",
    };
    let path = match arguments.what {
        What::Customers => "/api/v1/export/customers",
        What::Events => "/api/v1/export/events",
        What::Objects => "/api/v1/export/objects",
    };
    let said = [
        ("format", Some(format)),
        ("fields", arguments.fields.as_deref()),
        ("kind", arguments.kind.as_deref()),
        ("condition", arguments.condition.as_deref()),
        ("name", arguments.name.as_deref()),
        ("customer", arguments.customer.as_deref()),
    ];
    let query: Vec<(&str, &str)> = said.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let mut answer = Hub::new(&arguments.hub)?.download(path, &query).await?;
    let mut out = Out::create(&arguments.file)?;
    let bar = ProgressBar::new_spinner()
        .with_style(ProgressStyle::with_template("{spinner} {binary_bytes} {binary_bytes_per_sec} {elapsed}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let (began, mut bytes, mut lines) = (Instant::now(), 0, 0);
    while let Some(chunk) = answer.chunk().await.context("the export broke off")? {
        out.write(&chunk)?;
        bytes += chunk.len() as u64;
        lines += chunk.iter().filter(|byte| **byte == b'\n').count();
        bar.set_position(bytes);
    }
    bar.finish_and_clear();
    out.finish()?;
    let seconds = began.elapsed().as_secs_f64();
    eprintln!("{lines} lines, {bytes} bytes ({seconds:.1} s, {:.0} lines/s)", lines as f64 / seconds.max(1e-3));
    Ok(())
}

fn told_by_name(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "jsonl" | "ndjson" => Some(Format::Jsonl),
        "csv" => Some(Format::Csv),
        _ => None,
    }
}

/// Stdout, or a file that is not whole yet.
enum Out {
    Stdout(std::io::Stdout),
    File { file: std::fs::File, part: PathBuf, whole: PathBuf },
}

impl Out {
    fn create(path: &Path) -> Result<Out> {
        if path == Path::new("-") {
            return Ok(Out::Stdout(std::io::stdout()));
        }
        ensure!(!path.exists(), "{} already exists: choose another name, or remove it", path.display());
        let mut part = path.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let file = std::fs::File::create(&part).with_context(|| part.display().to_string())?;
        Ok(Out::File { file, part, whole: path.to_owned() })
    }

    fn write(&mut self, chunk: &[u8]) -> Result<()> {
        match self {
            Out::Stdout(out) => out.write_all(chunk)?,
            Out::File { file, part, .. } => file.write_all(chunk).with_context(|| part.display().to_string())?,
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        match self {
            Out::Stdout(mut out) => out.flush()?,
            Out::File { part, whole, .. } => {
                std::fs::rename(&part, &whole).with_context(|| whole.display().to_string())?;
            }
        }
        Ok(())
    }
}
