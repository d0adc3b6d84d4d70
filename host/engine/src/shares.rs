//! Shares between tenants: the names that one tenant's customers have for another, and erasures that travel on. See decision 123.

use hmac::{Hmac, Mac};
use openhub_model::event::ERASED;
use openhub_model::identity::Authority;
use openhub_model::{EventKind, Id, Identity, NewEvent, PartId, Principal, TenantId, Timestamp};
use openhub_runtime::Erased;
use openhub_store::{
    Afterwards, ErasureRequestStatus, NewErasure, NewErasureRequest, Op, Scope, Share, Store, StoreError,
};
use serde_json::json;
use sha2::Sha256;
use std::collections::BTreeSet;

use crate::secrets::{Owner, Sealer, Unopened};

/// No plugin is called like this.
const OWNER: &str = "openhub:shares";
/// Begins the name of a request that goes to a recipient, and not to a plugin; its tenant's number follows.
const REQUEST: &str = "share:";
/// The kind of identity under which a recipient keeps a pseudonym.
pub const PSEUDONYM: &str = "pseudonym";
/// How long until it is looked again what became of an erasure at the recipient.
const AGAIN_S: u32 = 2;

/// The key of a pair: only the hub has it.
pub struct PairKey([u8; 32]);

impl PairKey {
    pub fn of(random: [[u8; 16]; 2]) -> PairKey {
        let mut key = [0; 32];
        key.copy_from_slice(random.as_flattened());
        PairKey(key)
    }

    pub fn sealed(&self, sealer: &Sealer, giver: TenantId, recipient: TenantId) -> String {
        sealer.seal(owner(giver, &recipient.0.to_string()), &self.0)
    }

    pub fn open(sealer: &Sealer, (giver, recipient): (TenantId, TenantId), sealed: &str) -> Result<PairKey, Unopened> {
        let opened = sealer.open(owner(giver, &recipient.0.to_string()), sealed)?;
        opened.try_into().map(PairKey).map_err(|_| Unopened::Damaged)
    }

    /// The name of a customer for the recipient: HMAC-SHA256 of its id, its first half. Nobody without the key can tell whose it is, and
    /// the same customer has another one for each recipient.
    pub fn pseudonym(&self, customer: PartId) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(customer.as_bytes());
        let half = mac.finalize().into_bytes();
        half[..16].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

fn owner(giver: TenantId, recipient: &str) -> Owner<'_> {
    Owner { tenant: giver, plugin: OWNER, name: recipient }
}

/// What the recipients of shares are asked about a customer who is erased: one request for each, with all names that they may know.
pub async fn requests_of(
    store: &Store,
    sealer: &Sealer,
    giver: &Scope,
    erasure: Id,
    parts: &[PartId],
) -> Result<Vec<NewErasureRequest>, StoreError> {
    let shares: Vec<Share> = store.shares_that_lead_to_people(giver).await?;
    let recipients: BTreeSet<TenantId> = shares.iter().map(|share| share.recipient).collect();
    let mut requests = Vec::new();
    for recipient in recipients {
        let Some(sealed) = store.share_key(giver, recipient).await? else { continue };
        let key = match PairKey::open(sealer, (giver.tenant(), recipient), &sealed) {
            Ok(key) => key,
            Err(error) => {
                tracing::error!(tenant.id = giver.tenant().0, %error, "The key of a share cannot be opened.");
                continue;
            }
        };
        let names: Vec<String> = parts.iter().map(|part| key.pseudonym(*part)).collect();
        let plugin = format!("{REQUEST}{}", recipient.0);
        let name = crate::privacy::sealed_as(erasure);
        let who = sealer
            .seal(Owner { tenant: giver.tenant(), plugin: &plugin, name: &name }, json!(names).to_string().as_bytes());
        requests.push(NewErasureRequest { plugin, who });
    }
    Ok(requests)
}

