//! The device a model lives on.

use crate::ops::Precision;
use crate::{Error, Result};
use candle_core::Device;

/// Opens `cpu`, `cuda:N` (or `cuda`) or `metal`. A device that is not there, or that this program was built without,
/// is an error, never another device.
pub fn open(name: &str) -> Result<Device> {
    let refuse =
        |why: String, next: &str| Err(Error::new(format!("cannot use the device {name}")).because(why).next(next));
    match name.split_once(':').unwrap_or((name, "0")) {
        ("cpu", "0") => Ok(Device::Cpu),
        ("cuda", index) => {
            let Ok(index) = index.parse::<usize>() else {
                return refuse(format!("\"{index}\" is no number of a GPU"), "write cuda:0 for the first GPU");
            };
            if !candle_core::utils::cuda_is_available() {
                return refuse(
                    "this program was built without CUDA".into(),
                    "build it with `cargo build --release --features cuda`, or use --device cpu",
                );
            }
            Device::new_cuda(index)
                .or_else(|error| refuse(first_line(&error), "check the driver with nvidia-smi, or use --device cpu"))
        }
        ("metal", "0") => {
            if !candle_core::utils::metal_is_available() {
                return refuse(
                    "this program was built without Metal".into(),
                    "build it with `cargo build --release --features metal`, or use --device cpu",
                );
            }
            Device::new_metal(0).or_else(|error| refuse(first_line(&error), "use --device cpu"))
        }
        _ => refuse("there is no such device".into(), "write cpu, cuda:0 or metal"),
    }
}

fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_string()
}

/// The precision in which matrix products are computed where `wanted` is asked for, and what a person should know of
/// it: what the device cannot do is done in f32, so that a plan travels.
pub fn products(device: &Device, wanted: Precision) -> (Precision, Option<String>) {
    possible(wanted, wanted == Precision::F32 || (device.is_cpu() && wanted.is_supported()))
}

fn possible(wanted: Precision, is_supported: bool) -> (Precision, Option<String>) {
    let other = Precision::F32;
    match is_supported {
        true => (wanted, None),
        false => (other, Some(format!("there are no instructions for {wanted} products here: they are in {other}"))),
    }
}

/// Waits until everything that was asked of the device is done, so that times are true.
pub fn synchronize(device: &Device) -> Result<()> {
    Ok(device.synchronize()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_that_cannot_be_are_in_f32_and_a_person_is_told() {
        let (bf16, f32) = (Precision::Bf16, Precision::F32);
        assert_eq!(possible(bf16, true), (bf16, None));
        let (used, notice) = possible(bf16, false);
        assert!(used == f32 && notice.is_some_and(|text| text.contains("bf16") && text.contains("f32")));
        assert_eq!(products(&Device::Cpu, f32), (f32, None));
        assert_eq!(products(&Device::Cpu, bf16).1.is_none(), bf16.is_supported());
    }

    #[test]
    fn a_device_that_is_not_there_is_an_error() {
        assert!(open("cpu").unwrap().is_cpu());
        for name in ["cpu:1", "tpu", "cuda:x", "cuda:99", ""] {
            let error = open(name).unwrap_err().to_string();
            assert!(error.contains("next:"), "{name}: {error}");
        }
    }
}
