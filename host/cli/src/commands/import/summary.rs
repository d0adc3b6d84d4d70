//! What an import tells at its end: why rows were refused, and what of the others the hub did not take.

use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// So many reasons are shown, the most frequent first.
const SHOWN: usize = 8;

/// Between a code and a column.
const OF: char = ' ';

/// How often each reason came, with the first time in words. It stays in the progress file, so that an import that was interrupted
/// tells the reasons of all its rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reasons(BTreeMap<String, (u64, String)>);

impl Reasons {
    pub fn add(&mut self, code: &str, first: impl FnOnce() -> String) {
        match self.0.get_mut(code) {
            Some((count, _)) => *count += 1,
            None => drop(self.0.insert(code.to_owned(), (1, first()))),
        }
    }

    /// Each column by itself: which of them people look at next.
    pub fn add_of(&mut self, code: &str, column: &str, first: impl FnOnce() -> String) {
        self.add(&format!("{code}{OF}{column}"), first);
    }

    pub fn count(&self) -> u64 {
        self.0.values().map(|(count, _)| count).sum()
    }

    pub fn lines(&self) -> Vec<String> {
        let mut reasons: Vec<_> = self.0.iter().collect();
        reasons.sort_by_key(|(_, (count, _))| Reverse(*count));
        let shown = reasons.iter().take(SHOWN);
        let line = |(reason, (count, first)): &(&String, &(u64, String))| {
            let code = reason.split(OF).next().unwrap_or_default();
            format!("{count} × {code}, the first in {first}")
        };
        let mut lines: Vec<String> = shown.map(line).collect();
        if let Some(more @ [_, ..]) = reasons.get(SHOWN..) {
            let rows: u64 = more.iter().map(|(_, (count, _))| count).sum();
            lines.push(format!("{rows} more, of {} other reasons", more.len()));
        }
        lines
    }
}

/// `1 row`, `2 rows`.
pub fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// `1 row was`, `2 rows were`.
pub fn rows_were(count: u64) -> String {
    format!("{} {}", rows(count), if count == 1 { "was" } else { "were" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings14_f15_what_came_before_an_interruption_counts() {
        let mut reasons = Reasons::default();
        reasons.add("wrong-type", || "line 2".to_owned());
        let mut reasons: Reasons = serde_json::from_str(&serde_json::to_string(&reasons).unwrap()).unwrap();
        reasons.add("wrong-type", || unreachable!("it is not the first"));
        reasons.add("too-large", || "line 9".to_owned());
        assert_eq!(reasons.lines(), ["2 × wrong-type, the first in line 2", "1 × too-large, the first in line 9"]);
        for code in ["a", "b", "c", "d", "e", "f", "g"] {
            reasons.add(code, || "line 1".to_owned());
        }
        assert_eq!((reasons.count(), reasons.lines().len()), (10, SHOWN + 1));
        assert_eq!(reasons.lines()[SHOWN], "1 more, of 1 other reasons");
        let mut parts = Reasons::default();
        for (column, line) in [("age", 2), ("city", 2), ("age", 3)] {
            parts.add_of("wrong-type", column, || format!("line {line}, column `{column}`"));
        }
        let told =
            ["2 × wrong-type, the first in line 2, column `age`", "1 × wrong-type, the first in line 2, column `city`"];
        assert_eq!(parts.lines(), told, "newcomer14 2");
        assert_eq!((rows_were(1).as_str(), rows_were(2).as_str()), ("1 row was", "2 rows were"));
    }
}
