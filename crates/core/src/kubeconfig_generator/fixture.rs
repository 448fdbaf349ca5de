//! A tenant whose control plane exists, and a generator that selects it, for tests.

use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_api::{kubeconfig::KubeconfigGenerator, tenant::TenantControlPlane};
use serde_json::{Value, json};

use super::{
    Settings,
    plan::{Plan, Snapshot, plan},
};
use crate::{plan::fixture, rng::Seed};

/// Name of the generator.
pub(super) const GENERATOR: &str = "auditors";

/// Generator, tenant and Secrets, each to be changed by a test.
#[derive(Clone)]
pub(super) struct World {
    pub generator: KubeconfigGenerator,
    pub tenant: TenantControlPlane,
    pub authority: Option<Secret>,
    pub admin: Option<Secret>,
    pub output: Option<Secret>,
    pub settings: Settings,
    pub now: Timestamp,
    pub seed: &'static str,
}

/// A generator of a user in two groups, with the fields of `changes` in their place.
pub(super) fn generator(changes: &Value) -> KubeconfigGenerator {
    let mut object = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "KubeconfigGenerator",
        "metadata": {"name": GENERATOR, "uid": "uid of auditors", "generation": 3},
        "spec": {
            "user": {"stringValue": "auditor"},
            "groups": [{"stringValue": "readers"}, {"stringValue": "audit"}],
        },
    });
    for (field, value) in changes.as_object().into_iter().flatten() {
        object["spec"][field] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

impl World {
    /// The tenant `c2/full` with its Secrets, and no kubeconfig of the generator.
    pub fn new() -> Self {
        let live = fixture::settled(json!({"metadata": {"labels": {"team": "red"}}}));
        let secret = |name: &str| live.secrets.get(name).cloned();
        Self {
            generator: generator(&json!({})),
            authority: secret("full-ca"),
            admin: secret("full-admin-kubeconfig"),
            output: None,
            settings: Settings::default(),
            now: live.now,
            seed: "first",
            tenant: live.object,
        }
    }

    /// World with the kubeconfig that was planned first, and another seed.
    pub fn settled() -> Self {
        let mut world = Self::new();
        world.apply();
        world
    }

    /// Plans without changing anything.
    pub fn plan(&self) -> Plan {
        plan(&Snapshot {
            generator: &self.generator,
            tenant: &self.tenant,
            authority: self.authority.clone(),
            admin: self.admin.clone(),
            output: self.output.clone(),
            settings: self.settings,
            now: self.now,
            seed: Seed::from_text(self.seed),
        })
    }

    /// Plans and stores the Secret that is to be written.
    pub fn apply(&mut self) -> Plan {
        let plan = self.plan();
        if let Some(object) = &plan.write {
            let stored = fixture::stored(object);
            self.output = Some(serde_json::from_value(stored).unwrap());
        }
        self.seed = "another";
        plan
    }
}
