//! The commands beside `serve`, one file each.

pub mod attribute;
pub mod audit;
pub mod backup;
pub mod doctor;
pub mod export;
pub mod faults;
pub mod import;
pub mod key;
pub mod object_type;
pub mod plugin;
pub mod tenant;
pub mod usage;
pub mod webhook;

/// What a list says in place of rows: that there are none, and what to do next. It goes where no script looks for rows.
pub fn empty(said: &str) {
    eprintln!("{said}");
}
