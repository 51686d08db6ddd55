//! Contract tests for an application's own components (feature `testing`), to be called from its tests.

pub use crate::store::contract::{StoreCheck, check_store};
