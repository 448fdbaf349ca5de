//! Would the API server take the Deployment with everything that was added to it? Upstream
//! tries it by a dry run; these are the rules that such a run breaks.

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

/// Containers, volumes, mounts, and the few other values that can be wrong.
pub(super) fn examine(object: &TenantControlPlane, found: &mut Findings) {
    let deployment = &object.spec.control_plane.deployment;
    let status = object.status.as_ref();
    let reserved = Reserved::of(status.and_then(|status| status.renderer.as_deref()));
    scale(deployment, found);
    let volumes = additional_volumes(deployment, &reserved, found);
    containers(deployment, (&volumes, &reserved), found);
    mounts_of_ours(deployment, (&volumes, &reserved), found);
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

/// Names of all volumes that there may be.
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
    (volumes, reserved): (&BTreeSet<&str>, &Reserved),
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
            one(&field, container, volumes, found);
        }
    }
}

/// A container of kine's name says which image kine has, and nothing else.
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

fn one(field: &str, container: &Container, volumes: &BTreeSet<&str>, found: &mut Findings) {
    if container.image.as_deref().unwrap_or_default().is_empty() {
        found.refuse(Refusal::Value {
            field: format!("{field}.image"),
            problem: "is missing: name the image to run".to_owned(),
        });
    }
    let mounts = container.volume_mounts.as_deref().unwrap_or_default();
    mounted(
        &format!("{field}.volumeMounts"),
        mounts,
        (volumes, &[]),
        found,
    );
}

fn mounts_of_ours(
    deployment: &DeploymentSpec,
    (volumes, reserved): (&BTreeSet<&str>, &Reserved),
    found: &mut Findings,
) {
    for (field, component) in [
        ("apiServer", Component::ApiServer),
        ("controllerManager", Component::ControllerManager),
        ("scheduler", Component::Scheduler),
    ] {
        let mounts = component.additional_mounts(deployment);
        let ours = reserved.mount_paths(component);
        let field = format!("{DEPLOYMENT}.additionalVolumeMounts.{field}");
        mounted(&field, mounts, (volumes, &ours), found);
    }
}

fn mounted(
    field: &str,
    mounts: &[VolumeMount],
    (volumes, ours): (&BTreeSet<&str>, &[&str]),
    found: &mut Findings,
) {
    let mut paths = BTreeSet::new();
    for (index, mount) in mounts.iter().enumerate() {
        let field = format!("{field}[{index}]");
        let path = mount.mount_path.as_str();
        if path.is_empty() || path.contains(':') {
            found.refuse(Refusal::Value {
                field: format!("{field}.mountPath"),
                problem: format!("{path:?} is not a path: write one without a colon"),
            });
        }
        if ours.contains(&path) {
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
        if !volumes.contains(mount.name.as_str()) {
            found.refuse(Refusal::NoVolume {
                field,
                volume: mount.name.clone(),
            });
        }
    }
}

/// What any JSON patch must have; whether it fits is known when there is something to patch.
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

/// Names of one kind of thing in the pod.
struct Names<'a, 'b> {
    ours: &'b [&'static str],
    taken: BTreeSet<&'a str>,
}

impl<'a, 'b> Names<'a, 'b> {
    fn new(ours: &'b [&'static str]) -> Self {
        Self {
            ours,
            taken: BTreeSet::new(),
        }
    }

    fn add(&mut self, field: String, text: &'a str, found: &mut Findings) {
        if self.ours.contains(&text) {
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
#[path = "pods_tests.rs"]
mod tests;
