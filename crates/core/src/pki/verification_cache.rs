//! Cache of successful checks: verifying a signature or a pair of keys takes a hundred times longer than a look-up.
//!
//! The result of a check depends on the bytes alone, so that the cache changes nothing but the time it takes. Only
//! success is cached, by a hash of the bytes; failures are checked again. What this process has just generated or signed
//! is recorded as checked.

use std::{
    collections::HashSet,
    sync::{LazyLock, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

/// Entries at which the cache is cleared; two thousand tenants have so many.
const MOST: usize = 50_000;

/// SHA-256 of the kind of a check and the lengths and bytes of its parts. All of it: whoever may write Secrets chooses
/// bytes that are good and bytes that are not, and finds two of equal halves with far less work.
type Checked = [u8; 32];

static VERIFIED: LazyLock<Mutex<HashSet<Checked>>> = LazyLock::new(Mutex::default);

/// Kind of a check; equal bytes are cached for each kind by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Certificate and private key, both PEM, belong together, and the key can sign.
    Pair,
    /// The first certificate is signed by the second, both DER.
    Signature,
    /// Private and public key of service accounts, both PEM, belong together.
    ServiceAccount,
    /// Both numbers are prime.
    Primes,
}

/// Runs `check`, unless it succeeded for the same `kind` and `parts` before.
pub fn once<E>(
    kind: Check,
    parts: &[&[u8]],
    check: impl FnOnce() -> Result<(), E>,
) -> Result<(), E> {
    let digest = digest(kind, parts);
    if locked().contains(&digest) {
        return Ok(());
    }
    check()?;
    insert(digest);
    Ok(())
}

/// Records that the check of `kind` succeeds for `parts`, because this process made them so.
pub fn record(kind: Check, parts: &[&[u8]]) {
    insert(digest(kind, parts));
}

fn insert(digest: Checked) {
    let mut known = locked();
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(digest);
}

fn locked() -> std::sync::MutexGuard<'static, HashSet<Checked>> {
    VERIFIED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn digest(kind: Check, parts: &[&[u8]]) -> Checked {
    let mut hasher = Sha256::new();
    hasher.update([kind as u8]);
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn success_is_cached_and_failure_is_checked_again() {
        let parts: [&[u8]; 2] = [b"part", b"another part"];
        assert_eq!(once(Check::Pair, &parts, || Err(1)), Err(1));
        assert_eq!(once(Check::Pair, &parts, || Ok::<_, u8>(())), Ok(()));
        assert_eq!(once(Check::Pair, &parts, || Err(2)), Ok(()), "it is cached");
        assert_eq!(once(Check::Primes, &parts, || Err(3)), Err(3));
    }

    #[test]
    fn what_was_recorded_is_not_checked() {
        let parts: [&[u8]; 1] = [b"made here"];
        record(Check::Signature, &parts);
        assert_eq!(once(Check::Signature, &parts, || Err(1)), Ok(()));
        assert_eq!(once(Check::Pair, &parts, || Err(2)), Err(2));
    }

    #[test]
    fn cache_that_is_full_is_cleared_and_goes_on() {
        let of = |number: usize| digest(Check::Primes, &[&number.to_be_bytes(), b"full"]);
        // Other tests of this process fill it meanwhile.
        for number in 0..=MOST {
            insert(of(number));
            assert!(locked().len() <= MOST);
        }
        assert!(!locked().contains(&of(0)));
    }

    #[test]
    fn digests_differ_by_the_boundaries_of_parts() {
        let digest = |parts: &[&[u8]]| digest(Check::Pair, parts);
        assert_ne!(digest(&[b"b", b"c"]), digest(&[b"bc", b""]));
        assert_ne!(digest(&[b"bc"]), digest(&[b"b", b"c"]));
    }
}
