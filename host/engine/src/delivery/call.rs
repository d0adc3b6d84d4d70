//! One call of a channel with claimed messages.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt;
use openhub_model::fault::own_words;
use openhub_model::tenant::Home;
use openhub_model::{Id, Principal, TenantId};
use openhub_runtime::{IoContext, OutMessage, Reason, Sent, Verdict, hosts};
use openhub_store::{Called, Installation, Outgoing, Refused, Scope, Settled};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::apart::Apart;
use super::opted_out;
use super::places::Place;
use super::verdict::settlements;
use crate::catalog::{Catalog, Channel, Enabled};
use crate::error::EngineError;
use crate::kept::Kept;
use crate::secrets::Owner;
use crate::shared::Shared;
use crate::tracked::{Caller, Told};
use crate::unsubscribe::{PATH, Subscription};

/// A call that has come back.
pub struct Call {
    /// Its number.
    pub id: u64,
    pub channel: String,
    pub settled: Vec<Settled>,
    pub accepted: bool,
}

/// A call that is under way.
pub struct UnderWay {
    pub channel: String,
    owner: Arc<Enabled>,
    /// Of a message under which a hub died.
    suspect: bool,
    /// Breaks it off.
    stop: CancellationToken,
}

impl UnderWay {
    pub fn of(channel: &str, owner: &Arc<Enabled>, suspect: bool) -> (UnderWay, CancellationToken) {
        let stop = CancellationToken::new();
        (UnderWay { channel: channel.to_owned(), owner: owner.clone(), suspect, stop: stop.clone() }, stop)
    }

    pub fn is_suspect(&self) -> bool {
        self.suspect
    }

    /// Breaks the call off unless its channel is still there, of the same plugin and with all the secrets that it holds.
    pub fn review(&self, channel: Option<&Channel>) {
        let stays = channel.is_some_and(|channel| {
            let (old, new) = (&self.owner.installation, &channel.owner.installation);
            old.name == new.name && old.secrets.keys().all(|secret| new.secrets.contains_key(secret))
        });
        if !stays {
            self.stop.cancel();
        }
    }
}

/// What a call needs.
pub struct Order {
    pub id: u64,
    pub tenant: TenantId,
    pub channel: String,
    pub io: IoContext,
    pub messages: Vec<Outgoing>,
    pub homes: HashMap<Id, Home>,
    pub stop: CancellationToken,
    /// Cancelled once the delivery ends: the call goes on, and nothing of it is sent again.
    pub ending: CancellationToken,
    /// Held until it is over.
    pub place: Place,
}

/// Calls a channel. Whatever happens, there is one settlement a message.
pub async fn call(shared: Arc<Shared>, catalog: Arc<Catalog>, order: Order) -> Call {
    let Order { id, tenant, channel: name, io, messages, homes, stop, ending, place: _place } = order;
    let Some(channel) = catalog.channels.get(&name) else {
        return Call { id, channel: name, settled: Vec::new(), accepted: false };
    };
    let out = messages.iter().map(|outgoing| {
        let home = homes.get(&outgoing.message.part).unwrap_or(&catalog.home);
        out_message(&shared, tenant, outgoing, home)
    });
    let (mut apart, began) = (Apart::new(out.collect()), Instant::now());
    while let Some(out) = apart.next(began.elapsed(), ending.is_cancelled()) {
        let count = out.len();
        let sending = channel.owner.plugin.send_until(io.clone(), &name, out, stop.cancelled());
        let sent = AssertUnwindSafe(sending).catch_unwind().await;
        let sent = sent.unwrap_or_else(|_| broke_off(count));
        let of = (&channel.owner.installation, Called::Channel, &*name);
        shared.meters.call(tenant, of, count, sent.fault.is_some(), &sent.receipt);
        apart.came(sent);
    }
    let mut sent = apart.finish().unwrap_or_else(|| broke_off(messages.len()));
    opted_out::record(&shared, tenant, &messages, &mut sent.verdicts).await;
    let now = (shared.clock)();
    if let Some(reason) = for_an_admin(&sent.verdicts) {
        let key = format!("{}/{name}", channel.owner.installation.name);
        let text = waits(reason);
        let refused = Refused { key: &key, code: &reason.code, text: &text, pointer: "", message_id: None, at: now };
        shared.store.note_refused(&Scope::of(tenant), refused);
    }
    let (settled, accepted) = settlements(channel, &messages, sent, now);
    Call { id, channel: name, settled, accepted }
}

/// What only an admin can help with, if messages wait for that.
fn for_an_admin(verdicts: &[Verdict]) -> Option<&Reason> {
    verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Misconfigured(reason) => Some(reason),
        _ => None,
    })
}

