//! `plan` and `apply`: a declarative file held against what the server has.
//!
//! [`text`] reads TOML with places, [`kinds`] knows each table and where the
//! server keeps it, [`entries`] checks a file's tables, [`difference`] compares.

mod apply;
mod difference;
mod entries;
mod kinds;
pub(crate) mod text;

pub(crate) use apply::{Arguments, apply, plan};
