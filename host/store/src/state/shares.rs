//! Shares: what one tenant lets another have of its customers. The row is the giver's, and its recipient sees it, too.
//!
//! Of the giver's customers nothing is read here but through a [`Granted`]: a share that is in force now, for who asks. See decision 123.

use openhub_model::customer::{Consent, Customer};
use openhub_model::share::{ShareKind, ShareState, Terms};
use openhub_model::{Id, PartId, TenantId, Timestamp};
use serde_json::{Map, Value};

use crate::database::connection::{execute, select};
use crate::database::decode::{corrupt, id, json, limit, maybe_time, time};
use crate::database::transaction::Tx;
use crate::error::{ObjectKey, StoreError};
use crate::scope::Scope;
use crate::store::Store;

/// A version of a share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    pub id: Id,
    /// Whose customers it is about.
    pub giver: TenantId,
    pub recipient: TenantId,
    pub name: String,
    /// 1 for the first of this name between the two.
    pub version: i64,
    pub digest: String,
    pub terms: Terms,
    /// The consent that names recipient and purpose; none of counts.
    pub consent: Option<String>,
    pub state: ShareState,
    /// Who proposed it: one of the two.
    pub proposer: TenantId,
    /// Why it was declined or withdrawn.
    pub reason: Option<String>,
    pub proposed_at: Timestamp,
    pub agreed_at: Option<Timestamp>,
    /// It was declined, withdrawn or replaced then.
    pub ended_at: Option<Timestamp>,
}

/// A share that is in force, for its recipient: the only way to somebody else's customers.
#[derive(Clone, Debug)]
pub struct Granted(Share);

impl Granted {
    pub fn share(&self) -> &Share {
        &self.0
    }

    fn giver(&self) -> Scope {
        Scope::of(self.0.giver)
    }

    /// What the recipient may have of a customer now; none: nothing, since they do not consent.
    fn tells(&self, customer: &Customer) -> Option<Map<String, Value>> {
        let Share { terms, consent, .. } = &self.0;
        let (purpose, named) = terms.purpose.as_deref().zip(consent.as_deref())?;
        let half = named.strip_prefix(purpose)?.strip_prefix('/')?;
        let consents = match terms.kind {
            ShareKind::Action => return None,
            // A consent to the purpose will do, unless the one that names the recipient says no.
            ShareKind::Pseudonyms => customer.consent(purpose, Some(half)),
            ShareKind::Fields => customer.consents.get(named).map_or(Consent::Unset, |of| Consent::of(&of.value)),
        };
        let fields = terms.fields.iter().filter_map(|name| {
            let value = customer.attributes.get(name.as_str()).map(|attribute| &attribute.value);
            Some((name.clone(), value.filter(|value| !value.is_null())?.clone()))
        });
        (consents == Consent::Granted).then(|| fields.collect())
    }
}

/// A customer of a share's segment, as its recipient may have it.
#[derive(Clone, Debug, PartialEq)]
pub struct SharedMember {
    /// The giver's: nobody else is told.
    pub customer: PartId,
    pub fields: Map<String, Value>,
}

#[derive(sqlx::FromRow)]
struct Row {
    tenant_id: i64,
    id: String,
    recipient_id: i64,
    name: String,
    version: i64,
    digest: String,
    terms: String,
    consent: Option<String>,
    standing: i64,
    proposer_id: i64,
    reason: Option<String>,
    proposed_at: i64,
    agreed_at: Option<i64>,
    ended_at: Option<i64>,
}

impl Row {
    fn read(self) -> Result<Share, StoreError> {
        Ok(Share {
            id: id(&self.id)?,
            giver: TenantId(self.tenant_id),
            recipient: TenantId(self.recipient_id),
            name: self.name,
            version: self.version,
            digest: self.digest,
            terms: json(&self.terms, "terms of a share")?,
            consent: self.consent,
            state: ShareState::from_code(self.standing).ok_or_else(|| corrupt("standing of a share"))?,
            proposer: TenantId(self.proposer_id),
            reason: self.reason,
            proposed_at: time(self.proposed_at),
            agreed_at: maybe_time(self.agreed_at),
            ended_at: maybe_time(self.ended_at),
        })
    }
}

