//! What took how long: the steps of a command, and the test binaries among them.

use std::fmt::Write;
use std::time::{Duration, Instant};

/// Test binaries that are told, the slowest first.
const SLOWEST: usize = 12;

/// The steps of a command, in their order.
#[derive(Default)]
pub struct Steps {
    done: Vec<(String, Duration)>,
    now: Option<(String, Instant)>,
    binaries: Binaries,
}

impl Steps {
    /// Ends the step before, and says what comes.
    pub fn begin(&mut self, name: &str) {
        self.end();
        eprintln!("── {name}");
        self.now = Some((name.to_owned(), Instant::now()));
    }

    pub fn end(&mut self) {
        if let Some((name, since)) = self.now.take() {
            self.done.push((name, since.elapsed()));
        }
    }

    /// A line of `cargo test`.
    pub fn line(&mut self, line: &str) {
        self.binaries.line(line);
    }

    pub fn report(&self) -> String {
        let mut text = String::from("What took how long, in seconds\n");
        for (name, took) in self.done.iter().chain(&self.binaries.slowest()) {
            let _ = writeln!(text, "{:>8.1}  {name}", took.as_secs_f64());
        }
        text
    }
}

/// Of `cargo test`: which binary runs, and how long it says that it took.
#[derive(Default)]
struct Binaries {
    running: Option<String>,
    took: Vec<(String, Duration)>,
}

impl Binaries {
    fn line(&mut self, line: &str) {
        let line = line.trim();
        if let Some(name) = line.strip_prefix("Running ").or_else(|| line.strip_prefix("Doc-tests ")) {
            self.running = Some(name.to_owned());
        }
        let seconds = line.strip_prefix("test result: ").and_then(|rest| rest.rsplit_once("finished in "));
        let seconds = seconds.and_then(|(_, seconds)| seconds.strip_suffix('s')?.parse().ok());
        if let Some((name, seconds)) = self.running.as_ref().zip(seconds) {
            self.took.push((format!("of which {name}"), Duration::from_secs_f64(seconds)));
        }
    }

    fn slowest(&self) -> Vec<(String, Duration)> {
        let mut took = self.took.clone();
        took.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
        took.truncate(SLOWEST);
        took
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_binaries_are_told_after_the_steps() {
        let mut steps = Steps::default();
        steps.begin("test");
        for line in [
            "     Running tests/api/main.rs (target/debug/deps/api-1)",
            "test overload::it_works ... ok",
            "test result: ok. 64 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 17.00s",
            "     Running tests/contract.rs (target/debug/deps/contract-2)",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 21.25s",
            "   Doc-tests openhub_model",
            "test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ] {
            steps.line(line);
        }
        steps.end();
        let report = steps.report();
        let lines: Vec<&str> = report.lines().map(str::trim).collect();
        assert_eq!(lines[2], "21.2  of which tests/contract.rs (target/debug/deps/contract-2)");
        assert_eq!(lines[3], "17.0  of which tests/api/main.rs (target/debug/deps/api-1)");
        assert!(lines[1].ends_with("test") && lines[4].ends_with("of which openhub_model"), "{report}");
    }
}
