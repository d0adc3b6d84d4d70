//! Makes statements, in the order in which their periods end: a draft at the end of a period, frozen when its grace is over. See decision 96.
//!
//! Each step is a commit that names how things stood, so it does not matter which node does it, or where one breaks off.

use openhub_model::block::{Unbilled, unbilled};
use openhub_model::identity::Authority;
use openhub_model::price::PricePlan;
use openhub_model::statement::{
    Billed, Earlier, GRACE, Line, State, Statement, StatementError, UsageRow, lines, period_end, total, zone,
};
use openhub_model::{EventKind, Id, NewEvent, Principal, Quarter, Span, TenantId, Timestamp};
use openhub_store::{
    Contracted, MeteredFilter, MeteredRow, Scope, Stands, StatementFilter, StatementRow, Store, StoreError,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{measures, quotas};

/// The control event of a statement that was frozen, in the logs of partner and provider.
pub const FROZEN: &str = "statement.frozen";

/// Tenants that are looked at in one go, and how long one may take before another node looks, too.
const AT_ONCE: usize = 100;
const TAKEN: Span = Span::from_micros(300_000_000);
/// A tenant is looked at again at the latest then: it may have subscribed to something.
const AGAIN: Span = Span::from_micros(3_600_000_000);
/// How many frozen statements of before are corrected. Usage is reported no later than that.
const CORRECTED: usize = 2;
/// Rows of usage that are read at once.
const ROWS: usize = 5_000;

#[derive(Debug, thiserror::Error)]
pub enum Unmade {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Computed(#[from] StatementError),
}

/// Makes what is due. What cannot be made now is tried again a little later.
pub async fn make_due(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    for (tenant, due) in store.statements_due(now, AT_ONCE).await? {
        let scope = Scope::of(tenant);
        let taken = now + TAKEN;
        if !store.move_statements(&scope, due, taken).await? {
            continue;
        }
        match make(store, &scope, now).await {
            Ok(next) => {
                store.move_statements(&scope, taken, next).await?;
            }
            Err(error) => {
                tracing::error!(tenant.id = tenant.0, %error, "Statements could not be made. They are tried again.")
            }
        }
    }
    Ok(())
}

/// Makes what is due of one partner; answers when there is more to do.
async fn make(store: &Store, scope: &Scope, now: Timestamp) -> Result<Timestamp, StoreError> {
    measures::measure(store, scope, now).await?;
    quotas::look(store, scope, now).await?;
    let mut next = now + AGAIN;
    for contracted in store.contracted(scope).await? {
        next = next.min(draft(store, scope, &contracted, now).await?.unwrap_or(next));
        let mut statements = of_subscription(store, scope, &contracted.subscription).await?;
        statements.reverse();
        for at in 0..statements.len() {
            let (before, rest) = statements.split_at_mut(at);
            let Some(row) = rest.first_mut() else { break };
            if row.stands == Stands::Draft && row.freezes_at > now {
                next = next.min(row.freezes_at);
                break;
            }
            if row.stands == Stands::Draft {
                let last = before.iter().rev().find(|before| before.stands == Stands::Frozen);
                store.close_statement(scope, row.id, last.and_then(|last| last.cut).map(|(cut, _)| cut)).await?;
            }
            if matches!(row.stands, Stands::Draft | Stands::Closing) {
                freeze(store, scope, row.id, now).await?;
            }
            if let Some(made) = store.statement(scope, row.id).await? {
                *row = made;
            }
        }
    }
    Ok(next)
}

/// Begins the statements whose periods are over; answers when the next period is.
async fn draft(store: &Store, scope: &Scope, of: &Contracted, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let Some(zone) = zone(&of.time_zone) else {
        tracing::error!(
            tenant.id = scope.tenant().0,
            of.time_zone,
            "A subscription has a time zone that is not known."
        );
        return Ok(None);
    };
    let mut last = of_subscription(store, scope, &of.subscription).await?.into_iter().next();
    loop {
        if last.as_ref().is_some_and(|last| last.ends) {
            return Ok(None);
        }
        let from = last.as_ref().map_or_else(|| Quarter::of(of.active_at).begins(), |last| last.to);
        let Some(month) = period_end(from, &zone) else { return Ok(None) };
        let end = of.ended_at.map(|at| Quarter::new(Quarter::of(at).number() + 1).begins());
        let (to, ends) = end.filter(|end| *end <= month).map_or((month, false), |end| (end, true));
        if to <= from {
            return Ok(None);
        }
        if to > now {
            return Ok(Some(to));
        }
        let provider = Scope::of(of.provider);
        let document = store.offered(&provider, &of.offering, of.version).await?;
        let Some(plan) = document.as_ref().and_then(price_of) else { return Ok(None) };
        let tenant = scope.tenant().0.to_le_bytes();
        let begins = from.micros().to_le_bytes();
        let new = StatementRow {
            id: Id::named(&[b"statement", &tenant, of.subscription.as_bytes(), &begins]),
            partner: scope.tenant(),
            provider: of.provider,
            subscription: of.subscription.clone(),
            from,
            to,
            time_zone: of.time_zone.clone(),
            ends,
            stands: Stands::Draft,
            plan,
            cut: None,
            corrects_behind: None,
            total: None,
            fault: None,
            freezes_at: to + GRACE,
        };
        store.draft_statement(scope, new.clone()).await?;
        last = Some(new);
    }
}

/// The price in a version of an offering.
fn price_of(document: &Value) -> Option<PricePlan> {
    let items = document["items"].as_array()?;
    let price = items.iter().find_map(|item| item.get("price"))?;
    PricePlan::deserialize(price).ok()
}

/// The latest statements of a subscription, the last one first: as many as are corrected, and those that are not frozen.
async fn of_subscription(store: &Store, scope: &Scope, subscription: &str) -> Result<Vec<StatementRow>, StoreError> {
    let filter = StatementFilter { subscription: Some(subscription.to_owned()), after: None, limit: 12 };
    store.statements(scope, &filter).await
}

/// Computes a statement that is closed, and freezes it.
async fn freeze(store: &Store, scope: &Scope, id: Id, now: Timestamp) -> Result<(), StoreError> {
    let Some(row) = store.statement(scope, id).await? else { return Ok(()) };
    match compute(store, &row).await {
        Ok(Computed { lines, total }) => {
            let mut events = vec![(row.partner, frozen(&row, row.partner, now))];
            // A provider that is gone hears of nothing any more.
            if store.tenant(row.provider).await?.is_some() {
                events.push((row.provider, frozen(&row, row.provider, now)));
            }
            store.freeze_statement(scope, id, (lines, total), events).await
        }
        Err(Unmade::Store(error)) => Err(error),
        Err(Unmade::Computed(error)) => {
            tracing::error!(tenant.id = row.partner.0, statement.id = %id, %error, "A statement cannot be computed.");
            store.refuse_statement(scope, id, error.to_string()).await
        }
    }
}

/// What a statement comes to: of a draft, as it is now.
struct Computed {
    lines: Vec<Line>,
    total: String,
}

async fn compute(store: &Store, row: &StatementRow) -> Result<Computed, Unmade> {
    let scope = Scope::of(row.partner);
    let (cut, position) = match row.cut {
        Some(cut) => cut,
        None => store.present_cut(&scope).await?,
    };
    let earlier = corrected(store, row).await?;
    let usage = usage(store, row, &earlier, cut).await?;
    let (of_this, of_earlier) = free(store, row, &earlier).await?;
    let billed = billed(row, &of_this);
    let ids: Vec<String> = earlier.iter().map(|row| row.id.to_string()).collect();
    let of_before = earlier.iter().zip(&ids).zip(&of_earlier);
    let of_before = of_before.map(|((row, id), free)| Billed { statement: id, ..self::billed(row, free) });
    let of_before: Vec<Billed<'_>> = of_before.collect();
    let behind = row.corrects_behind.or_else(|| earlier.last().and_then(|last| last.cut).map(|(cut, _)| cut));
    let lines = lines(&billed, &of_before, (behind, cut, position), &row.subscription, &usage)?;
    let total = total(row.plan.currency, &lines)?;
    Ok(Computed { lines, total })
}

fn billed<'a>(row: &'a StatementRow, unbilled: &'a [Unbilled]) -> Billed<'a> {
    Billed { statement: "", from: row.from, to: row.to, plan: &row.plan, unbilled }
}

/// The parts of a statement's period, and of those before, in which a block on billing was in force. What was so in a period that is over
/// does not change any more.
async fn free(
    store: &Store,
    row: &StatementRow,
    earlier: &[StatementRow],
) -> Result<(Vec<Unbilled>, Vec<Vec<Unbilled>>), StoreError> {
    let blocks = store.billing_blocks(&Scope::of(row.partner), &row.subscription).await?;
    let of = |row: &StatementRow| unbilled(blocks.iter().copied(), (row.from, row.to));
    Ok((of(row), earlier.iter().map(of).collect()))
}

/// The frozen statements before this one that it corrects, the oldest first.
async fn corrected(store: &Store, row: &StatementRow) -> Result<Vec<StatementRow>, StoreError> {
    let all = of_subscription(store, &Scope::of(row.partner), &row.subscription).await?;
    let before = all.into_iter().filter(|one| one.to <= row.from && one.stands == Stands::Frozen);
    let mut before: Vec<StatementRow> = before.take(CORRECTED).collect();
    before.reverse();
    Ok(before)
}

/// What a statement is computed from.
async fn usage(
    store: &Store,
    row: &StatementRow,
    earlier: &[StatementRow],
    cut: i64,
) -> Result<Vec<UsageRow>, StoreError> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let rows = usage_page(store, row, earlier, (cut, after), ROWS).await?;
        let is_last = rows.len() < ROWS;
        after = rows.last().cloned();
        all.extend(rows.into_iter().map(usage_row));
        if is_last {
            return Ok(all);
        }
    }
}

