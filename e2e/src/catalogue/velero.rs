//! Images of Velero and of its plugin for object stores, under upstream's names.

use anyhow::Result;

use crate::image::Image;
use crate::tools::{Tools, velero_versions};

/// The two images, Velero's first; `tools` are those of [`Tools::velero`].
pub fn images(tools: &Tools) -> Result<[Image; 2]> {
    let [velero, plugin] = velero_versions()?;
    let server = Image::named(format!("docker.io/velero/velero:{velero}"))
        .binary(tools.path("velero")?, "/velero")?
        .user("nobody");
    // The plugin's image is an init container, which copies the plugin to where the server loads it from.
    let name = "velero-plugin-for-aws";
    let (from, to) = (format!("/plugins/{name}"), format!("/target/{name}"));
    let plugin = Image::named(format!("docker.io/velero/{name}:{plugin}"))
        .binary(tools.path(name)?, &from)?
        .binary(tools.path("cp-plugin")?, "/bin/cp-plugin")?
        .entrypoint(&["/bin/cp-plugin", &from, &to])
        .user("65532:65532");
    Ok([server, plugin])
}
