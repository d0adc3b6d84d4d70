//! A panic in a guest is a bare trap. This says first, in the log, what happened and where.

use std::panic;
use std::sync::Once;

use crate::log;

static ANNOUNCED: Once = Once::new();

/// Called at the start of every exported function; the hook is set once an instance.
pub fn announce() {
    ANNOUNCED.call_once(|| {
        panic::set_hook(Box::new(|panic| {
            let payload = panic.payload();
            let message = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("the plugin panicked");
            match panic.location() {
                Some(place) => log::error(&format!("{message} ({}:{})", place.file(), place.line())),
                None => log::error(message),
            }
        }));
    });
}
