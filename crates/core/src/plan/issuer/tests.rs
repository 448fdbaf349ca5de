use serde_json::{Value, json};

use crate::{
    object::Kind,
    plan::{
        Plan,
        fixture::{after, pods, snapshot},
        plan,
    },
    snapshot::Snapshot,
};

fn domain() -> Value {
    json!({"spec": {"networkProfile": {"clusterDomain": "corp.example"}}})
}

fn issuer(plan: &Plan) -> String {
    let pods = plan
        .objects()
        .find(|o| o.key.kind == Kind::Deployment)
        .unwrap();
    let containers = pods.body["spec"]["template"]["spec"]["containers"]
        .as_array()
        .unwrap();
    let flag = "--service-account-issuer=https://kubernetes.default.svc.";
    let mut flags = containers
        .iter()
        .flat_map(|c| c["args"].as_array().unwrap());
    let found = flags.find_map(|arg| arg.as_str().unwrap().strip_prefix(flag));
    found.unwrap().to_owned()
}

fn run(seen: &mut Snapshot) -> Plan {
    let planned = plan(seen).unwrap();
    *seen = after(seen.clone(), &planned);
    seen.deployment = pods(&planned, |replicas| replicas);
    planned
}

#[test]
fn new_tenant_uses_and_keeps_the_issuer_of_its_own_domain() {
    let mut seen = snapshot(domain());
    for _ in 0..3 {
        assert_eq!(issuer(&run(&mut seen)), "corp.example");
    }
    // A restore brings the Secrets, and no status.
    seen.object.status = None;
    seen.deployment = None;
    assert_eq!(issuer(&run(&mut seen)), "corp.example");
    assert_eq!(issuer(&run(&mut snapshot(json!({})))), "cluster.local");
}

#[test]
fn running_tenant_keeps_its_issuer_under_every_renderer() {
    let mut seen = snapshot(domain());
    run(&mut seen);
    // As upstream, or an older operator, left it.
    for secret in seen.secrets.values_mut() {
        let annotations = secret.metadata.annotations.as_mut().unwrap();
        annotations.remove("kamaji.clastix.io/service-account-issuer");
    }
    for renderer in [None, Some("1"), Some("2")] {
        seen.object.status.as_mut().unwrap().renderer = renderer.map(str::to_owned);
        assert_eq!(issuer(&run(&mut seen)), "cluster.local");
    }
    // A replaced key keeps the issuer as well.
    seen.secrets.remove("full-sa-certificate");
    if let Ok(planned) = plan(&seen) {
        let pods = planned.objects().any(|o| o.key.kind == Kind::Deployment);
        assert!(!pods || issuer(&planned) == "cluster.local");
    }
}

#[test]
fn tenant_with_a_recorded_renderer_keeps_its_issuer_though_pods_and_keys_are_lost() {
    for renderer in ["1", "2"] {
        let mut seen = snapshot(domain());
        let status = seen.object.status.get_or_insert_default();
        status.renderer = Some(renderer.to_owned());
        assert_eq!(issuer(&run(&mut seen)), "cluster.local", "{renderer}");
    }
}
