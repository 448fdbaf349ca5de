use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::tenant_cluster::fixture::{Fixture, planned};

/// Names of the steps of each stage, with what they do.
fn names(stages: &[Stage]) -> Vec<Vec<String>> {
    let name = |step: &Step| match step {
        Step::Create(object) => format!("create {}", object.key),
        Step::Ensure(object) => format!("ensure {}", object.key),
        Step::Remove(object) => format!("remove {object}"),
    };
    let names = |stage: &Stage| stage.steps.iter().map(name).collect();
    stages.iter().map(names).collect()
}

const FREEZE: &str = "ValidatingWebhookConfiguration kamaji-freeze";
const LIMIT: &str = "ValidatingWebhookConfiguration kamaji-write-permissions";

fn limited() -> Value {
    json!({"spec": {"writePermissions": {"blockUpdate": true}}})
}

#[test]
fn former_limit_is_removed_first_and_other_prunes_last() {
    let stages = names(&of(planned(json!({})), true));
    assert_eq!(stages.len(), 3, "{stages:#?}");
    assert_eq!(
        stages[0],
        [format!("remove {FREEZE}"), format!("remove {LIMIT}")]
    );
    assert!(stages[1].iter().all(|step| step.starts_with("ensure ")));
    assert_eq!(
        stages[2],
        ["remove Deployment kube-system/konnectivity-agent"]
    );
}

#[test]
fn limit_is_written_after_everything_else() {
    let stages = names(&of(planned(limited()), true));
    assert_eq!(stages.len(), 4, "{stages:#?}");
    assert_eq!(stages[0], [format!("remove {FREEZE}")]);
    assert!(stages[1].iter().all(|step| step.starts_with("ensure ")));
    assert_eq!(stages[2], [format!("ensure {LIMIT}")]);
    assert!(stages[3].iter().all(|step| step.starts_with("remove ")));
}

#[test]
fn tenant_cluster_that_was_never_configured_is_created_without_reads() {
    for changes in [json!({}), limited()] {
        let steps = |was_configured| names(&of(planned(changes.clone()), was_configured)).concat();
        let (fresh, configured) = (steps(false), steps(true));
        assert!(fresh.iter().all(|step| !step.starts_with("ensure ")));
        assert!(configured.iter().all(|step| !step.starts_with("create ")));
        let renamed: Vec<_> = fresh
            .iter()
            .map(|step| step.replacen("create ", "ensure ", 1))
            .collect();
        assert_eq!(renamed, configured);
    }
}

#[test]
fn writes_run_four_at_a_time_and_removals_one_by_one() {
    for stage in of(planned(json!({})), true) {
        let removes = matches!(stage.steps[0], Step::Remove(_));
        assert_eq!(stage.concurrency, if removes { 1 } else { 4 });
    }
}

/// Any set of addons and limits.
fn specs() -> impl Strategy<Value = Value> {
    let addon = |value: Value| prop_oneof![Just(Value::Null), Just(value)];
    let konnectivity = prop_oneof![
        Just(Value::Null),
        Just(json!({"agent": {"mode": "DaemonSet"}})),
        Just(json!({"agent": {"mode": "Deployment", "replicas": 2}})),
    ];
    let limits = any::<[bool; 3]>().prop_map(|[create, update, delete]| {
        json!({"blockCreation": create, "blockUpdate": update, "blockDeletion": delete})
    });
    (addon(json!({})), addon(json!({})), konnectivity, limits).prop_map(
        |(core_dns, kube_proxy, konnectivity, limits)| {
            json!({"spec": {
                "addons": {"coreDNS": core_dns, "kubeProxy": kube_proxy, "konnectivity": konnectivity},
                "writePermissions": limits,
            }})
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_object_has_one_step_and_no_write_meets_a_limit(
        spec in specs(),
        webhooks in any::<bool>(),
        was_configured in any::<bool>(),
    ) {
        let mut fixture = Fixture::with(spec);
        if !webhooks {
            fixture.settings.webhook_ca.clear();
        }
        let content = fixture.content();
        let stages = of(content.clone(), was_configured);
        prop_assert!(stages.iter().all(|stage| !stage.steps.is_empty() && stage.concurrency > 0));
        let steps: Vec<&Step> = stages.iter().flat_map(|stage| &stage.steps).collect();
        prop_assert_eq!(steps.len(), content.objects.len() + content.prunes.len());
        let key = |step: &Step| match step {
            Step::Create(object) | Step::Ensure(object) => object.key.clone(),
            Step::Remove(key) => key.clone(),
        };
        let keys: BTreeSet<_> = steps.iter().map(|step| key(step)).collect();
        prop_assert_eq!(keys.len(), steps.len());
        let is_limit = |step: &&Step| key(step).kind == Kind::ValidatingWebhookConfiguration;
        let first_write = steps.iter().position(|step| step.object().is_some());
        let last_write = steps.iter().rposition(|step| step.object().is_some());
        let limits = steps.iter().enumerate().filter(|(_, step)| is_limit(step));
        for (limit, _) in limits {
            if steps[limit].object().is_some() {
                prop_assert_eq!(Some(limit), last_write);
            } else {
                prop_assert!(Some(limit) < first_write);
            }
        }
    }
}
