//! Memory for large blocks, such as the tensors that every training step takes and frees again.
//!
//! The C library gives large blocks of threads back to the system, and each time they are taken again they cost a page fault
//! for every 4 KiB; nor does it ask for huge pages, without which a processor spends several percent of a step on looking
//! addresses up. Here blocks that were freed stay, and they lie in huge pages where the system has them.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes blocks from here that are worth it, and the others from the system.
#[derive(Debug)]
pub struct Heap;

/// Bytes of the smallest and the largest block that are taken from here. Larger ones are rare, and given back when they are
/// freed.
const SMALLEST: usize = 256 << 10;
const LARGEST: usize = 1 << 30;
/// Bytes that are asked of the system at a time: addresses, which cost nothing until something is written there.
const REGION: usize = LARGEST + (1 << 20);
/// Bytes of a huge page.
const HUGE_PAGE: usize = 2 << 20;
/// Where a block may start.
const ALIGNMENT: usize = 64;
/// Free bytes after each block, so that blocks of one size do not start at the same place of a page: the processor would take
/// a load from one for what was just stored in another.
const GAP: usize = 5 * ALIGNMENT;
/// Free ranges that are remembered. Their list stays a small block, which this heap does not have to take from itself.
const MOST_RANGES: usize = 4096;

/// Bytes from which a block does not lie among smaller ones: these would take parts of its place when it is freed, and it
/// would have to lie elsewhere the next time.
const VERY_LARGE: usize = 32 << 20;

static LARGE_BLOCKS: Mutex<Space> = Mutex::new(Space::NEW);
static VERY_LARGE_BLOCKS: Mutex<Space> = Mutex::new(Space::NEW);

/// Where blocks of a size are.
fn space(size: usize) -> MutexGuard<'static, Space> {
    let space = if size < VERY_LARGE { &LARGE_BLOCKS } else { &VERY_LARGE_BLOCKS };
    space.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_ours(size: usize, alignment: usize) -> bool {
    (SMALLEST..=LARGEST).contains(&size) && alignment <= ALIGNMENT
}

/// What a block of `size` bytes takes.
fn length_of(size: usize) -> usize {
    size.next_multiple_of(ALIGNMENT) + GAP
}

// SAFETY: `Space` never hands out the same addresses twice before they are given back, all of them are mapped and aligned to
// `ALIGNMENT`, and what a block takes follows from its size alone. Everything else is the system's.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_ours(layout.size(), layout.align()) {
            true => take(layout.size()).0,
            // SAFETY: handed on to the caller.
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !is_ours(layout.size(), layout.align()) {
            // SAFETY: handed on to the caller.
            return unsafe { System.alloc_zeroed(layout) };
        }
        let (block, is_fresh) = take(layout.size());
        if !block.is_null() && !is_fresh {
            // SAFETY: the block is this call's, and that long.
            unsafe { block.write_bytes(0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match is_ours(layout.size(), layout.align()) {
            true => space(layout.size()).give(Range { start: block as usize, length: length_of(layout.size()) }),
            // SAFETY: handed on to the caller.
            false => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match (is_ours(layout.size(), layout.align()), is_ours(size, layout.align())) {
            // SAFETY: handed on to the caller.
            (false, false) => unsafe { System.realloc(block, layout, size) },
            (true, true) if length_of(layout.size()) == length_of(size) => block,
            // SAFETY: handed on to the caller, who vouches for the new size too; the blocks do not overlap.
            _ => unsafe {
                let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
                if !new.is_null() {
                    new.copy_from_nonoverlapping(block, layout.size().min(size));
                    self.dealloc(block, layout);
                }
                new
            },
        }
    }
}

/// A block, and whether it is zeros because nobody had it before; null where the system has no more memory.
fn take(size: usize) -> (*mut u8, bool) {
    let mut space = space(size);
    let length = length_of(size);
    if space.fresh.length < length && !space.holds(length) {
        // Where addresses are limited too, as many as are needed may be left.
        let Some(region) = map(REGION).or_else(|| map(length)) else { return (std::ptr::null_mut(), false) };
        space.add(region);
    }
    let (start, is_fresh) = space.take(length).unwrap_or_default();
    (start as *mut u8, is_fresh)
}

/// New addresses from the system.
fn map(length: usize) -> Option<Range> {
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    // SAFETY: a mapping at a place that the system chooses replaces no other.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), length + HUGE_PAGE, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return None;
    }
    let start = (start as usize).next_multiple_of(HUGE_PAGE);
    // SAFETY: these addresses are ours; the advice does not change what is there. Without huge pages it fails, and nothing is
    // lost.
    unsafe {
        libc::madvise(start as *mut libc::c_void, length, libc::MADV_HUGEPAGE);
    }
    Some(Range { start, length })
}

/// Addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Range {
    start: usize,
    length: usize,
}

impl Range {
    fn end(&self) -> usize {
        self.start + self.length
    }
}

