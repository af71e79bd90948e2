//! The innermost loop for processors that multiply tiles of bfloat16 (Intel AMX): two by two tiles of 16 × 16 sums.
//!
//! There are no stable intrinsics for these instructions: they stand here in assembly.

use super::ahead::Ahead;
use super::kernel::{COLUMNS, Kernel, Sums, Tile};
use super::pack::{A_STRIDE, MOST_WORDS, PackedA};
use super::words::Halves;
use std::arch::asm;
use std::arch::x86_64::*;
use std::mem::MaybeUninit;
use std::sync::LazyLock;

/// Rows of a tile register; it has as many words in each.
const TILE: usize = 16;
const ROWS: usize = 2 * TILE;

/// Whether the processor has tiles of bfloat16, and the system lets this process use them.
pub fn is_available() -> bool {
    static IS_AVAILABLE: LazyLock<bool> = LazyLock::new(|| super::has_bf16() && has_tiles() && ask_system());
    *IS_AVAILABLE
}

/// What std's detection says on nightly alone: leaf 7 of CPUID, bits 22 (AMX-BF16) and 24 (AMX-TILE) of EDX.
fn has_tiles() -> bool {
    let wanted = 1 << 22 | 1 << 24;
    __cpuid(0).eax >= 7 && __cpuid_count(7, 0).edx & wanted == wanted
}

/// Tiles make a thread's state larger by 8 KiB, which Linux gives to processes that ask for it alone.
#[cfg(target_os = "linux")]
fn ask_system() -> bool {
    /// Of <asm/prctl.h>: ask for a part of the processor's state.
    const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
    /// Its number, in the processor's manual.
    const TILE_DATA: libc::c_long = 18;
    // SAFETY: this call takes two numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, TILE_DATA) == 0 }
}

#[cfg(not(target_os = "linux"))]
fn ask_system() -> bool {
    false
}

/// What a tile register is: `LDTILECFG` in the processor's manual.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_in_row: [u16; 16],
    rows: [u8; 16],
}

/// All eight registers whole.
static WHOLE: Configuration = Configuration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    bytes_in_row: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Runs something that uses [`Tiles`].
///
/// # Safety
/// [`is_available`] must hold.
#[inline(always)]
pub unsafe fn configured(work: impl FnOnce()) {
    // SAFETY: the processor has the instructions; the configuration is one that it accepts.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const WHOLE, options(nostack, readonly, preserves_flags));
        work();
        // With no tiles in use the system does not have to save them.
        asm!("tilerelease", options(nostack, nomem, preserves_flags));
    }
}

/// In tiles, inside [`configured`].
pub struct Tiles;

impl Kernel for Tiles {
    type Words = Halves;
    const ROWS: usize = ROWS;
    const GROUP: usize = 2;
    const A_PANEL: usize = ROWS * A_STRIDE;
    const STEP: usize = TILE;
    /// A megabyte and a quarter: all processors that have tiles have two for each core.
    const BLOCK_WORDS: usize = 640 * MOST_WORDS;
    const PACKS_AGAIN: bool = false;

    #[inline(always)]
    unsafe fn pack_a(a: PackedA, out: *mut f32) {
        // SAFETY: handed on to the caller.
        unsafe {
            match a.is_by_rows() {
                true => a.pack_rows::<Halves, ROWS>(out, Self::A_PANEL),
                false => a.pack_turned::<Halves, ROWS>(out, Self::A_PANEL),
            }
        }
    }

    #[inline(always)]
    unsafe fn run(words: usize, (a, _): (*const f32, bool), b: *const f32, tile: Tile, _ahead: &mut Ahead) {
        // SAFETY: handed on to the caller.
        unsafe { tile.write(&sum(words, a, b)) };
    }
}

/// The sums of two by two tiles.
///
/// # Safety
/// As for [`Kernel::run`].
#[inline(always)]
unsafe fn sum(words: usize, a: *const f32, b: *const f32) -> Sums<ROWS> {
    let mut sums = MaybeUninit::<Sums<ROWS>>::uninit();
    let out = sums.as_mut_ptr().cast::<f32>();
    // SAFETY: `words / TILE` steps stay inside both panels; four tiles are all of the sums.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "test {steps}, {steps}",
            "jz 3f",
            "2:",
            "tileloadd tmm4, [{a} + {a_stride}]",
            "tileloadd tmm6, [{b} + {b_stride}]",
            "tileloadd tmm7, [{b} + {b_stride} + 64]",
            "tileloadd tmm5, [{below} + {a_stride}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {a}, 64",
            "add {below}, 64",
            "add {b}, 2048",
            "dec {steps}",
            "jnz 2b",
            "3:",
            "tilestored [{out} + {b_stride}], tmm0",
            "tilestored [{out} + {b_stride} + 64], tmm1",
            "tilestored [{out} + {b_stride} + 2048], tmm2",
            "tilestored [{out} + {b_stride} + 2112], tmm3",
            steps = inout(reg) words / TILE => _,
            a = inout(reg) a => _,
            below = inout(reg) a.wrapping_add(TILE * A_STRIDE) => _,
            b = inout(reg) b => _,
            out = in(reg) out,
            a_stride = in(reg) A_STRIDE * size_of::<f32>(),
            b_stride = in(reg) COLUMNS * size_of::<f32>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
        sums.assume_init()
    }
}
