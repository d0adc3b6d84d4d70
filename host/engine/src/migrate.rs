//! Objects of a declared type become objects of its next version, at its place in the log: first all are looked at, then they are
//! written anew in steps, and the last commit puts the version in force. Until then the version before is, and the API writes
//! no object of the type. A hub that dies in between goes on behind the last step.

use openhub_model::Event;
use openhub_model::object_type::{Declaration, Migration};
use openhub_model::{Fault, Id};
use openhub_store::{CatalogChange, Changes, Migrating, Scope};

use crate::body::object_changed;
use crate::error::EngineError;
use crate::lane::Lane;
use crate::object_types::fit::Step;

/// What became of it.
pub enum Migrated {
    /// The version can come into force.
    All,
    /// Objects do not fit, and nothing was changed.
    Not(Vec<Fault>),
    /// The lane ends; the next one goes on.
    Stopped,
}

impl Lane {
    pub(crate) async fn migrate(
        &mut self,
        event: &Event,
        name: &str,
        after: &Declaration,
        migration: &Migration,
    ) -> Result<Migrated, EngineError> {
        let (store, scope): (_, Scope) = (self.shared.store.clone(), self.scope);
        let types = store.object_types(&scope).await?;
        let Some(stored) = types.iter().find(|declared| declared.name == name) else { return Ok(Migrated::All) };
        let step = Step::of(stored, after, migration);
        let mut under_way = match &stored.migrating {
            Some(under_way) if under_way.position == event.position => under_way.clone(),
            _ => {
                let begun = Migrating { position: event.position, after: None };
                self.note_migration(name, begun.clone(), Changes::default()).await?;
                begun
            }
        };
        if under_way.after.is_none() {
            let misfits = step.fit(&store, &scope).await?.misfits;
            if !misfits.is_empty() {
                return Ok(Migrated::Not(misfits.iter().map(|misfit| misfit.fault()).collect()));
            }
        }
        let asks = !self.catalog.segments.on_object(name).is_empty();
        let now = self.clock_at(event);
        loop {
            let page = step.page(&store, &scope, under_way.after.clone()).await?;
            let Some(last) = page.last() else { return Ok(Migrated::All) };
            under_way.after = Some(last.key.clone());
            let mut changes = Changes::default();
            for object in &page {
                let Some(mut changed) = step.change(object) else { continue };
                (changed.updated_at, changed.cause) = (now, event.message_id.clone());
                let owners = [object.part, changed.part.filter(|part| Some(*part) != object.part)];
                for owner in owners.into_iter().flatten().filter(|_| asks) {
                    let (of, by) =
                        ((object.kind.clone(), object.key.clone()), Id::named(&[event.message_id.as_bytes()]));
                    changes.arrivals.push(object_changed(owner, &of, (by, 0), (&event.message_id, 1), now));
                }
                changes.objects.push(step.written(object.version, changed));
            }
            self.note_migration(name, under_way.clone(), changes).await?;
            if self.stop.is_cancelled() {
                return Ok(Migrated::Stopped);
            }
        }
    }

    async fn note_migration(&mut self, name: &str, state: Migrating, changes: Changes) -> Result<(), EngineError> {
        let changes = Changes {
            checkpoint: self.lease.checkpoint,
            clock: self.lease.clock,
            wall: (self.shared.clock)(),
            catalog: vec![CatalogChange::ObjectTypeMigrates { name: name.to_owned(), state: Some(state) }],
            ..changes
        };
        self.lease = self.shared.store.commit(&self.scope, &self.lease, &changes).await?;
        Ok(())
    }
}
