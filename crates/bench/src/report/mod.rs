//! Results for people and for programs.

pub(crate) mod machine;
pub(crate) mod overview;
pub(crate) mod page;
mod plot;
pub(crate) mod summary;
pub(crate) mod table;
pub(crate) mod text;
