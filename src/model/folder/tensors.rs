//! One safetensors file: written tensor by tensor without a second copy of all of them, and read through a memory map.

use crate::{Context, Error, Result};
use candle_core::{CpuStorage, DType, Device, Storage, Tensor};
use half::slice::HalfFloatSliceExt;
use memmap2::Mmap;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The length of the header, before it.
const LENGTH: usize = size_of::<u64>();
/// What is handed on at once: small enough to stay in the processor's cache between the hash and the write.
const PIECE: usize = 1 << 20;

/// A tensor as it is to be written. It is brought to the processor, converted and laid out when its turn comes.
#[derive(Clone, Debug)]
pub struct Entry {
    pub name: String,
    pub value: Tensor,
    pub dtype: DType,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.value.elem_count() * self.dtype.size_in_bytes()
    }

    fn write(&self, to: &mut dyn Write) -> Result<()> {
        let laid_out = self.value.to_dtype(self.dtype)?.to_device(&Device::Cpu)?.contiguous()?;
        let (storage, layout) = laid_out.storage_and_layout();
        let (Storage::Cpu(storage), Some((start, end))) = (&*storage, layout.contiguous_offsets()) else {
            return Err(Error::new(format!("{} is not where it was brought to", self.name)));
        };
        let (bytes, size): (&[u8], usize) = match storage {
            CpuStorage::F64(data) => (bytemuck::cast_slice(&data[start..end]), 8),
            CpuStorage::F32(data) => (bytemuck::cast_slice(&data[start..end]), 4),
            CpuStorage::F16(data) => (bytemuck::cast_slice(data[start..end].reinterpret_cast()), 2),
            CpuStorage::BF16(data) => (bytemuck::cast_slice(data[start..end].reinterpret_cast()), 2),
            _ => return Err(Error::new(format!("{} has a type that is not written", self.name))),
        };
        let pieces = bytes.chunks(PIECE).map(|piece| little_endian(piece, size));
        for piece in pieces {
            to.write_all(&piece).what(|| format!("cannot write {}", self.name))?;
        }
        Ok(())
    }
}

/// The bytes of numbers of `size` bytes, as files have them.
fn little_endian(bytes: &[u8], size: usize) -> Cow<'_, [u8]> {
    let mut bytes = Cow::Borrowed(bytes);
    if cfg!(target_endian = "big") {
        bytes.to_mut().chunks_exact_mut(size).for_each(<[u8]>::reverse);
    }
    bytes
}

/// Writes tensors as PyTorch expects them: the widest types first, so that all lie on their own size, then by name.
pub fn write(mut entries: Vec<Entry>, to: &mut dyn Write) -> Result<()> {
    let size = |entry: &Entry| entry.dtype.size_in_bytes();
    entries.sort_by(|a, b| size(b).cmp(&size(a)).then_with(|| a.name.cmp(&b.name)));
    let header = header(&entries)?;
    let length = (header.len() as u64).to_le_bytes();
    to.write_all(&[&length, &header[..]].concat()).what(|| "cannot write the header".into())?;
    entries.iter().try_for_each(|entry| entry.write(to))
}

/// Names, types, shapes and places, with spaces up to a multiple of eight bytes.
fn header(entries: &[Entry]) -> Result<Vec<u8>> {
    let mut fields = Map::from_iter([("__metadata__".to_string(), json!({ "format": "pt" }))]);
    let mut start = 0;
    for entry in entries {
        let dtype = match entry.dtype {
            DType::F64 => "F64",
            DType::F32 => "F32",
            DType::F16 => "F16",
            DType::BF16 => "BF16",
            other => return Err(Error::new(format!("{} cannot be written as {other:?}", entry.name))),
        };
        let end = start + entry.bytes();
        let field = json!({ "dtype": dtype, "shape": entry.value.dims(), "data_offsets": [start, end] });
        fields.insert(entry.name.clone(), field);
        start = end;
    }
    let mut header = Value::Object(fields).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    Ok(header)
}

/// A safetensors file, mapped into memory, whose header agrees with its size.
#[derive(Debug)]
pub struct Mapped {
    path: PathBuf,
    map: Mmap,
    header: usize,
    tensors: Metadata,
}

impl Mapped {
    /// Opens the file and checks its header: a size or an offset that lies is refused here.
    pub fn open(path: PathBuf) -> Result<Self> {
        let file = File::open(&path).what(|| format!("cannot open {}", path.display()))?;
        // SAFETY: the map is read-only and only copied from. A process that changes the file meanwhile could give
        // us mixed weights, and one that cuts it short ends us by SIGBUS: no worse than a file damaged before. Ours
        // never do either: checkpoints are written under another name and renamed.
        let map = unsafe { Mmap::map(&file) }.what(|| format!("cannot read {}", path.display()))?;
        let read = SafeTensors::read_metadata(&map).map_err(|error| {
            Error::new(format!("{} is damaged", path.display()))
                .because(error)
                .next("copy the file again: its header and its size do not agree")
        });
        let (header, tensors) = read?;
        Ok(Self { path, map, header, tensors })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// In the order in which they lie in the file.
    pub fn names(&self) -> Vec<String> {
        self.tensors.offset_keys()
    }

    /// The shape of a tensor; `None` where there is none of that name.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.info(name).map(|info| info.shape.as_slice())
    }

