//! Turns a [`PlanBuilder`] into a [`Plan`]: status, prunes and finalizers.

use std::collections::BTreeSet;

use kamaji_api::labels;

use super::{
    builder::PlanBuilder,
    status,
    types::{Plan, Step},
};
use crate::{
    adoption::Verdict,
    endpoint::Endpoint,
    names::Names,
    object::{Kind, ObjectRef},
    secret_role::SecretRole,
};

/// Completes the plan. The status is computed last, since it reports on all that was planned.
pub(super) fn finish(builder: PlanBuilder, endpoint: Option<&Endpoint>) -> Plan {
    let status = status::next(endpoint, &builder);
    Plan {
        prunes: if builder.complete {
            prunes(&builder)
        } else {
            Vec::new()
        },
        finalizers: finalizers(&builder),
        answered: builder.answered,
        status,
        requeue_at: builder.requeue_at,
        expiries: builder.expiries,
        waits: builder.waits,
        steps: builder.steps,
    }
}

/// Live objects of the tenant that settings switched off.
fn prunes(builder: &PlanBuilder) -> Vec<ObjectRef> {
    let planned: BTreeSet<_> = builder
        .steps
        .iter()
        .filter_map(|step| match step {
            Step::Write(object) => Some(&object.key),
            Step::Bind(..) => None,
        })
        .collect();
    let meta = &builder.snapshot.object.metadata;
    let name = meta.name.as_deref().unwrap_or_default();
    let uid = meta.uid.as_deref().unwrap_or_default();
    let namespace = meta.namespace.as_deref().unwrap_or_default();
    let names = Names::of(name);
    let secrets = SecretRole::ALL.into_iter();
    let secrets = secrets.filter(|role| role.is_optional());
    [
        (Kind::Ingress, names.control_plane()),
        (Kind::TlsRoute, names.control_plane()),
        (Kind::TlsRoute, names.konnectivity_route()),
        (Kind::ConfigMap, names.konnectivity_egress()),
    ]
    .into_iter()
    .chain(secrets.map(|role| (Kind::Secret, names.secret(role))))
    .map(|(kind, name)| ObjectRef::namespaced(kind, namespace, &name))
    .filter(|key| !planned.contains(key))
    .filter(|key| {
        let child = builder.snapshot.child(key);
        child.is_some_and(|child| child.verdict(key, (name, uid)) == Verdict::Ours)
    })
    .collect()
}

/// Finalizers with the operator's own, which is set before anything exists in a datastore and not
/// earlier: a tenant that was never bound is deleted without one.
fn finalizers(builder: &PlanBuilder) -> Option<Vec<String>> {
    let live = builder.snapshot.object.metadata.finalizers.clone();
    let mut finalizers = live.unwrap_or_default();
    let binds = builder.steps.iter().any(|s| matches!(s, Step::Bind(..)));
    if !binds || finalizers.iter().any(|f| f == labels::FINALIZER) {
        return None;
    }
    finalizers.push(labels::FINALIZER.to_owned());
    Some(finalizers)
}