/// What is free.
struct Space {
    /// What was in use before, by its addresses; no range touches another.
    free: Vec<Range>,
    /// What nobody ever had: the rest of the newest region.
    fresh: Range,
}

impl Space {
    const NEW: Self = Self { free: Vec::new(), fresh: Range { start: 0, length: 0 } };

    /// Whether a block of this length was in use before and is free.
    fn holds(&self, length: usize) -> bool {
        self.free.iter().any(|range| range.length >= length)
    }

    /// Addresses from the shortest free range that has as many, and whether they are new.
    fn take(&mut self, length: usize) -> Option<(usize, bool)> {
        let fitting = self.free.iter_mut().enumerate().filter(|(_, range)| range.length >= length);
        if let Some((index, range)) = fitting.min_by_key(|(_, range)| range.length) {
            let start = range.start;
            *range = Range { start: start + length, length: range.length - length };
            if range.length == 0 {
                self.free.remove(index);
            }
            return Some((start, false));
        }
        let start = self.fresh.start;
        self.fresh = Range { start: start + length, length: self.fresh.length.checked_sub(length)? };
        Some((start, true))
    }

    /// Takes addresses back, and joins them with what is free beside them.
    fn give(&mut self, range: Range) {
        let next = self.free.partition_point(|other| other.start < range.start);
        let joins_next = self.free.get(next).is_some_and(|other| range.end() == other.start);
        let joins_last = next > 0 && self.free[next - 1].end() == range.start;
        match (joins_last, joins_next) {
            (true, true) => self.free[next - 1].length += range.length + self.free.remove(next).length,
            (true, false) => self.free[next - 1].length += range.length,
            (false, true) => {
                let other = &mut self.free[next];
                *other = Range { start: range.start, length: range.length + other.length };
            }
            (false, false) if self.free.len() < MOST_RANGES => self.free.insert(next, range),
            // Nobody will have these addresses again.
            (false, false) => {}
        }
    }

    /// Adds a region that nobody had; what is left of the one before counts as used.
    fn add(&mut self, region: Range) {
        let rest = std::mem::replace(&mut self.fresh, region);
        if rest.length > 0 {
            self.give(rest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: usize, length: usize) -> Range {
        Range { start, length }
    }

    #[test]
    fn the_shortest_range_that_fits_is_taken_and_neighbours_join() {
        let mut space = Space { free: Vec::new(), fresh: range(1000, 100) };
        let starts: Vec<_> = [30, 10, 20, 40].map(|length| space.take(length)).into_iter().flatten().collect();
        assert_eq!(starts, [(1000, true), (1030, true), (1040, true), (1060, true)]);
        assert_eq!(space.take(1), None);
        space.give(range(1000, 30));
        space.give(range(1040, 20));
        assert_eq!(space.take(15), Some((1040, false)));
        assert_eq!(space.free, [range(1000, 30), range(1055, 5)]);
        space.give(range(1030, 10));
        space.give(range(1040, 15));
        assert_eq!(space.free, [range(1000, 60)]);
        space.give(range(1060, 40));
        assert_eq!(space.free, [range(1000, 100)]);
        assert!(space.holds(100) && !space.holds(101));
    }

    #[test]
    fn a_new_region_leaves_the_rest_of_the_old_one_in_use() {
        let mut space = Space { free: Vec::new(), fresh: range(0, 10) };
        space.add(range(100, 50));
        assert_eq!(space.take(20), Some((100, true)));
        assert_eq!(space.take(10), Some((0, false)));
    }

    /// Blocks of all sizes, taken and freed by several threads: nobody writes into another's, and zeros are zeros.
    #[test]
    fn blocks_are_their_owners_alone() {
        std::thread::scope(|scope| {
            for thread in 0..4u8 {
                scope.spawn(move || {
                    let mut random = crate::random::Random::named(thread.into(), "blocks", 0);
                    let mut blocks: Vec<Vec<u8>> = Vec::new();
                    for turn in 0..200 {
                        let size = random.below(2 * SMALLEST) + SMALLEST / 2;
                        let mut block = vec![0u8; size];
                        assert!(block.iter().all(|&byte| byte == 0));
                        block.fill(thread + 1);
                        if turn % 3 == 0 {
                            block.resize(size + random.below(SMALLEST), thread + 1);
                            block.shrink_to_fit();
                        }
                        blocks.push(block);
                        if blocks.len() > 8 {
                            let freed = blocks.swap_remove(random.below(8));
                            assert!(freed.iter().all(|&byte| byte == thread + 1));
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn blocks_that_are_too_large_or_strictly_aligned_are_the_system_s() {
        assert!(is_ours(SMALLEST, 64) && is_ours(LARGEST, 1));
        assert!(!is_ours(SMALLEST - 1, 1) && !is_ours(LARGEST + 1, 1) && !is_ours(SMALLEST, 4096));
        assert!(length_of(LARGEST) <= REGION);
    }
}