async fn usage_page(
    store: &Store,
    row: &StatementRow,
    earlier: &[StatementRow],
    (cut, after): (i64, Option<MeteredRow>),
    rows: usize,
) -> Result<Vec<MeteredRow>, StoreError> {
    let from = earlier.first().map_or(row.from, |first| first.from);
    let quarters = (Quarter::of(from), Quarter::of(row.to));
    let filter = MeteredFilter { quarters, cut, subscription: Some(row.subscription.clone()), after };
    store.metered(&Scope::of(row.partner), &filter, rows).await
}

fn usage_row(row: MeteredRow) -> UsageRow {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let MeteredRow { metered, cut } = row;
    let (of, subscription) = (some(metered.of), some(metered.subscription));
    UsageRow { quarter: metered.quarter, meter: metered.meter, of, subscription, cut, quantity: metered.quantity }
}

/// A statement as it is told: a frozen one as it was frozen, a draft as it would be now.
pub async fn told(store: &Store, row: StatementRow) -> Result<Statement, Unmade> {
    let scope = Scope::of(row.partner);
    let present = store.present_cut(&scope).await?;
    let earlier = match row.stands {
        Stands::Refused => Vec::new(),
        _ => corrected(store, &row).await?,
    };
    let Computed { lines, total } = match row.stands {
        Stands::Draft | Stands::Closing => compute(store, &row).await?,
        Stands::Frozen => {
            let lines = store.statement_lines(&scope, row.id).await?;
            Computed { lines, total: row.total.clone().unwrap_or_default() }
        }
        Stands::Refused => Computed { lines: Vec::new(), total: String::new() },
    };
    let (of_this, of_earlier) = free(store, &row, &earlier).await?;
    let (cut, position) = row.cut.unwrap_or(present);
    let corrects_behind = row.corrects_behind.or_else(|| earlier.last().and_then(|last| last.cut).map(|(cut, _)| cut));
    let name = async |tenant: TenantId| {
        let tenant = store.tenant(tenant).await?;
        Ok::<_, StoreError>(tenant.map(|tenant| tenant.name).unwrap_or_default())
    };
    Ok(Statement {
        id: row.id.to_string(),
        subscription: row.subscription,
        partner: name(row.partner).await?,
        provider: name(row.provider).await?,
        from: row.from,
        to: row.to,
        time_zone: row.time_zone,
        ends: row.ends,
        state: match row.stands {
            Stands::Draft | Stands::Closing => State::Draft,
            Stands::Frozen => State::Frozen,
            Stands::Refused => State::Refused,
        },
        cut,
        position,
        corrects_behind,
        price: row.plan.digest(),
        plan: row.plan,
        unbilled: of_this,
        earlier: earlier
            .into_iter()
            .zip(of_earlier)
            .map(|(row, unbilled)| Earlier {
                statement: row.id.to_string(),
                from: row.from,
                to: row.to,
                price: row.plan.digest(),
                plan: row.plan,
                unbilled,
            })
            .collect(),
        lines,
        total,
        freezes_at: row.freezes_at,
        fault: row.fault,
    })
}

/// All rows from which a statement is computed, in their order.
pub async fn usage_of(store: &Store, row: &StatementRow) -> Result<Vec<UsageRow>, StoreError> {
    let cut = match row.cut {
        Some((cut, _)) => cut,
        None => store.present_cut(&Scope::of(row.partner)).await?.0,
    };
    usage(store, row, &corrected(store, row).await?, cut).await
}

/// The event that says that a statement is frozen, for the log of one of the two.
fn frozen(row: &StatementRow, of: TenantId, now: Timestamp) -> NewEvent {
    let body =
        json!({"statement": row.id, "subscription": row.subscription, "to": row.to, "principal": Principal::Hub});
    NewEvent {
        message_id: format!("openhub:statement:{}", Id::named(&[&of.0.to_le_bytes(), row.id.as_bytes()])),
        kind: EventKind::Control,
        name: FROZEN.to_owned(),
        part: None,
        occurred_at: now,
        received_at: now,
        historical: false,
        authority: Authority::Server,
        cause: None,
        body: body.to_string(),
    }
}
