//! Which images do the nodes of a testbed hold?

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kamaji_core::inside::images;
use kamaji_core::tenant::Version;

use crate::image::Image;
use crate::tools::{Tools, coredns_version, konnectivity_version, kubernetes_version};

/// The image every pod's sandbox is made of.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10.2";

/// The image of the stories' own pods: a busybox whose `httpd`, `nslookup`, `nc` and `sh` work.
pub const BUSYBOX: &str = "registry.k8s.io/e2e-test-images/busybox:1.36";

/// Components of a tenant's control plane that are Kubernetes' own.
pub const CONTROL_PLANE: [&str; 3] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

const APPLETS: [&str; 24] = [
    "cat", "chmod", "cp", "date", "echo", "env", "false", "hostname", "httpd", "id", "ip", "ls",
    "mkdir", "nc", "nslookup", "ping", "printf", "rm", "sh", "sleep", "tail", "test", "touch",
    "true",
];

/// Images of the management node: what tenant control planes run, and the stories' own.
pub fn management(tools: &Tools) -> Result<Vec<Image>> {
    let mut images = vec![pause()?, busybox()?];
    for component in [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    ] {
        images.push(kubernetes(tools, component, &kubernetes_version()?)?);
    }
    images.push(konnectivity(tools, "proxy-server")?);
    Ok(images)
}

/// Images of a worker: what a tenant's addons run, and the stories' own.
pub fn worker(tools: &Tools) -> Result<Vec<Image>> {
    Ok(vec![
        pause()?,
        busybox()?,
        kube_proxy(tools)?,
        konnectivity(tools, "proxy-agent")?,
        coredns(tools)?,
    ])
}

/// Images of the version that there is, each with its name in another one.
pub struct Aliases {
    /// Of the management node.
    pub management: Vec<(String, String)>,
    /// Of workers.
    pub worker: Vec<(String, String)>,
}

/// What makes the version that there is pass for another one.
pub fn aliases(version: &str) -> Result<Aliases> {
    let version = Version::parse(version).context("the version to pretend")?;
    let (kubernetes, konnectivity) = (kubernetes_version()?, konnectivity_version()?);
    let alias = |name: &str, own: &str, other: &str| {
        let image = |tag| format!("registry.k8s.io/{name}:{tag}");
        (image(own), image(other))
    };
    let mut management: Vec<_> = CONTROL_PLANE
        .map(|component| alias(component, &kubernetes, &version.text))
        .into();
    let server = images::konnectivity(&version);
    let proxy = |binary: &str| {
        alias(
            &format!("kas-network-proxy/{binary}"),
            &konnectivity,
            &server,
        )
    };
    management.push(proxy("proxy-server"));
    let kube_proxy = images::kube_proxy(&version);
    let dns = images::coredns(&version);
    let worker = vec![
        proxy("proxy-agent"),
        alias("kube-proxy", &kubernetes, &kube_proxy),
        alias("coredns/coredns", &coredns_version()?, dns),
    ];
    Ok(Aliases { management, worker })
}

/// A control plane component; a version other than that of the binary makes a story's "other version"
/// cheap, and is a lie that only the image's name tells.
pub fn kubernetes(tools: &Tools, component: &str, version: &str) -> Result<Image> {
    let image = Image::named(format!("registry.k8s.io/{component}:{version}"));
    image.binary(
        tools.path(component)?,
        &format!("/usr/local/bin/{component}"),
    )
}

/// The operator's image around the `kamaji` binary.
pub fn operator(binary: &Path, name: &str) -> Result<Image> {
    let image = Image::named(name)
        .entrypoint(&["/kamaji"])
        .binary(binary, "/kamaji")?;
    Ok(image.link("/usr/local/bin/kamaji", "/kamaji"))
}

fn konnectivity(tools: &Tools, binary: &str) -> Result<Image> {
    let version = konnectivity_version()?;
    let image = Image::named(format!(
        "registry.k8s.io/kas-network-proxy/{binary}:{version}"
    ));
    let path = format!("/{binary}");
    Ok(image
        .binary(tools.path(binary)?, &path)?
        .entrypoint(&[&path]))
}

fn coredns(tools: &Tools) -> Result<Image> {
    let image = Image::named(format!(
        "registry.k8s.io/coredns/coredns:{}",
        coredns_version()?
    ));
    Ok(image
        .binary(tools.path("coredns")?, "/coredns")?
        .entrypoint(&["/coredns"]))
}

/// kube-proxy calls iptables and its relatives, which come from this machine.
fn kube_proxy(tools: &Tools) -> Result<Image> {
    let mut image = kubernetes(tools, "kube-proxy", &kubernetes_version()?)?;
    let xtables = "/usr/local/bin/xtables-nft-multi";
    image = image.binary(&program("xtables-nft-multi")?, xtables)?;
    for family in ["iptables", "ip6tables"] {
        for call in ["", "-save", "-restore"] {
            image = image.link(&format!("/usr/local/bin/{family}{call}"), xtables);
        }
    }
    for name in ["nft", "conntrack", "ipset"] {
        image = image.binary(&program(name)?, &format!("/usr/local/bin/{name}"))?;
    }
    for plugin in xtables_plugins()? {
        let path = plugin.display().to_string();
        image = image.binary(&plugin, &path)?;
    }
    Ok(image)
}

fn pause() -> Result<Image> {
    let image = Image::named(PAUSE).binary(&static_busybox()?, "/bin/busybox")?;
    Ok(image.entrypoint(&["/bin/busybox", "sleep", "2147483647"]))
}

fn busybox() -> Result<Image> {
    let mut image = Image::named(BUSYBOX).tag("docker.io/library/busybox:1.36");
    image = image.binary(&static_busybox()?, "/bin/busybox")?;
    for applet in APPLETS {
        image = image.link(&format!("/bin/{applet}"), "busybox");
    }
    Ok(image.entrypoint(&["/bin/sh"]))
}

fn static_busybox() -> Result<PathBuf> {
    program("busybox").context("apt-get install busybox-static")
}

/// Path of a program of this machine.
pub fn program(name: &str) -> Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    let found = env::split_paths(&path)
        .chain(usual)
        .map(|dir| dir.join(name));
    found
        .into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("no {name} on this machine"))
}

fn xtables_plugins() -> Result<Vec<PathBuf>> {
    let library = Path::new("/usr/lib");
    let below = fs::read_dir(library)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    let places = below
        .chain([library.to_path_buf()])
        .map(|dir| dir.join("xtables"));
    let dir = places.into_iter().find(|dir| dir.is_dir());
    let dir = dir.context("no xtables plugins: apt-get install iptables")?;
    let plugins = fs::read_dir(dir)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
    Ok(plugins
        .filter(|path| path.extension().is_some_and(|end| end == "so"))
        .collect())
}
