//! Rules about additions to the pods of a control plane: containers, volumes, mounts. Upstream sends the Deployment to
//! the API server as a dry run; these are the rules by which that would refuse it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, VolumeMount};
use kamaji_api::tenant::{DeploymentSpec, JsonPatchOperation, TenantControlPlane};

use super::{refusal::Refusal, types::Findings};
use crate::{
    dns::{LONGEST_LABEL, is_label},
    render::{
        deployment::{component::Component, kine},
        reserved::Reserved,
    },
};

const DEPLOYMENT: &str = "spec.controlPlane.deployment";

/// Applies every rule about containers, volumes, mounts, scale and JSON patches.
pub(super) fn examine(object: &TenantControlPlane, found: &mut Findings) {
    let deployment = &object.spec.control_plane.deployment;
    let status = object.status.as_ref();
    let reserved = Reserved::of(status.and_then(|status| status.renderer.as_deref()));
    scale(deployment, found);
    let volumes = additional_volumes(deployment, &reserved, found);
    containers(deployment, &volumes, &reserved, found);
    additional_mounts(deployment, &volumes, &reserved, found);
    patches(object, found);
}

fn scale(deployment: &DeploymentSpec, found: &mut Findings) {
    if let Some(replicas) = deployment.replicas.filter(|replicas| *replicas < 0) {
        found.refuse(Refusal::Value {
            field: format!("{DEPLOYMENT}.replicas"),
            problem: format!("{replicas} is less than none: write 0 to let the tenant sleep"),
        });
    }
    let strategy = deployment.strategy.type_.as_deref();
    if let Some(text) = strategy.filter(|text| !["", "RollingUpdate", "Recreate"].contains(text)) {
        found.refuse(Refusal::Value {
            field: format!("{DEPLOYMENT}.strategy.type"),
            problem: format!("{text:?} is no strategy: write RollingUpdate or Recreate"),
        });
    }
}

/// Checks the additional volumes; returns the names of all volumes, Kamaji's included.
fn additional_volumes<'a>(
    deployment: &'a DeploymentSpec,
    reserved: &Reserved,
    found: &mut Findings,
) -> BTreeSet<&'a str> {
    let mut names = Names::new(&reserved.volumes);
    for (index, volume) in deployment.additional_volumes.iter().enumerate() {
        let field = format!("{DEPLOYMENT}.additionalVolumes[{index}].name");
        names.add(field, &volume.name, found);
    }
    names.taken.extend(&reserved.volumes);
    names.taken
}

fn containers(
    deployment: &DeploymentSpec,
    volumes: &BTreeSet<&str>,
    reserved: &Reserved,
    found: &mut Findings,
) {
    let mut names = Names::new(&reserved.containers);
    let lists = [
        (
            "additionalInitContainers",
            &deployment.additional_init_containers,
        ),
        ("additionalContainers", &deployment.additional_containers),
    ];
    for (list, containers) in lists {
        for (index, container) in containers.iter().enumerate() {
            let field = format!("{DEPLOYMENT}.{list}[{index}]");
            if list == "additionalContainers" && container.name == kine::NAME {
                kine_image(field, container, found);
                continue;
            }
            names.add(format!("{field}.name"), &container.name, found);
            check_container(&field, container, volumes, found);
        }
    }
}

/// Checks a container of kine's name, which sets the image of kine and nothing else.
fn kine_image(field: String, container: &Container, found: &mut Findings) {
    let only_image = Container {
        name: container.name.clone(),
        image: container.image.clone(),
        ..Container::default()
    };
    if container.image.as_deref().unwrap_or_default().is_empty() || *container != only_image {
        found.refuse(Refusal::Value {
            field,
            problem: "is kine, of which only the image can be replaced: leave name and image, and write flags to extraArgs.kine and resources to resources.kine".to_owned(),
        });
    }
}

fn check_container(
    field: &str,
    container: &Container,
    volumes: &BTreeSet<&str>,
    found: &mut Findings,
) {
    if container.image.as_deref().unwrap_or_default().is_empty() {
        found.refuse(Refusal::Value {
            field: format!("{field}.image"),
            problem: "is missing: name the image to run".to_owned(),
        });
    }
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    let mounts = Mounts {
        list: mounts,
        volumes,
        managed_paths: &[],
    };
    mounts.check(&format!("{field}.volumeMounts"), found);
}

