//! A recorded call of the I/O lane is made again: the plugin is answered from the tape, and nothing goes out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openhub_model::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::CallContext;
use crate::blanks::unpack;
use crate::captured::Captured;
use crate::fault::{CallFault, FaultKind};
use crate::handle::EndpointCaller;
use crate::io::IoContext;
use crate::job::JobRunCall;
use crate::observer::{LogLine, Observed, Observer};
use crate::plugin::Plugin;
use crate::privacy::Person;
use crate::receive::HttpRequest;
use crate::recording::{Recorded, Recording};
use crate::send::OutMessage;

/// Milliseconds that a call may take that waits for nobody.
const WALL_MS: u32 = 60_000;

/// Catches what came of the call.
#[derive(Default)]
struct Catch(Mutex<Option<Recording>>);

impl Observer for Catch {
    fn logged(&self, _: LogLine) {}

    fn called(&self, _: Duration) {}

    fn draws(&self, _: &Value) -> bool {
        true
    }

    fn recorded(&self, recording: Recording) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(recording);
    }
}

fn given<T: DeserializeOwned>(given: &Value, name: &str) -> Result<T, CallFault> {
    serde_json::from_value(given[name].clone()).map_err(|error| {
        CallFault::new(FaultKind::Host, format!("the recording has no `{name}` that can be used: {error}"))
    })
}

impl Plugin {
    /// Makes a recorded call of the I/O lane again. What comes of it is a recording, too, to be compared.
    pub async fn replay_io(&self, recording: &Recording) -> Result<Recording, CallFault> {
        let Recorded::Io { kind, name, given: told, asked } = &recording.call else {
            return Err(CallFault::new(FaultKind::Host, "this is no call of the I/O lane"));
        };
        let (mut told, mut asked) = (told.clone(), asked.clone());
        unpack(&mut told);
        for asked in &mut asked {
            unpack(&mut asked.asked);
            asked.answered.iter_mut().for_each(unpack);
        }
        let catch = Arc::new(Catch::default());
        let call = CallContext {
            settings: recording.settings.to_string().into(),
            observed: Observed::by(Arc::clone(&catch) as Arc<dyn Observer>),
        };
        let context = IoContext {
            call,
            hosts: Vec::new(),
            secrets: Arc::new(BTreeMap::new()),
            captured: Arc::new(Captured::default()),
            clock: Arc::new(Timestamp::default),
            kv: None,
            events: None,
            customers: None,
            objects: None,
            access: Vec::new(),
            played: Some(asked),
        };
        let never = std::future::pending();
        match (kind.as_str(), name.as_str()) {
            ("channel", channel) => {
                let messages: Vec<OutMessage> = given(&told, "messages")?;
                drop(self.send_until(context, channel, messages, never).await);
            }
            ("source", source) => {
                let request: HttpRequest = given(&told, "request")?;
                drop(self.receive(context, source, request, never).await);
            }
            ("endpoint", endpoint) => {
                let asked: (EndpointCaller, HttpRequest) = (given(&told, "caller")?, given(&told, "request")?);
                drop(self.handle(context, endpoint, asked, never).await);
            }
            ("job", job) => {
                let (scheduled, cursor): (_, Option<String>) = (given(&told, "scheduled")?, given(&told, "cursor")?);
                let run = JobRunCall { job, scheduled, cursor: cursor.as_deref(), wall_ms: WALL_MS };
                drop(self.run_job(context, run, never).await);
            }
            ("privacy", "erase") => {
                let (request, who): (String, Person) = (given(&told, "request")?, given(&told, "who")?);
                drop(self.erase(context, &request, who, never).await);
            }
            ("privacy", _) => {
                let (request, who): (String, Person) = (given(&told, "request")?, given(&told, "who")?);
                let after = given(&told, "after")?;
                drop(self.export(context, &request, (who, after), never).await);
            }
            _ => return Err(CallFault::new(FaultKind::Host, format!("a `{kind}` is nothing that can be called"))),
        }
        let caught = catch.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        caught.ok_or_else(|| CallFault::new(FaultKind::Host, format!("the plugin has no {kind} `{name}`")))
    }
}
