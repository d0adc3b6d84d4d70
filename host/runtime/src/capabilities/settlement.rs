//! `openhub:channel/settlement`: a message's fate, told as soon as it is known. Channels only.

use openhub_model::manifest::Manifest;
use serde::Serialize;
use wasmtime::component::{HasSelf, Linker};

use crate::answer::Reason;
use crate::bindings::channel::openhub::channel::settlement;
use crate::bindings::channel::openhub::channel::types;
use crate::bindings::types::types::{Failure, Reason as PluginReason};
use crate::error::Refusal;
use crate::fault::{CallFault, FaultKind, Raised};
use crate::host::Host;
use crate::send::Verdict;
use crate::tape::Doubt;

pub fn link(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    settlement::add_to_linker::<Host, HasSelf<Host>>(linker, |host| host)
}

/// Only a channel has messages to settle.
pub fn check(manifest: &Manifest) -> Result<(), Refusal> {
    if manifest.channels.is_empty() {
        let message = "the component uses openhub:channel/settlement, which is for channels, but the manifest declares no channel";
        return Err(Refusal::new(Refusal::BAD_MANIFEST, message));
    }
    Ok(())
}

/// The fates of a call's messages so far.
#[derive(Clone, Serialize)]
pub struct Settlement {
    verdicts: Vec<Option<Verdict>>,
    /// Messages that a request concerned which began.
    concerned: Vec<bool>,
    /// Requests of the last fetch that did not say what they concern, less the messages settled since: how many messages may
    /// have gone out without anyone knowing.
    in_doubt: usize,
}

impl Settlement {
    pub fn prepare(messages: usize) -> Settlement {
        Settlement { verdicts: vec![None; messages], concerned: vec![false; messages], in_doubt: 0 }
    }

    /// Requests begin, each of which may deliver these messages; none: any.
    pub fn fetch_began(&mut self, requests: &[Vec<u32>]) -> Result<(), String> {
        self.in_doubt = requests.iter().filter(|concerns| concerns.is_empty()).count();
        for message in requests.iter().flatten() {
            let count = self.concerned.len();
            let concerned = self.concerned.get_mut(*message as usize).ok_or_else(|| {
                format!("a request concerns the message {message}, but there are only {count}, counted from 0")
            })?;
            *concerned = true;
        }
        Ok(())
    }

    /// Which messages may have gone out by now.
    pub fn in_doubt(&self) -> Doubt {
        Doubt { concerned: self.concerned.clone(), in_doubt: self.in_doubt }
    }

    /// Which messages may have gone out when the call was recorded.
    pub fn doubt(&mut self, doubt: Doubt) {
        if doubt.concerned.len() == self.concerned.len() {
            (self.concerned, self.in_doubt) = (doubt.concerned, doubt.in_doubt);
        }
    }

    fn settle(&mut self, message: u32, verdict: Verdict) -> Result<(), String> {
        match self.verdicts.get_mut(message as usize) {
            None => Err(format!(
                "the plugin settled message {message}, but there are only {}, counted from 0",
                self.verdicts.len()
            )),
            Some(Some(_)) => Err(format!("the plugin settled message {message} twice")),
            Some(slot) => {
                *slot = Some(verdict);
                self.in_doubt = self.in_doubt.saturating_sub(1);
                Ok(())
            }
        }
    }

    /// One verdict a message. What was settled stands. What is left counts as unknown if it may have gone out, else as what the
    /// plugin answered for the rest, else as retry.
    ///
    /// A plugin that rejects a call of several messages does not say which of them it means: none is rejected by this.
    pub fn finish(self, answer: Result<Option<Failure>, &CallFault>) -> Vec<Verdict> {
        let rest = match rest(answer) {
            Verdict::Rejected(reason) if self.verdicts.len() > 1 => {
                let message = format!("the plugin rejected the call: {}: {}", reason.code, reason.message);
                Verdict::Retry { after_ms: 0, reason: unsettled(&message) }
            }
            rest => rest,
        };
        let in_doubt = self.in_doubt > 0;
        let verdicts = self.verdicts.into_iter().zip(self.concerned);
        let verdicts = verdicts.map(|(verdict, concerned)| {
            verdict.unwrap_or_else(|| if concerned || in_doubt { doubted(rest.clone()) } else { rest.clone() })
        });
        verdicts.collect()
    }
}

