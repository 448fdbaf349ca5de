//! Properties of a tenant over random sequences of events: its authorities and its binding are kept unless a
//! user removes them, every plan satisfies the invariants, and plans converge once events stop.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kamaji_api::labels;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Plan,
    fixture::{after, annotate, hashes, pods, requested_replacement, snapshot, store},
    plan, service_to_create,
};
use crate::{
    check::violations,
    object::Kind,
    rng::Seed,
    snapshot::{Snapshot, StoreWait},
};

/// Number of reconciles within which a tenant converges.
const RECONCILES: usize = 3;
/// Secrets of the authorities, which workers and users trust.
const AUTHORITIES: [&str; 3] = [
    "full-ca",
    "full-front-proxy-ca-certificate",
    "full-sa-certificate",
];
const BINDING: &str = "full-datastore-config";

/// Event between two reconciles. A number chooses one of the existing Secrets.
#[derive(Clone, Debug)]
enum Event {
    /// A user changes the spec, by a JSON merge.
    Spec(Value),
    SecretLost(usize),
    /// The first file of the Secret cannot be parsed any more.
    SecretDamaged(usize),
    /// The Secret has no data any more.
    SecretEmptied(usize),
    RotationRequested(usize),
    /// A user requests the replacement of lost authorities.
    ReplacementRequested,
    StoreExists(bool),
    StatusLost,
    PodsRun(bool),
    Days(u64),
    /// No event: only the next reconcile.
    Time,
}

fn spec() -> impl Strategy<Value = Value> {
    let version = prop_oneof![
        Just("v1.36.3"),
        Just("v1.36.4"),
        Just("v1.35.9"),
        Just("v1.38.0")
    ];
    let addon = |on: bool, value: Value| if on { value } else { Value::Null };
    prop_oneof![
        version.prop_map(|version| json!({"kubernetes": {"version": version}})),
        (0..3).prop_map(|n| json!({"controlPlane": {"deployment": {"replicas": n}}})),
        "[a-c]".prop_map(|san| json!({"networkProfile": {"certSANs": [san]}})),
        (6443..6446).prop_map(|port| json!({"networkProfile": {"port": port}})),
        any::<bool>().prop_map(move |on| {
            json!({"addons": {"konnectivity": addon(on, json!({"server": {"port": 8132}}))}})
        }),
        any::<bool>().prop_map(move |on| json!({"addons": {"coreDNS": addon(on, json!({}))}})),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => spec().prop_map(Event::Spec),
        2 => (0..20_usize).prop_map(Event::SecretLost),
        2 => (0..20_usize).prop_map(Event::SecretDamaged),
        1 => (0..20_usize).prop_map(Event::SecretEmptied),
        2 => (0..20_usize).prop_map(Event::RotationRequested),
        1 => Just(Event::ReplacementRequested),
        1 => any::<bool>().prop_map(Event::StoreExists),
        1 => Just(Event::StatusLost),
        1 => any::<bool>().prop_map(Event::PodsRun),
        2 => (1..400_u64).prop_map(Event::Days),
        2 => Just(Event::Time),
    ]
}

struct Fixture {
    seen: Snapshot,
    pods_run: bool,
    reconciles: usize,
}

impl Fixture {
    fn new() -> Self {
        Self {
            seen: snapshot(json!({})),
            pods_run: true,
            reconciles: 0,
        }
    }

    /// Applies an event, and returns the name of the Secret that it chose.
    fn apply_event(&mut self, event: &Event) -> Option<String> {
        let seen = &mut self.seen;
        let chosen = match event {
            Event::SecretLost(n)
            | Event::SecretDamaged(n)
            | Event::SecretEmptied(n)
            | Event::RotationRequested(n) => seen.secrets.keys().cycle().nth(*n).cloned(),
            _ => None,
        };
        match (event, &chosen) {
            (Event::SecretLost(_), Some(name)) => {
                seen.secrets.remove(name);
                seen.children.retain(|child, _| child.name != *name);
            }
            (Event::SecretDamaged(_), Some(name)) => {
                let secret = seen.secrets.get_mut(name).unwrap();
                if let Some(file) = secret.data.iter_mut().flatten().next() {
                    *file.1 = ByteString(b"garbage".to_vec());
                }
            }
            (Event::SecretEmptied(_), Some(name)) => {
                seen.secrets.get_mut(name).unwrap().data = None;
            }
            (Event::ReplacementRequested, _) => {
                if let Some(value) = requested_replacement(&plan(seen).unwrap()) {
                    annotate(seen, labels::REPLACE_AUTHORITY, &value);
                }
            }
            (Event::RotationRequested(_), Some(name)) => {
                let metadata = &mut seen.secrets.get_mut(name).unwrap().metadata;
                let annotations = metadata.annotations.get_or_insert_default();
                annotations.insert(labels::ROTATE.to_owned(), String::new());
            }
            (Event::Spec(changes), _) => {
                let mut object = serde_json::to_value(&seen.object).unwrap();
                json_patch::merge(&mut object, &json!({"spec": changes}));
                seen.object = serde_json::from_value(object).unwrap();
            }
            (Event::StoreExists(true), _) => seen.store = Ok(store()),
            (Event::StoreExists(false), _) => {
                seen.store = Err(StoreWait::Missing("default".to_owned()));
            }
            (Event::StatusLost, _) => seen.object.status = None,
            (Event::PodsRun(value), _) => self.pods_run = *value,
            (Event::Days(days), _) => seen.now += Duration::from_hours(24 * days),
            _ => {}
        }
        chosen
    }

