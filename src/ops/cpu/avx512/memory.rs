//! Memory for packed operands, kept by each thread from product to product.

use std::cell::Cell;

/// A vector register's worth of packed words: panels are aligned to cache lines.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub struct Line(#[allow(dead_code, reason = "read through pointers")] [f32; 16]);

thread_local! {
    /// A group of panels of a. Whoever uses it takes it and puts it back; who finds none makes a new one.
    pub static PACKED_A: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    /// Blocks of b.
    pub static PACKED_B: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Where `words` words of 32 bits lie; what they hold is not said.
pub fn room(lines: &mut Vec<Line>, words: usize) -> *mut f32 {
    let count = words.div_ceil(16);
    if lines.len() < count {
        lines.resize(count, Line([0.0; 16]));
    }
    lines.as_mut_ptr().cast()
}
