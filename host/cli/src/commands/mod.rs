//! The commands beside `serve`, one file each.

pub mod doctor;
pub mod export;
pub mod faults;
pub mod import;
pub mod key;
pub mod plugin;
pub mod tenant;
