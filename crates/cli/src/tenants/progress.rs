//! Distance of a tenant from a goal, read from its status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kamaji_api::{
    condition::{self, ConditionType, Reason},
    labels,
    tenant::TenantControlPlane,
};

/// State that `kamaji wait` waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The condition Ready is True for the present spec.
    Ready,
    /// The object is gone.
    Deleted,
    /// The version is installed, and the tenant is ready.
    Version(String),
}

/// Distance from a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The goal is reached.
    Reached,
    /// The tenant gets on; the text names the condition that is waited for.
    Waiting(String),
    /// A person has to act first; the text says why.
    Stalled(String),
}

impl Goal {
    /// Distance of an object that exists from this goal.
    pub fn progress(&self, tenant: &TenantControlPlane) -> Progress {
        let deleting = tenant.metadata.deletion_timestamp.is_some();
        match self {
            Self::Deleted if deleting => Progress::Waiting(format!(
                "the object is being deleted; it still has the finalizers {:?}{}",
                tenant.metadata.finalizers.clone().unwrap_or_default(),
                blocking(tenant).map_or_else(String::new, |c| format!(", {}", said(c)))
            )),
            Self::Deleted => Progress::Waiting("nobody has deleted the object yet".to_owned()),
            _ if deleting => Progress::Stalled("the tenant is being deleted".to_owned()),
            Self::Ready => ready(tenant),
            Self::Version(version) => match ready(tenant) {
                _ if tenant.spec.kubernetes.version != *version => Progress::Stalled(format!(
                    "the tenant asks for {}, not for {version}: run `kamaji upgrade` first",
                    tenant.spec.kubernetes.version
                )),
                Progress::Reached if installed(tenant) != Some(version) => {
                    Progress::Waiting(format!("{version} is not installed yet"))
                }
                other => other,
            },
        }
    }
}

fn installed(tenant: &TenantControlPlane) -> Option<&String> {
    let resources = tenant.status.as_ref()?.kubernetes_resources.as_ref()?;
    resources.version.as_ref()?.version.as_ref()
}

fn conditions(tenant: &TenantControlPlane) -> &[Condition] {
    tenant
        .status
        .as_ref()
        .map_or(&[], |status| &status.conditions)
}

/// True if the condition is about the present spec.
fn is_current(tenant: &TenantControlPlane, condition: &Condition) -> bool {
    condition
        .observed_generation
        .is_none_or(|seen| tenant.metadata.generation.is_none_or(|now| seen >= now))
}

/// The first condition that keeps the tenant from being ready.
fn blocking(tenant: &TenantControlPlane) -> Option<&Condition> {
    let types = ConditionType::ALL
        .into_iter()
        .filter(|type_| *type_ != ConditionType::Ready);
    let mut found = types.filter_map(|type_| condition::find(conditions(tenant), type_.as_str()));
    found.find(|condition| condition.status != "True")
}

fn said(condition: &Condition) -> String {
    format!(
        "{}={} {}: {}",
        condition.type_, condition.status, condition.reason, condition.message
    )
}

fn ready(tenant: &TenantControlPlane) -> Progress {
    let Some(ready) = condition::find(conditions(tenant), ConditionType::Ready.as_str()) else {
        return unseen(
            tenant,
            "the operator has not reported anything yet".to_owned(),
        );
    };
    if !is_current(tenant, ready) {
        let text = "the operator has not seen the latest change of the spec yet".to_owned();
        return unseen(tenant, text);
    }
    if ready.status == "True" {
        return Progress::Reached;
    }
    let blocking = blocking(tenant).unwrap_or(ready);
    if blocking.reason == Reason::Sleeping {
        return Progress::Stalled("the tenant sleeps: run `kamaji wake` first".to_owned());
    }
    // Operators that do not write the condition Stalled have the same reasons.
    let needs_person = Reason::parse(&blocking.reason).is_some_and(Reason::needs_person);
    let stalled = condition::is_true(conditions(tenant), condition::STALLED) || needs_person;
    if stalled && is_current(tenant, blocking) {
        return Progress::Stalled(said(blocking));
    }
    unseen(tenant, said(blocking))
}

/// Wait for the operator, which leaves a paused tenant alone.
fn unseen(tenant: &TenantControlPlane, text: String) -> Progress {
    if labels::is_paused(&tenant.metadata) {
        return Progress::Stalled(format!(
            "the tenant is paused, so that nothing changes: run `kamaji resume` first ({text})"
        ));
    }
    Progress::Waiting(text)
}

#[cfg(test)]
mod tests;