fn waits(reason: &Reason) -> String {
    let what = "An admin must act: the plugin's channel is not set up, and its messages wait until it is";
    match own_words(&reason.message) {
        words if words.is_empty() => format!("{what}."),
        words => format!("{what}: {words}"),
    }
}

/// The call panicked on the host's side: nobody knows what had gone out.
fn broke_off(messages: usize) -> Sent {
    let reason = Reason { code: "broke-off".to_owned(), message: "the call broke off".to_owned(), args: Vec::new() };
    Sent { verdicts: vec![Verdict::Unknown(reason); messages], fault: None, receipt: Default::default() }
}

/// What a call is granted: the hosts, the secrets, the time, its own state, and the way into the log.
pub fn context(
    shared: &Arc<Shared>,
    tenant: TenantId,
    enabled: &Enabled,
    caller: Caller,
) -> Result<IoContext, EngineError> {
    let installation = &enabled.installation;
    let mut secrets = BTreeMap::new();
    for (name, sealed) in &installation.secrets {
        let owner = Owner { tenant, plugin: &installation.name, name };
        let opened = shared.sealer.open(owner, sealed);
        let unopened = |source| EngineError::Sealed { plugin: installation.name.clone(), secret: name.clone(), source };
        secrets.insert(name.clone(), opened.map_err(unopened)?);
    }
    let (scope, plugin) = (Scope::of(tenant), installation.name.clone());
    let kept = Kept {
        store: shared.store.clone(),
        scope,
        plugin: plugin.clone(),
        clock: shared.clock.clone(),
        fence: caller.fence(),
    };
    let door = shared.door();
    let by = || Principal::Plugin { name: plugin.clone(), digest: installation.digest.clone() };
    let (customers, objects) = door.map(|door| door.records(scope, by())).unzip();
    Ok(IoContext {
        customers,
        objects,
        access: granted_access(installation),
        call: enabled.context(),
        hosts: granted_hosts(installation)?,
        secrets: Arc::new(secrets),
        captured: Arc::clone(&enabled.captured),
        clock: shared.clock.clone(),
        kv: Some(Arc::new(kept)),
        events: Some(Arc::new(Told { shared: shared.clone(), scope, plugin, caller })),
        played: None,
    })
}

/// What the admin granted of the manifest's access to customers and objects.
fn granted_access(installation: &Installation) -> Vec<String> {
    let granted = installation.grant["access"].as_array();
    let is_granted =
        |access: &&String| granted.is_none_or(|granted| granted.iter().any(|one| one.as_str() == Some(access)));
    installation.manifest.access.iter().filter(is_granted).cloned().collect()
}

/// Hosts of the manifest that the admin granted, with settings resolved.
fn granted_hosts(installation: &Installation) -> Result<Vec<String>, EngineError> {
    let granted = installation.grant["hosts"].as_array();
    let hosts = installation.manifest.hosts.iter();
    let hosts = hosts.filter(|host| granted.is_none_or(|granted| granted.iter().any(|one| one.as_str() == Some(host))));
    let hosts: Vec<String> = hosts.cloned().collect();
    hosts::resolve(&hosts, &installation.settings).map_err(|faults| EngineError::Settings {
        plugin: installation.name.clone(),
        fault: faults.first().map(|fault| format!("{}: {}", fault.pointer, fault.message)).unwrap_or_default(),
    })
}

fn out_message(shared: &Shared, tenant: TenantId, outgoing: &Outgoing, home: &Home) -> OutMessage {
    let message = &outgoing.message;
    let unsubscribes = shared.config.public_url.as_ref().zip(Subscription::of(tenant, outgoing));
    OutMessage {
        idempotency_key: message.id.to_string(),
        attempt: outgoing.attempt as u32 + 1,
        address: message.address.clone(),
        customer: message.part.to_string(),
        purpose: message.purpose.clone(),
        locale: home.locale.clone(),
        time_zone: home.time_zone.clone(),
        expires_at: message.expires_at,
        unsubscribe_url: unsubscribes
            .map(|(hub, wanted)| format!("{hub}{PATH}/{}", wanted.token(&shared.sealer.marker()))),
        content: message.content.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn b7_what_messages_wait_for_is_told_to_the_admin() {
        let reason =
            |message: &str| Reason { code: "no-key".to_owned(), message: message.to_owned(), args: Vec::new() };
        let accepted = Verdict::Accepted { provider_id: "1".to_owned(), units: 1 };
        let verdicts = [accepted, Verdict::Misconfigured(reason("set `key`"))];
        let waiting = for_an_admin(&verdicts).map(waits).unwrap();
        assert!(
            waiting.starts_with("An admin must act: ") && waiting.ends_with(" until it is: set `key`"),
            "{waiting}"
        );
        assert!(waits(&reason("")).ends_with(" until it is."));
        assert_eq!(for_an_admin(&verdicts[..1]), None);
    }
}
