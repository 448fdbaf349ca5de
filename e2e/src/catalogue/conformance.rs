//! Images of Kubernetes' conformance specs, under upstream's names.
//!
//! agnhost is the program of the pinned module. Shell and tools around it are this machine's bash, busybox, curl, dig and
//! nc, where upstream has Alpine's; one build has the names of all versions that specs ask for.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::{program, static_busybox, with_applets};
use crate::image::Image;
use crate::tools::Tools;

const REGISTRY: &str = "registry.k8s.io/e2e-test-images";
/// Users and groups that specs about them expect.
const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nuser-defined-in-image:x:1000:1000::/:/bin/sh\n\
    nobody:x:65534:65534::/:/sbin/nologin\n";
const GROUP: &str = "root:x:0:\nuser-defined-in-image:x:1000:\n\
    group-defined-in-image:x:50000:user-defined-in-image\nnobody:x:65534:\n";

/// The images; `sources` is the folder of the module k8s.io/kubernetes.
pub fn images(tools: &Tools, sources: &Path) -> Result<Vec<Image>> {
    let folder = sources.join("test/images");
    let agnhost = |image| agnhost(image, tools.path("agnhost")?, &folder);
    let html = folder.join("nautilus/html");
    Ok(vec![
        agnhost(named("agnhost:2.66.1").tag(format!("{REGISTRY}/agnhost:2.55")))?,
        agnhost(named("nonroot:1.5"))?.user("1234"),
        agnhost(named("nautilus:1.8"))?
            .file(html.join("nautilus.jpg"), "/nautilus.jpg")
            .file(html.join("data.json"), "/data.json")
            .arguments(&["test-webserver"]),
        with_shell(named("busybox:1.37.0-2").tag(format!("{REGISTRY}/busybox:1.36.1-1")))?
            .arguments(&["/bin/sh"]),
        resolver(named("glibc-dns-testing:2.1.1"))?,
    ])
}

fn named(name: &str) -> Image {
    Image::named(format!("{REGISTRY}/{name}"))
}

fn agnhost(image: Image, binary: &Path, folder: &Path) -> Result<Image> {
    let mut image = resolver(image)?
        .binary(binary, "/agnhost")?
        .link("/agnhost-2", "agnhost")
        .folder("/uploads", 0o755);
    for (name, path) in [("curl", "/usr/bin/curl"), ("nc", "/bin/nc")] {
        image = image.binary(&program(name)?, path)?;
    }
    for file in ["localhost.crt", "localhost.key"] {
        image = image.file(
            folder.join("agnhost/porter").join(file),
            &format!("/{file}"),
        );
    }
    Ok(image.entrypoint(&["/agnhost"]).arguments(&["pause"]))
}

/// Adds the shell, and what asks for names with the C library's resolver.
fn resolver(image: Image) -> Result<Image> {
    let mut image = with_shell(image)?.text("/etc/nsswitch.conf", "hosts: files dns\n");
    for name in ["dig", "getent"] {
        let binary = program(name).context("apt-get install bind9-dnsutils")?;
        image = image.binary(&binary, &format!("/usr/bin/{name}"))?;
    }
    Ok(image)
}

/// Adds bash as the shell, every applet of busybox, and users.
fn with_shell(image: Image) -> Result<Image> {
    let listed = Command::new(static_busybox()?).arg("--list").output();
    let listed = String::from_utf8(listed.context("run busybox --list")?.stdout)?;
    let applets: Vec<&str> = listed.lines().filter(|name| *name != "busybox").collect();
    // Not busybox's own shell: Debian's takes its applets for any program of that name, nc among them, and drops
    // variables whose names it cannot use.
    Ok(with_applets(image, &applets)?
        .binary(&program("bash")?, "/bin/bash")?
        .link("/bin/sh", "bash")
        .text("/etc/passwd", PASSWD)
        .text("/etc/group", GROUP)
        .folder("/root", 0o700)
        .folder("/usr/sbin", 0o755))
}
