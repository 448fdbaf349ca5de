//! Property: under any sequence of events a control plane has at most one tenant, which stays where it was
//! created, and once the events end its plans are empty.

use std::collections::BTreeMap;

use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use kamaji_api::control_plane::KamajiControlPlaneStatus;
use proptest::prelude::*;

use super::{
    fixture::{carry_out, converge, external, snapshot},
    *,
};
use crate::object::Kind;

const ENDPOINT: &str = "192.0.2.9:6443";
/// Reconciles after which nothing is left to do.
const RECONCILES: usize = 6;

/// Events that may occur between two reconciles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The spec asks for a tenant in this namespace of the other cluster, or for a local one.
    SpecChanged(Option<&'static str>),
    /// The feature gate of other clusters is switched.
    GateSet(bool),
    /// The other cluster becomes reachable or unreachable.
    Reachable(bool),
    /// The annotation with the location of the tenant is removed.
    RecordLost,
    Paused(bool),
    /// The tenant's API server becomes available or unavailable.
    Available(bool),
    /// A person deletes the tenant.
    TenantDeleted,
    /// Nothing occurs before the next reconcile.
    Nothing,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => prop_oneof![Just(None), Just(Some("far")), Just(Some("farther"))].prop_map(Event::SpecChanged),
        1 => any::<bool>().prop_map(Event::GateSet),
        1 => any::<bool>().prop_map(Event::Reachable),
        1 => any::<bool>().prop_map(Event::Paused),
        1 => any::<bool>().prop_map(Event::Available),
        1 => Just(Event::RecordLost),
        1 => Just(Event::TenantDeleted),
        4 => Just(Event::Nothing),
    ]
}

/// Two management clusters: the provider's own and another one.
struct Fixture {
    /// Next snapshot; location and tenant are observed anew.
    observed: Snapshot,
    local: Option<TenantControlPlane>,
    remote: BTreeMap<String, TenantControlPlane>,
    reachable: bool,
    available: bool,
}

impl Fixture {
    fn new() -> Self {
        let mut observed = snapshot(json!({}));
        observed.settings.external = true;
        Self {
            observed,
            local: None,
            remote: BTreeMap::new(),
            reachable: true,
            available: true,
        }
    }

    fn handle(&mut self, event: Event) {
        let control_plane = &mut self.observed.control_plane;
        match event {
            Event::SpecChanged(namespace) => {
                let deployment = serde_json::from_value(json!(namespace.map(external))).unwrap();
                control_plane.spec.fields.deployment = deployment;
            }
            Event::GateSet(value) => self.observed.settings.external = value,
            Event::Reachable(value) => self.reachable = value,
            Event::RecordLost if self.record_can_be_restored() => {
                let annotations = self.observed.control_plane.metadata.annotations.as_mut();
                annotations.unwrap().remove(placement::ANNOTATION);
            }
            Event::Paused(value) => {
                if let Owner::Cluster(cluster) = &mut self.observed.owner {
                    cluster.spec.paused = Some(value);
                }
            }
            Event::Available(value) => self.available = value,
            Event::TenantDeleted => {
                self.local = None;
                self.remote.clear();
            }
            Event::RecordLost | Event::Nothing => {}
        }
    }

    /// True if spec and status still determine the location, so that the next reconcile records it again. Losing the
    /// record and changing the spec at once leaves nothing to determine it from.
    fn record_can_be_restored(&self) -> bool {
        let control_plane = &self.observed.control_plane;
        let status = control_plane.status.as_ref();
        status.is_some_and(KamajiControlPlaneStatus::is_initialized)
            && placement::contradiction(control_plane, &self.observed.place).is_none()
            && (self.reachable && self.observed.settings.external && !self.is_paused())
    }

