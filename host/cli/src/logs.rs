//! Structured logs to stderr, as text for people or JSON for machines.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// Starts logging; the filter was checked with the configuration.
pub fn start(config: &Config) {
    let filter = EnvFilter::new(&config.log);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Whoever reads the log may go away: that it cannot be written is no reason to break anything off.
    let logs = logs.log_internal_errors(false);
    match config.log_format {
        LogFormat::Text => logs.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => logs.json().flatten_event(true).init(),
    }
}
