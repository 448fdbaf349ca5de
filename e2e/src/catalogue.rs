//! Images that the nodes of a testbed hold.

pub mod conformance;
pub mod velero;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use kamaji_core::settings::KINE_IMAGE;
use kamaji_core::tenant::Version;
use kamaji_core::tenant_cluster::images;

use crate::image::Image;
use crate::tools::{
    Tools, coredns_version, etcd_version, konnectivity_version, kubernetes_version,
    previous_version,
};

/// Image of every pod's sandbox.
pub const PAUSE: &str = "registry.k8s.io/pause:3.10.2";

/// Image of the scenarios' own pods: a busybox whose `httpd`, `nslookup`, `nc` and `sh` work.
pub const BUSYBOX: &str = "registry.k8s.io/e2e-test-images/busybox:1.36";

/// Components of a tenant's control plane that are Kubernetes' own.
const CONTROL_PLANE: [&str; 3] = [
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

const APPLETS: [&str; 24] = [
    "cat", "chmod", "cp", "date", "echo", "env", "false", "hostname", "httpd", "id", "ip", "ls",
    "mkdir", "nc", "nslookup", "ping", "printf", "rm", "sh", "sleep", "tail", "test", "touch",
    "true",
];

/// Images of the management node: what tenant control planes run, and the scenarios' own.
pub fn management(tools: &Tools) -> Result<Vec<Image>> {
    let mut images = vec![pause()?, busybox()?];
    images.extend(control_plane(tools, &kubernetes_version()?)?);
    images.push(konnectivity(tools, "proxy-server")?);
    images.push(kine(tools)?);
    Ok(images)
}

/// Further images that control planes of the previous minor version run; `tools` are of that
/// version.
pub fn previous(tools: &Tools) -> Result<Vec<Image>> {
    control_plane(tools, &previous_version()?)
}

fn control_plane(tools: &Tools, version: &str) -> Result<Vec<Image>> {
    CONTROL_PLANE
        .iter()
        .map(|component| kubernetes(tools, component, version))
        .collect()
}

/// Images of a worker: what a tenant's addons run, and the scenarios' own.
pub fn worker(tools: &Tools) -> Result<Vec<Image>> {
    Ok(vec![
        pause()?,
        busybox()?,
        kube_proxy(tools)?,
        konnectivity(tools, "proxy-agent")?,
        coredns(tools)?,
    ])
}

/// Image of a component of Kubernetes, tagged with its version.
fn kubernetes(tools: &Tools, component: &str, version: &str) -> Result<Image> {
    let image = Image::named(format!("registry.k8s.io/{component}:{version}"));
    image.binary(
        tools.path(component)?,
        &format!("/usr/local/bin/{component}"),
    )
}

/// Image of an add-on under every tag by which tenants ask for it, those of the previous minor
/// version included. Only one is built, since upgrades are about the control plane and the
/// kubelets.
fn addon<T: Display>(name: &str, version: &str, tag: fn(&Version) -> T) -> Result<Image> {
    let mut tags = BTreeSet::from([version.to_owned()]);
    for kubernetes in [kubernetes_version()?, previous_version()?] {
        let kubernetes = Version::parse(&kubernetes).context("a pinned version of Kubernetes")?;
        tags.insert(tag(&kubernetes).to_string());
    }
    let mut names = tags
        .iter()
        .map(|tag| format!("registry.k8s.io/{name}:{tag}"));
    let image = Image::named(names.next().unwrap_or_default());
    Ok(names.fold(image, Image::tag))
}

/// Image of the operator, with the `kamaji` binary.
pub fn operator(binary: &Path, name: &str) -> Result<Image> {
    let image = Image::named(name)
        .entrypoint(&["/kamaji"])
        .binary(binary, "/kamaji")?;
    Ok(image.link("/usr/local/bin/kamaji", "/kamaji"))
}

/// Image of the operator as it is released: the static binary, root certificates and nothing else, without root.
pub fn release(binary: &Path, name: &str) -> Result<Image> {
    let certificates = Path::new("/etc/ssl/certs/ca-certificates.crt");
    let image = operator(binary, name)?.user("65532:65532");
    ensure!(
        certificates.is_file(),
        "{} is missing, without which the image trusts no public server: install ca-certificates",
        certificates.display()
    );
    let path = certificates.display().to_string();
    Ok(image.file(certificates, &path))
}

fn konnectivity(tools: &Tools, binary: &str) -> Result<Image> {
    let name = format!("kas-network-proxy/{binary}");
    let image = addon(&name, &konnectivity_version()?, images::konnectivity)?;
    let path = format!("/{binary}");
    Ok(image
        .binary(tools.path(binary)?, &path)?
        .entrypoint(&[&path]))
}

/// Image of kine under the name that the operator has by default, with the shell that its init container calls and
/// the user that upstream's image has.
fn kine(tools: &Tools) -> Result<Image> {
    let image =
        Image::named(format!("docker.io/{KINE_IMAGE}")).binary(tools.path("kine")?, "/bin/kine")?;
    let image = with_applets(image, &["chmod", "cp", "sh"])?;
    Ok(image.entrypoint(&["/bin/kine"]).user("nobody"))
}

/// Image of etcd under the name and the version that the chart has by default.
pub fn etcd(tools: &Tools) -> Result<Image> {
    let image = Image::named(format!("quay.io/coreos/etcd:{}", etcd_version()?));
    let image = image.binary(tools.path("etcd")?, "/usr/local/bin/etcd")?;
    image.binary(tools.path("etcdutl")?, "/usr/local/bin/etcdutl")
}

fn coredns(tools: &Tools) -> Result<Image> {
    let image = addon("coredns/coredns", &coredns_version()?, images::coredns)?;
    Ok(image
        .binary(tools.path("coredns")?, "/coredns")?
        .entrypoint(&["/coredns"]))
}

/// Image of kube-proxy, with iptables and its relatives from this machine.
fn kube_proxy(tools: &Tools) -> Result<Image> {
    let image = addon("kube-proxy", &kubernetes_version()?, images::kube_proxy)?;
    let binary = tools.path("kube-proxy")?;
    let mut image = image.binary(binary, "/usr/local/bin/kube-proxy")?;
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
    let image = Image::named(BUSYBOX).tag("docker.io/library/busybox:1.36");
    Ok(with_applets(image, &APPLETS)?.entrypoint(&["/bin/sh"]))
}

/// Adds a busybox and links of these names to it, below `/bin`.
fn with_applets(image: Image, applets: &[&str]) -> Result<Image> {
    let image = image.binary(&static_busybox()?, "/bin/busybox")?;
    Ok(applets.iter().fold(image, |image, applet| {
        image.link(&format!("/bin/{applet}"), "busybox")
    }))
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
