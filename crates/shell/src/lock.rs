//! Locks that outlive a panic of another thread.
//!
//! The shell's locks guard maps and counters that are valid after each statement. A poisoned lock is therefore
//! taken like any other, and a panic in one reconcile cannot stop the others.

use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks `mutex`, poisoned or not.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Locks `lock` for reading, poisoned or not.
pub fn read<T: ?Sized>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

/// Locks `lock` for writing, poisoned or not.
pub fn write<T: ?Sized>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_lock_is_taken_after_a_panic_of_its_holder() {
        let shared = Arc::new((Mutex::new(1), RwLock::new(2)));
        let held = shared.clone();
        let holder = std::thread::spawn(move || {
            let _guards = (lock(&held.0), write(&held.1));
            panic!("while both locks are held");
        });
        assert!(holder.join().is_err());
        assert!(shared.0.is_poisoned() && shared.1.is_poisoned());
        assert_eq!((*lock(&shared.0), *read(&shared.1)), (1, 2));
    }
}
