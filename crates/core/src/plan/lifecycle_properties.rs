//! Whatever happens to a tenant, in whatever order: its authorities and its place in the datastore are its
//! own for good unless a person takes them away, every plan keeps the invariants, and when nothing happens
//! any more there is nothing more to do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kamaji_api::labels;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{
    Plan,
    fixture::{after, annotate, hashes, pods, snapshot, store, word},
    plan,
};
use crate::{
    check::violations,
    rng::Seed,
    snapshot::{Snapshot, StoreWait},
};

/// Looks after which nothing is left to do.
const LOOKS: usize = 3;
/// Secrets whose loss every worker or user would notice.
const AUTHORITIES: [&str; 3] = [
    "full-ca",
    "full-front-proxy-ca-certificate",
    "full-sa-certificate",
];
const BINDING: &str = "full-datastore-config";

/// What may happen between two looks. Numbers choose a Secret among those that there are.
#[derive(Clone, Debug)]
enum Event {
    /// A person changes the spec, by a JSON merge.
    Spec(Value),
    SecretLost(usize),
    /// The first file of the Secret is not readable any more.
    SecretSpoilt(usize),
    /// Nothing is left in the Secret.
    SecretEmptied(usize),
    RotationAsked(usize),
    /// A person says that what is lost may be made anew.
    ReplacementAsked,
    StoreThere(bool),
    StatusLost,
    PodsRun(bool),
    Days(u64),
    /// Nothing: the next look.
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
        2 => (0..20_usize).prop_map(Event::SecretSpoilt),
        1 => (0..20_usize).prop_map(Event::SecretEmptied),
        2 => (0..20_usize).prop_map(Event::RotationAsked),
        1 => Just(Event::ReplacementAsked),
        1 => any::<bool>().prop_map(Event::StoreThere),
        1 => Just(Event::StatusLost),
        1 => any::<bool>().prop_map(Event::PodsRun),
        2 => (1..400_u64).prop_map(Event::Days),
        2 => Just(Event::Time),
    ]
}

struct Fixture {
    seen: Snapshot,
    pods_run: bool,
    looks: usize,
}

impl Fixture {
    fn new() -> Self {
        Self {
            seen: snapshot(json!({})),
            pods_run: true,
            looks: 0,
        }
    }

    /// What happens; the Secret that a person laid a hand on.
    fn happens(&mut self, event: &Event) -> Option<String> {
        let seen = &mut self.seen;
        let chosen = match event {
            Event::SecretLost(n)
            | Event::SecretSpoilt(n)
            | Event::SecretEmptied(n)
            | Event::RotationAsked(n) => seen.secrets.keys().cycle().nth(*n).cloned(),
            _ => None,
        };
        match (event, &chosen) {
            (Event::SecretLost(_), Some(name)) => {
                seen.secrets.remove(name);
                seen.children.retain(|child, _| child.name != *name);
            }
            (Event::SecretSpoilt(_), Some(name)) => {
                let secret = seen.secrets.get_mut(name).unwrap();
                if let Some(file) = secret.data.iter_mut().flatten().next() {
                    *file.1 = ByteString(b"garbage".to_vec());
                }
            }
            (Event::SecretEmptied(_), Some(name)) => {
                seen.secrets.get_mut(name).unwrap().data = None;
            }
            (Event::ReplacementAsked, _) => {
                if let Some(word) = word(&plan(seen).unwrap()) {
                    annotate(seen, labels::REPLACE_AUTHORITY, &word);
                }
            }
            (Event::RotationAsked(_), Some(name)) => {
                let metadata = &mut seen.secrets.get_mut(name).unwrap().metadata;
                let annotations = metadata.annotations.get_or_insert_default();
                annotations.insert(labels::ROTATE.to_owned(), String::new());
            }
            (Event::Spec(changes), _) => {
                let mut object = serde_json::to_value(&seen.object).unwrap();
                json_patch::merge(&mut object, &json!({"spec": changes}));
                seen.object = serde_json::from_value(object).unwrap();
            }
            (Event::StoreThere(true), _) => seen.store = Ok(store()),
            (Event::StoreThere(false), _) => {
                seen.store = Err(StoreWait::Missing("default".to_owned()));
            }
            (Event::StatusLost, _) => seen.object.status = None,
            (Event::PodsRun(value), _) => self.pods_run = *value,
            (Event::Days(days), _) => seen.now += Duration::from_hours(24 * days),
            _ => {}
        }
        chosen
    }

    /// One look, and what comes of it; the plan.
    fn look(&mut self) -> Plan {
        self.looks += 1;
        self.seen.seed = Seed::from_text(&format!("look {}", self.looks));
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

    /// True if a person said that what is lost may be made anew, and was not answered yet.
    fn word_given(&self) -> bool {
        let annotations = self.seen.object.metadata.annotations.as_ref();
        annotations.is_some_and(|all| all.contains_key(labels::REPLACE_AUTHORITY))
    }

    /// Schema and user of the tenant in its datastore, once it has them.
    fn place(&self) -> Option<[ByteString; 2]> {
        let data = self.data(BINDING);
        Some([data.get("DB_SCHEMA")?.clone(), data.get("DB_USER")?.clone()])
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_tenant_keeps_what_is_its_own_and_comes_to_rest(
        events in proptest::collection::vec(event(), 1..16),
    ) {
        let mut fixture = Fixture::new();
        let (mut place, mut touched) = (None, BTreeSet::new());
        // Authorities that are there, or of whose loss the status tells.
        let mut recorded: BTreeSet<&str> = BTreeSet::new();
        for event in &events {
            let hand = fixture.happens(event);
            touched.extend(hand.clone());
            // Not even what is damaged or lost is replaced before a person asks for it.
            let authorities = AUTHORITIES.map(|name| fixture.data(name));
            let asked = matches!(event, Event::RotationAsked(_)).then_some(hand).flatten();
            let word = fixture.word_given();
            if matches!(event, Event::StatusLost) {
                recorded.retain(|name| !fixture.data(name).is_empty());
            }
            let plan = fixture.look();
            prop_assert_eq!(violations(&plan), Vec::<String>::new());
            prop_assert!(plan.requeue_at.is_none_or(|at| at > fixture.seen.now), "{:?}", plan.requeue_at);
            for (name, had) in AUTHORITIES.iter().zip(authorities) {
                let new = had.is_empty() && (!recorded.contains(name) || word);
                let kept = had == fixture.data(name);
                if !fixture.data(name).is_empty() {
                    recorded.insert(*name);
                }
                prop_assert!(kept || new || asked.as_deref() == Some(*name), "{} after {:?}", name, event);
            }
            let now = fixture.place();
            if !touched.contains(BINDING) {
                prop_assert!(place.is_none() || now == place, "its place after {:?}", event);
                place = now;
            }
        }
        for _ in 0..LOOKS {
            fixture.look();
        }
        let (said, last) = (fixture.seen.object.status.clone(), hashes(&fixture.look()));
        prop_assert_eq!(fixture.seen.object.status.clone(), said);
        let again = fixture.look();
        prop_assert_eq!(hashes(&again), last);
        prop_assert_eq!(again.prunes, vec![]);
    }
}
