//! The file: every purchase with its row number, in the order in which it is replayed.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::path::Path;

#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Purchase {
    /// 1 is the first row below the header.
    #[serde(skip)]
    pub row: u64,
    pub customer_id: String,
    /// `1997-01-31`: texts of this form sort as dates do.
    pub date: String,
    pub quantity: u64,
    /// As the file writes it: it travels without a detour through a float.
    pub amount_usd: String,
}

/// The purchases of every Nth customer (in the file's order of customers), by date and row.
pub fn read(path: &Path, every: u64) -> Result<Vec<Purchase>> {
    let mut reader = csv::Reader::from_path(path).with_context(|| path.display().to_string())?;
    select(reader.deserialize().collect::<Result<_, _>>()?, every)
}

fn select(rows: Vec<Purchase>, every: u64) -> Result<Vec<Purchase>> {
    let mut chosen = Vec::new();
    let (mut customer, mut ordinal) = (String::new(), 0u64);
    for (mut purchase, row) in rows.into_iter().zip(1..) {
        if purchase.customer_id != customer {
            customer.clone_from(&purchase.customer_id);
            ordinal += 1;
        }
        if ordinal % every == 0 {
            purchase.row = row;
            chosen.push(purchase);
        }
    }
    chosen.sort_by(|one, other| (&one.date, one.row).cmp(&(&other.date, other.row)));
    Ok(chosen)
}

impl Purchase {
    /// The event as the Segment API takes it.
    pub fn event(&self) -> String {
        format!(
            r#"{{"type":"track","event":"Order Completed","messageId":"cdnow-{}","userId":"{}","timestamp":"{}T12:00:00Z","properties":{{"quantity":{},"total":{}}}}}"#,
            self.row, self.customer_id, self.date, self.quantity, self.amount_usd
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purchase(customer_id: &str, date: &str) -> Purchase {
        Purchase { row: 0, customer_id: customer_id.into(), date: date.into(), quantity: 1, amount_usd: "9.10".into() }
    }

    #[test]
    fn every_second_customer_by_date_and_row() {
        let rows = vec![
            purchase("1", "1997-01-01"),
            purchase("2", "1997-03-01"),
            purchase("2", "1997-01-02"),
            purchase("3", "1997-01-01"),
            purchase("4", "1997-01-02"),
        ];
        let order: Vec<u64> = select(rows, 2).unwrap().iter().map(|purchase| purchase.row).collect();
        assert_eq!(order, [3, 5, 2]);
    }

    #[test]
    fn an_event_carries_the_amount_as_it_is_written() {
        let event = purchase("00007", "1997-01-02").event();
        assert!(event.contains(r#""userId":"00007""#) && event.contains(r#""total":9.10}"#), "{event}");
    }
}
