//! Binaries of the testbed: Kubernetes, etcd, containerd and others.
//!
//! Each upstream is pinned by a Go module below `tools/`. A binary is taken from `KAMAJI_E2E_BIN`
//! if it exists there in the pinned version, else from the cache, whose folders are named by a hash
//! of the lock files, else built into the cache.

mod pins;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::command::{command, output, words};
use crate::layout::{cache_dir, crate_dir};
use pins::{
    ALL, API_SERVER, Binary, CLUSTER_API, CONFORMANCE, COREDNS, ETCD, ETCDCTL, ETCDUTL, HELM, KINE,
    KONNECTIVITY, KSTATUS, KUBERNETES, OPENTOFU, PREVIOUS, PROVIDER_HELM, PROVIDER_KUBERNETES,
    Tool, VELERO, VELERO_PLUGIN,
};

/// Path of each binary. Of two with the same name the first counts.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    paths: Vec<(&'static str, PathBuf)>,
}

impl Tools {
    /// All binaries of the testbed; missing ones are built.
    pub async fn all() -> Result<Self> {
        let mut tools = Self::default();
        for tool in ALL {
            tools = tools.with(tool).await?;
        }
        Ok(tools)
    }

    /// Adds clusterctl and the managers of Cluster API's core and of its kubeadm bootstrap
    /// provider.
    pub async fn with_cluster_api(self) -> Result<Self> {
        self.with(&CLUSTER_API).await
    }

    /// Helm, and nothing else.
    pub async fn helm() -> Result<Self> {
        Self::default().with(&HELM).await
    }

    /// The restorer of etcd's snapshots, and nothing else.
    pub async fn etcdutl() -> Result<Self> {
        Self::default().with(&ETCDUTL).await
    }

    /// The client of etcd, and nothing else.
    pub async fn etcdctl() -> Result<Self> {
        Self::default().with(&ETCDCTL).await
    }

    /// The reader of kstatus below `tools/kstatus`, and nothing else.
    pub async fn kstatus() -> Result<Self> {
        Self::default().with(&KSTATUS).await
    }

    /// Kubernetes' own test program, the ginkgo that runs it, and agnhost, and nothing else.
    pub async fn conformance() -> Result<Self> {
        Self::default().with(&CONFORMANCE).await
    }

    /// OpenTofu and its providers `helm` and `kubernetes`, and nothing else.
    pub async fn opentofu() -> Result<Self> {
        let mut tools = Self::default();
        for tool in [&OPENTOFU, &PROVIDER_HELM, &PROVIDER_KUBERNETES] {
            tools = tools.with(tool).await?;
        }
        Ok(tools)
    }

    /// Velero and its plugin for object stores, and nothing else.
    pub async fn velero() -> Result<Self> {
        Self::default()
            .with(&VELERO)
            .await?
            .with(&VELERO_PLUGIN)
            .await
    }

    /// Control plane, kubelet and kubeadm of the previous minor version, and nothing else.
    pub async fn previous() -> Result<Self> {
        Self::default().with(&PREVIOUS).await
    }

    /// Binaries of a machine of this version: its own kubelet and kubeadm, and those that have no
    /// version of Kubernetes.
    pub async fn of_version(&self, version: &str) -> Result<Self> {
        let (own, previous) = (kubernetes_version()?, previous_version()?);
        if version == own {
            return Ok(self.clone());
        }
        ensure!(
            version == previous,
            "there is no Kubernetes {version} here, only {own} and {previous}"
        );
        let mut tools = Self::previous().await?;
        tools.paths.extend(self.paths.clone());
        Ok(tools)
    }

    /// etcd and kube-apiserver only; `KUBEBUILDER_ASSETS` may name their folder.
    pub async fn api_server() -> Result<Self> {
        let mut tools = Self::default();
        let assets = env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
        for (tool, binary) in [(&ETCD, &ETCD.binaries[0]), (&KUBERNETES, &API_SERVER)] {
            match assets.as_ref().map(|dir| dir.join(binary.0)) {
                Some(path) if path.is_file() => tools.paths.push((binary.0, path)),
                _ => tools.provide(tool, binary).await?,
            }
        }
        Ok(tools)
    }

    /// Path of a binary.
    pub fn path(&self, binary: &str) -> Result<&Path> {
        let found = self.iter().find(|(name, _)| *name == binary);
        let found = found.map(|(_, path)| path);
        found.with_context(|| format!("{binary} is not one of the tools asked for"))
    }