fn rest(answer: Result<Option<Failure>, &CallFault>) -> Verdict {
    match answer {
        Ok(Some(Failure::Retry(retry))) => Verdict::Retry { after_ms: retry.after_ms, reason: retry.reason.into() },
        Ok(Some(Failure::Rejected(reason))) => Verdict::Rejected(reason.into()),
        Ok(Some(Failure::Misconfigured(reason))) => Verdict::Misconfigured(reason.into()),
        Ok(None) => Verdict::Retry { after_ms: 0, reason: unsettled("the plugin ended without settling this message") },
        // No attempt will do better until an admin grants it.
        Err(CallFault { kind: FaultKind::NotGranted, message, .. }) => {
            let code = FaultKind::NotGranted.as_str().to_owned();
            Verdict::Misconfigured(Reason { code, message: message.clone(), args: Vec::new() })
        }
        Err(fault) => Verdict::Retry { after_ms: 0, reason: unsettled(&fault.to_string()) },
    }
}

/// Of a message that may have gone out.
fn doubted(told: Verdict) -> Verdict {
    match told {
        Verdict::Retry { reason, .. } | Verdict::Rejected(reason) | Verdict::Misconfigured(reason) => {
            Verdict::Unknown(reason)
        }
        told => told,
    }
}

fn unsettled(message: &str) -> Reason {
    Reason { code: "unsettled".to_owned(), message: message.to_owned(), args: Vec::new() }
}

impl From<types::Verdict> for Verdict {
    fn from(verdict: types::Verdict) -> Verdict {
        match verdict {
            types::Verdict::Accepted(receipt) => {
                Verdict::Accepted { provider_id: receipt.provider_id, units: receipt.units }
            }
            types::Verdict::Retry(retry) => Verdict::Retry { after_ms: retry.after_ms, reason: retry.reason.into() },
            types::Verdict::Rejected(reason) => Verdict::Rejected(reason.into()),
            types::Verdict::BadAddress(reason) => Verdict::BadAddress(reason.into()),
            types::Verdict::OptedOut(reason) => Verdict::OptedOut(reason.into()),
            types::Verdict::Unknown(reason) => Verdict::Unknown(reason.into()),
            types::Verdict::Misconfigured(reason) => Verdict::Misconfigured(reason.into()),
        }
    }
}

fn size(verdict: &types::Verdict) -> usize {
    let reason = |reason: &PluginReason| {
        let args = reason.args.iter().map(|(name, value)| name.len() + value.len());
        reason.code.len() + reason.message.len() + args.sum::<usize>()
    };
    match verdict {
        types::Verdict::Accepted(receipt) => receipt.provider_id.len(),
        types::Verdict::Retry(retry) => reason(&retry.reason),
        types::Verdict::Rejected(told)
        | types::Verdict::BadAddress(told)
        | types::Verdict::OptedOut(told)
        | types::Verdict::Unknown(told)
        | types::Verdict::Misconfigured(told) => reason(told),
    }
}

