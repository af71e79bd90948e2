//! Where a run's host is found: `host/` in the run's folder, for its owner alone.

use crate::{Context, Result};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Paths of sockets have room for about a hundred bytes; longer ones go elsewhere.
const LONGEST_SOCKET_PATH: usize = 100;

/// The files of a run's host.
#[derive(Clone, Debug)]
pub struct HostPlace {
    folder: PathBuf,
}

impl HostPlace {
    pub fn of(run: &Path) -> Self {
        // However the path is spelled, the socket is the same.
        let run = std::fs::canonicalize(run).or_else(|_| std::path::absolute(run)).unwrap_or(run.to_path_buf());
        Self { folder: run.join("host") }
    }

    /// Makes the folders, readable by their owner alone.
    pub fn create(&self) -> Result<()> {
        private_folder(&self.folder)?;
        match self.socket().parent() {
            Some(folder) if folder != self.folder => private_folder(folder),
            _ => Ok(()),
        }
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    pub fn lock(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// What the last person who looked on had seen.
    pub fn seen(&self) -> PathBuf {
        self.folder.join("seen.json")
    }

    /// In the run's folder, or, where that path is too long for a socket, among the system's temporary files under a
    /// name that follows from it.
    pub fn socket(&self) -> PathBuf {
        let own = self.folder.join("socket");
        let bytes = own.as_os_str().as_encoded_bytes();
        match bytes.len() <= LONGEST_SOCKET_PATH {
            true => own,
            false => {
                let user = rustix::process::geteuid().as_raw();
                Path::new("/tmp").join(format!("frostline-{user}")).join(format!("{:016x}", xxh3_64(bytes)))
            }
        }
    }
}

fn private_folder(folder: &Path) -> Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    let failed = || format!("cannot make the folder {}", folder.display());
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).what(failed)?;
    let metadata = std::fs::symlink_metadata(folder).what(failed)?;
    if !metadata.is_dir() || metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(crate::Error::new(failed()).because("something of another user stands there"));
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).what(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_have_short_paths_and_private_folders() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let place = HostPlace::of(folder.path());
        place.create().unwrap();
        let mode = place.lock().parent().unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert!(place.socket().starts_with(folder.path()));
        let deep = HostPlace::of(&folder.path().join("x".repeat(120)));
        assert!(deep.socket().as_os_str().len() < LONGEST_SOCKET_PATH);
        assert_eq!(deep.socket(), deep.socket());
    }
}
