//! `openhub import`: a file of events, customers or objects, through the public API, in batches.
//!
//! What is imported is history: it changes state and triggers nothing, unless `--live` asks for the opposite. Rows have
//! ids made of the hash of the file's text, the mapping and their number, so that an import that is sent again doubles nothing;
//! a state file beside the input says where an interrupted one goes on. A refused row keeps its id in the list of refused rows,
//! in however many steps that is mended.

mod batch;
mod exact;
mod fields;
mod input;
mod joined;
mod notation;
mod plan;
mod quotes;
mod refused;
mod source;
mod state;
mod summary;
mod target;
mod time;
mod value;
mod whose;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use encoding_rs::Encoding;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::{BTreeSet, HashMap};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

use self::batch::{Batch, Batches, Sent};
use self::input::{Changed, Look, READ_AGAIN};
pub use self::notation::Decimal;
use self::notation::Notations;
use self::plan::{Declared, Form, Mapping, Plan};
use self::refused::{Refused, RefusedFile};
use self::source::Source;
use self::state::{Counts, State, StateFile};
use self::summary::{rows, rows_were};
use self::target::{As, Into};
use crate::hub::{Credential, Hub, HubFlags};

/// What ends the name of a progress file.
const PROGRESS: &str = "import.json";
/// How often progress is told where there is no terminal.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Args)]
pub struct Arguments {
    /// CSV with a header, or JSON Lines; both also with gzip.
    file: PathBuf,
    /// The encoding of the file, like `gb18030`, `windows-1252` or `utf-16le` (default: UTF-8, or UTF-16 if its mark is there).
    #[arg(long, value_name = "NAME", value_parser = encoding)]
    encoding: Option<&'static Encoding>,
    /// The separator of a CSV file, like `,`, `;` or `tab` (default: read from its header).
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// The file's format (default: read from its name).
    #[arg(long, value_enum)]
    format: Option<FileFormat>,
    /// What a row is.
    #[arg(long, value_enum, default_value = "events")]
    into: Into,
    /// For objects: their type.
    #[arg(long = "type", value_name = "KIND", required_if_eq("into", "objects"))]
    kind: Option<String>,
    #[command(flatten)]
    hub: HubFlags,
    #[command(flatten)]
    mapping: Mapping,
    /// Let the rows trigger journeys, as if they came in now. Rules always run.
    #[arg(long)]
    live: bool,
    /// Check every row, also by the hub, and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// The file that lists refused rows (default `FILE.refused.csv`).
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    /// The file that keeps the import's progress (default `FILE.import.json`).
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Start with the first row, whatever the progress file says.
    #[arg(long)]
    restart: bool,
    /// Requests at the same time (default 1 for events, 4 for others). More is faster, but changes the order of rows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    parallel: Option<u16>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileFormat {
    Jsonl,
    Csv,
}

