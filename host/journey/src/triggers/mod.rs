//! The trigger types, one file each: what an author writes, which events it is looked at for, what is checked. None of them
//! sees another.

pub(crate) mod event;
pub(crate) mod registry;
pub(crate) mod segment;
