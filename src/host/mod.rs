//! The process that owns the device.

pub mod sampler;
