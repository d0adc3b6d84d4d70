//! What a channel's verdict means for its message: done, failed, parked, or tried again, and when.
//!
//! Functions of the verdict and the time alone. What is to be sent, and when its settlement is committed, is
//! `delivery`'s.

use openhub_model::manifest::UnknownOutcome;
use openhub_model::message::MessageStatus;
use openhub_model::{Span, Timestamp};
use openhub_runtime::{Reason, Sent, Verdict};
use openhub_store::{Outgoing, Settled};

use crate::catalog::Channel;

/// Attempts before a message fails for good.
const ATTEMPTS: i64 = 20;
/// Microseconds.
const FIRST_RETRY: i64 = 1_000_000;
const LONGEST_RETRY: i64 = 21_600_000_000;
/// What a channel may ask to wait at most. Microseconds.
const LONGEST_AFTER: i64 = 86_400_000_000;
/// How long messages wait whose channel is not there or needs an admin.
pub const HOLD: Span = Span::from_micros(60_000_000);

/// The code of a message under which a hub died. Until it is tried again it stays, whatever the message waits for.
const HUB_STOPPED: &str = "hub-stopped";
pub const STOPPED_ONCE: &str = "hub-stopped: the hub stopped while it sent this message, so it may have arrived";

pub fn hub_stopped(outgoing: &Outgoing) -> bool {
    let code = |fault: &str| fault.split(": ").next() == Some(HUB_STOPPED);
    outgoing.fault.as_deref().is_some_and(code)
}

/// Of a message that was claimed by who cannot say any more whether it went: a hub that died, a lease that was lost. `channel` is
/// none if it is not enabled: then nobody says that it may be sent again. The second time in a row nobody sends it again: it may be
/// what the hub dies of.
pub fn left(channel: Option<&Channel>, outgoing: &Outgoing, now: Timestamp) -> Settled {
    given_up(channel.map_or(UnknownOutcome::Park, |channel| channel.shape.unknown), outgoing, now)
}

fn given_up(unknown: UnknownOutcome, outgoing: &Outgoing, now: Timestamp) -> Settled {
    let (unknown, told) = match hub_stopped(outgoing) {
        false => (unknown, STOPPED_ONCE),
        true => {
            (UnknownOutcome::Park, "hub-stopped: the hub stopped twice while it sent this message: it may have arrived")
        }
    };
    let mut settled = Settled { is_attempt: true, ..hold(outgoing, now, now, "") };
    settled.attempt += 1;
    let reason = Reason { code: told.to_owned(), message: String::new(), args: Vec::new() };
    settle(&mut settled, Verdict::Unknown(reason), unknown, now);
    within_its_life(settled, outgoing)
}

/// What waits, waits no longer than its message may be sent.
fn within_its_life(mut settled: Settled, outgoing: &Outgoing) -> Settled {
    let ends = outgoing.message.expires_at;
    settled.next_attempt_at = settled.next_attempt_at.map(|at| ends.map_or(at, |ends| at.min(ends)));
    settled
}

/// The gate has refused a message.
pub fn dropped(outgoing: &Outgoing, now: Timestamp, refusal: &str) -> Settled {
    let fault = Some(refusal.to_owned());
    Settled { status: MessageStatus::Dropped, next_attempt_at: None, fault, ..hold(outgoing, now, now, "") }
}

/// Puts a message back into the outbox until `until`.
pub fn hold(outgoing: &Outgoing, until: Timestamp, now: Timestamp, fault: &str) -> Settled {
    Settled {
        id: outgoing.message.id,
        status: MessageStatus::Pending,
        attempt: outgoing.attempt,
        next_attempt_at: Some(until),
        provider_id: None,
        is_reported: false,
        units: 0,
        fault: if hub_stopped(outgoing) { outgoing.fault.clone() } else { Some(fault.to_owned()) },
        digest: None,
        is_attempt: false,
        at: now,
    }
}

