//! Exports: every row of a list as CSV or JSON Lines, read page by page while the client takes it.
//!
//! What is held in memory is one page, whatever the size of the whole. Rows come in the order of their keys; a row that
//! changes meanwhile comes as it is when its page is read.

mod column;
mod pages;
mod style;
mod table;

pub(crate) use column::{Column, Read, are_known_kinds, columns};
pub(crate) use pages::{Page, respond};
pub(crate) use style::{Asked, Decimal, Style};
pub(crate) use table::{Format, Table};

/// Rows that are read at a time.
pub(crate) const PAGE: usize = 1_000;
