//! An allocator that counts, for what has to be shown about memory.
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
    /// What this thread has allocated since it began to count.
    static COUNT: Cell<Option<Memory>> = const { Cell::new(None) };
}

/// The system's allocator. Where [`counted`] runs it counts; anywhere else it costs no more than looking whether to.
pub struct Counting;

/// What was allocated during a piece of work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    /// How often memory was asked for, growing included.
    pub allocations: u64,
    /// How many bytes more are in use than before.
    pub live: i64,
}

/// Runs `work` and counts what this thread does meanwhile. Needs [`Counting`] to be the global allocator.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Memory) {
    COUNT.set(Some(Memory::default()));
    let result = work();
    (result, COUNT.take().unwrap_or_default())
}

fn note(allocations: u64, bytes: usize, freed: usize) {
    // A thread that is ending has no count any more.
    let _ = COUNT.try_with(|count| {
        if let Some(mut memory) = count.get() {
            memory.allocations += allocations;
            // No layout is larger than `isize::MAX`.
            memory.live += bytes as i64 - freed as i64;
            count.set(Some(memory));
        }
    });
}

// SAFETY: everything is done by `System`, as it was asked for; counting is no more than adding numbers.
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
