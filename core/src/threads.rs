//! `Send` and `Sync` on platforms with threads. WebAssembly has one thread, and JavaScript's objects and promises are
//! neither; a host there must be able to use them.

#[cfg(not(target_arch = "wasm32"))]
mod bounds {
    /// [`Send`], except on `wasm32`, where every type qualifies.
    pub trait MaybeSend: Send {}
    impl<T: Send + ?Sized> MaybeSend for T {}

    /// [`Sync`], except on `wasm32`, where every type qualifies.
    pub trait MaybeSync: Sync {}
    impl<T: Sync + ?Sized> MaybeSync for T {}

    /// The future that the methods of [`AuthHost`](crate::AuthHost) and the application's other traits return. It is
    /// `Send`, except on `wasm32`.
    pub type BoxFuture<'a, T> = futures_util::future::BoxFuture<'a, T>;
}

#[cfg(target_arch = "wasm32")]
mod bounds {
    /// [`Send`], except on `wasm32`, where every type qualifies.
    pub trait MaybeSend {}
    impl<T: ?Sized> MaybeSend for T {}

    /// [`Sync`], except on `wasm32`, where every type qualifies.
    pub trait MaybeSync {}
    impl<T: ?Sized> MaybeSync for T {}

    /// The future that the methods of [`AuthHost`](crate::AuthHost) and the application's other traits return. It is
    /// `Send`, except on `wasm32`.
    pub type BoxFuture<'a, T> = futures_util::future::LocalBoxFuture<'a, T>;
}

pub use bounds::{BoxFuture, MaybeSend, MaybeSync};
