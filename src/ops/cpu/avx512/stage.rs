//! A part of b that is packed, and then multiplied with all rows of a.

use super::super::shared::Shared;
use super::Job;
use super::ahead::Ahead;
use super::claims::Claims;
use super::element::Element;
use super::kernel::{self, Base, COLUMNS, ROWS, STRETCH, Tile};
use super::memory::{PACKED_A, room};
use super::pack::{GROUP, PackParts, PackedA, PackedB, a_panel, pack_a};
use super::plan::{Cut, Units};
use super::words::{Words, Work, work};
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
    /// Of a, those that are computed; they may be packed already.
    pub rows: Range<usize>,
    pub packed: Option<&'a PackedA<'a>>,
    /// Where the blocks are packed, one after the other.
    pub out: Shared,
}

impl<'a, E: Element> Stage<'a, E> {
    /// # Safety
    /// As for [`super::multiply`]; `out` must have room for the blocks and be this call's.
    pub unsafe fn run(&self, threads: usize) {
        let parts = self.block(self.blocks.start).parts();
        let pieces = parts.min((PIECES * threads).div_ceil(self.blocks.len()));
        let units = Units::new(self.rows.clone(), self.columns.len(), self.cut.words, threads);
        let (packing, multiplying) = (Claims::new(self.blocks.len() * pieces), Claims::new(units.count()));
        let precision = self.job.product.precision;
        let share = || {
            packing.each(|claim| {
                let (block, piece) = (self.block(self.blocks.start + claim / pieces), claim % pieces);
                let part = |piece: usize| piece * parts / pieces;
                // SAFETY: each piece is claimed once; the rest is handed on to the caller.
                unsafe { work(precision, PackParts(&block, part(piece)..part(piece + 1))) }
            });
            packing.wait();
            multiplying.each(|claim| {
                let (rows, columns) = units.unit(claim);
                // SAFETY: each unit is claimed once, and all is packed; the rest is handed on to the caller.
                unsafe { work(precision, Multiply { stage: self, rows, columns }) }
            });
        };
        match threads {
            1 => share(),
            _ => (0..threads).into_par_iter().with_max_len(1).for_each(|_| share()),
        }
    }

    fn block(&self, index: usize) -> PackedB<'a, E> {
        let (words, out) = (self.cut.words_of(index), self.out.at((index - self.blocks.start) * self.cut.room()));
        let (b, block, columns) = (self.job.b, self.cut.block(index), self.columns.clone());
        PackedB { b, block, columns, words, out: Shared(out) }
    }

    /// What will be packed next, to be asked for in so many stretches.
    #[inline(always)]
    fn ahead(&self, rows: Range<usize>, block: &PackedB<E>, stretches: usize) -> Ahead {
        let rows = if self.packed.is_some() { 0..0 } else { rows };
        Ahead::new(self.job.a, rows, block.block.clone(), stretches)
    }

    /// Packed rows with some panels of a packed block; `ahead` is the part of a that is packed next.
    ///
    /// # Safety
    /// As for [`Multiply`].
    #[inline(always)]
    unsafe fn tiles<W: Words>(
        &self,
        a_panels: *const f32,
        rows: Range<usize>,
        b: &PackedB<E>,
        panels: Range<usize>,
        mut ahead: Ahead,
    ) {
        let Job { c, product, .. } = self.job;
        for (place, row) in rows.clone().step_by(ROWS).enumerate() {
            let a_panel = a_panels.wrapping_add(place * a_panel(b.words));
            for panel in panels.clone() {
                let column = b.columns.start + panel * COLUMNS;
                let size = (ROWS.min(rows.end - row), COLUMNS.min(b.columns.end - column));
                let tile = Tile { size, base: Base::new(*c, product, row, column, b.block.start) };
                // SAFETY: tiles lie inside the result; the rest is handed on to the caller.
                unsafe { kernel::run::<W>(b.words, a_panel, b.panel(panel), tile, &mut ahead) }
            }
        }
    }
}

/// Multiplies some rows of a with some columns of all blocks, counted from the stage's first. Both must be no other
/// thread's.
struct Multiply<'a, E> {
    stage: &'a Stage<'a, E>,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl<E: Element> Work for Multiply<'_, E> {
    #[inline(always)]
    unsafe fn run<W: Words>(self) {
        let Self { stage, rows, columns } = self;
        let mut memory = PACKED_A.take();
        let panels = columns.start / COLUMNS..columns.end.div_ceil(COLUMNS);
        let group = |start: usize| start..(start + GROUP * ROWS).min(rows.end);
        for index in stage.blocks.clone() {
            let block = stage.block(index);
            for start in rows.clone().step_by(GROUP * ROWS) {
                let rows = group(start);
                let stretches = rows.len().div_ceil(ROWS) * panels.len() * block.words.div_ceil(STRETCH);
                let ahead = stage.ahead(group(rows.end), &block, stretches);
                // SAFETY: there is room for a group of panels; the rest is handed on to the caller.
                unsafe {
                    let a_panels = match stage.packed {
                        Some(packed) => packed.panel(start, index),
                        None => {
                            let out = room(&mut memory, GROUP * a_panel(block.words));
                            pack_a::<W>(stage.job.a, rows.clone(), block.block.clone(), out);
                            out
                        }
                    };
                    stage.tiles::<W>(a_panels, rows, &block, panels.clone(), ahead);
                }
            }
        }
        PACKED_A.set(memory);
    }
}
