//! The host's clock. A parameter, so that tests set it.

use std::sync::Arc;

use openhub_model::Timestamp;

pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;