pub async fn run(arguments: Arguments) -> Result<()> {
    let path = arguments.file.as_path();
    ensure!(path != Path::new("-"), "the standard input can be read once, and {READ_AGAIN}");
    input::must_be_a_file(path)?;
    let format = arguments.format.or_else(|| told_by_name(path));
    if format.is_none() {
        Look::refuse_workbook(path)?;
    }
    let format = format.context("the file name does not show the format: add `--format jsonl` or `--format csv`")?;
    let form = match format {
        FileFormat::Csv => Form::Csv,
        FileFormat::Jsonl => Form::Lines,
    };
    ensure!(
        form == Form::Csv || arguments.mapping.decimal.is_none(),
        "only the numbers of a CSV file have a notation: leave `--decimal` out"
    );
    let plan = Plan::new(arguments.into, &arguments.mapping)?;
    // With a progress file of its own an import is another's business.
    let _alone = if arguments.dry_run || arguments.state.is_some() { None } else { Some(alone(path)?) };
    let look = Look::at(path, arguments.encoding)?;
    ensure!(look.bytes > 0, "{} is empty: look whether what wrote it broke off", path.display());
    let name = name(&look, &plan, form, &arguments);
    let state_path = arguments.state.clone().unwrap_or_else(|| beside(path, PROGRESS));
    for (flag, named) in [("--state", &arguments.state), ("--refused", &arguments.refused)] {
        let is_the_file = |named: &PathBuf| named.canonicalize().ok() == path.canonicalize().ok();
        ensure!(!named.as_ref().is_some_and(is_the_file), "`{flag}` names the file that is imported: name another one");
    }
    let mut state = match (arguments.dry_run, arguments.restart) {
        (true, _) => StateFile::none(&name),
        (false, true) => StateFile::restart(&state_path, &name, &arguments.hub.target())?,
        (false, false) => {
            let file = look.hash.to_hex();
            let of = state::Of { import: &name, file: &file, into: arguments.into, target: &arguments.hub.target() };
            StateFile::open(&state_path, &of)?
        }
    };
    if state.state.done {
        let State { rows, refused, reasons, .. } = state.state;
        println!(
            "{} of {rows} rows were already imported, {refused} refused; `--restart` sends them again",
            rows - refused
        );
        reasons.lines().iter().for_each(|line| println!("  {line}"));
        ensure!(refused == 0, "{} refused", rows_were(refused));
        return Ok(());
    }
    if state.state.rows > 0 {
        eprintln!("continuing after row {}", state.state.rows);
    }
    let hub = Hub::new(&arguments.hub)?;
    let declared = match (form, arguments.into, &arguments.kind) {
        (Form::Csv, Into::Objects, Some(kind)) => declared_fields(&hub, kind).await,
        (Form::Csv, ..) => declared(&hub).await,
        _ => Declared::new(),
    };
    let open = |plan: Plan| {
        let mut source = Source::open(path, &look, form, arguments.delimiter, plan)?;
        source.mapper.declare(declared.clone());
        source.mapper.write_numbers(arguments.mapping.decimal);
        anyhow::Ok(source)
    };
    if form == Form::Csv {
        foresee(open(plan.clone())?)?.iter().for_each(|line| eprintln!("{line}"));
    }
    let again_plan = plan.clone();
    let source = open(plan)?;
    if let (Some(kind), Into::Objects) = (&arguments.kind, arguments.into) {
        fields::check(&hub, kind, &source.fields()).await?;
    }
    let manner = source.manner();
    let refused_path = arguments.refused.clone().unwrap_or_else(|| beside(path, manner.ending()));
    state.state.file = Some(look.hash.to_hex().to_string());
    state.state.into = Some(arguments.into);
    let State { refused_bytes, refused_hash, .. } = &state.state;
    if state.state.has_begun_list && *refused_bytes == 0 {
        RefusedFile::put_aside(&refused_path)?;
    }
    let refused = match arguments.dry_run {
        true => RefusedFile::none(manner),
        false => {
            let imported = state::imported(&beside(&refused_path, PROGRESS), &arguments.hub.target());
            RefusedFile::open(&refused_path, manner, *refused_bytes, &[refused_hash.as_deref(), imported.as_deref()])?
        }
    };
    let batches = Batches::new(source, arguments.into, name, state.state.rows);
    let import = Import {
        hub,
        path: address(&arguments),
        credential: if arguments.into == Into::Objects { Credential::Bearer } else { Credential::Basic },
        parallel: arguments.parallel.map_or(if arguments.into == Into::Events { 1 } else { 4 }, usize::from),
        bar: bar(look.bytes)?,
        refused,
        state,
        began: Instant::now(),
        now: 0,
        carried: HashMap::new(),
        notations: Notations::default(),
        is_history: !arguments.live,
    };
    let again = || open(again_plan);
    let file = Still { path: path.to_owned(), look: look.clone() };
    import.run(batches, file, if arguments.dry_run { "would be imported" } else { "imported" }, again).await
}

/// Rows that are looked at before the first one is sent.
const FORESEEN: u64 = 5_000;

/// What the first rows say of how their numbers are written.
fn foresee(mut source: Source) -> Result<Vec<String>> {
    while source.next()?.is_some_and(|row| row.number < FORESEEN) {}
    Ok(source.mapper.notations().told("will be taken"))
}

