//! A counting allocator, to measure memory.
//!
//! ```
//! use mcp_reauth_bench::{Counting, counted};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting;
//!
//! let (kept, memory) = counted(|| {
//!     drop(vec![0_u8; 10]);
//!     Box::new(0_u64)
//! });
//! assert_eq!((memory.allocations, memory.live), (2, 8));
//! drop(kept);
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    /// The allocations of this thread since it began to count.
    static COUNT: Cell<Option<Memory>> = const { Cell::new(None) };
}

/// The system's allocator. It counts during [`counted`]; otherwise it only checks whether to count.
pub struct Counting;

/// The allocations during a piece of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// The number of allocations and reallocations.
    pub allocations: u64,
    /// The change of the number of bytes in use.
    pub live: i64,
}

/// Runs `work` and counts this thread's allocations meanwhile. [`Counting`] must be the global allocator.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Memory) {
    COUNT.set(Some(Memory::default()));
    let result = work();
    (result, COUNT.take().unwrap_or_default())
}

fn note(allocations: u64, bytes: usize, freed: usize) {
    // A thread that is exiting no longer has a count.
    let _ = COUNT.try_with(|count| {
        if let Some(mut memory) = count.get() {
            memory.allocations += allocations;
            // No layout is larger than `isize::MAX`.
            memory.live += bytes as i64 - freed as i64;
            count.set(Some(memory));
        }
    });
}

// SAFETY: all calls are forwarded to `System` unchanged; counting only adds numbers.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size(), 0);
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(1, layout.size(), 0);
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        note(0, 0, layout.size());
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(1, size, layout.size());
        unsafe { System.realloc(memory, layout, size) }
    }
}
