//! Where operations are called from.

use candle_core::Device;

/// Runs `work`, which has many operations one after the other, in one of the threads that they are spread over: waking these
/// from outside takes longer than many an operation, and whoever waits outside has to be woken too. `work` must wait for nothing
/// but operations. On other devices than the CPU it runs where it is called.
pub fn on_a_thread<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    match device.is_cpu() && rayon::current_thread_index().is_none() {
        true => rayon::scope(|_| work()),
        false => work(),
    }
}
