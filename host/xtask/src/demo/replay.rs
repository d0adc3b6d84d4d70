//! Sends the purchases, one request at a time, moves the clock to the end, and waits until nothing is left to do.

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::PATIENCE;
use super::api::Api;
use super::cost::{Costs, Usage};
use super::figures::{self, Figures, Members};
use super::purchases::Purchase;
use super::setup::Tenant;
use crate::process::Server;

const END: &str = "1998-06-30T12:00:00Z";
/// A request holds this many events, or what the hub's limit of 500 KB lets in.
const EVENTS: usize = 2000;
const BYTES: usize = 480_000;
/// Requests after which the bar looks at the segments again.
const LOOK: usize = 3;
const POLL: Duration = Duration::from_millis(100);

pub async fn replay(
    hub: &Server,
    receiver: &Server,
    tenant: &Tenant,
    purchases: &[Purchase],
    drop: Option<usize>,
) -> Result<(Figures, Costs)> {
    let sender = Api::new(&hub.url, &tenant.api_key)?;
    let reader = Api::new(&hub.url, &tenant.api_key)?;
    let usage = Usage::of(hub.pid())?;
    let start = Instant::now();
    send(&sender, &reader, purchases, drop).await?;
    reader.call(Method::POST, "/api/v1/clock", Some(&json!({"to": END}))).await?;
    wait(&reader, "behind", "the engine is behind by").await?;
    let computed = start.elapsed();
    wait(&reader, "unsent", "messages to send:").await?;
    let sent = start.elapsed();
    let spent = Usage::of(hub.pid())?;
    let figures = figures::collect(&reader, &Api::new(&receiver.url, "")?).await?;
    let costs = Costs::new(&figures, computed, sent, &usage, &spent);
    Ok((figures, costs))
}

async fn send(api: &Api, reader: &Api, purchases: &[Purchase], drop: Option<usize>) -> Result<()> {
    let style = ProgressStyle::with_template("replaying {bar:40} {pos}/{len} orders  {per_sec}  {msg}")?;
    let bar = ProgressBar::new(purchases.len() as u64).with_style(style);
    for (request, number) in requests(purchases).into_iter().zip(1..) {
        if drop != Some(number) {
            let answer = api.ingest("/v1/batch", format!("{{\"batch\":[{}]}}", request.events.join(","))).await?;
            ensure!(answer["refused"].is_null(), "events were refused: {}", answer["refused"]);
        }
        bar.inc(request.events.len() as u64);
        if number % LOOK == 0 && !bar.is_hidden() {
            let Members { two_orders, quiet, spent } = figures::members(reader).await?;
            bar.set_message(format!("two in 30 days: {two_orders}, none for 180: {quiet}, 200 spent: {spent}"));
        }
    }
    bar.finish_and_clear();
    Ok(())
}

#[derive(Default)]
struct Request {
    events: Vec<String>,
    bytes: usize,
}

fn requests(purchases: &[Purchase]) -> Vec<Request> {
    let mut requests = vec![Request::default()];
    for purchase in purchases {
        let event = purchase.event();
        if let Some(last) = requests.last_mut()
            && last.events.len() < EVENTS
            && last.bytes + event.len() < BYTES
        {
            last.bytes += event.len() + 1;
            last.events.push(event);
        } else {
            requests.push(Request { bytes: event.len() + 1, events: vec![event] });
        }
    }
    requests
}

/// Until the status's count is 0; gives up when nothing has moved for a while.
async fn wait(api: &Api, count: &str, says: &str) -> Result<()> {
    let spinner = ProgressBar::new_spinner();
    let (mut last, mut moved) = (Value::Null, Instant::now());
    loop {
        let status = api.get("/api/v1/status").await?;
        let left = status[count].as_u64().with_context(|| format!("the status has no `{count}`: {status}"))?;
        if left == 0 {
            spinner.finish_and_clear();
            return Ok(());
        }
        if status != last {
            (last, moved) = (status, Instant::now());
        } else if moved.elapsed() > PATIENCE {
            bail!("nothing has changed for {} s: {last}", PATIENCE.as_secs());
        }
        spinner.set_message(format!("{says} {left}"));
        spinner.tick();
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_keep_the_order_and_the_limits() {
        let purchase = |row| Purchase {
            row,
            customer_id: "1".into(),
            date: "1997-01-01".into(),
            quantity: 1,
            amount_usd: "1.00".into(),
        };
        let purchases: Vec<_> = (1..=2 * EVENTS as u64 + 1).map(purchase).collect();
        let sizes: Vec<_> = requests(&purchases).iter().map(|request| request.events.len()).collect();
        assert_eq!(sizes, [EVENTS, EVENTS, 1]);
        assert!(requests(&purchases).iter().all(|request| request.bytes <= BYTES + 1));
    }
}
