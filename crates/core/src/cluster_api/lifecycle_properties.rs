//! Whatever happens to a control plane, in whatever order: it has one tenant at most, which stays where it
//! was made, and when nothing happens any more there is nothing more to do.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use proptest::prelude::*;

use super::{
    fixture::{away, follow, snapshot},
    *,
};
use crate::object::Kind;

const ENDPOINT: &str = "192.0.2.9:6443";
/// Looks after which nothing is left to do.
const LOOKS: usize = 6;

/// What may happen between two looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The spec asks for a tenant in this namespace of the other cluster, or for one here.
    Asks(Option<&'static str>),
    /// The feature gate of other clusters.
    Allows(bool),
    /// The other cluster answers.
    Answers(bool),
    /// The annotation that says where the tenant is gets lost.
    RecordLost,
    Paused(bool),
    /// The operator has a working control plane.
    Serves(bool),
    /// A person deletes the tenant.
    TenantDeleted,
    /// Nothing: the next look.
    Time,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => prop_oneof![Just(None), Just(Some("far")), Just(Some("farther"))].prop_map(Event::Asks),
        1 => any::<bool>().prop_map(Event::Allows),
        1 => any::<bool>().prop_map(Event::Answers),
        1 => any::<bool>().prop_map(Event::Paused),
        1 => any::<bool>().prop_map(Event::Serves),
        1 => Just(Event::RecordLost),
        1 => Just(Event::TenantDeleted),
        4 => Just(Event::Time),
    ]
}

/// Two management clusters.
struct Fixture {
    /// What the next look sees, but for what is where the tenant is.
    seen: Snapshot,
    here: Option<TenantControlPlane>,
    there: BTreeMap<String, TenantControlPlane>,
    answers: bool,
    serves: bool,
}

impl Fixture {
    fn new() -> Self {
        let mut seen = snapshot(json!({}));
        seen.settings.external = true;
        Self {
            seen,
            here: None,
            there: BTreeMap::new(),
            answers: true,
            serves: true,
        }
    }

    fn happens(&mut self, event: Event) {
        let control_plane = &mut self.seen.control_plane;
        match event {
            Event::Asks(namespace) => {
                let deployment = serde_json::from_value(json!(namespace.map(away))).unwrap();
                control_plane.spec.fields.deployment = deployment;
            }
            Event::Allows(value) => self.seen.settings.external = value,
            Event::Answers(value) => self.answers = value,
            Event::RecordLost if self.can_be_found_out() => {
                let annotations = self.seen.control_plane.metadata.annotations.as_mut();
                annotations.unwrap().remove(placement::ANNOTATION);
            }
            Event::Paused(value) => {
                if let Owner::Cluster(cluster) = &mut self.seen.owner {
                    cluster.spec.paused = Some(value);
                }
            }
            Event::Serves(value) => self.serves = value,
            Event::TenantDeleted => {
                self.here = None;
                self.there.clear();
            }
            Event::RecordLost | Event::Time => {}
        }
    }

    /// Spec and status tell where the tenant is, and the next look writes it down again: who loses the
    /// record and changes the spec leaves nothing that could tell.
    fn can_be_found_out(&self) -> bool {
        let control_plane = &self.seen.control_plane;
        let status = control_plane.status.as_ref();
        status.is_some_and(KamajiControlPlaneStatus::is_initialized)
            && placement::contradiction(control_plane, &self.seen.place).is_none()
            && (self.answers && self.seen.settings.external && !self.is_paused())
    }

    /// One look, and what comes of it; the plan.
    fn look(&mut self) -> Plan {
        let seen = &mut self.seen;
        seen.place = placement::place(&seen.control_plane, self.here.as_ref());
        (seen.remote, seen.tenant) = match &seen.place.kubeconfig {
            None => (Remote::Local, self.here.clone()),
            Some(_) if self.answers && seen.settings.external => {
                let tenant = self.there.get(&seen.place.namespace).cloned();
                (Remote::Reachable(Some("n-1".to_owned())), tenant)
            }
            Some(_) => (Remote::Unreachable("no route".to_owned()), None),
        };
        if let Some(status) = seen
            .tenant
            .as_mut()
            .and_then(|tenant| tenant.status.as_mut())
        {
            status.conditions[0].status = if self.serves { "True" } else { "False" }.to_owned();
        }
        let planned = plan(seen);
        let (place, reached) = (seen.place.clone(), seen.remote.clone());
        follow(seen, planned.clone(), ENDPOINT);
        let made = planned
            .objects
            .iter()
            .any(|object| object.key.kind == Kind::TenantControlPlane);
        if made {
            let tenant = seen.tenant.as_mut().unwrap();
            tenant.metadata.uid = Some("t-1".to_owned());
            match reached {
                Remote::Local => self.here = Some(tenant.clone()),
                _ => drop(self.there.insert(place.namespace, tenant.clone())),
            }
        } else if planned.delete.is_some() {
            match reached {
                Remote::Local => self.here = None,
                _ => drop(self.there.remove(&place.namespace)),
            }
        }
        planned
    }

    fn tenants(&self) -> usize {
        self.there.len() + usize::from(self.here.is_some())
    }

    fn is_paused(&self) -> bool {
        paused(&self.seen)
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn a_control_plane_has_one_tenant_at_most_and_comes_to_rest(
        events in proptest::collection::vec(event(), 1..24),
    ) {
        let mut fixture = Fixture::new();
        for event in events {
            fixture.happens(event);
            let had = fixture.tenants();
            let plan = fixture.look();
            prop_assert!(fixture.tenants() >= had, "a tenant was deleted: {:?}", event);
            prop_assert!(fixture.tenants() <= 1, "there are two tenants after {:?}", event);
            if fixture.is_paused() {
                prop_assert!(plan.own.is_none() && plan.objects.is_empty() && plan.delete.is_none());
            }
        }
        for _ in 0..LOOKS {
            fixture.look();
        }
        let said = fixture.seen.control_plane.status.clone();
        let plan = fixture.look();
        prop_assert_eq!(plan.own, None);
        prop_assert_eq!(plan.objects, vec![]);
        prop_assert_eq!(plan.status, said);

        // Once all is well, it ends with its tenant.
        fixture.happens(Event::Paused(false));
        fixture.happens(Event::Allows(true));
        fixture.happens(Event::Answers(true));
        let metadata = &mut fixture.seen.control_plane.metadata;
        metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        for _ in 0..LOOKS {
            fixture.look();
        }
        let left = fixture.seen.control_plane.metadata.finalizers.clone();
        let lost = placement::lost(&fixture.seen.control_plane).is_some();
        prop_assert!(lost || fixture.tenants() == 0, "a tenant was left behind");
        prop_assert!(lost || left.unwrap_or_default().is_empty(), "a finalizer was left behind");
    }
}
