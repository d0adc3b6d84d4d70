//! What the door refused: noted in memory, added up, and written into the list of faults once a second. No request waits
//! for it, and what is noted has a bound.

use openhub_model::{TenantId, Timestamp};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::database::writer::Writer;
use crate::scope::Scope;
use crate::state::fault_kinds::FaultKind;
use crate::state::faults::{NewFault, fault_rows, put_faults};
use crate::store::Store;

const EVERY: Duration = Duration::from_secs(1);
/// Rows of a second at most, over all tenants: what is beyond is counted in one row a tenant and code.
const MOST: usize = 1_000;

/// Something that the door did not take.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// The id of the key that sent it.
    pub key: &'a str,
    pub code: &'a str,
    /// What the sender has to change, in the program's words, so that nothing that was sent is kept in it; or why a plugin refused
    /// it, in the plugin's, as they are shown.
    pub text: &'a str,
    /// A pointer into it; what could name somebody is left out of the list.
    pub pointer: &'a str,
    /// Its messageId, if it has one: kept only if a program made it up.
    pub message_id: Option<&'a str>,
    /// By the host's clock.
    pub at: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Alike {
    tenant: TenantId,
    key: String,
    code: String,
    place: String,
}

struct Noted {
    count: i64,
    text: String,
    example: Option<String>,
    at: Timestamp,
}

#[derive(Default)]
pub(crate) struct Refusals {
    noted: Mutex<HashMap<Alike, Noted>>,
    /// The task that writes; it also ends when the store is let go.
    task: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Store {
    /// Counts something that was refused at the door. Cheap: it is written with the others of the same second.
    pub fn note_refused(&self, scope: &Scope, refused: Refused<'_>) {
        self.refusals.note(scope.tenant(), refused);
    }
}

impl Refusals {
    fn note(&self, tenant: TenantId, Refused { key, code, text, pointer, message_id, at }: Refused<'_>) {
        let mut alike = Alike { tenant, key: key.to_owned(), code: code.to_owned(), place: place(pointer) };
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.len() >= MOST && !noted.contains_key(&alike) {
            (alike.key, alike.place) = (String::new(), String::new());
        }
        let entry = noted.entry(alike).or_insert_with(|| Noted { count: 0, text: text.to_owned(), example: None, at });
        entry.count += 1;
        entry.at = entry.at.max(at);
        entry.example = message_id.filter(|id| is_made_up(id)).map(str::to_owned).or(entry.example.take());
    }

    fn take(&self) -> HashMap<TenantId, (Timestamp, Vec<NewFault>)> {
        let noted = std::mem::take(&mut *self.noted.lock().unwrap_or_else(PoisonError::into_inner));
        let mut tenants: HashMap<TenantId, (Timestamp, Vec<NewFault>)> = HashMap::new();
        for (Alike { tenant, key, code, place }, Noted { count, text, example, at }) in noted {
            let (last, faults) = tenants.entry(tenant).or_insert((at, Vec::new()));
            *last = (*last).max(at);
            let fault = NewFault::counted(FaultKind::Refused, key, &code, &place, text);
            faults.push(NewFault { count, message_id: example, ..fault });
        }
        tenants
    }

    async fn flush(&self, writer: &Writer) {
        for (tenant, (at, faults)) in self.take() {
            let Some(rows) = fault_rows(&faults, at) else { continue };
            let written = writer
                .write(Some(tenant), move |tx| Box::pin(async move { put_faults(tx, tenant, at, &rows).await }))
                .await;
            if let Err(error) = written {
                tracing::warn!(tenant.id = tenant.0, %error, "What the door refused is not in the list of faults.");
            }
        }
    }

    pub(crate) fn start(self: &Arc<Self>, writer: Writer) {
        let refusals = Arc::downgrade(self);
        let (closing, mut closed) = oneshot::channel();
        let task = tokio::spawn(async move {
            loop {
                let is_over = tokio::time::timeout(EVERY, &mut closed).await.is_ok();
                let Some(refusals) = refusals.upgrade() else { return };
                refusals.flush(&writer).await;
                if is_over {
                    return;
                }
            }
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some((closing, task));
    }

    /// Writes what is noted, and no more from then on.
    pub(crate) async fn close(&self) {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((closing, task)) = task else { return };
        // The task that is gone has written all.
        let _ = closing.send(());
        if let Err(error) = task.await {
            tracing::warn!(%error, "The task that notes what the door refused panicked.");
        }
    }
}

/// Where in the body: numbers say nothing, and the names that a sender chose could be somebody's.
fn place(pointer: &str) -> String {
    let segments = pointer.split('/').skip(1).take(4).map(|segment| {
        let is_number = !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit());
        let is_word = segment.len() <= 32 && segment.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_');
        if is_number || !is_word { "*" } else { segment }
    });
    segments.flat_map(|segment| ["/", segment]).collect()
}

/// A messageId that a program drew, and no word that a person chose.
fn is_made_up(id: &str) -> bool {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    id.len() <= 64 && id.len() >= 32 && id.is_ascii() && hex(&id[id.len() - 32..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_names_nobody() {
        assert_eq!(place("/batch/17/traits/ada@example.com"), "/batch/*/traits/*");
        assert_eq!(place("/traits/0049-170/x"), "/traits/*/x");
        assert_eq!(place(""), "");
        assert!(is_made_up("ajs-next-1f0c2a55-7c1e-4d0e-9d0b-7b6f3c9a1e2d"));
        assert!(!is_made_up("ada@example.com") && !is_made_up("order-17"));
    }

    #[test]
    fn a_flood_of_refusals_stays_within_its_bound() {
        let refusals = Refusals::default();
        for key in 0..3 * MOST {
            let key = key.to_string();
            let at = Timestamp::from_micros(7);
            refusals.note(
                TenantId(1),
                Refused { key: &key, code: "too-long", text: "", pointer: "/userId", message_id: None, at },
            );
        }
        let faults = refusals.take().remove(&TenantId(1)).map(|(_, faults)| faults).unwrap_or_default();
        assert_eq!((faults.len(), faults.iter().map(|fault| fault.count).sum::<i64>()), (MOST + 1, 3 * MOST as i64));
    }
}
