//! What the process takes of the machine.

/// The most memory that this process ever held, bytes; `None` where the system does not tell.
pub fn peak_rss_bytes() -> Option<u64> {
    // SAFETY: an all-zero `rusage` is a valid value of a plain C struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is valid for writes for the whole call.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) } != 0 {
        return None;
    }
    // Kibibytes on Linux, bytes on macOS.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    Some(usage.ru_maxrss as u64 * unit)
}

/// Asks the C library to keep blocks that were freed: a training step frees and takes the same ones again, and giving them
/// back each time costs page faults. Large ones are our own heap's (`heap.rs`), where it is in use.
pub fn keep_freed_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: mallopt only sets parameters of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 1 << 30);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// The memory that this process holds now, bytes; `None` where the system does not tell.
pub fn resident_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The memory that this process may still take, bytes: what the system has, or what a control group leaves; `None` where
/// the system does not tell.
pub fn available_bytes() -> Option<u64> {
    let of_system =
        field(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:").map(|kibibytes| kibibytes << 10)?;
    Some(of_group().map_or(of_system, |of_group| of_group.min(of_system)))
}

/// What the limit of this process's control group leaves (version 2); files that are only cached can be given back.
fn of_group() -> Option<u64> {
    let folder = std::path::Path::new("/sys/fs/cgroup");
    let number = |name: &str| std::fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let cached = field(&std::fs::read_to_string(folder.join("memory.stat")).ok()?, "inactive_file").unwrap_or(0);
    Some(number("memory.max")?.saturating_sub(number("memory.current")?.saturating_sub(cached)))
}

/// The number behind a word at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
