//! Work that threads take piece by piece, so that one that is held up does not hold up the rest.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Looks before a thread that waits lets others run: what it waits for takes microseconds.
const PATIENCE: usize = 1 << 10;

/// Pieces of work, each of which one thread does.
pub struct Claims {
    count: usize,
    taken: AtomicUsize,
    done: AtomicUsize,
}

impl Claims {
    pub fn new(count: usize) -> Self {
        Self { count, taken: AtomicUsize::new(0), done: AtomicUsize::new(0) }
    }

    /// Does pieces until none is left.
    pub fn each(&self, mut work: impl FnMut(usize)) {
        loop {
            let piece = self.taken.fetch_add(1, Ordering::Relaxed);
            if piece >= self.count {
                return;
            }
            let _done = Done(&self.done);
            work(piece);
        }
    }

    /// Returns when all pieces are done. Only threads that are at work are waited for: there must be no piece that nobody
    /// has taken.
    pub fn wait(&self) {
        let mut looks = 0;
        while self.done.load(Ordering::Acquire) < self.count {
            looks += 1;
            match looks % PATIENCE {
                0 => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
    }
}

/// Counts a piece when it is dropped, so that nobody waits for one whose thread panicked.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        // Whoever sees the count sees what was written.
        self.0.fetch_add(1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn every_piece_is_done_once_and_waited_for() {
        const PIECES: usize = 1000;
        let claims = Claims::new(PIECES);
        let done: Vec<AtomicBool> = (0..PIECES).map(|_| AtomicBool::new(false)).collect();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    claims.each(|piece| assert!(!done[piece].swap(true, Ordering::Relaxed)));
                    claims.wait();
                    assert!(done.iter().all(|done| done.load(Ordering::Relaxed)));
                });
            }
        });
    }

    #[test]
    fn nothing_to_do_is_done_at_once() {
        let claims = Claims::new(0);
        claims.each(|_| unreachable!());
        claims.wait();
    }

    #[test]
    fn a_piece_that_panics_is_not_waited_for() {
        let claims = Claims::new(2);
        let failed = std::panic::catch_unwind(|| claims.each(|_| panic!("a piece fails")));
        claims.each(|_| ());
        claims.wait();
        assert!(failed.is_err());
    }
}