    /// The type of a tensor that can be read.
    pub fn dtype(&self, name: &str) -> Result<DType> {
        match self.info(name)?.dtype {
            Dtype::F64 => Ok(DType::F64),
            Dtype::F32 => Ok(DType::F32),
            Dtype::F16 => Ok(DType::F16),
            Dtype::BF16 => Ok(DType::BF16),
            other => Err(Error::new(format!("{name} in {} has a type that cannot be trained", self.path.display()))
                .because(format!("{other:?}; f32, f16, bf16 and f64 can be read"))),
        }
    }

    /// A tensor in the type and the shape that it is stored in.
    pub fn read(&self, name: &str, device: &Device) -> Result<Tensor> {
        let (info, dtype) = (self.info(name)?, self.dtype(name)?);
        let (start, end) = info.data_offsets;
        let data = self.map.get(LENGTH + self.header..).and_then(|data| data.get(start..end));
        let data = data.ok_or_else(|| Error::new(format!("{name} lies outside {}", self.path.display())))?;
        Ok(Tensor::from_raw_buffer(data, dtype, &info.shape, device)?)
    }

    fn info(&self, name: &str) -> Result<&TensorInfo> {
        let found = self.tensors.info(name);
        found.ok_or_else(|| Error::new(format!("there is no {name} in {}", self.path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::TensorView;

    fn written(entries: Vec<Entry>) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(entries, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn what_is_written_has_the_bytes_that_the_library_writes() {
        let range = Tensor::arange(0f32, 600_000f32, &Device::Cpu).unwrap().reshape((1000, 600)).unwrap();
        let views = [
            ("whole", range.clone(), DType::F32),
            ("rows", range.narrow(0, 10, 3).unwrap(), DType::F32),
            ("across", range.t().unwrap(), DType::F32),
            ("half", range.narrow(0, 1, 1).unwrap(), DType::BF16),
            ("other half", range.narrow(0, 2, 1).unwrap(), DType::F16),
            ("wide", range.narrow(0, 1, 2).unwrap(), DType::F64),
        ];
        let entry = |(name, value, dtype): &(&str, Tensor, DType)| Entry {
            name: name.to_string(),
            value: value.clone(),
            dtype: *dtype,
        };
        let bytes = written(views.iter().map(entry).collect());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        std::fs::write(&path, &bytes).unwrap();
        let mapped = Mapped::open(path).unwrap();
        assert_eq!(mapped.names()[0], "wide");
        for (name, value, dtype) in &views {
            assert_eq!((mapped.shape(name), mapped.dtype(name).unwrap()), (Some(value.dims()), *dtype));
            let (got, want) = (mapped.read(name, &Device::Cpu).unwrap(), value.to_dtype(*dtype).unwrap());
            let flat = |tensor: &Tensor| tensor.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
            assert_eq!(flat(&got).to_vec1::<f64>().unwrap(), flat(&want).to_vec1::<f64>().unwrap(), "{name}");
        }
        assert!(mapped.shape("nothing").is_none() && mapped.read("nothing", &Device::Cpu).is_err());
        let f32s = [&views[0], &views[1], &views[2]];
        let numbers = |value: &Tensor| value.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let raw = f32s.map(|(_, value, _)| numbers(value).into_iter().flat_map(f32::to_le_bytes).collect::<Vec<u8>>());
        let tensors = f32s
            .iter()
            .zip(&raw)
            .map(|((name, value, _), raw)| (*name, TensorView::new(Dtype::F32, value.dims().to_vec(), raw).unwrap()));
        let metadata = std::collections::HashMap::from([("format".to_string(), "pt".to_string())]);
        let library = safetensors::serialize(tensors, Some(metadata)).unwrap();
        assert!(library == written(f32s.into_iter().map(entry).collect()), "other bytes than the library's");
    }

    #[test]
    fn a_file_that_was_cut_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        let value = Tensor::ones((3, 5), DType::F32, &Device::Cpu).unwrap();
        let bytes = written(vec![Entry { name: "x".into(), value, dtype: DType::F32 }]);
        for length in 0..bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = Mapped::open(path.clone()).unwrap_err().to_string();
            assert!(error.contains("x.safetensors"), "{length}: {error}");
        }
    }
}