/// One settlement a message, and whether any was accepted.
pub fn settlements(channel: &Channel, messages: &[Outgoing], sent: Sent, now: Timestamp) -> (Vec<Settled>, bool) {
    if let Some(fault) = &sent.fault {
        tracing::warn!(channel = channel.shape.name, %fault, "A channel call failed.");
    }
    let digest = &channel.owner.installation.digest;
    // Only a source of the same plugin reports on its messages; an index of the others would be for nothing.
    let is_reported = !channel.owner.installation.manifest.sources.is_empty();
    let mut accepted = false;
    let settled = messages.iter().zip(sent.verdicts).map(|(outgoing, verdict)| {
        // That the provider knows better does not speak against the channel.
        accepted |= matches!(
            verdict,
            Verdict::Accepted { .. } | Verdict::Rejected(_) | Verdict::BadAddress(_) | Verdict::OptedOut(_)
        );
        let digest = Some(digest.clone());
        let mut settled = Settled { digest, is_reported, is_attempt: true, ..hold(outgoing, now, now, "") };
        settled.attempt += 1;
        settle(&mut settled, verdict, channel.shape.unknown, now);
        // A channel that nobody sets right says the same each minute.
        settled.is_attempt = settled.attempt > outgoing.attempt || settled.fault != outgoing.fault;
        within_its_life(settled, outgoing)
    });
    let settled = settled.collect();
    (settled, accepted)
}

fn settle(settled: &mut Settled, verdict: Verdict, unknown: UnknownOutcome, now: Timestamp) {
    let end = |settled: &mut Settled, status, reason: Option<Reason>| {
        settled.status = status;
        settled.next_attempt_at = None;
        settled.fault = reason.map(told);
    };
    match verdict {
        Verdict::Accepted { provider_id, units } => {
            end(settled, MessageStatus::Accepted, None);
            settled.provider_id = Some(provider_id);
            settled.units = i64::from(units);
        }
        Verdict::Rejected(reason) | Verdict::BadAddress(reason) | Verdict::OptedOut(reason) => {
            end(settled, MessageStatus::Failed, Some(reason));
        }
        Verdict::Unknown(reason) if unknown == UnknownOutcome::Park => {
            end(settled, MessageStatus::Parked, Some(reason));
        }
        Verdict::Misconfigured(reason) => {
            settled.attempt -= 1;
            settled.next_attempt_at = Some(now + HOLD);
            settled.fault = Some(told(reason));
        }
        Verdict::Retry { reason, .. } | Verdict::Unknown(reason) if settled.attempt >= ATTEMPTS => {
            end(settled, MessageStatus::Failed, Some(reason));
        }
        Verdict::Retry { after_ms, reason } => {
            let after = match after_ms {
                0 => backoff(settled),
                _ => spread(settled, (i64::from(after_ms) * 1_000).min(LONGEST_AFTER)),
            };
            settled.next_attempt_at = Some(now + Span::from_micros(after));
            settled.fault = Some(told(reason));
        }
        Verdict::Unknown(reason) => {
            settled.next_attempt_at = Some(now + Span::from_micros(backoff(settled)));
            settled.fault = Some(told(reason));
        }
    }
}

/// Exponential, capped, with a jitter of up to half of it that is drawn from the message and the attempt.
fn backoff(settled: &Settled) -> i64 {
    let doublings = (settled.attempt - 1).clamp(0, 20);
    let full = (FIRST_RETRY << doublings).min(LONGEST_RETRY);
    let draw = openhub_model::Seed::of(&[settled.id.as_bytes()], settled.attempt as u32, 0).0;
    full - (draw % (full as u64 / 2 + 1)) as i64
}

/// A little later, by up to a twentieth: those who were told the same do not all come back at once.
fn spread(settled: &Settled, after: i64) -> i64 {
    let draw = openhub_model::Seed::of(&[settled.id.as_bytes()], settled.attempt as u32, 1).0;
    after + (draw % (after as u64 / 20 + 1)) as i64
}

fn told(reason: Reason) -> String {
    if reason.message.is_empty() { reason.code } else { format!("{}: {}", reason.code, reason.message) }
}