/// The recipient that a request goes to; none: it goes to a plugin.
pub fn recipient_of(request: &str) -> Option<TenantId> {
    request.strip_prefix(REQUEST)?.parse().ok().map(TenantId)
}

/// Carries an erasure on: whoever the recipient knows by one of these names is erased there, too. Asked again, it goes on.
pub async fn carry_on(
    store: &Store,
    (giver, recipient): (TenantId, TenantId),
    erasure: Id,
    names: &[String],
    now: Timestamp,
) -> Result<Erased, StoreError> {
    let Some(tenant) = store.tenant(recipient).await? else { return Ok(Erased::Nothing) };
    let scope = Scope::of(recipient);
    let (mut done, mut is_open) = (Vec::new(), false);
    for name in names {
        let id = Id::named(&[b"shared erasure", erasure.as_bytes(), name.as_bytes()]);
        if let Some(known) = store.erasure(&scope, id).await? {
            let requests = store.erasure_requests(&scope, &[id]).await?;
            let waits = requests.iter().any(|request| request.status == ErasureRequestStatus::Open);
            match known.done_at.filter(|_| !waits) {
                Some(at) => {
                    done.push(json!({"erasure": id, "done_at": at, "rows": known.counts.values().sum::<i64>()}))
                }
                None => is_open = true,
            }
            continue;
        }
        let part = Identity::new(PSEUDONYM, name).part(recipient);
        let Some(customer) = store.customer(&scope, part).await? else { continue };
        let asked = NewErasure {
            id,
            customer: customer.customer,
            afterwards: Afterwards::Suppressed,
            asked_by: format!("{REQUEST}{}", giver.0),
            asked_at: now,
        };
        let ops = vec![Op::PutErasure(asked), Op::Append(event(giver, id, now))];
        store.transact(&scope, ops).await?;
        is_open = true;
    }
    Ok(match (is_open, done.is_empty()) {
        (true, _) => Erased::Later(AGAIN_S),
        (false, true) => Erased::Nothing,
        (false, false) => Erased::Done(json!({"tenant": tenant.name, "erased": done}).to_string()),
    })
}

fn event(giver: TenantId, erasure: Id, now: Timestamp) -> NewEvent {
    let body = json!({"erasure": erasure, "principal": Principal::Partner { id: giver.0.to_string() }});
    NewEvent {
        message_id: format!("openhub:shared-erasure:{erasure}"),
        kind: EventKind::Control,
        name: ERASED.to_owned(),
        part: None,
        occurred_at: now,
        received_at: now,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_has_another_name_for_each_recipient() {
        let (one, other) = (PairKey::of([[1; 16], [2; 16]]), PairKey::of([[1; 16], [3; 16]]));
        let ada = Identity::new(Identity::USER_ID, "ada").part(TenantId(1));
        assert_eq!(one.pseudonym(ada), one.pseudonym(ada));
        assert_ne!(one.pseudonym(ada), other.pseudonym(ada));
        assert_eq!(one.pseudonym(ada).len(), 32);
        let bob = Identity::new(Identity::USER_ID, "bob").part(TenantId(1));
        assert_ne!(one.pseudonym(ada), one.pseudonym(bob));
    }

    #[test]
    fn a_key_is_sealed_for_its_pair() {
        let sealer = Sealer::from_key([7; 32]);
        let key = PairKey::of([[1; 16], [2; 16]]);
        let sealed = key.sealed(&sealer, TenantId(1), TenantId(2));
        let opened = PairKey::open(&sealer, (TenantId(1), TenantId(2)), &sealed).unwrap();
        let ada = Identity::new(Identity::USER_ID, "ada").part(TenantId(1));
        assert_eq!(opened.pseudonym(ada), key.pseudonym(ada));
        for pair in [(TenantId(1), TenantId(3)), (TenantId(2), TenantId(1))] {
            assert!(PairKey::open(&sealer, pair, &sealed).is_err());
        }
        assert_eq!((recipient_of("share:7"), recipient_of("points")), (Some(TenantId(7)), None));
    }
}