fn additional_mounts(
    deployment: &DeploymentSpec,
    volumes: &BTreeSet<&str>,
    reserved: &Reserved,
    found: &mut Findings,
) {
    for (field, component) in [
        ("apiServer", Component::ApiServer),
        ("controllerManager", Component::ControllerManager),
        ("scheduler", Component::Scheduler),
    ] {
        let mounts = Mounts {
            list: component.additional_mounts(deployment),
            volumes,
            managed_paths: &reserved.mount_paths(component),
        };
        let field = format!("{DEPLOYMENT}.additionalVolumeMounts.{field}");
        mounts.check(&field, found);
    }
}

/// Mounts of one container.
struct Mounts<'a> {
    /// The mounts as they were written.
    list: &'a [VolumeMount],
    /// Names of all volumes of the pod.
    volumes: &'a BTreeSet<&'a str>,
    /// Paths at which Kamaji mounts volumes of its own.
    managed_paths: &'a [&'a str],
}

impl Mounts<'_> {
    fn check(&self, field: &str, found: &mut Findings) {
        let mut paths = BTreeSet::new();
        for (index, mount) in self.list.iter().enumerate() {
            let field = format!("{field}[{index}]");
            let path = mount.mount_path.as_str();
            if path.is_empty() || path.contains(':') {
                found.refuse(Refusal::Value {
                    field: format!("{field}.mountPath"),
                    problem: format!("{path:?} is not a path: write one without a colon"),
                });
            }
            if self.managed_paths.contains(&path) {
                found.refuse(Refusal::Managed {
                    field: format!("{field}.mountPath"),
                    text: path.to_owned(),
                });
            }
            if !paths.insert(path) {
                found.refuse(Refusal::Twice {
                    field: format!("{field}.mountPath"),
                    text: path.to_owned(),
                    instead: "choose another path",
                });
            }
            if !self.volumes.contains(mount.name.as_str()) {
                found.refuse(Refusal::NoVolume {
                    field,
                    volume: mount.name.clone(),
                });
            }
        }
    }
}

/// Checks the form of the kubelet's JSON patches; whether they apply is checked with the kubelet configuration.
fn patches(object: &TenantControlPlane, found: &mut Findings) {
    use JsonPatchOperation::{Add, Copy, Move, Replace, Test};
    let patches = &object.spec.kubernetes.kubelet.configuration_json_patches;
    for (index, patch) in patches.iter().enumerate() {
        let is_pointer = |text: &str| text.is_empty() || text.starts_with('/');
        let problem = if !is_pointer(&patch.path) {
            format!(
                "path {:?} does not begin with /: write it as /field/inner",
                patch.path
            )
        } else if matches!(patch.op, Move | Copy) && !patch.from.as_deref().is_some_and(is_pointer)
        {
            format!(
                "{} needs from, a path such as /field: add it",
                patch.op.as_str()
            )
        } else if matches!(patch.op, Add | Replace | Test) && patch.value.is_none() {
            format!("{} needs value: add it", patch.op.as_str())
        } else {
            continue;
        };
        found.refuse(Refusal::JsonPatch { index, problem });
    }
}

/// Names of one kind of object in the pod, each of which may be used once.
struct Names<'a, 'b> {
    managed: &'b [&'static str],
    taken: BTreeSet<&'a str>,
}

impl<'a, 'b> Names<'a, 'b> {
    fn new(managed: &'b [&'static str]) -> Self {
        Self {
            managed,
            taken: BTreeSet::new(),
        }
    }

    fn add(&mut self, field: String, text: &'a str, found: &mut Findings) {
        if self.managed.contains(&text) {
            found.refuse(Refusal::Managed {
                field,
                text: text.to_owned(),
            });
        } else if !is_label(text, LONGEST_LABEL) {
            found.refuse(Refusal::Name {
                field,
                text: text.to_owned(),
                most: LONGEST_LABEL,
            });
        } else if !self.taken.insert(text) {
            found.refuse(Refusal::Twice {
                field,
                text: text.to_owned(),
                instead: "choose another name",
            });
        }
    }
}

#[cfg(test)]
mod tests;