/// Until the lock is dropped no other import of this file runs: both would write its progress and its refused rows.
fn alone(path: &Path) -> Result<File> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    match file.try_lock() {
        // Where files cannot be locked, nobody is told.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another import of {} is running: wait until it has ended", path.display())
        }
    }
}

fn told_by_name(path: &Path) -> Option<FileFormat> {
    let name = path.file_name()?.to_str()?.to_ascii_lowercase();
    match name.strip_suffix(".gz").unwrap_or(&name).rsplit_once('.')?.1 {
        "jsonl" | "ndjson" | "json" => Some(FileFormat::Jsonl),
        "csv" | "tsv" | "txt" => Some(FileFormat::Csv),
        _ => None,
    }
}

fn encoding(label: &str) -> Result<&'static Encoding, String> {
    let unknown = || {
        format!(
            "there is no encoding `{label}`: use for example `utf-8`, `utf-16le`, `gb18030`, `big5`, `shift_jis` or `windows-1252`"
        )
    };
    Encoding::for_label(label.as_bytes()).ok_or_else(unknown)
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [one] if one.is_ascii() => Ok(*one),
        _ => Err("it must be one character, like `,`, `;` or `|`, or `tab`".to_owned()),
    }
}

/// What the tenant's attributes were declared as; nothing for a key that may not ask.
async fn declared(hub: &Hub) -> Declared {
    let Ok(answer) = hub.get("/api/v1/attributes").await else { return Declared::new() };
    let of = |(name, declared): (&String, &serde_json::Value)| {
        let of = match declared["type"].as_str()? {
            "text" => As::Text,
            "integer" => As::Integer,
            "number" => As::Number,
            "boolean" => As::Boolean,
            "timestamp" => As::Timestamp,
            "date" => As::Date,
            _ => return None,
        };
        Some((name.clone(), of))
    };
    answer["attributes"].as_object().into_iter().flatten().filter_map(of).collect()
}

/// What the fields of an object type are; nothing for a key that may not ask.
async fn declared_fields(hub: &Hub, kind: &str) -> Declared {
    let Ok(answer) = hub.get(&format!("/api/v1/object-types/{kind}")).await else { return Declared::new() };
    let of = |field: &serde_json::Value| {
        let of = match field["type"].as_str() {
            _ if field["list"] == true => As::Json,
            Some("integer") => As::Integer,
            Some("number") => As::Number,
            Some("boolean") => As::Boolean,
            Some("timestamp") => As::Timestamp,
            _ if field["type"]["decimal"].is_u64() => As::Decimal,
            // An enum, a customer and a key are texts.
            _ => As::Text,
        };
        Some((field["name"].as_str()?.to_owned(), of))
    };
    answer["fields"].as_array().into_iter().flatten().filter_map(of).collect()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{ending}"));
    name.into()
}

