//! What the end-to-end tests share: a hub in this process (`house`), a hub of its own process (`hub`), one that ends
//! under load (`load`), a page of the documentation that is done as it is written (`guide`), files that go in and out (`files`), and the plugins that they install.

pub mod component;
pub mod files;
pub mod gateway;
pub mod guests;
pub mod guide;
pub mod house;
pub mod hub;
pub mod load;
pub mod patience;
pub mod provider;
pub mod report;
pub mod seed;
pub mod shop;
pub mod traces;