    /// A command that runs a binary; arguments are added by the caller.
    pub fn command(&self, binary: &str) -> Result<Command> {
        Ok(Command::new(self.path(binary)?))
    }

    /// Folders of all binaries, for a `PATH` in which they find each other and the first of a name first.
    pub fn search_path(&self) -> String {
        let mut ours: Vec<String> = Vec::new();
        for dir in self.paths.iter().filter_map(|(_, path)| path.parent()) {
            let dir = dir.display().to_string();
            if !ours.contains(&dir) {
                ours.push(dir);
            }
        }
        format!(
            "{}:{}",
            ours.join(":"),
            env::var("PATH").unwrap_or_default()
        )
    }

    /// Names and paths of all binaries.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.paths
            .iter()
            .map(|(name, path)| (*name, path.as_path()))
    }

    async fn with(mut self, tool: &Tool) -> Result<Self> {
        for binary in tool.binaries {
            self.provide(tool, binary).await?;
        }
        Ok(self)
    }

    async fn provide(&mut self, tool: &Tool, binary: &Binary) -> Result<()> {
        let path = match tool.given(binary).await? {
            Some(path) => path,
            None => tool.cached_or_built(binary).await?,
        };
        self.paths.push((binary.0, path));
        Ok(())
    }
}

impl Tool {
    /// Folder of the module in the module cache.
    async fn sources(&self) -> Result<PathBuf> {
        let mut go = words("go list -mod=readonly -m -f {{.Dir}}");
        go.arg(self.module);
        go.current_dir(crate_dir().join("tools").join(self.dir));
        go.env("GOWORK", "off").env("GOFLAGS", "");
        Ok(PathBuf::from(output(go).await?.trim()))
    }

    fn lock_file(&self, name: &str) -> PathBuf {
        crate_dir().join("tools").join(self.dir).join(name)
    }

    /// Version that go.mod pins, with its leading v.
    fn version(&self) -> Result<String> {
        let path = self.lock_file("go.mod");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let pinned = text.lines().find_map(|line| {
            let words: Vec<&str> = line
                .split_whitespace()
                .filter(|word| *word != "require")
                .collect();
            (words.first() == Some(&self.module)).then(|| words.get(1).map(ToString::to_string))?
        });
        pinned.with_context(|| format!("{} does not require {}", path.display(), self.module))
    }

    /// The binary in `KAMAJI_E2E_BIN`, if it exists there in the pinned version. Binaries of the
    /// previous minor version lie in `previous` below it.
    async fn given(&self, (name, _, version): &Binary) -> Result<Option<PathBuf>> {
        let Some(dir) = env::var_os("KAMAJI_E2E_BIN") else {
            return Ok(None);
        };
        let below = if self.dir == PREVIOUS.dir {
            "previous"
        } else {
            ""
        };
        let path = Path::new(&dir).join(below).join(name);
        if !path.is_file() {
            return Ok(None);
        }
        if let Some(version) = version {
            let wanted = self.version()?;
            let printed = output(command(&path, version.split(' ')))
                .await
                .unwrap_or_default();
            if !printed.contains(wanted.trim_start_matches('v')) {
                println!("{} is not {wanted} and is not used", path.display());
                return Ok(None);
            }
        }
        Ok(Some(path))
    }

    /// Folder in the cache that belongs to exactly the pinned modules.
    fn cache(&self) -> Result<PathBuf> {
        let mut hash = Sha256::new();
        for file in ["go.sum", "go.mod"] {
            let path = self.lock_file(file);
            hash.update(fs::read(&path).with_context(|| format!("read {}", path.display()))?);
        }
        // A program of our own, where the module has one.
        if let Ok(program) = fs::read(self.lock_file("main.go")) {
            hash.update(program);
        }
        let digest = format!("{:x}", hash.finalize());
        Ok(cache_dir()?
            .join(format!("{}-{}", self.dir, &digest[..16]))
            .join("bin"))
    }

    async fn cached_or_built(&self, (name, package, _): &Binary) -> Result<PathBuf> {
        let dir = self.cache()?;
        let path = dir.join(name);
        if path.is_file() {
            return Ok(path);
        }
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        // One build at a time: they share two cores with everything else, and a second
        // build of the same binary finds it in the cache when its turn comes.
        let lock = File::create(cache_dir()?.join("build.lock"))?;
        let _turn = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await??;
        if !path.is_file() {
            println!("building {name} {} (once)", self.version()?);
            self.build(package, &path)
                .await
                .with_context(|| format!("build {name}"))?;
        }
        Ok(path)
    }

