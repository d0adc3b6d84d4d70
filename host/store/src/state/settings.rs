//! What a tenant says about itself, and under which key the database's secrets are.

use openhub_model::TenantId;
use openhub_model::tenant::Home;

use crate::database::bulk;
use crate::database::connection::{execute, select};
use crate::database::decode::json;
use crate::database::transaction::Tx;
use crate::error::StoreError;
use crate::scope::Scope;
use crate::store::Store;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// For how many days the list of faults is kept.
    pub fault_days: i64,
    pub pages: PageSettings,
    pub home: Home,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { fault_days: 90, pages: PageSettings::default(), home: Home::default() }
    }
}

/// What the keys of pages may, which anybody can read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSettings {
    /// The origins from which they send; none: from everywhere.
    pub origins: Vec<String>,
    /// Events that only servers say.
    pub server_events: Vec<String>,
}

impl Store {
    pub async fn settings(&self, scope: &Scope) -> Result<Settings, StoreError> {
        let rows = select!(
            self,
            scope,
            (i64, String, String, String, String),
            "SELECT fault_days, page_origins, server_events, locale, time_zone FROM tenants WHERE id = $1",
            scope.tenant().0
        );
        let row = rows.into_iter().next().ok_or(StoreError::NotFound)?;
        let (fault_days, origins, server_events, locale, time_zone) = row;
        Ok(Settings {
            fault_days,
            pages: PageSettings::read(&origins, &server_events)?,
            home: Home { locale, time_zone },
        })
    }

    /// The names of the keys under which the database's secrets are sealed: one, unless a lost one was given up.
    pub async fn secret_keys(&self) -> Result<Vec<String>, StoreError> {
        let rows = select!(self, None::<&Scope>, (String,), "SELECT name FROM secret_keys ORDER BY name");
        Ok(rows.into_iter().map(|(name,)| name).collect())
    }

    /// From now on secrets are sealed under this key.
    pub async fn put_secret_key(&self, name: &str) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.writer
            .write(None, move |tx| {
                Box::pin(async move {
                    execute!(tx.conn(), "INSERT INTO secret_keys (name) VALUES ($1) ON CONFLICT DO NOTHING", &name)
                        .map(drop)
                })
            })
            .await
    }
}

impl PageSettings {
    pub(crate) fn read(origins: &str, server_events: &str) -> Result<PageSettings, StoreError> {
        Ok(PageSettings {
            origins: json(origins, "origins of a tenant")?,
            server_events: json(server_events, "events of a tenant")?,
        })
    }
}

pub(crate) async fn put_settings(tx: &mut Tx<'_>, tenant: TenantId, settings: &Settings) -> Result<(), StoreError> {
    let Settings { fault_days, pages: PageSettings { origins, server_events }, home: Home { locale, time_zone } } =
        settings;
    execute!(
        tx.conn(),
        "UPDATE tenants SET fault_days = $2, page_origins = $3, server_events = $4, locale = $5, time_zone = $6 WHERE id = $1",
        tenant.0,
        *fault_days,
        bulk::list(origins),
        bulk::list(server_events),
        locale,
        time_zone,
    )
    .map(drop)
}