impl Store {
    /// One that the tenant gives or has.
    pub async fn share(&self, scope: &Scope, id: Id) -> Result<Option<Share>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT tenant_id, id, recipient_id, name, version, digest, terms, consent, standing, proposer_id, reason, proposed_at, \
             agreed_at, ended_at FROM shares WHERE (tenant_id = $1 OR recipient_id = $1) AND id = $2",
            scope.tenant().0,
            id.to_string(),
        );
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// Those that the tenant gives or has, behind this one, by id: the newest first.
    pub async fn shares(&self, scope: &Scope, behind: Option<Id>, rows: usize) -> Result<Vec<Share>, StoreError> {
        let rows = select!(
            self,
            scope,
            Row,
            "SELECT tenant_id, id, recipient_id, name, version, digest, terms, consent, standing, proposer_id, reason, proposed_at, \
             agreed_at, ended_at FROM shares WHERE (tenant_id = $1 OR recipient_id = $1) \
             AND (CAST($2 AS TEXT) IS NULL OR id < $2) ORDER BY id DESC LIMIT $3",
            scope.tenant().0,
            behind.map(|behind| behind.to_string()),
            limit(rows),
        );
        rows.into_iter().map(Row::read).collect()
    }

    /// The last version of a name between two tenants.
    pub async fn last_share(
        &self,
        giver: &Scope,
        recipient: TenantId,
        name: &str,
    ) -> Result<Option<Share>, StoreError> {
        let rows = select!(
            self,
            giver,
            Row,
            "SELECT tenant_id, id, recipient_id, name, version, digest, terms, consent, standing, proposer_id, reason, proposed_at, \
             agreed_at, ended_at FROM shares WHERE tenant_id = $1 AND recipient_id = $2 AND name = $3 \
             ORDER BY version DESC LIMIT 1",
            giver.tenant().0,
            recipient.0,
            name,
        );
        rows.into_iter().next().map(Row::read).transpose()
    }

    /// Those by which somebody else had, or has, names of the tenant's customers.
    pub async fn shares_that_lead_to_people(&self, giver: &Scope) -> Result<Vec<Share>, StoreError> {
        let rows = select!(
            self,
            giver,
            Row,
            "SELECT tenant_id, id, recipient_id, name, version, digest, terms, consent, standing, proposer_id, reason, proposed_at, \
             agreed_at, ended_at FROM shares WHERE tenant_id = $1 AND agreed_at IS NOT NULL ORDER BY id",
            giver.tenant().0,
        );
        let mut shares = rows.into_iter().map(Row::read).collect::<Result<Vec<_>, _>>()?;
        shares.retain(|share| share.terms.leads_to_people());
        Ok(shares)
    }

    /// A share as its recipient may read through it now; none: it has none like this, or it is not in force.
    pub async fn granted(&self, recipient: &Scope, id: Id) -> Result<Option<Granted>, StoreError> {
        let share = self.share(recipient, id).await?;
        let is_in_force = |share: &Share| share.recipient == recipient.tenant() && share.state == ShareState::Active;
        Ok(share.filter(is_in_force).map(Granted))
    }

    /// How many are in each segment of a share.
    pub async fn shared_segments(&self, granted: &Granted) -> Result<Vec<(String, i64)>, StoreError> {
        let mut counts = Vec::new();
        for segment in &granted.0.terms.segments {
            let rows = select!(
                self,
                &granted.giver(),
                (i64,),
                "SELECT COUNT(*) FROM memberships WHERE tenant_id = $1 AND segment = $2",
                granted.0.giver.0,
                segment,
            );
            counts.push((segment.clone(), rows.first().map_or(0, |(count,)| *count)));
        }
        Ok(counts)
    }

    /// How many entered each node of the journeys of a share, by journey and node.
    pub async fn shared_journeys(&self, granted: &Granted) -> Result<Vec<(String, String, i64)>, StoreError> {
        let mut counts = Vec::new();
        for journey in &granted.0.terms.journeys {
            let rows = select!(
                self,
                &granted.giver(),
                (String, i64),
                "SELECT node, CAST(SUM(entered) AS BIGINT) FROM node_counts WHERE tenant_id = $1 AND journey = $2 \
                 GROUP BY node ORDER BY node",
                granted.0.giver.0,
                journey,
            );
            counts.extend(rows.into_iter().map(|(node, entered)| (journey.clone(), node, entered)));
        }
        Ok(counts)
    }

    /// Those who are in a segment of a share and consent, behind a customer; and the last one that was looked at, if there are more.
    pub async fn shared_members(
        &self,
        recipient: &Scope,
        granted: &Granted,
        (segment, after): (&str, Option<PartId>),
        rows: usize,
    ) -> Result<(Vec<SharedMember>, Option<PartId>), StoreError> {
        recipient.sees_people()?;
        if !granted.0.terms.leads_to_people() || !granted.0.terms.segments.iter().any(|name| name == segment) {
            return Ok((Vec::new(), None));
        }
        let giver = granted.giver();
        let members = self.members(&giver, segment, after, rows).await?;
        let ids: Vec<PartId> = members.iter().map(|(customer, _)| *customer).collect();
        let more = ids.last().copied().filter(|_| ids.len() == rows);
        let customers = self.customers_by_id(&giver, &ids).await?;
        let member = |customer: &Customer| {
            let fields = granted.tells(customer)?;
            Some(SharedMember { customer: customer.customer, fields })
        };
        Ok((customers.iter().filter_map(member).collect(), more))
    }

    /// The key of a pair, sealed.
    pub async fn share_key(&self, giver: &Scope, recipient: TenantId) -> Result<Option<String>, StoreError> {
        let rows = select!(
            self,
            giver,
            (String,),
            "SELECT sealed FROM share_keys WHERE tenant_id = $1 AND recipient_id = $2",
            giver.tenant().0,
            recipient.0,
        );
        Ok(rows.into_iter().next().map(|(sealed,)| sealed))
    }
}