/// Counts settlements by what became of their messages.
pub fn count(settled: &[Settled]) {
    for settled in settled {
        let status = match settled.status {
            MessageStatus::Pending | MessageStatus::Sending | MessageStatus::Held => "retried",
            MessageStatus::Accepted => "accepted",
            MessageStatus::Failed => "failed",
            MessageStatus::Parked => "parked",
            MessageStatus::Dropped => "dropped",
        };
        metrics::counter!("openhub_messages_total", "status" => status).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openhub_model::Id;

    fn settled(attempt: i64) -> Settled {
        let id = Id::named(&[b"message"]);
        let now = Timestamp::from_micros(0);
        Settled {
            id,
            status: MessageStatus::Pending,
            attempt,
            next_attempt_at: Some(now),
            provider_id: None,
            is_reported: false,
            units: 0,
            fault: None,
            digest: None,
            is_attempt: false,
            at: now,
        }
    }

    fn reason() -> Reason {
        Reason { code: "code".into(), message: String::new(), args: vec![] }
    }

    #[test]
    fn the_verdict_decides() {
        let now = Timestamp::from_micros(0);
        let after = |verdict, unknown, attempt| {
            let mut settled = settled(attempt);
            settle(&mut settled, verdict, unknown, now);
            (settled.status, settled.next_attempt_at.is_some())
        };
        let retry = UnknownOutcome::Retry;
        let accepted = Verdict::Accepted { provider_id: "p".into(), units: 1 };
        assert_eq!(after(accepted, retry, 1), (MessageStatus::Accepted, false));
        assert_eq!(after(Verdict::Rejected(reason()), retry, 1), (MessageStatus::Failed, false));
        let again = || Verdict::Retry { after_ms: 0, reason: reason() };
        assert_eq!(after(again(), retry, 1), (MessageStatus::Pending, true));
        assert_eq!(after(again(), retry, ATTEMPTS), (MessageStatus::Failed, false));
        assert_eq!(after(Verdict::Unknown(reason()), retry, 1), (MessageStatus::Pending, true));
        assert_eq!(after(Verdict::Unknown(reason()), UnknownOutcome::Park, 1), (MessageStatus::Parked, false));
        assert_eq!(after(Verdict::Misconfigured(reason()), retry, 1), (MessageStatus::Pending, true));
    }

    #[test]
    fn report_20_no_channel_puts_a_message_off_for_long() {
        let now = Timestamp::from_micros(0);
        for (after_ms, least) in [(u32::MAX, LONGEST_AFTER), (7_000, 7_000_000)] {
            let mut settled = settled(1);
            settle(&mut settled, Verdict::Retry { after_ms, reason: reason() }, UnknownOutcome::Retry, now);
            let at = settled.next_attempt_at.expect("it is tried again").micros();
            assert!((least..=least + least / 20).contains(&at), "{at}");
        }
        let next = |expires_at| {
            let waits = Settled { next_attempt_at: Some(Timestamp::from_micros(50)), ..settled(1) };
            let mut outgoing = outgoing(None);
            outgoing.message.expires_at = Some(Timestamp::from_micros(expires_at));
            within_its_life(waits, &outgoing).next_attempt_at.map(Timestamp::micros)
        };
        assert_eq!((next(20), next(90)), (Some(20), Some(50)), "nor beyond its life");
    }

    fn outgoing(fault: Option<&str>) -> Outgoing {
        let (id, text, at) = (Id::named(&[b"message"]), String::new, Timestamp::from_micros(0));
        let message = openhub_model::message::NewMessage {
            id,
            part: id,
            channel: text(),
            address: text(),
            purpose: text(),
            content: text(),
            journey: text(),
            run: id,
            node: text(),
            created_at: at,
            expires_at: None,
        };
        Outgoing { message, attempt: 1, fault: fault.map(str::to_owned) }
    }

    #[test]
    fn a_message_whose_hub_died_twice_is_parked_whatever_its_channel_says() {
        let now = Timestamp::from_micros(0);
        let died = |fault: Option<&str>| given_up(UnknownOutcome::Retry, &outgoing(fault), now);
        let once = died(Some("timeout: no answer"));
        assert_eq!((once.status, once.attempt), (MessageStatus::Pending, 2));
        let waits = hold(&outgoing(once.fault.as_deref()), now, now, "its channel is not enabled");
        assert_eq!(waits.fault, once.fault, "what it waits for in between changes nothing");
        let twice = died(waits.fault.as_deref());
        assert_eq!((twice.status, twice.next_attempt_at), (MessageStatus::Parked, None));
        assert!(twice.fault.is_some_and(|fault| fault.starts_with("hub-stopped: the hub stopped twice")));
        let refused = dropped(&outgoing(once.fault.as_deref()), now, "expired");
        assert_eq!(refused.fault.as_deref(), Some("expired"));
    }

    #[test]
    fn retries_back_off_within_bounds() {
        for attempt in 1..40 {
            let full = (FIRST_RETRY << (attempt - 1).min(20)).min(LONGEST_RETRY);
            let backoff = backoff(&settled(attempt));
            assert!(backoff <= full && backoff >= full / 2 - 1, "{attempt}: {backoff}");
        }
    }
}
