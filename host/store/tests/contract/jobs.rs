//! Jobs: claimed under the lease, ended under the claim, and due in the tenant's row.

use openhub_model::ClockKind;
use openhub_store::{
    Asleep, CatalogChange, JOB_RUNS, JobClaim, JobEnd, JobKey, JobOutcome, JobPlan, JobRow, JobRun, Lease,
    PluginStatus, Scope, Store, StoreError,
};

use crate::kv::installed;
use crate::support::{Database, LEASE, at, changes};

fn key() -> JobKey {
    JobKey { plugin: "shop".to_owned(), job: "poll".to_owned() }
}

fn run(outcome: JobOutcome) -> JobRun {
    JobRun {
        attempt: 0,
        scheduled: at(500),
        started_at: at(500),
        ended_at: at(510),
        outcome,
        code: None,
        note: Some("7 orders".to_owned()),
        fuel: 9,
        lines: vec!["info: began".to_owned()],
        version: "1.0.0".to_owned(),
        digest: Some("d".to_owned()),
    }
}

fn end(row: &JobRow, cursor: Option<&str>, due: i64) -> JobEnd {
    JobEnd {
        key: row.key.clone(),
        claimed_by: row.claimed_by.expect("it is claimed"),
        cursor: cursor.map(|cursor| Some(cursor.to_owned())),
        attempt: 0,
        slot: Some(at(due)),
        begun: false,
        due: Some(at(due)),
        run: run(JobOutcome::Done),
    }
}

async fn only(store: &Store, scope: &Scope) -> anyhow::Result<JobRow> {
    let rows = store.jobs(scope).await?;
    let [row] = <[JobRow; 1]>::try_from(rows).expect("one job");
    Ok(row)
}

async fn due_asleep(store: &Store, scope: &Scope, lease: &Lease) -> anyhow::Result<Asleep> {
    let asleep = store.put_to_sleep(scope, lease).await?;
    store.rouse(scope, lease).await?;
    Ok(asleep)
}

pub async fn a_job_is_run_by_one_node_and_its_cursor_moves_with_its_outcome(database: &Database) -> anyhow::Result<()> {
    let store = database.open("jobs").await?;
    let tenant = store.create_tenant("worker", ClockKind::Live, at(1)).await?;
    let scope = Scope::of(tenant.id);
    installed(&store, &scope, "shop").await?;
    let leases = store.claim_partitions(LEASE, 99).await?.leases;
    let lease = leases.into_iter().find(|lease| lease.tenant == tenant.id).expect("its partition is free");
    let fence = lease.fence;
    let plan = JobPlan { key: key(), schedule: "hourly".to_owned(), slot: Some(at(500)) };
    store.plan_jobs(&scope, fence, vec![plan.clone()], Vec::new()).await?;
    assert_eq!(due_asleep(&store, &scope, &lease).await?.due, Some(at(500)), "it wakes its tenant");

    let claim = |now: i64, serves: Option<i64>| JobClaim { key: key(), serves: serves.map(at), at: at(now) };
    assert!(store.claim_job(&scope, fence, claim(499, Some(500))).await?.is_none(), "it is not due");
    assert!(matches!(store.claim_job(&scope, fence - 1, claim(500, Some(500))).await, Err(StoreError::FenceLost)));
    let first = store.claim_job(&scope, fence, claim(500, Some(500))).await?.expect("it is due");
    assert_eq!((first.step, first.runs, first.begun, first.claimed_by), (0, 1, true, Some(fence)));
    assert!(store.claim_job(&scope, fence, claim(600, None)).await?.is_none(), "it runs");
    // Nobody else ends it, and it ends once.
    let stale = JobEnd { claimed_by: fence - 1, ..end(&first, Some("9"), 900) };
    store.end_job(&scope, fence, stale).await?;
    assert!(matches!(store.end_job(&scope, fence - 1, end(&first, Some("9"), 900)).await, Err(StoreError::FenceLost)));
    assert_eq!(only(&store, &scope).await?.cursor, None);
    for _ in 0..2 {
        store.end_job(&scope, fence, end(&first, Some("[1]"), 900)).await?;
    }
    let row = only(&store, &scope).await?;
    assert_eq!((row.cursor.as_deref(), row.step, row.due, row.claimed_by), (Some("[1]"), 1, Some(at(900)), None));
    assert_eq!(store.job_runs(&scope, &key(), 9).await?, [run(JobOutcome::Done)]);

    // What failed leaves the cursor; what somebody asks for meanwhile is run next.
    let second = store.claim_job(&scope, fence, claim(900, Some(900))).await?.expect("it is due");
    store.ask_job(&scope, key(), at(910)).await?;
    assert_eq!(due_asleep(&store, &scope, &lease).await?.due, Some(at(910)), "it is asked for");
    store.end_job(&scope, fence, JobEnd { attempt: 1, ..end(&second, None, 5_000) }).await?;
    let row = only(&store, &scope).await?;
    assert_eq!((row.cursor.as_deref(), row.step, row.attempt, row.due), (Some("[1]"), 1, 1, Some(at(910))));
    let third = store.claim_job(&scope, fence, claim(910, None)).await?.expect("it is asked for");
    assert!(!third.asked && !third.begun);

    // A plugin that stops takes its jobs off, whatever runs; what ends then stays off, with its cursor.
    let stops = CatalogChange::Plugin {
        name: "shop".to_owned(),
        from: None,
        status: PluginStatus::Disabled,
        digest: None,
        settings: None,
        grant: None,
        position: 0,
    };
    let mut stop = changes(0);
    stop.catalog = vec![stops];
    let lease = store.commit(&scope, &lease, &stop).await?;
    store.end_job(&scope, fence, end(&third, Some("[2]"), 9_000)).await?;
    let row = only(&store, &scope).await?;
    assert_eq!((row.cursor.as_deref(), row.due, row.asked), (Some("[2]"), None, false));
    assert_eq!(due_asleep(&store, &scope, &lease).await?.due, None, "an idle tenant sleeps on");
    store.plan_jobs(&scope, fence, vec![plan], Vec::new()).await?;
    assert_eq!(only(&store, &scope).await?.cursor.as_deref(), Some("[2]"), "it goes on where it was");
    store.put_off_job(&scope, fence, JobPlan { key: key(), schedule: String::new(), slot: Some(at(700)) }).await?;
    assert_eq!(only(&store, &scope).await?.due, Some(at(700)));

    // The last runs are kept.
    for _ in 0..JOB_RUNS + 5 {
        store.ask_job(&scope, key(), at(1_000)).await?;
        let row = store.claim_job(&scope, fence, claim(1_000, None)).await?.expect("it is asked for");
        store.end_job(&scope, fence, end(&row, Some("3"), 2_000)).await?;
    }
    assert_eq!(store.job_runs(&scope, &key(), 1_000).await?.len(), JOB_RUNS as usize);
    store.leave().await?;
    store.close().await;
    Ok(())
}
