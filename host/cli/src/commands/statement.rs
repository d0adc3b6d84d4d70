//! `openhub statement verify`: computes a statement again from its usage, without a hub, and tells every figure that differs.

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use openhub_model::plain::plain;
use openhub_model::statement::{State, Statement, UsageRow, verify};
use openhub_model::strict;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compute a statement again, and tell what differs. Ends with 1 if something does.
    Verify {
        /// The answer of `GET /api/v1/statements/{id}`.
        file: PathBuf,
        /// The answer of `GET /api/v1/statements/{id}/usage`.
        #[arg(long)]
        usage: PathBuf,
    },
}

pub fn run(arguments: Arguments) -> Result<ExitCode> {
    let Command::Verify { file, usage } = arguments.command;
    let (told, is_right) = check(&file, &usage)?;
    // A file is somebody else's.
    told.iter().for_each(|line| println!("{}", plain(line)));
    if is_right {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("openhub: the statement does not follow from its usage");
    Ok(ExitCode::FAILURE)
}

/// What is to be said of a statement, line by line, and whether it is right.
fn check(file: &Path, usage: &Path) -> Result<(Vec<String>, bool)> {
    let text = std::fs::read(file).with_context(|| file.display().to_string())?;
    refusal(file, &text)?;
    let statement: Statement =
        strict::from_slice(&text).with_context(|| format!("{} is not a statement", file.display()))?;
    let usage = rows(usage)?;
    let findings = verify(&statement, &usage).context("the statement cannot be computed")?;
    if findings.is_empty() {
        let Statement { id, total, plan, lines, .. } = &statement;
        let (currency, lines, rows) = (plan.currency, lines.len(), usage.len());
        let right = format!("{id}: {total} {currency} is right: {lines} lines follow from {rows} rows of usage");
        let mut told = vec![right];
        if statement.state == State::Draft {
            told.push(format!("It is a draft: its figures can still move until {}", statement.freezes_at));
        }
        return Ok((told, true));
    }
    let told = findings.into_iter().map(|finding| match finding.line {
        Some(line) => format!("line {line}: {}", finding.message),
        None => finding.message,
    });
    Ok((told.collect(), false))
}

/// A hub's answer that refuses, saved in place of what was asked for.
fn refusal(file: &Path, text: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Refusal {
        status: u16,
        title: String,
        #[serde(default)]
        detail: String,
    }
    if let Ok(Refusal { status, title, detail }) = serde_json::from_slice(text) {
        bail!("{} is an answer of the hub that refuses, {status}: {title}. {detail}", file.display());
    }
    Ok(())
}

fn rows(file: &Path) -> Result<Vec<UsageRow>> {
    let name = || file.display().to_string();
    refusal(file, &std::fs::read(file).with_context(name)?)?;
    let mut rows = Vec::new();
    for (line, number) in BufReader::new(File::open(file).with_context(name)?).lines().zip(1..) {
        let line = line.with_context(name)?;
        if line.trim().is_empty() {
            continue;
        }
        match strict::from_slice(line.as_bytes()) {
            Ok(row) => rows.push(row),
            Err(error) => bail!("{}, line {number}: {error}", name()),
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A statement of November in Berlin, as the hub answers it.
    fn statement() -> Value {
        let digest = "sha256:DIGEST";
        let line = |line: u32, kind: &str, quantity: i64, price: &str, amount: &str| {
            json!({"line": line, "kind": kind, "meter": "events", "from": "2026-10-31T23:00:00Z", "to": "2026-11-30T23:00:00Z",
                "cut": 4, "position": 99, "price_plan": digest, "quantity": quantity, "per": 1000, "price": price, "amount": amount})
        };
        let plan = json!({"currency": "EUR", "prices": [
            {"meter": "events", "per": 1000, "included": 1000, "tiers": [{"price": "0.4"}]}]});
        let statement = json!({"id": "st", "subscription": "sub", "partner": "dealer", "provider": "brand",
            "from": "2026-10-31T23:00:00Z", "to": "2026-11-30T23:00:00Z", "time_zone": "Europe/Berlin", "state": "frozen",
            "cut": 4, "position": 99, "plan": plan, "price": digest, "total": "4.94", "freezes_at": "2026-12-03T23:00:00Z",
            "lines": [line(1, "included", 1000, "0", "0.00"), line(2, "usage", 12_345, "0.4", "4.94")]});
        let read: openhub_model::price::PricePlan = serde_json::from_value(statement["plan"].clone()).expect("a plan");
        serde_json::from_str(&statement.to_string().replace(digest, &read.digest())).expect("JSON")
    }

    const USAGE: &str = r#"{"quarter":"2026-10-31T22:45:00Z","meter":"events","cut":3,"quantity":7}
{"quarter":"2026-10-31T23:00:00Z","meter":"events","cut":4,"quantity":13000}
{"quarter":"2026-11-30T22:45:00Z","meter":"events","cut":4,"quantity":345}
{"quarter":"2026-11-30T22:45:00Z","meter":"events","cut":5,"quantity":1}
"#;

    fn checked(statement: &Value, usage: &str) -> Result<(Vec<String>, bool)> {
        let folder = tempfile::tempdir()?;
        let (file, rows) = (folder.path().join("statement.json"), folder.path().join("usage.jsonl"));
        std::fs::write(&file, statement.to_string())?;
        std::fs::write(&rows, usage)?;
        check(&file, &rows)
    }

    #[test]
    fn a_statement_is_right_to_the_cent_or_its_line_is_told() {
        let right = checked(&statement(), USAGE).expect("it is read");
        assert_eq!(right, (vec!["st: 4.94 EUR is right: 2 lines follow from 4 rows of usage".to_owned()], true));
        let mut forged = statement();
        forged["lines"][1]["amount"] = json!("4.95");
        let (told, is_right) = checked(&forged, USAGE).expect("it is read");
        assert_eq!(
            (told, is_right),
            (vec!["line 2: `amount` is 4.95, and the usage comes to 4.94.".to_owned()], false)
        );
        let other = USAGE.replace("345", "346");
        let (told, _) = checked(&statement(), &other).expect("it is read");
        assert_eq!(told, ["line 2: `quantity` is 12345, and the usage comes to 12346."]);
    }

    #[test]
    fn a_draft_is_told_to_be_one() {
        let mut draft = statement();
        draft["state"] = json!("draft");
        let (told, is_right) = checked(&draft, USAGE).expect("it is read");
        assert!(is_right);
        assert_eq!(told[1], "It is a draft: its figures can still move until 2026-12-03T23:00:00Z");
    }

    #[test]
    fn dealer16_an_answer_that_refuses_is_told_as_it_is() {
        let answer = json!({"type": "https://openhub.dev/problems/not-found", "title": "There is none", "status": 404,
            "detail": "There is no statement `st`."});
        let told = checked(&answer, USAGE).expect_err("it is no statement");
        assert!(format!("{told:#}").contains("refuses, 404: There is none. There is no statement `st`."), "{told:#}");
        let told = checked(&statement(), &answer.to_string()).expect_err("it is no usage");
        assert!(format!("{told:#}").contains("usage.jsonl is an answer of the hub that refuses"), "{told:#}");
    }

    #[test]
    fn a_file_that_is_none_is_told_with_its_place() {
        let mut wrong = statement();
        wrong["totl"] = json!("1");
        let told = checked(&wrong, USAGE).expect_err("it has a field too many");
        assert!(format!("{told:#}").contains("statement.json is not a statement"), "{told:#}");
        let told = checked(&statement(), "{}\n").expect_err("it is no row");
        assert!(format!("{told:#}").contains("usage.jsonl, line 1"), "{told:#}");
    }
}
