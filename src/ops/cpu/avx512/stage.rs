//! A part of b that is packed, and then multiplied with all rows of a.

use super::super::shared::Shared;
use super::Job;
use super::ahead::Ahead;
use super::amx::{self, Tiles};
use super::claims::Claims;
use super::element::Element;
use super::kernel::{Base, COLUMNS, Kernel, Registers, STRETCH, Tile};
use super::memory::{PACKED_A, room};
use super::pack::{PackedA, PackedB};
use super::plan::{Cut, Units};
use super::way::Way;
use super::words::{Halves, Singles};
use rayon::prelude::*;
use std::ops::Range;

/// Pieces of the packing for each thread.
const PIECES: usize = 4;

/// Some columns of b and some blocks along k.
pub struct Stage<'a, E> {
    pub job: &'a Job<'a, E>,
    pub cut: &'a Cut,
    pub columns: Range<usize>,
    pub blocks: Range<usize>,
    /// Where the blocks are packed, one after the other.
    pub out: Shared,
}

/// What a thread does at a time.
enum Task {
    /// Packs some parts of a block.
    Pack(usize, Range<usize>),
    /// Multiplies some rows of a with some columns of all blocks, counted from the stage's first.
    Multiply(Range<usize>, Range<usize>),
}

impl<'a, E: Element> Stage<'a, E> {
    /// # Safety
    /// As for [`super::multiply`]; `out` must have room for the blocks and be this call's.
    pub unsafe fn run(&self, threads: usize) {
        let parts = self.block(self.blocks.start).parts();
        let pieces = parts.min((PIECES * threads).div_ceil(self.blocks.len()));
        let units = Units::new((self.job.product.size.0, self.columns.len()), self.cut.words, self.cut.sizes, threads);
        let (packing, multiplying) = (Claims::new(self.blocks.len() * pieces), Claims::new(units.count()));
        let work = || {
            packing.each(|claim| {
                let (block, piece) = (self.blocks.start + claim / pieces, claim % pieces);
                // SAFETY: each piece is claimed once; the rest is handed on to the caller.
                unsafe { self.task(Task::Pack(block, piece * parts / pieces..(piece + 1) * parts / pieces)) }
            });
            packing.wait();
            multiplying.each(|claim| {
                let (rows, columns) = units.unit(claim);
                // SAFETY: each unit is claimed once, and all is packed; the rest is handed on to the caller.
                unsafe { self.task(Task::Multiply(rows, columns)) }
            });
        };
        match threads {
            1 => work(),
            _ => (0..threads).into_par_iter().with_max_len(1).for_each(|_| work()),
        }
    }

    fn block(&self, index: usize) -> PackedB<'a, E> {
        let (_, _, k) = self.job.product.size;
        let block = index * self.cut.depth..((index + 1) * self.cut.depth).min(k);
        let words = block.len().div_ceil(self.cut.sizes.in_word).next_multiple_of(self.cut.sizes.step);
        let out = Shared(self.out.at((index - self.blocks.start) * self.cut.room()));
        PackedB { b: self.job.b, block, columns: self.columns.clone(), words, out }
    }

    /// # Safety
    /// As for [`Stage::run`]; no other thread may have the same parts, or the same rows and columns of the result.
    unsafe fn task(&self, task: Task) {
        // SAFETY: handed on to the caller.
        unsafe {
            match self.job.way {
                Way::Singles => self.singles(task),
                Way::Halves => self.halves(task),
                Way::Tiles => self.tiles(task),
            }
        }
    }

    /// # Safety
    /// As for [`Stage::task`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn singles(&self, task: Task) {
        // SAFETY: handed on to the caller.
        unsafe { self.work::<Registers<Singles>>(task) }
    }

    /// # Safety
    /// As for [`Stage::task`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn halves(&self, task: Task) {
        // SAFETY: handed on to the caller.
        unsafe { self.work::<Registers<Halves>>(task) }
    }

    /// # Safety
    /// As for [`Stage::task`].
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn tiles(&self, task: Task) {
        // SAFETY: handed on to the caller.
        unsafe { amx::configured(|| self.work::<Tiles>(task)) }
    }

    /// # Safety
    /// As for [`Stage::task`]; the processor must have what `K` needs. Everything below is always inlined, so that it is
    /// compiled for the processor that the callers above name.
    #[inline(always)]
    unsafe fn work<K: Kernel>(&self, task: Task) {
        // SAFETY: handed on to the caller.
        unsafe {
            match task {
                Task::Pack(block, parts) => self.block(block).pack::<K::Words>(parts),
                Task::Multiply(rows, columns) => self.multiply::<K>(rows, columns),
            }
        }
    }

    /// # Safety
    /// As for [`Stage::work`].
    #[inline(always)]
    unsafe fn multiply<K: Kernel>(&self, rows: Range<usize>, columns: Range<usize>) {
        let mut packed = PACKED_A.take();
        let a_panels = room(&mut packed, K::GROUP * K::A_PANEL);
        let panels = columns.start / COLUMNS..columns.end.div_ceil(COLUMNS);
        let group = |start: usize| start..(start + K::GROUP * K::ROWS).min(rows.end);
        for index in self.blocks.clone() {
            let block = self.block(index);
            for start in rows.clone().step_by(K::GROUP * K::ROWS) {
                let rows = group(start);
                let next = group(rows.end);
                let stretches = rows.len().div_ceil(K::ROWS) * panels.len() * block.words.div_ceil(STRETCH);
                let ahead = Ahead::new(self.job.a, next, block.block.clone(), stretches);
                // SAFETY: there is room for a group of panels; the rest is handed on to the caller.
                unsafe {
                    K::pack_a(PackedA { a: self.job.a, rows: rows.clone(), block: block.block.clone() }, a_panels);
                    self.products::<K>(a_panels, rows, &block, panels.clone(), ahead);
                }
            }
        }
        PACKED_A.set(packed);
    }

    /// Packed rows with some panels of a packed block; `ahead` is the part of a that is packed next.
    ///
    /// # Safety
    /// As for [`Stage::work`].
    #[inline(always)]
    unsafe fn products<K: Kernel>(
        &self,
        a_panels: *const f32,
        rows: Range<usize>,
        b: &PackedB<E>,
        panels: Range<usize>,
        mut ahead: Ahead,
    ) {
        let Job { c, a, product, .. } = self.job;
        for (place, row) in rows.clone().step_by(K::ROWS).enumerate() {
            for panel in panels.clone() {
                let column = b.columns.start + panel * COLUMNS;
                let size = (K::ROWS.min(rows.end - row), COLUMNS.min(b.columns.end - column));
                let tile = Tile { size, base: Base::new(*c, product, row, column, b.block.start) };
                let a_panel = (a_panels.wrapping_add(place * K::A_PANEL), a.column_stride == 1);
                // SAFETY: tiles lie inside the result; the rest is handed on to the caller.
                unsafe { K::run(b.words, a_panel, b.panel(panel), tile, &mut ahead) };
            }
        }
    }
}
