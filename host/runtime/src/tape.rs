//! The tape of a call of the I/O lane: what the plugin asked of the host, and what it was answered. It is kept with a recording; when the
//! call is made again, the host answers from it, and nothing goes out.

use std::collections::VecDeque;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blanks::letters;
use crate::fault::{FaultKind, Raised};
use crate::host::{Host, Spent};
use crate::recording::RecordedFault;

/// Bytes of what was asked and answered; of a call that has more, nothing is kept.
const ROOM: usize = 256 << 10;

/// One question to the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    /// The interface's function: `http.fetch`.
    pub call: String,
    pub asked: Value,
    /// What was answered; none if the host broke the call off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke_off: Option<RecordedFault>,
    /// What it took the host.
    pub spent: Spent,
    /// Of a channel: messages that may have gone out by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Doubt>,
}

/// Which messages of a channel's call may have gone out without anyone knowing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doubt {
    pub concerned: Vec<bool>,
    pub in_doubt: usize,
}

/// What is done with what a plugin asks of the host.
#[derive(Debug, Default)]
pub enum Tape {
    #[default]
    Off,
    On {
        asked: Vec<Asked>,
        left: usize,
    },
    /// The call was too long to be kept.
    Full,
    Played {
        left: VecDeque<Asked>,
        /// The first question that was another one than on the tape.
        strays: Option<String>,
    },
}

/// The answer of the tape, or a place for the host's.
pub(crate) enum Question<T> {
    Answered(T),
    Open(Option<(Value, Spent)>),
}

impl Tape {
    pub fn new() -> Tape {
        Tape::On { asked: Vec::new(), left: ROOM }
    }

    pub fn of(asked: Vec<Asked>) -> Tape {
        Tape::Played { left: asked.into(), strays: None }
    }

    fn keep(&mut self, kept: Asked) {
        let Tape::On { asked, left } = self else { return };
        let size = |value: &Value| value.to_string().len();
        let bytes = size(&kept.asked) + kept.answered.as_ref().map_or(0, size);
        match left.checked_sub(bytes) {
            Some(rest) => {
                *left = rest;
                asked.push(kept);
            }
            None => *self = Tape::Full,
        }
    }
}

/// Whether a question is the one on the tape, whose texts may be blanked: settings are not, so a plugin may name who it named then.
fn alike(asked: &Value, kept: &Value) -> bool {
    match (asked, kept) {
        (Value::String(asked), Value::String(kept)) => letters(asked) == letters(kept),
        (Value::Array(asked), Value::Array(kept)) => {
            asked.len() == kept.len() && asked.iter().zip(kept).all(|(asked, kept)| alike(asked, kept))
        }
        (Value::Object(asked), Value::Object(kept)) => {
            asked.len() == kept.len()
                && asked.iter().all(|(name, asked)| kept.get(name).is_some_and(|kept| alike(asked, kept)))
        }
        _ => asked == kept,
    }
}

impl Host {
    /// A question to the host, which the tape may answer.
    pub(crate) fn question<T: DeserializeOwned>(
        &mut self,
        call: &str,
        asked: impl Serialize,
    ) -> wasmtime::Result<Question<T>> {
        let Some(io) = &mut self.io else { return Ok(Question::Open(None)) };
        match &mut io.tape {
            Tape::Off | Tape::Full => Ok(Question::Open(None)),
            Tape::On { .. } => {
                let asked = serde_json::to_value(asked).unwrap_or_default();
                Ok(Question::Open(Some((asked, self.meter.spent()))))
            }
            Tape::Played { left, strays } => {
                let strayed = |instead: &str| {
                    let message = format!("the plugin asks `{call}`, and the recording has {instead} here");
                    Raised::error(FaultKind::Refused, message)
                };
                let Some(found) = left.pop_front() else { return Err(strayed("nothing more")) };
                if found.call != call {
                    return Err(strayed(&format!("`{}`", found.call)));
                }
                let asked = serde_json::to_value(asked).unwrap_or_default();
                if strays.is_none() && !alike(&asked, &found.asked) {
                    *strays = Some(call.to_owned());
                }
                if let Some(doubt) = found.doubt {
                    io.settlement.doubt(doubt);
                }
                self.meter.spend(found.spent);
                if let Some(fault) = found.broke_off {
                    return Err(Raised::error(FaultKind::named(&fault.kind), fault.message));
                }
                let answered = serde_json::from_value(found.answered.unwrap_or_default());
                answered
                    .map(Question::Answered)
                    .map_err(|error| strayed(&format!("what it cannot be answered: {error}")))
            }
        }
    }

    /// Keeps what the host answered.
    pub(crate) fn answered<T: Serialize>(
        &mut self,
        call: &str,
        question: Option<(Value, Spent)>,
        answer: &wasmtime::Result<T>,
    ) {
        let (Some((asked, before)), Some(io)) = (question, &mut self.io) else { return };
        let spent = self.meter.spent().since(before);
        let doubt = (call.starts_with("http.")).then(|| io.settlement.in_doubt());
        let (answered, broke_off) = match answer {
            Ok(answer) => (serde_json::to_value(answer).ok(), None),
            Err(error) => {
                let raised = error.downcast_ref::<Raised>();
                let kind = raised.map_or(FaultKind::Host, |raised| raised.kind).as_str().to_owned();
                (None, Some(RecordedFault { kind, message: error.to_string() }))
            }
        };
        io.tape.keep(Asked { call: call.to_owned(), asked, answered, broke_off, spent, doubt });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_question_with_other_words_of_the_same_form_is_the_one_on_the_tape() {
        let kept = json!([{"kind": "user_id", "value": "xxx", "at": 7}, ["xxxx@xxxxx.xx"]]);
        assert!(alike(&json!([{"kind": "user_id", "value": "ada", "at": 7}, ["mary@mails.cn"]]), &kept));
        for other in [
            json!([{"kind": "user_id", "value": "adam", "at": 7}, ["mary@mails.cn"]]),
            json!([{"kind": "user_id", "value": "ada", "at": 8}, ["mary@mails.cn"]]),
            json!([{"kind": "user_id", "value": "ada"}, ["mary@mails.cn"]]),
            json!([{"kind": "user_id", "value": "ada", "at": 7}]),
        ] {
            assert!(!alike(&other, &kept), "{other}");
        }
    }
}