    async fn build(&self, package: &str, path: &Path) -> Result<()> {
        if let Err(missing) = output(words("go version")).await {
            bail!(
                "{missing:#}: install Go 1.26 or newer (https://go.dev/dl), or name a folder with the \
                 pinned binaries in KAMAJI_E2E_BIN"
            );
        }
        let unfinished = path.with_extension("unfinished");
        let flags = "-mod=readonly -buildvcs=false -trimpath -ldflags";
        // A program of tests is compiled by another verb.
        let is_test = path.extension().is_some_and(|end| end == "test");
        let verb = if is_test { "test -c" } else { "build" };
        let mut go = words(&format!("nice -n 10 go {verb} {flags}"));
        go.arg(self.linker_flags()?)
            .arg("-o")
            .arg(&unfinished)
            .arg(package);
        go.current_dir(crate_dir().join("tools").join(self.dir));
        // A build of this module alone, whatever work space the checkout may lie in.
        go.env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .env("GOFLAGS", "");
        output(go).await?;
        fs::rename(&unfinished, path).map_err(io::Error::into)
    }

    /// Flags of the Go linker that set the version, as upstream's builds do.
    fn linker_flags(&self) -> Result<String> {
        let version = self.version()?;
        let variables = match self.dir {
            "conformance" | "kubernetes" | "kubernetes-previous" => {
                let package = "k8s.io/component-base/version";
                let mut numbers = version.trim_start_matches('v').split('.');
                let major = numbers.next().unwrap_or_default();
                let minor = numbers.next().unwrap_or_default();
                format!(
                    "-X {package}.gitVersion={version} -X {package}.gitMajor={major} \
                     -X {package}.gitMinor={minor} -X {package}.gitTreeState=clean"
                )
            }
            "cluster-api" => {
                let package = "sigs.k8s.io/cluster-api/version";
                format!("-X {package}.gitVersion={version}")
            }
            "containerd" => format!("-X {}/version.Version={version}", self.module),
            "helm" => format!("-X {}/internal/version.version={version}", self.module),
            "opentofu" => format!("-X {}/version.dev=no", self.module),
            "velero" => format!("-X {}/pkg/buildinfo.Version={version}", self.module),
            "kine" => format!("-X {}/pkg/version.Version={version}", self.module),
            _ => String::new(),
        };
        Ok(format!("-s -w {variables}"))
    }
}

/// Version of Kubernetes that the testbed runs, with its leading v.
pub fn kubernetes_version() -> Result<String> {
    KUBERNETES.version()
}

/// Version of Kubernetes that upgrades come from, with its leading v.
pub fn previous_version() -> Result<String> {
    PREVIOUS.version()
}

/// Version of Cluster API, with its leading v.
pub fn cluster_api_version() -> Result<String> {
    CLUSTER_API.version()
}

/// Sources of Cluster API in the module cache: its kustomizations and its `metadata.yaml`.
pub async fn cluster_api_sources() -> Result<PathBuf> {
    CLUSTER_API.sources().await
}

/// Sources of Kubernetes in the module cache: files of its test images.
pub async fn conformance_sources() -> Result<PathBuf> {
    CONFORMANCE.sources().await
}

/// Version of the konnectivity images, with its leading v.
pub fn konnectivity_version() -> Result<String> {
    KONNECTIVITY.version()
}

/// Names of OpenTofu's providers that are built, and their versions in the registry: those of the changelogs in the
/// pinned commits, whose module versions are not theirs.
pub const PROVIDERS: [(&str, &str); 2] = [("helm", "3.2.0"), ("kubernetes", "3.2.1")];

/// Versions of Velero and of its plugin, with their leading v.
pub fn velero_versions() -> Result<[String; 2]> {
    Ok([VELERO.version()?, VELERO_PLUGIN.version()?])
}

/// Version of kine, with its leading v.
pub fn kine_version() -> Result<String> {
    KINE.version()
}

/// Version of etcd, with its leading v.
pub fn etcd_version() -> Result<String> {
    ETCD.version()
}

/// Version of the CoreDNS image, with its leading v.
pub fn coredns_version() -> Result<String> {
    COREDNS.version()
}

#[cfg(test)]
mod tests;