pub(crate) async fn propose(tx: &mut Tx<'_>, new: &Share) -> Result<(), StoreError> {
    let made = execute!(
        tx.conn(),
        "INSERT INTO shares (tenant_id, id, recipient_id, name, version, digest, terms, consent, standing, proposer_id, proposed_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        new.giver.0,
        new.id.to_string(),
        new.recipient.0,
        &new.name,
        new.version,
        &new.digest,
        serde_json::json!(new.terms).to_string(),
        new.consent.as_deref(),
        new.state.code(),
        new.proposer.0,
        new.proposed_at.micros(),
    )?;
    if made == 0 { Err(StoreError::AlreadyExists(new.name.clone())) } else { Ok(()) }
}

/// What becomes of a share. One that is agreed on takes the place of the version before.
pub(crate) async fn settle(tx: &mut Tx<'_>, from: ShareState, to: &Share) -> Result<(), StoreError> {
    if to.state == ShareState::Active {
        execute!(
            tx.conn(),
            "UPDATE shares SET standing = $4, ended_at = $5 WHERE tenant_id = $1 AND recipient_id = $2 AND name = $3 AND standing = $6",
            to.giver.0,
            to.recipient.0,
            &to.name,
            ShareState::Replaced.code(),
            to.agreed_at.map(Timestamp::micros),
            ShareState::Active.code(),
        )?;
    }
    let changed = execute!(
        tx.conn(),
        "UPDATE shares SET standing = $4, reason = $5, agreed_at = $6, ended_at = $7 \
         WHERE tenant_id = $1 AND id = $2 AND standing = $3",
        to.giver.0,
        to.id.to_string(),
        from.code(),
        to.state.code(),
        to.reason.as_deref(),
        to.agreed_at.map(Timestamp::micros),
        to.ended_at.map(Timestamp::micros),
    )?;
    match changed {
        0 => Err(StoreError::VersionConflict(vec![ObjectKey::new("share", to.id.to_string())])),
        _ => Ok(()),
    }
}

/// The first key of a pair stays.
pub(crate) async fn put_key(
    tx: &mut Tx<'_>,
    (giver, recipient): (TenantId, TenantId),
    sealed: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    execute!(
        tx.conn(),
        "INSERT INTO share_keys (tenant_id, recipient_id, sealed, made_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        giver.0,
        recipient.0,
        sealed,
        at.micros(),
    )
    .map(drop)
}
