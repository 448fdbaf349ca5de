//! Size of a server's files.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Bytes of the files in a folder, without those in folders called `without`. Files that end meanwhile do not count.
pub fn size(folder: &Path, without: &str) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name() != without)
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path(), without),
            Ok(about) => about.size(),
            Err(_) => 0,
        })
        .sum()
}
