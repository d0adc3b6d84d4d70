//! The connections of callers: how many there may be, and how long one may say nothing.
//!
//! Each is a file handle, and so is much of what the hub needs itself: if callers could take all of them, nobody would be
//! answered any more. What a caller may ask is no business of this module.

mod peer;
mod room;
mod serve;
mod tls;

pub use peer::Times;
pub use room::{FEWEST_FILES, bound, file_limit};
pub use serve::{Door, serve};
pub use tls::Tls;
