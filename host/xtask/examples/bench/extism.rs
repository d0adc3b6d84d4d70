//! The same rule in Extism, with JSON at its boundary, in a process of its own (`host/xtask/beside/extism`). It measures when it is told
//! to, so that its rounds and ours alternate.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Extism {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What the rule says of an order.
#[derive(Deserialize)]
pub struct Effects {
    pub points: i64,
    pub event: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Told {
    calls: u64,
    cpu_micros: f64,
}

impl Extism {
    /// From the folder with the program and its guest.
    pub fn start(folder: &Path) -> Result<Extism> {
        let mut child = Command::new(folder.join("beside-extism"))
            .arg(folder.join("points_extism.wasm"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| folder.display().to_string())?;
        let input = child.stdin.take().context("it has an input")?;
        let output = BufReader::new(child.stdout.take().context("it has an output")?);
        Ok(Extism { child, input, output })
    }

    /// Calls the rule with these orders from now on, and returns its answer.
    pub fn set(&mut self, orders: &serde_json::Value) -> Result<Vec<Effects>> {
        Ok(serde_json::from_str(&self.ask(&orders.to_string())?)?)
    }

    /// CPU microseconds a call, with an instance for each call.
    pub fn fresh(&mut self) -> Result<f64> {
        self.measured("fresh")
    }

    /// CPU microseconds a call, with one instance for all calls.
    pub fn reused(&mut self) -> Result<f64> {
        self.measured("reused")
    }

    fn measured(&mut self, how: &str) -> Result<f64> {
        let Told { calls, cpu_micros } = serde_json::from_str(&self.ask(how)?)?;
        ensure!(calls > 0, "Extism made no call in its slice");
        Ok(cpu_micros / calls as f64)
    }

    fn ask(&mut self, line: &str) -> Result<String> {
        writeln!(self.input, "{line}")?;
        self.input.flush()?;
        let mut answer = String::new();
        ensure!(self.output.read_line(&mut answer)? > 0, "Extism ended");
        Ok(answer)
    }
}

impl Drop for Extism {
    fn drop(&mut self) {
        // It is ours, and it has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
