//! Variables of the process that libraries read once, at their first use.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::Command;

use kamaji_datastore::ENVIRONMENT;

/// Starts this program again, as the same process, with those variables of [`ENVIRONMENT`] that it has not got. Returns
/// if it has all of them, or if it could not be started again, which is said on standard error: it goes on without them.
///
/// Setting a variable in a running process is undefined behaviour wherever another thread reads one.
pub fn require() {
    let missing: Vec<_> = ENVIRONMENT
        .into_iter()
        .filter(|(name, _)| std::env::var_os(name).is_none())
        .collect();
    if missing.is_empty() {
        return;
    }
    let mut arguments = std::env::args_os();
    let called = arguments.next().unwrap_or_else(|| OsString::from("kamaji"));
    let error = match std::env::current_exe() {
        Ok(program) => Command::new(program)
            .arg0(called)
            .args(arguments)
            .envs(missing.iter().copied())
            .exec(),
        Err(error) => error,
    };
    eprintln!(
        "warning: kamaji could not start itself again to set {missing:?} ({error}): copies of MySQL may take up to 512 MiB; \
         set them in the environment"
    );
}
