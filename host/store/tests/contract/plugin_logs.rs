//! What plugins log: the newest lines of each, in the order of their time.

use openhub_model::{ClockKind, Id, Timestamp};
use openhub_store::{LOG_LINES, LogFilter, PluginLog, Scope};

use crate::support::{Database, at};

fn line(plugin: &str, micros: i64, level: i64) -> PluginLog {
    PluginLog {
        at: Timestamp::from_micros(micros),
        id: Id::named(&[b"node"]),
        plugin: plugin.to_owned(),
        digest: "a".to_owned(),
        version: "1.0.0".to_owned(),
        level,
        message: format!("line {micros}"),
        fields: "{}".to_owned(),
    }
}

pub async fn the_newest_lines_of_each_plugin_are_kept(database: &Database) -> anyhow::Result<()> {
    let store = database.open("plugin-logs").await?;
    let scope = Scope::of(store.create_tenant("talker", ClockKind::Live, at(1)).await?.id);
    let now = Timestamp::from_micros(10_000_000);
    let all = |plugin: &str| LogFilter { plugin: plugin.to_owned(), level: 0, after: None };
    store.add_plugin_logs(&scope, now, &[]).await?;
    assert!(store.plugin_logs(&scope, &all("points"), 10).await?.is_empty());

    let lines: Vec<PluginLog> = (1..=4).map(|number| line("points", number, number % 4)).collect();
    store.add_plugin_logs(&scope, now, &lines).await?;
    store.add_plugin_logs(&scope, now, &[line("coupon", 2, 3)]).await?;
    assert_eq!(store.plugin_logs(&scope, &all("points"), 10).await?, lines);
    assert_eq!(store.plugin_logs(&scope, &all("points"), 2).await?, lines[2..], "the newest");
    let behind = LogFilter { after: Some((lines[1].at, lines[1].id)), ..all("points") };
    assert_eq!(store.plugin_logs(&scope, &behind, 1).await?, lines[2..3]);
    let errors = LogFilter { level: 3, ..all("points") };
    assert_eq!(store.plugin_logs(&scope, &errors, 10).await?, lines[2..3]);
    let other = Scope::of(store.create_tenant("listener", ClockKind::Live, at(1)).await?.id);
    assert!(store.plugin_logs(&other, &all("points"), 10).await?.is_empty());

    // One that says too much loses its own oldest lines, and nobody else's.
    let many: Vec<PluginLog> = (100..100 + LOG_LINES).map(|number| line("points", number, 1)).collect();
    store.add_plugin_logs(&scope, now, &many).await?;
    let kept = store.plugin_logs(&scope, &all("points"), 5_000).await?;
    assert_eq!((kept.len() as i64, &kept[0]), (LOG_LINES, &many[0]));
    assert_eq!(store.plugin_logs(&scope, &all("coupon"), 10).await?.len(), 1);

    // After a week a line goes, whoever wrote it.
    let later = Timestamp::from_micros(8 * 86_400_000_000);
    let last = line("coupon", later.micros(), 1);
    store.add_plugin_logs(&scope, later, std::slice::from_ref(&last)).await?;
    assert!(store.plugin_logs(&scope, &all("points"), 10).await?.is_empty());
    assert_eq!(store.plugin_logs(&scope, &all("coupon"), 10).await?, [last]);
    Ok(())
}
