//! Shares: what one tenant lets another have of its customers, as both agree. See decision 123.

mod answer;
mod list;
mod propose;
mod read;

pub(crate) use answer::*;
pub(crate) use list::*;
pub(crate) use propose::*;
pub(crate) use read::*;

use openhub_model::share::Party;
use openhub_model::{EventKind, NewEvent, Principal, TenantId};
use openhub_store::{Scope, Share};
use serde_json::{Value, json};

use crate::app::App;
use crate::auth::Permission;
use crate::change::Change;
use crate::parameters::id_in_path;
use crate::problem::{CONFLICT, Problem};
use crate::views::ShareView;
use crate::writes;

/// One that the tenant gives or has; of anybody else's there is nothing to be found.
async fn find(app: &App, scope: &Scope, id: &str) -> Result<Share, Problem> {
    let found = app.store.share(scope, id_in_path(id, "share")?).await?;
    found.ok_or_else(|| Problem::not_found("share"))
}

fn party(share: &Share, tenant: TenantId) -> Party {
    if share.proposer == tenant { Party::Proposer } else { Party::Other }
}

/// As answers show it, with the names of both.
async fn shown(app: &App, share: Share) -> Result<ShareView, Problem> {
    let name = async |tenant: TenantId| -> Result<String, Problem> {
        Ok(app.store.tenant(tenant).await?.map(|tenant| tenant.name).unwrap_or_default())
    };
    let names = (name(share.giver).await?, name(share.recipient).await?);
    Ok(ShareView::of(share, names))
}

/// What the events of a share say.
fn said(share: &Share) -> Value {
    json!({
        "share": share.id, "name": share.name, "version": share.version, "digest": share.digest, "giver": share.giver,
        "recipient": share.recipient, "state": share.state,
    })
}

/// The event of a change in the log of each side: the other one learns which tenant did it, and not who there.
async fn told<P: Permission>(
    app: &App,
    change: &Change<P>,
    share: &Share,
    name: &str,
) -> Result<Vec<(TenantId, NewEvent)>, Problem> {
    let (body, mut events) = (said(share), Vec::new());
    for tenant in [share.giver, share.recipient] {
        if tenant == change.tenant() {
            events.push((tenant, change.control(name, change.now().await?, body.clone())));
            continue;
        }
        let at = writes::present(app, &Scope::of(tenant)).await?;
        let mut body = body.clone();
        body["principal"] = json!(Principal::Partner { id: change.tenant().0.to_string() });
        let event = writes::event(app, EventKind::Control, None, at, &body);
        events.push((tenant, NewEvent { name: name.to_owned(), ..event }));
    }
    Ok(events)
}

/// The giver has all that is named.
async fn must_be_there(app: &App, giver: &Scope, share: &Share) -> Result<(), Problem> {
    for segment in &share.terms.segments {
        if app.store.segment(giver, segment).await?.is_none() {
            return Err(Problem::new(CONFLICT, format!("There is no segment `{segment}` that could be shared.")));
        }
    }
    for journey in &share.terms.journeys {
        if app.store.journey(giver, journey).await?.is_none() {
            return Err(Problem::new(CONFLICT, format!("There is no journey `{journey}` that could be shared.")));
        }
    }
    Ok(())
}
