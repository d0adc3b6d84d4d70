//! The binary `openhub`: where store, runtime, engine and API are wired together, and the commands around them.
//!
//! It parses, wires and reports. What the hub does lives in the crates below.

mod commands;
mod config;
mod connections;
mod data;
mod environment;
mod hub;
mod logs;
mod metrics;
mod mint;
mod refusal;
mod revoked;
mod serve;
mod settings_file;
mod shutdown;
mod sweep;

use clap::{Parser, Subcommand};
use openhub_runtime::CompileBounds;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::HubConfigFlags;
use crate::refusal::Refusal;

/// The system's allocator took a sixth of the hub's time; with the feature `override` SQLite uses this one, too.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A marketing hub of customers, events and journeys, extended by WebAssembly plugins.
#[derive(Parser)]
#[command(name = "openhub", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the hub.
    Serve(serve::Arguments),
    /// Create and list tenants, in the database (`--data`, `--database`).
    Tenant(commands::tenant::Arguments),
    /// Create, list and revoke keys, in the database (`--data`, `--database`).
    Key(commands::key::Arguments),
    /// Invite and list the people of a tenant, in the database (`--data`, `--database`).
    Person(commands::person::Arguments),
    /// Set, show and remove where the people of a tenant log in, in a running hub (`--hub`, `--key`).
    IdentityProvider(commands::identity_provider::Arguments),
    /// Write, build and test a plugin; install it in a running hub (`--hub`, `--key`).
    Plugin(commands::plugin::Arguments),
    /// Write, publish and stop journeys of a running hub (`--hub`, `--key`), and see what became of their messages.
    Journey(commands::journey::Arguments),
    /// Declare types of objects in a running hub (`--hub`, `--key`), without code.
    ObjectType(commands::object_type::Arguments),
    /// Send a file of events, customers or objects to a running hub (`--hub`, `--key`).
    Import(commands::import::Arguments),
    /// Write events, customers or objects of a running hub (`--hub`, `--key`) to a file.
    Export(commands::export::Arguments),
    /// Declare in a running hub (`--hub`, `--key`) what the attributes of customers are.
    Attribute(commands::attribute::Arguments),
    /// List what failed, in the database (`--data`, `--database`); retry it, or discard it.
    Faults(commands::faults::Arguments),
    /// Show what plugins used, by day, in the database (`--data`, `--database`).
    Usage(commands::usage::Arguments),
    /// Check a statement against the usage that it was made of, without a hub.
    Statement(commands::statement::Arguments),
    /// Check that nobody tampered with the log of who did what, in the database (`--data`, `--database`).
    Audit(commands::audit::Arguments),
    /// Post events of a running hub (`--hub`, `--key`) to other systems.
    Webhook(commands::webhook::Arguments),
    /// Offer what a tenant of a running hub (`--hub`, `--key`) has to those below it, and answer who asks.
    Offering(commands::offering::Arguments),
    /// Subscribe to what the tenants above offer, in a running hub (`--hub`, `--key`).
    Subscription(commands::subscription::Arguments),
    /// Write the whole database (`--data`, `--database`) to a file, while a hub may run.
    Backup(commands::backup::BackupArguments),
    /// Make a database (`--data`, `--database`) of a backup, of either kind of database.
    Restore(commands::backup::RestoreArguments),
    /// Let tenants that were restored send, in the database (`--data`, `--database`).
    ReleaseSends(commands::backup::ReleaseArguments),
    /// Check whether this machine can run a hub.
    Doctor(HubConfigFlags),
    /// Compile a component for a hub that serves, in a process under limits.
    #[command(hide = true)]
    CompileComponent { input: PathBuf, output: PathBuf, memory_bytes: u64, cpu_seconds: u64 },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::CompileComponent { input, output, memory_bytes, cpu_seconds } = &cli.command {
        let bounds = CompileBounds { memory_bytes: *memory_bytes, cpu_seconds: *cpu_seconds };
        // Before there is an async runtime, whose threads would count against the limits.
        return match openhub_runtime::compile_worker(input, output, bounds) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => report(&error.into()),
        };
    }
    keep_pages_small();
    meet_limits_as_errors();
    if !matches!(cli.command, Command::Serve(_)) {
        end_with_the_reader();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return report(&anyhow::Error::new(error).context("the async runtime did not start")),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

/// Pages of 2 MiB, of which the allocator would ask the kernel for many, made the hub a fifth larger and no faster.
fn keep_pages_small() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_thp_disable(true) {
        eprintln!("openhub: the kernel does not let it use small pages only: {error}");
    }
}