    /// Plans, applies the plan, and returns it.
    fn reconcile(&mut self) -> Plan {
        self.reconciles += 1;
        self.seen.seed = Seed::from_text(&format!("reconcile {}", self.reconciles));
        let planned = plan(&self.seen).unwrap();
        self.seen = after(self.seen.clone(), &planned);
        let ready = |replicas| if self.pods_run { replicas } else { 0 };
        if let Some(pods) = pods(&planned, ready) {
            self.seen.deployment = Some(pods);
        }
        planned
    }

    fn data(&self, name: &str) -> BTreeMap<String, ByteString> {
        let secret = self.seen.secrets.get(name);
        secret
            .and_then(|secret: &Secret| secret.data.clone())
            .unwrap_or_default()
    }

    /// The tenant without its Service.
    fn without_service(&self) -> Snapshot {
        let mut seen = self.seen.clone();
        seen.service = None;
        seen.children.retain(|child, _| child.kind != Kind::Service);
        seen
    }

    /// True if a user requested the replacement of lost authorities, and the request is still open.
    fn replacement_requested(&self) -> bool {
        let annotations = self.seen.object.metadata.annotations.as_ref();
        annotations.is_some_and(|all| all.contains_key(labels::REPLACE_AUTHORITY))
    }

    /// Schema and user of the tenant in its datastore; `None` before it is bound.
    fn binding(&self) -> Option<[ByteString; 2]> {
        let data = self.data(BINDING);
        Some([data.get("DB_SCHEMA")?.clone(), data.get("DB_USER")?.clone()])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn tenant_keeps_authorities_and_binding_and_converges(
        events in proptest::collection::vec(event(), 1..16),
    ) {
        let mut fixture = Fixture::new();
        let (mut bound, mut touched) = (None, BTreeSet::new());
        // Authorities that exist, or whose loss the status records.
        let mut recorded: BTreeSet<&str> = BTreeSet::new();
        // Secrets whose rotation is requested; it may have to wait for another authority that is lost.
        let mut rotations: BTreeSet<String> = BTreeSet::new();
        for event in &events {
            let chosen = fixture.apply_event(event);
            touched.extend(chosen.clone());
            // Damaged and lost authorities are replaced only on request.
            let authorities = AUTHORITIES.map(|name| fixture.data(name));
            match event {
                Event::RotationRequested(_) => rotations.extend(chosen),
                Event::SecretLost(_) => rotations.retain(|name| chosen.as_ref() != Some(name)),
                _ => {}
            }
            let replacing = fixture.replacement_requested();
            if matches!(event, Event::StatusLost) {
                recorded.retain(|name| !fixture.data(name).is_empty());
            }
            let lost = fixture.without_service();
            let alone = service_to_create(&lost);
            let whole = plan(&lost).unwrap();
            prop_assert_eq!(alone.as_ref(), whole.objects().next(), "the Service after {:?}", event);
            let plan = fixture.reconcile();
            prop_assert_eq!(violations(&plan), Vec::<String>::new());
            prop_assert!(plan.requeue_at.is_none_or(|at| at > fixture.seen.now), "{:?}", plan.requeue_at);
            for (name, had) in AUTHORITIES.iter().zip(authorities) {
                let new = had.is_empty() && (!recorded.contains(name) || replacing);
                let kept = had == fixture.data(name);
                if !fixture.data(name).is_empty() {
                    recorded.insert(*name);
                }
                let rotated = !kept && rotations.remove(*name);
                prop_assert!(kept || new || rotated, "{} after {:?}", name, event);
            }
            let now = fixture.binding();
            if !touched.contains(BINDING) {
                prop_assert!(bound.is_none() || now == bound, "binding after {:?}", event);
                bound = now;
            }
        }
        for _ in 0..RECONCILES {
            fixture.reconcile();
        }
        let (status, last) = (fixture.seen.object.status.clone(), hashes(&fixture.reconcile()));
        prop_assert_eq!(fixture.seen.object.status.clone(), status);
        let again = fixture.reconcile();
        prop_assert_eq!(hashes(&again), last);
        prop_assert_eq!(again.prunes, vec![]);
    }
}
