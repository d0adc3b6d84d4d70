//! An unmodified library, pointed at a hub: openhub-test-libraries LIBRARY URL WRITE_KEY

mod rudder;
mod segment;

use serde_json::{Value, json};

/// What every library says, and when.
pub struct Story {
    pub library: String,
    pub url: String,
    pub key: String,
    pub user: String,
    pub visitor: String,
}

pub const AT: &str = "2026-01-31T12:00:00Z";

impl Story {
    pub fn traits(&self) -> Value {
        json!({"plan": "pro", "seats": 3, "city": "Zürich"})
    }

    pub fn order(&self) -> Value {
        json!({"total": 29.33, "products": [{"sku": "A-1"}, {"sku": "中文"}]})
    }

    pub fn page(&self) -> Value {
        json!({"url": "https://example.com/pricing"})
    }

    pub fn group(&self) -> Value {
        json!({"industry": "music"})
    }
}

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let mut given = std::env::args().skip(1);
    let mut next = || given.next().expect("LIBRARY URL WRITE_KEY");
    let (library, url, key) = (next(), next(), next());
    let (user, visitor) = (format!("{library}-1"), format!("{library}-visitor"));
    let story = Story { library, url, key, user, visitor };
    match story.library.as_str() {
        "segment-crate" => segment::one_by_one(&story),
        "segment-crate-batch" => segment::batched(&story),
        "rudder-crate" => rudder::one_by_one(&story),
        "rudder-crate-batch" => rudder::batched(&story),
        other => Err(format!("there is no library \"{other}\"").into()),
    }
}
