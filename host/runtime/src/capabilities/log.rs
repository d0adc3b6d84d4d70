//! `openhub:log/log`: lines for the author and the admin. Both lanes; capped, escaped, and secrets masked.

use openhub_model::manifest::Manifest;
use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::log::log::{self, Level};
use crate::error::Refusal;
use crate::fault::CallFault;
use crate::host::Host;
use crate::observer::{LogLevel, LogLine, Observed};

/// The longest line that is kept, in bytes.
const KEPT: usize = 1_000;
/// Lines of a call that are kept for who looks at it, and bytes of one.
const LINES: usize = 20;
const LINE: usize = 400;

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    log::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)
}

/// Every plugin may have it.
pub fn check(_: &Manifest) -> Result<(), Refusal> {
    Ok(())
}

/// What a call has logged so far.
pub struct Log {
    plugin: Arc<str>,
    left: u64,
    last_error: Option<String>,
    lines: VecDeque<String>,
    observed: Observed,
}

impl Log {
    pub fn new(plugin: Arc<str>, at_most: u64, observed: Observed) -> Log {
        Log { plugin, left: at_most, last_error: None, lines: VecDeque::new(), observed }
    }

    /// The last line of level error: what the SDK's panic hook says before the trap.
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Why the call broke off, which is a line of the log, too: whoever looks there finds it in each lane.
    pub fn broken_off(&mut self, error: &wasmtime::Error) -> CallFault {
        let fault = CallFault::from_error(error, self.last_error());
        if fault.is_the_guests() {
            self.keep(Level::Error, &format!("the call broke off: {fault}"), "");
        }
        fault
    }

    /// The last lines of level info and above, each with its level.
    pub fn take_lines(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines).into()
    }

    fn keep(&mut self, level: Level, message: &str, fields: &str) {
        let level = match level {
            Level::Debug => LogLevel::Debug,
            Level::Info => LogLevel::Info,
            Level::Warn => LogLevel::Warn,
            Level::Error => LogLevel::Error,
        };
        let line = || LogLine { level, message: lines(message, KEPT), fields: escape(fields, KEPT) };
        self.observed.logged(line);
        if level == LogLevel::Debug {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{}: {}", level.as_str(), escape(message, LINE)));
    }

    /// Leaves no more of a line that will be dropped than shows that it is too long, and why the call failed.
    fn cut(&self, message: &mut String, fields: &mut String) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        if message.len() + fields.len() > left {
            message.truncate(message.floor_char_boundary(left.saturating_add(KEPT)));
            fields.truncate(fields.floor_char_boundary(left.saturating_add(KEPT)));
        }
    }

    fn write(&mut self, level: Level, message: &str, fields: &str) {
        let size = (message.len() + fields.len()) as u64;
        if size > self.left {
            if self.left > 0 {
                tracing::warn!(plugin.digest = %self.plugin, "a plugin logged more than it may, the rest of its call is dropped");
            }
            self.left = 0;
            // The reason of a panic is worth more than the cap.
            if level == Level::Error {
                self.last_error = Some(escape(message, KEPT));
                self.keep(level, message, "");
            }
            return;
        }
        self.left -= size;
        self.keep(level, message, fields);
        let (message, fields) = (escape(message, usize::MAX), escape(fields, usize::MAX));
        let digest = &*self.plugin;
        match level {
            Level::Debug => {
                tracing::debug!(target: "plugin", { plugin.digest = %digest, plugin.fields = %fields }, "{message}")
            }
            Level::Info => {
                tracing::info!(target: "plugin", { plugin.digest = %digest, plugin.fields = %fields }, "{message}")
            }
            Level::Warn => {
                tracing::warn!(target: "plugin", { plugin.digest = %digest, plugin.fields = %fields }, "{message}")
            }
            Level::Error => {
                tracing::error!(target: "plugin", { plugin.digest = %digest, plugin.fields = %fields }, "{message}");
                self.last_error = Some(escape(&message, KEPT));
            }
        }
    }
}

/// The same, but lines stay lines, as a stack has them: for the plugin's own log, whose readers show where each of its messages begins.
fn lines(text: &str, at_most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(at_most));
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            shown.push('\n');
        }
        let left = at_most.saturating_sub(shown.len());
        shown.push_str(&escape(line.strip_suffix('\r').unwrap_or(line), left));
        if shown.len() >= at_most {
            break;
        }
    }
    shown
}

/// Control characters (and with them terminal sequences and line breaks) as escapes; cut at about `at_most` bytes.
pub fn escape(text: &str, at_most: usize) -> String {
    let mut escaped = String::with_capacity(text.len().min(at_most));
    for character in text.chars() {
        if escaped.len() >= at_most {
            escaped.push('…');
            break;
        }
        let turns_text =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns_text {
            write!(escaped, "\\u{{{:x}}}", u32::from(character)).expect("writing to a string does not fail");
        } else {
            escaped.push(character);
        }
    }
    escaped
}

impl log::Host for Host {
    fn write(&mut self, level: Level, mut message: String, mut fields: String) -> wasmtime::Result<()> {
        self.meter.host_call(message.len() + fields.len())?;
        self.log.cut(&mut message, &mut fields);
        let Some(io) = &self.io else {
            self.log.write(level, &message, &fields);
            return Ok(());
        };
        self.meter.work(io.secrets.masks.work(message.len() + fields.len()))?;
        self.log.write(level, &io.secrets.masks.mask_text(message), &io.secrets.masks.mask_text(fields));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(escape("a\u{1b}[31m\r\nb", 100), "a\\u{1b}[31m\\u{d}\\u{a}b");
        assert_eq!(escape("\u{202e}x", 100), "\\u{202e}x");
        assert_eq!(escape("abcdef", 3), "abc…");
    }

    #[test]
    fn c14_the_lines_of_a_stack_stay_lines() {
        assert_eq!(
            lines("Error: no\r\n    at rule (plugin.js:3)\u{1b}[2J\n", 100),
            "Error: no\n    at rule (plugin.js:3)\\u{1b}[2J\n"
        );
        assert_eq!(lines("one", 100), "one");
        assert_eq!(lines("abc\ndef\nghi", 5), "abc\nd…");
        assert!(lines(&"\n".repeat(5_000), 10).len() <= 10 + '…'.len_utf8());
    }

    #[test]
    fn lines_within_the_cap_are_kept_and_the_rest_is_dropped() {
        let mut log = Log::new("digest".into(), 10, Observed::default());
        log.write(Level::Error, "first", "{}");
        assert_eq!(log.last_error(), Some("first"));
        log.write(Level::Info, "much too long", "{}");
        assert_eq!(log.left, 0);
        log.write(Level::Error, "panicked at 'x'", "{}");
        assert_eq!(log.last_error(), Some("panicked at 'x'"));
        assert_eq!(log.take_lines(), ["error: first", "error: panicked at 'x'"]);
    }
}
