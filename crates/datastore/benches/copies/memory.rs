//! Memory of this process, from the kernel.

/// Makes the peak that of now.
pub fn reset_peak() {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
}

/// Resident memory, in MiB.
pub fn resident() -> u64 {
    of_status("VmRSS:")
}

/// Most resident memory since the last reset, in MiB.
pub fn peak() -> u64 {
    of_status("VmHWM:")
}

fn of_status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<u64>().unwrap() / 1024
}