/// The hash of the file's text, of how it is read, the mapping and the type: 16 hexadecimal digits. What is said, and would be so
/// anyway, makes no other import.
fn name(look: &Look, plan: &Plan, form: Form, Arguments { kind, delimiter, mapping, .. }: &Arguments) -> String {
    let mut hasher = blake3::Hasher::new();
    let delimiter = delimiter.filter(|said| *said != look.delimiter()).unwrap_or_default();
    // As it was when the encoding counted: most files are UTF-8, and their imports of before are the same ones.
    hasher.update(look.text.as_bytes()).update(encoding_rs::UTF_8.name().as_bytes()).update(&[delimiter]);
    hasher.update(plan.fingerprint(form).as_bytes()).update(kind.as_deref().unwrap_or_default().as_bytes());
    if let Some(decimal) = mapping.decimal {
        hasher.update(format!("{decimal:?}").as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

fn address(arguments: &Arguments) -> String {
    let path = match &arguments.kind {
        Some(kind) if arguments.into == Into::Objects => format!("/api/v1/import/objects/{kind}"),
        _ => "/v1/import".to_owned(),
    };
    format!("{path}?historical={}&dry_run={}", !arguments.live, arguments.dry_run)
}

fn bar(bytes: u64) -> Result<ProgressBar> {
    let bar = ProgressBar::new(bytes).with_style(ProgressStyle::with_template(
        "{bar:40} {percent:>3} %  {binary_bytes}/{binary_total_bytes}  {msg}  {eta} left",
    )?);
    bar.enable_steady_tick(Duration::from_millis(200));
    Ok(bar)
}

struct Import {
    hub: Hub,
    path: String,
    credential: Credential,
    parallel: usize,
    bar: ProgressBar,
    refused: RefusedFile,
    state: StateFile,
    began: Instant,
    /// Rows that were settled by this very process.
    now: u64,
    /// Of rows of a list of refused rows, which keep the ids that they had: the row of each id.
    carried: HashMap<String, u64>,
    /// What was noticed of numbers.
    notations: Notations,
    /// Whether rows without a time happened nobody knows when.
    is_history: bool,
}

impl Import {
    /// `again` opens the file once more.
    async fn run(
        mut self,
        batches: Batches,
        file: Still,
        verb: &str,
        again: impl FnOnce() -> Result<Source>,
    ) -> Result<()> {
        let outcome = tokio::select! {
            outcome = self.all(read_ahead(batches, file)) => outcome,
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("it was interrupted")),
        };
        self.bar.finish_and_clear();
        let state = &self.state.state;
        if outcome.as_ref().is_err_and(|error| error.is::<Changed>()) {
            outcome.with_context(|| format!("{} rows were imported as they were before", state.rows))?;
        } else if state.rows > 0 {
            outcome.with_context(|| format!("{} rows are done; run the same command again to continue", state.rows))?;
        } else {
            outcome?;
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let rate = self.now as f64 / seconds.max(1e-3);
        let known = if state.known > 0 { format!(", {} known already", state.known) } else { String::new() };
        println!(
            "{} of {} rows {verb}, {} refused{known} ({seconds:.1} s, {rate:.0} rows/s)",
            state.rows.saturating_sub(state.refused + state.known + state.by_the_hub),
            state.rows,
            state.refused
        );
        if state.rows == 0 {
            println!("  the file has no rows: look whether that is meant");
        }
        if state.known > 0 {
            println!(
                "  known already: the hub has had the row, by its id or as the same object; it changes nothing. With another mapping \
                 it is another row: `--map COLUMN=…:text` for example sets values anew"
            );
        }
        if state.by_the_hub > 0 {
            println!(
                "  {} left out: the hub itself said them, and says them again where they follow from the others",
                rows_were(state.by_the_hub)
            );
        }
        if state.moved > 0 {
            println!("  {} had a time in the future; they count from now", rows(state.moved));
        }
        if state.untimed > 0 && self.is_history {
            println!(
                "  {} with a granted consent and no time: it counts as older than any denial, so it changes none. If it is \
                 newer, map the column with the time, like `--map COLUMN=timestamp`, or say one for all, like \
                 `--const timestamp=2026-01-31T12:00:00Z`",
                rows(state.untimed)
            );
        }
        self.notations.told("was taken").iter().for_each(|line| println!("  {line}"));
        state.reasons.lines().iter().for_each(|line| println!("  {line}"));
        if state.left_out.count() > 0 {
            println!("  left out of rows that were imported:");
            state.left_out.lines().iter().for_each(|line| println!("    {line}"));
        }
        self.tell_what_was_not_joined(again).await;
        let state = &self.state.state;
        ensure!(state.refused == 0, "{} refused; {}", rows_were(state.refused), self.refused.place());
        Ok(())
    }

    /// What only the engine finds out. It is no part of the import, so that a key that may not read it is no fault.
    async fn tell_what_was_not_joined(&self, again: impl FnOnce() -> Result<Source>) {
        let State { import, after, position, .. } = &self.state.state;
        let Some(after) = after else { return };
        let ids = format!("import-{import}-");
        let place = joined::Place { after, position: *position, ids: &ids, carried: &self.carried };
        match joined::refused(&self.hub, &place).await {
            Ok(Some(all)) if all.is_empty() => {}
            Ok(Some(all)) => {
                println!("  not joined to the customer of their row (events `Identity Refused`):");
                let lines = again().and_then(|source| source.lines_of(&joined::first_rows(&all))).unwrap_or_default();
                joined::reasons(&all, &lines).lines().iter().for_each(|line| println!("    {line}"));
            }
            Ok(None) => println!(
                "  the hub has not handled all rows yet: what it does not join stands in the events `Identity Refused`"
            ),
            Err(_) => println!(
                "  this key may not read what was not joined to the customer of its row: see the events `Identity Refused`"
            ),
        }
    }

    /// Requests go out side by side, and are settled in the order of the file.
    async fn all(&mut self, mut batches: Receiver<Result<Batch>>) -> Result<()> {
        let Import { hub, path, credential, parallel, bar, refused, state, now, carried, notations, .. } = self;
        let (hub, path, credential) = (&*hub, path.as_str(), *credential);
        let mut told = Instant::now();
        let requests = futures::stream::poll_fn(|context| batches.poll_recv(context));
        let answers = requests.map(|batch| async move { settle(hub, path, credential, batch?).await });
        let mut answers = std::pin::pin!(answers.buffered(*parallel));
        while let Some(settled) = answers.next().await {
            let Settled { last, read, refused: not_taken, left_out, carried: kept, notations: noticed, counts } =
                settled?;
            *notations = noticed;
            carried.extend(kept);
            // Whoever comes behind us knows whose a list is of which no more is known.
            if !not_taken.is_empty() && !state.state.has_begun_list {
                state.state.has_begun_list = true;
                state.save()?;
            }
            refused.write(&not_taken)?;
            let standing = &mut state.state;
            not_taken.iter().for_each(|row| standing.reasons.add(&row.code, || row.in_words()));
            left_out.iter().for_each(|part| standing.left_out.add_of(&part.code, &part.column, || part.in_words()));
            *now += last - standing.rows;
            standing.rows = last;
            standing.refused += not_taken.len() as u64;
            standing.add(counts);
            (standing.refused_bytes, standing.refused_hash) = (refused.bytes, refused.hash());
            state.save()?;
            bar.set_position(read);
            bar.set_message(format!("{last} rows, {} refused", state.state.refused));
            // Where nobody sees a bar, a line now and then.
            if bar.is_hidden() && told.elapsed() >= EVERY {
                told = Instant::now();
                eprintln!("{last} rows, {} refused", state.state.refused);
            }
        }
        state.state.done = true;
        state.save()
    }
}

/// The file, which is to stay as it was looked at.
struct Still {
    path: PathBuf,
    look: Look,
}

/// Reads the file on a thread of its own, a few batches ahead of what is sent. A row that somebody else wrote meanwhile, or half
/// of one, is not sent.
fn read_ahead(mut batches: Batches, file: Still) -> Receiver<Result<Batch>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(4);
    let mut next = move || match batches.next()? {
        Some(batch) => file.look.still(&file.path).map(|()| Some(batch)),
        None => file.look.was_still(&file.path).map(|()| None),
    };
    tokio::task::spawn_blocking(move || {
        while let Some(batch) = next().transpose() {
            let is_last = batch.is_err();
            if sender.blocking_send(batch).is_err() || is_last {
                break;
            }
        }
    });
    receiver
}

/// The code of the hub for what it says itself: it is no part of what it is given.
const BY_THE_HUB: &str = "said-by-hub";
/// The code of the hub for a row that names nobody.
const NOBODY: &str = "missing-identity";
/// The code of the hub for a consent in an event that records none, and what helps.
const NOT_RECORDED: &str = "not-recorded";
const RECORDED_BY: &str = "only an `identify` records a consent: import the file a second time with `--into customers`, or add `--const \
                           type=identify` if its rows are no events";

/// What became of a batch.
struct Settled {
    last: u64,
    read: u64,
    refused: Vec<Refused>,
    /// Parts of rows that were imported without them.
    left_out: Vec<Refused>,
    /// The ids of rows that have kept theirs.
    carried: Vec<(String, u64)>,
    notations: Notations,
    counts: Counts,
}

async fn settle(hub: &Hub, path: &str, credential: Credential, batch: Batch) -> Result<Settled> {
    let Batch { body, sent, mut refused, columns, nobody, untimed, notations, last, read } = batch;
    let mut counts = Counts::default();
    let (mut left_out, mut by_the_hub) = (Vec::new(), BTreeSet::new());
    if !sent.is_empty() {
        let answer = hub.post_patiently(path, credential, body).await?;
        ensure!(is_receipt(credential, &answer), "what answered {path} is no hub: it took no rows. Check `--hub`");
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        counts.moved = number("moved");
        counts.known = known_rows(number("duplicates"), &sent);
        counts.position = answer["position"].as_i64();
        counts.after = answer["after"].as_str().map(str::to_owned);
        let said = |of: &serde_json::Value, key: &str| of[key].as_str().unwrap_or_default().to_owned();
        let column = |of: &serde_json::Value| columns.of(below_row(&said(of, "pointer")));
        let told = |name: &str| answer[name].as_array().cloned().unwrap_or_default();
        let row = |told: &serde_json::Value| {
            let index = told["index"].as_u64().and_then(|index| usize::try_from(index).ok());
            index
                .and_then(|index| sent.get(index))
                .with_context(|| format!("the hub speaks of a row that was not sent: {told}"))
        };
        for refusal in told("refused") {
            if said(&refusal, "code") == BY_THE_HUB {
                by_the_hub.insert(row(&refusal)?.number);
                continue;
            }
            let first = match said(&refusal, "code").as_str() {
                NOBODY => nobody.clone(),
                _ => said(&refusal, "message"),
            };
            let more = refusal["more"].as_array().into_iter().flatten();
            let more = more.map(|other| (column(other), said(other, "message")));
            let message = plan::all_reasons((column(&refusal), first), more);
            refused.push(Refused::of(row(&refusal)?, &column(&refusal), &said(&refusal, "code"), &message));
        }
        for part in told("left_out") {
            let message = match said(&part, "code").as_str() {
                NOT_RECORDED => RECORDED_BY.to_owned(),
                _ => said(&part, "message"),
            };
            left_out.push(Refused::of(row(&part)?, &column(&part), &said(&part, "code"), &message));
        }
    }
    counts.by_the_hub = by_the_hub.len() as u64;
    refused.sort_by_key(|refused| refused.row);
    // A row of several events is one row.
    refused.dedup_by_key(|refused| refused.row);
    let is_refused = |number: &u64| refused.binary_search_by_key(number, |refused| refused.row).is_ok();
    counts.untimed = untimed.iter().filter(|number| !is_refused(number)).count() as u64;
    left_out.dedup_by(|one, other| (one.row, &one.code, &one.column) == (other.row, &other.code, &other.column));
    let carried = sent.into_iter().filter(|sent| sent.is_carried).map(|sent| (sent.id, sent.number)).collect();
    Ok(Settled { last, read, refused, left_out, carried, notations, counts })
}

/// Whether a success says what became of the rows.
fn is_receipt(credential: Credential, answer: &serde_json::Value) -> bool {
    match credential {
        Credential::Basic => answer["success"] == true,
        Credential::Bearer => answer["accepted"].is_u64(),
    }
}

/// A row is one event, or several: the hub counts events.
fn known_rows(events: u64, sent: &[Sent]) -> u64 {
    let mut numbers: Vec<u64> = sent.iter().map(|row| row.number).collect();
    numbers.dedup();
    let (rows, all) = (numbers.len() as u64, sent.len() as u64);
    (events * rows).div_ceil(all.max(1)).min(rows)
}

/// `/batch/3/properties/total` → `/properties/total`
fn below_row(pointer: &str) -> &str {
    pointer.match_indices('/').nth(2).map_or("", |(at, _)| &pointer[at..])
}
