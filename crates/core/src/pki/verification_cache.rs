//! Was this found to be right before? Checking a signature or a pair takes a hundred times longer
//! than remembering that it was checked.
//!
//! The answer depends on the bytes alone, so that remembering it changes nothing but the time it
//! takes. Only what was right is remembered, by a hash.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

/// Two thousand tenants have so many; then it begins anew.
const MOST: usize = 50_000;

static RIGHT: LazyLock<Mutex<HashSet<[u8; 16]>>> = LazyLock::new(Mutex::default);

/// What `check` says, unless it found the same `parts` to be right for the same `purpose` before.
pub fn once<E>(
    purpose: &str,
    parts: &[&[u8]],
    check: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let digest = digest(purpose, parts);
    if locked().contains(&digest) {
        return Ok(());
    }
    check()?;
    let mut known = locked();
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(digest);
    Ok(())
}

fn locked() -> std::sync::MutexGuard<'static, HashSet<[u8; 16]>> {
    RIGHT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest(purpose: &str, parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hasher.finalize()[..16]);
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_right_is_not_checked_again_and_what_was_wrong_is() {
        let parts: [&[u8]; 2] = [b"known.rs", b"right"];
        assert_eq!(once("test", &parts, || Err(1)), Err(1));
        assert_eq!(once("test", &parts, || Ok::<_, u8>(())), Ok(()));
        assert_eq!(once("test", &parts, || Err(2)), Ok(()), "it is remembered");
        assert_eq!(once("another", &parts, || Err(3)), Err(3));
    }

    #[test]
    fn parts_are_told_apart_by_where_they_end() {
        assert_ne!(digest("a", &[b"b", b"c"]), digest("a", &[b"bc", b""]));
        assert_ne!(digest("ab", &[b"c"]), digest("a", &[b"bc"]));
    }
}
