//! The commands, one file each.

pub(crate) mod call;
pub(crate) mod challenge;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod serve_fixture;
pub(crate) mod status;
