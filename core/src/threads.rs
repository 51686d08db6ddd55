//! `Send` and `Sync` where there are threads. WebAssembly has one thread, and the objects and promises of JavaScript are
//! neither `Send` nor `Sync`; a host there must be able to use them all the same.

#[cfg(not(target_arch = "wasm32"))]
mod bounds {
    /// [`Send`], but on `wasm32`, where it is no requirement.
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}

    /// [`Sync`], but on `wasm32`, where it is no requirement.
    pub trait MaybeSync: Sync {}
    impl<T: Sync + ?Sized> MaybeSync for T {}

    /// The future that the methods of [`AuthHost`](crate::AuthHost) and other traits of the application return. It is
    /// `Send`, but on `wasm32`.
    pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;
}

#[cfg(target_arch = "wasm32")]
mod bounds {
    /// [`Send`], but on `wasm32`, where it is no requirement.
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}

    /// [`Sync`], but on `wasm32`, where it is no requirement.
    pub trait MaybeSync {}
    impl<T: ?Sized> MaybeSync for T {}

    /// The future that the methods of [`AuthHost`](crate::AuthHost) and other traits of the application return. It is
    /// `Send`, but on `wasm32`.
    pub type BoxFuture<'a, T> = futures_util::future::LocalBoxFuture<'a, T>;
}

pub use bounds::{BoxFuture, MaybeSend, MaybeSync};
