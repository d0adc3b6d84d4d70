//! The binary at the other end: started once a hub, asked line by line, gone with it.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// Names the binary; `openhub plugin test` sets it.
const BINARY: &str = "OPENHUB_BINARY";

pub struct Kit {
    child: Child,
    /// None once the other end is told that nothing more comes.
    asks: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Kit {
    /// # Panics
    /// If there is no binary, or it does not start.
    #[track_caller]
    pub fn start() -> Kit {
        let binary = binary();
        let mut command = Command::new(&binary);
        command.args(["plugin", "kit"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!(
                "cannot start `{}` ({error}): install openhub, or name it in {BINARY}; `openhub plugin test` does that",
                binary.display()
            )
        });
        let asks = child.stdin.take();
        let answers = child.stdout.take().expect("its output is a pipe");
        Kit { child, asks, answers: BufReader::new(answers) }
    }

    /// Asks and waits for the answer.
    ///
    /// # Panics
    /// If what is asked can have no answer: the message says why.
    #[track_caller]
    pub fn ask(&mut self, question: &Value) -> Value {
        let asks = self.asks.as_mut().expect("it is open until it is dropped");
        let mut line = String::new();
        let asked = writeln!(asks, "{question}").and_then(|()| asks.flush());
        let read = asked.and_then(|()| self.answers.read_line(&mut line));
        if !read.is_ok_and(|read| read > 0) {
            panic!("`openhub plugin kit` ended: its message stands above");
        }
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_default();
        match answer["error"].as_str() {
            Some(error) => panic!("{error}"),
            None => answer["ok"].take(),
        }
    }
}

impl Drop for Kit {
    fn drop(&mut self) {
        drop(self.asks.take());
        // It ends by itself when nothing more can come. What it was doing is of no use any more.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The binary that is named, else the one that was built beside these tests, else the one that is installed.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os(BINARY) {
        return named.into();
    }
    let beside = folder().and_then(|folder| Some(folder.parent()?.join("openhub"))).filter(|beside| beside.is_file());
    beside.unwrap_or_else(|| "openhub".into())
}

/// Where the tests lie, in cargo's target folder.
pub fn folder() -> Option<PathBuf> {
    std::env::current_exe().ok()?.parent().map(Path::to_path_buf)
}