impl settlement::Host for Host {
    fn settle(&mut self, message: u32, verdict: types::Verdict) -> wasmtime::Result<()> {
        self.meter.host_call(size(&verdict))?;
        let settled = self.io()?.settlement.settle(message, verdict.into());
        settled.map_err(|message| Raised::error(FaultKind::Malformed, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted() -> Verdict {
        Verdict::Accepted { provider_id: "p".to_owned(), units: 1 }
    }

    fn trap() -> CallFault {
        CallFault::new(FaultKind::Trap, "unreachable")
    }

    #[test]
    fn what_was_settled_stands_and_the_rest_is_tried_again() {
        let mut settlement = Settlement::prepare(3);
        settlement.fetch_began(&[vec![]]).unwrap();
        settlement.settle(1, accepted()).unwrap();
        let verdicts = settlement.finish(Err(&trap()));
        assert_eq!(verdicts[1], accepted());
        assert!(matches!(verdicts[0], Verdict::Retry { .. }) && matches!(verdicts[2], Verdict::Retry { .. }));
    }

    #[test]
    fn after_a_fetch_the_rest_is_unknown() {
        let mut settlement = Settlement::prepare(3);
        settlement.fetch_began(&[vec![], vec![], vec![]]).unwrap();
        settlement.settle(0, accepted()).unwrap();
        let verdicts = settlement.finish(Err(&trap()));
        assert_eq!(verdicts[0], accepted());
        assert!(matches!(verdicts[1], Verdict::Unknown(_)) && matches!(verdicts[2], Verdict::Unknown(_)));
    }

    #[test]
    fn only_what_a_request_concerned_is_unknown() {
        let mut settlement = Settlement::prepare(4);
        settlement.fetch_began(&[vec![0], vec![1, 2]]).unwrap();
        settlement.settle(0, accepted()).unwrap();
        settlement.fetch_began(&[vec![2]]).unwrap();
        let verdicts = settlement.finish(Err(&trap()));
        assert_eq!(verdicts[0], accepted());
        assert!(matches!(verdicts[1], Verdict::Unknown(_)) && matches!(verdicts[2], Verdict::Unknown(_)));
        assert!(matches!(verdicts[3], Verdict::Retry { .. }), "nothing that concerns it went out");
        assert!(Settlement::prepare(1).fetch_began(&[vec![1]]).is_err(), "there is no such message");
    }

    #[test]
    fn a_message_is_settled_once_and_only_if_it_exists() {
        let mut settlement = Settlement::prepare(1);
        settlement.settle(0, accepted()).unwrap();
        assert!(settlement.settle(0, Verdict::BadAddress(unsettled(""))).is_err());
        assert!(settlement.settle(1, accepted()).is_err());
        assert_eq!(settlement.finish(Ok(None)), [accepted()]);
    }

    #[test]
    fn a_failure_speaks_for_what_is_left() {
        let reason = PluginReason { code: "no-key".to_owned(), message: String::new(), args: Vec::new() };
        let verdicts = Settlement::prepare(1).finish(Ok(Some(Failure::Misconfigured(reason))));
        assert!(matches!(&verdicts[0], Verdict::Misconfigured(reason) if reason.code == "no-key"));
    }

    #[test]
    fn f7_a_call_that_is_rejected_rejects_no_message_of_several() {
        let rejected = || {
            let reason = PluginReason { code: "bad-text".to_owned(), message: "no".to_owned(), args: Vec::new() };
            Ok(Some(Failure::Rejected(reason)))
        };
        let mut settlement = Settlement::prepare(3);
        settlement.settle(0, accepted()).unwrap();
        settlement.fetch_began(&[vec![1]]).unwrap();
        let verdicts = settlement.finish(rejected());
        assert_eq!(verdicts[0], accepted());
        assert!(matches!(&verdicts[1], Verdict::Unknown(reason) if reason.message.contains("bad-text: no")));
        assert!(matches!(&verdicts[2], Verdict::Retry { reason, .. } if reason.code == "unsettled"));
        let alone = Settlement::prepare(1).finish(rejected());
        assert!(matches!(&alone[0], Verdict::Rejected(reason) if reason.code == "bad-text"));
    }

    #[test]
    fn b7_what_was_not_granted_waits_for_an_admin() {
        let mut settlement = Settlement::prepare(2);
        settlement.fetch_began(&[vec![1]]).unwrap();
        let fault = CallFault::new(FaultKind::NotGranted, "`openhub:kv/kv@1.0.0` was not granted");
        let verdicts = settlement.finish(Err(&fault));
        assert!(matches!(&verdicts[0], Verdict::Misconfigured(reason) if reason.code == "not-granted"), "{verdicts:?}");
        assert!(matches!(&verdicts[1], Verdict::Unknown(_)), "it may have gone out: {verdicts:?}");
    }

    #[test]
    fn a_plugin_without_a_channel_may_not_settle() {
        assert!(check(&Manifest::default()).is_err());
    }
}