/// A file that may grow no further is a write that fails, as on a full disk, and no reason to end.
fn meet_limits_as_errors() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: no handler of ours runs; the signal is ignored, and the write answers with an error.
    if let Err(error) = unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) } {
        eprintln!("openhub: the signal of a file that is too large ends it: {error}");
    }
}

/// Whoever reads what a command prints may stop reading (`| head`): the command ends then, without a word. A connection that
/// breaks raises the same signal, and is an error that is told.
fn end_with_the_reader() {
    use nix::sys::signal::{SigHandler, Signal, signal};
    // SAFETY: the handler calls nothing but what may be called in one.
    if let Err(error) = unsafe { signal(Signal::SIGPIPE, SigHandler::Handler(end_if_nobody_reads)) } {
        eprintln!("openhub: the signal of a closed pipe keeps being ignored: {error}");
    }
}

extern "C" fn end_if_nobody_reads(signal: std::ffi::c_int) {
    use nix::libc::{_exit, POLLERR, POLLHUP, STDOUT_FILENO, poll, pollfd};
    let mut output = pollfd { fd: STDOUT_FILENO, events: 0, revents: 0 };
    // SAFETY: one descriptor is asked about, without waiting; both calls may be made in a handler.
    unsafe {
        if poll(&raw mut output, 1, 0) == 1 && output.revents & (POLLERR | POLLHUP) != 0 {
            // As a shell tells of whom the signal has ended.
            _exit(128 + signal);
        }
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    // These read the configuration, which tells this with all else that is wrong with it.
    let reads_configuration = matches!(
        command,
        Command::Serve(_)
            | Command::Tenant(_)
            | Command::Key(_)
            | Command::Person(_)
            | Command::Backup(_)
            | Command::Restore(_)
            | Command::ReleaseSends(_)
            | Command::Audit(_)
            | Command::Doctor(_)
    );
    if !reads_configuration {
        environment::check()?;
    }
    match command {
        Command::Serve(arguments) => serve::run(arguments).await?,
        Command::Tenant(arguments) => commands::tenant::run(arguments).await?,
        Command::Key(arguments) => commands::key::run(arguments).await?,
        Command::Person(arguments) => commands::person::run(arguments).await?,
        Command::IdentityProvider(arguments) => commands::identity_provider::run(arguments).await?,
        Command::Plugin(arguments) => commands::plugin::run(arguments).await?,
        Command::Journey(arguments) => commands::journey::run(arguments).await?,
        Command::ObjectType(arguments) => commands::object_type::run(arguments).await?,
        Command::Import(arguments) => commands::import::run(arguments).await?,
        Command::Export(arguments) => commands::export::run(arguments).await?,
        Command::Attribute(arguments) => commands::attribute::run(arguments).await?,
        Command::Faults(arguments) => commands::faults::run(arguments).await?,
        Command::Usage(arguments) => commands::usage::run(arguments).await?,
        Command::Statement(arguments) => return commands::statement::run(arguments),
        Command::Audit(arguments) => commands::audit::run(arguments).await?,
        Command::Offering(arguments) => commands::offering::run(arguments).await?,
        Command::Subscription(arguments) => commands::subscription::run(arguments).await?,
        Command::Webhook(arguments) => commands::webhook::run(arguments).await?,
        Command::Backup(arguments) => commands::backup::backup(arguments).await?,
        Command::Restore(arguments) => commands::backup::restore(arguments).await?,
        Command::ReleaseSends(arguments) => commands::backup::release(arguments).await?,
        Command::Doctor(flags) => return commands::doctor::run(flags).await,
        Command::CompileComponent { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

fn report(error: &anyhow::Error) -> ExitCode {
    // Nobody may be there to read it.
    drop(writeln!(std::io::stderr(), "openhub: {error:#}"));
    match error.downcast_ref::<Refusal>() {
        Some(_) => ExitCode::from(2),
        None => ExitCode::FAILURE,
    }
}