    /// Reconciles once and returns the plan.
    fn reconcile(&mut self) -> Plan {
        let observed = &mut self.observed;
        observed.place = placement::place(&observed.control_plane, self.local.as_ref());
        (observed.remote, observed.tenant) = match &observed.place.kubeconfig {
            None => (Remote::Local, self.local.clone()),
            Some(_) if self.reachable && observed.settings.external => {
                let tenant = self.remote.get(&observed.place.namespace).cloned();
                (Remote::Reachable(Some("n-1".to_owned())), tenant)
            }
            Some(_) => (Remote::Unreachable("no route".to_owned()), None),
        };
        if let Some(status) = observed
            .tenant
            .as_mut()
            .and_then(|tenant| tenant.status.as_mut())
        {
            status.conditions[0].status = if self.available { "True" } else { "False" }.to_owned();
        }
        let planned = plan(observed);
        let (place, reached) = (observed.place.clone(), observed.remote.clone());
        carry_out(observed, planned.clone(), ENDPOINT);
        let made = planned
            .objects
            .iter()
            .any(|object| object.key.kind == Kind::TenantControlPlane);
        if made {
            let tenant = observed.tenant.as_mut().unwrap();
            tenant.metadata.uid = Some("t-1".to_owned());
            match reached {
                Remote::Local => self.local = Some(tenant.clone()),
                _ => drop(self.remote.insert(place.namespace, tenant.clone())),
            }
        } else if planned.delete.is_some() {
            match reached {
                Remote::Local => self.local = None,
                _ => drop(self.remote.remove(&place.namespace)),
            }
        }
        planned
    }

    fn tenants(&self) -> usize {
        self.remote.len() + usize::from(self.local.is_some())
    }

    fn is_paused(&self) -> bool {
        paused(&self.observed)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn control_plane_under_any_events_has_at_most_one_tenant_and_converges(
        events in proptest::collection::vec(event(), 1..24),
    ) {
        let mut fixture = Fixture::new();
        for event in events {
            fixture.handle(event);
            let had = fixture.tenants();
            let plan = fixture.reconcile();
            prop_assert!(fixture.tenants() >= had, "a tenant was deleted: {:?}", event);
            prop_assert!(fixture.tenants() <= 1, "there are two tenants after {:?}", event);
            if fixture.is_paused() {
                prop_assert!(plan.own.is_none() && plan.objects.is_empty() && plan.delete.is_none());
            }
        }
        for _ in 0..RECONCILES {
            fixture.reconcile();
        }
        let status = fixture.observed.control_plane.status.clone();
        let plan = fixture.reconcile();
        prop_assert_eq!(plan.own, None);
        prop_assert_eq!(plan.objects, vec![]);
        prop_assert_eq!(plan.status, status);

        // Without obstacles a deletion removes the tenant and the finalizers.
        fixture.handle(Event::Paused(false));
        fixture.handle(Event::GateSet(true));
        fixture.handle(Event::Reachable(true));
        let metadata = &mut fixture.observed.control_plane.metadata;
        metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        for _ in 0..RECONCILES {
            fixture.reconcile();
        }
        let left = fixture.observed.control_plane.metadata.finalizers.clone();
        let lost = placement::lost(&fixture.observed.control_plane).is_some();
        prop_assert!(lost || fixture.tenants() == 0, "a tenant was left behind");
        prop_assert!(lost || left.unwrap_or_default().is_empty(), "a finalizer was left behind");
    }
}

proptest! {
    #[test]
    fn a_plan_that_was_carried_out_leaves_nothing_to_plan(
        replicas in 0i32..5, port in 1u16.., konnectivity: bool, sans in "[a-z]{1,8}",
    ) {
        let mut spec = json!({"replicas": replicas, "network": {"certSANs": [sans]}});
        if konnectivity {
            spec["addons"] = json!({"konnectivity": {}, "coreDNS": {}});
        }
        let converged = converge(snapshot(spec), &format!("192.0.2.9:{port}"));
        let plan = plan(&converged);
        prop_assert_eq!(plan.own, None);
        prop_assert_eq!(plan.objects, vec![]);
        prop_assert_eq!(plan.status, converged.control_plane.status);
    }
}
