//! Progress of a control plane's rollout: a late one is reported with the reason that its pods give.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kamaji_api::condition::{self, ConditionType, Reason};

use super::{builder::PlanBuilder, types::Wait};
use crate::{snapshot::DeploymentView, tenant::Tenant};

/// Maximum number of pods that are read.
pub const PODS: u32 = 20;
/// Delay until a late rollout is observed again.
const RECHECK: Duration = Duration::from_mins(5);
/// Maximum length of a foreign message that is quoted, in characters.
const TEXT: usize = 300;

/// Reason of the Deployment controller for a rollout beyond its deadline.
const DEADLINE_EXCEEDED: &str = "ProgressDeadlineExceeded";
/// Reasons of kubelets for an image that they do not get.
const IMAGE: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
    "ImageInspectError",
];
/// Reason of kubelets for a container that ends again and again.
const CRASH_LOOP: &str = "CrashLoopBackOff";
/// Reasons of kubelets for a container that cannot be started.
const START: [&str; 3] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// True if the Deployment controller reports that the rollout has exceeded its deadline.
pub fn is_late(view: &DeploymentView) -> bool {
    view.status.observed_generation == Some(view.generation)
        && view.status.conditions.iter().flatten().any(|condition| {
            condition.type_ == "Progressing"
                && condition.status == "False"
                && condition.reason.as_deref() == Some(DEADLINE_EXCEEDED)
        })
}

/// Adds a wait for a rollout that is late, with the reason of its pods.
pub(super) fn evaluate(builder: &mut PlanBuilder) {
    let tenant = builder.tenant;
    let late = builder.snapshot.deployment.as_ref().is_some_and(is_late);
    if !late || tenant.replicas() == 0 {
        return;
    }
    let deployment = format!("{}/{}", tenant.namespace, tenant.names.control_plane());
    let (reason, why) = cause(tenant, &builder.snapshot.pods).unwrap_or((
        Reason::ProgressDeadlineExceeded,
        "none of its pods says why; look at their events".to_owned(),
    ));
    let message = format!("the rollout of the Deployment {deployment} does not progress: {why}");
    let message = recorded(tenant, reason).unwrap_or(message);
    builder.wait(Wait::new(
        ConditionType::RolloutProgressing,
        reason,
        message,
    ));
    builder.requeue_at(builder.snapshot.now + RECHECK);
}

/// Recorded message of the same reason: kubelets alternate between messages of one cause, and each change would
/// be a write.
fn recorded(tenant: &Tenant, reason: Reason) -> Option<String> {
    let type_ = ConditionType::RolloutProgressing.as_str();
    let old = condition::find(&tenant.status.conditions, type_)?;
    let same = old.status == "False"
        && old.reason == reason
        && old.observed_generation == Some(tenant.generation);
    same.then(|| old.message.clone())
}

/// Reason and message of the youngest pod that has a cause.
fn cause(tenant: &Tenant, pods: &[Pod]) -> Option<(Reason, String)> {
    let mut pods: Vec<&Pod> = pods.iter().filter(|pod| is_made_for(tenant, pod)).collect();
    pods.sort_by_key(|pod| {
        let meta = &pod.metadata;
        let made = meta.creation_timestamp.as_ref().map(|time| time.0);
        (std::cmp::Reverse(made), meta.name.clone())
    });
    pods.into_iter().find_map(|pod| {
        let name = pod.metadata.name.as_deref().unwrap_or_default();
        let (reason, why) = unscheduled(pod).or_else(|| broken(pod))?;
        Some((reason, format!("pod {name}: {why}")))
    })
}

/// True if a ReplicaSet of the Deployment owns the pod: its name is the Deployment's and a hash, while labels can
/// be copied. A foreign pod that imitates this affects a message only.
fn is_made_for(tenant: &Tenant, pod: &Pod) -> bool {
    let owners = pod.metadata.owner_references.iter().flatten();
    let deployment = tenant.names.control_plane();
    let hashed = |name: &str| {
        let hash = name.strip_prefix(&deployment)?.strip_prefix('-')?;
        (!hash.contains('-')).then_some(())
    };
    let mut sets = owners.filter(|owner| owner.kind == "ReplicaSet");
    sets.any(|owner| hashed(&owner.name).is_some())
}

fn unscheduled(pod: &Pod) -> Option<(Reason, String)> {
    let conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let mut conditions = conditions.filter(|c| c.type_ == "PodScheduled" && c.status == "False");
    let message = conditions.next()?.message.as_deref();
    Some((
        Reason::Unschedulable,
        format!(
            "cannot be scheduled: {}; give the cluster a node that fits, or ask for less in spec.controlPlane.deployment",
            line(
                message.unwrap_or("the scheduler does not say why"),
                str::lines
            )
        ),
    ))
}

fn broken(pod: &Pod) -> Option<(Reason, String)> {
    let status = pod.status.as_ref()?;
    let first = status.init_container_statuses.iter().flatten();
    first
        .chain(status.container_statuses.iter().flatten())
        .find_map(container)
}

fn container(status: &ContainerStatus) -> Option<(Reason, String)> {
    let (name, image) = (&status.name, &status.image);
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let quoted = line(waiting.message.as_deref().unwrap_or_default(), str::lines);
    match waiting.reason.as_deref()? {
        reason if IMAGE.contains(&reason) => Some((
            Reason::ImagePullBackOff,
            format!(
                "the image {image} of its container {name} cannot be pulled: {quoted}; correct spec.kubernetes.version or the image, or set it back"
            ),
        )),
        CRASH_LOOP => {
            let last = status.last_state.as_ref();
            let ended = last.and_then(|last| last.terminated.as_ref());
            let code = ended.map_or(0, |ended| ended.exit_code);
            let message = ended.and_then(|ended| ended.message.as_deref());
            let quoted = line(message.unwrap_or_default(), |text| {
                text.trim_end().lines().rev()
            });
            let quoted = if quoted.is_empty() {
                format!("read its log (kubectl logs -c {name} --previous)")
            } else {
                quoted
            };
            Some((
                Reason::CrashLoopBackOff,
                format!(
                    "its container {name} ends again and again, the last time with exit code {code}: {quoted}"
                ),
            ))
        }
        reason if START.contains(&reason) => Some((
            Reason::ContainerFailed,
            format!("its container {name} cannot be started: {quoted}"),
        )),
        _ => None,
    }
}

/// The first of the lines that `order` gives, shortened.
fn line<'a, L: Iterator<Item = &'a str>>(text: &'a str, order: impl Fn(&'a str) -> L) -> String {
    let first = order(text).next().unwrap_or_default();
    first.trim().chars().take(TEXT).collect()
}

#[cfg(test)]
mod tests;
