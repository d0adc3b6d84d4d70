//! What is asked of objects: it is put to the plugins at the end of the wave, those of one customer in their order.

use crate::compute::ask::{Ask, Request};
use crate::compute::batch::Batch;

pub fn ask(batch: &mut Batch<'_>, request: Request) {
    batch.asks.push(Ask::Object(request));
}
