//! Customers who are looked at because a segment changed and not because something happened to them: a first fill, or
//! an upload to a static segment. Pure as COMPUTE is. What they enter and leave is written; what that triggers goes its
//! way through the log.

use hashbrown::HashMap;
use openhub_model::{Id, PartId, Timestamp};
use openhub_store::Changes;

use super::batch::Batch;
use super::course::Course;
use super::input::Input;
use super::occasion::Occasion;
use super::output::Output;
use super::retry::Retries;
use super::segments::{Upload, admit, assess};

use crate::catalog::{Catalog, Place};

/// Why customers are looked at.
pub enum Review {
    /// These segments were published: nobody is triggered by what has been so before.
    Fill(Vec<Place>),
    /// A static segment was written.
    Members { place: Place, members: HashMap<PartId, Upload>, position: i64 },
}

/// Asks about all customers of `input`, which has no events.
pub fn review(input: Input, catalog: &Catalog, review: &Review, now: Timestamp) -> Changes {
    let (clock, checkpoint) = (input.plan.clock, input.plan.checkpoint);
    let (retries, course) = (Retries::default(), Course::endless());
    let mut batch = Batch::new(input, catalog, &retries, &course);
    for actor in 0..batch.actors.len() {
        let Some(part) = batch.actors[actor].customer.as_ref().map(|customer| customer.part) else { continue };
        match review {
            Review::Fill(places) => {
                let first = catalog.segments.get(places[0]);
                let version = first.version.to_le_bytes();
                let cause = Id::named(&[b"fill", first.name.as_bytes(), &version, part.as_bytes()]).to_string();
                batch.actors[actor].segments.touch(places);
                assess(&mut batch, actor, Occasion { now, cause: &cause, depth: 0, historical: true });
            }
            Review::Members { place, members, position } => {
                let uploads = batch.actors[actor].members.iter().filter_map(|member| members.get(&member.part.id()));
                let Some(upload) = uploads.copied().next_back() else { continue };
                let cause = Id::named(&[b"members", &position.to_le_bytes(), part.as_bytes()]).to_string();
                admit(&mut batch, actor, *place, upload, Occasion::timer(now, &cause));
            }
        }
    }
    if let Review::Members { .. } = review {
        batch.arrivals.append(&mut batch.events);
    }
    let Output { changes, .. } = batch.finish();
    Changes { clock, checkpoint, ..changes }
}
