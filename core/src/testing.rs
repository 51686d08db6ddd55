//! Checks for what an application brings along (feature `testing`): its tests run them.

pub use crate::store::contract::{StoreCheck, check_store};
