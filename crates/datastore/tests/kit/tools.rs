//! Programs that `make tools` builds.

use std::path::PathBuf;

/// The program `name` in `KAMAJI_E2E_BIN`, in `KUBEBUILDER_ASSETS`, or else the newest in a folder of the cache whose
/// name starts with `folder`.
pub fn find(name: &str, folder: &str) -> PathBuf {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let named = ["KAMAJI_E2E_BIN", "KUBEBUILDER_ASSETS"]
        .into_iter()
        .filter_map(variable);
    let cache = variable("XDG_CACHE_HOME")
        .or_else(|| variable("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("kamaji-e2e"));
    let built = cache
        .and_then(|cache| std::fs::read_dir(cache).ok())
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(folder))
        .map(|entry| entry.path().join("bin"))
        .max_by_key(|folder| folder.metadata().and_then(|about| about.modified()).ok());
    let mut found = named
        .chain(built)
        .map(|folder| folder.join(name))
        .filter(|path| path.is_file());
    found.next().unwrap_or_else(|| {
        panic!(
            "no {name} in KAMAJI_E2E_BIN, KUBEBUILDER_ASSETS or the cache: `make tools` builds one"
        )
    })
}
