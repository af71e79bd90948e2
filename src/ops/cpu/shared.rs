//! Memory that several threads write to, each its own elements.

/// Where it starts.
#[derive(Clone, Copy)]
pub struct Shared(pub *mut f32);

// SAFETY: a `Shared` is only a pointer; whoever writes through it says why no other thread touches those elements.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// Taken by a method so that closures capture the wrapper and not the bare pointer.
    pub fn at(self, index: usize) -> *mut f32 {
        self.0.wrapping_add(index)
    }

    /// # Safety
    /// The elements must be valid for as long as the slice is used, and nobody else's meanwhile.
    pub unsafe fn slice<'a>(self, index: usize, count: usize) -> &'a mut [f32] {
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.at(index), count) }
    }
}
