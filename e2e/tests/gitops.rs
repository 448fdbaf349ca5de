//! States of our objects as GitOps tools see them: kstatus, which Flux uses, and the health scripts for Argo CD in
//! `config/argocd`, run by the Lua version of Argo CD.
//!
//! TenantControlPlanes have the status that the golden plans of `crates/core/tests/plans` publish.
#![expect(clippy::unwrap_used, reason = "tests, their helpers included")]

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kamaji_api::condition;
use kamaji_e2e::layout::checkout;
use kamaji_e2e::tools::Tools;
use serde_json::{Value, json};

/// The golden plan `running` whose tenant cluster was configured, so that the tenant is `Ready`.
const READY: &str = "ready";

/// Golden plan, then its state by kstatus and by Argo CD.
const STATES: [(&str, &str, &str); 8] = [
    (READY, "Current", "Healthy"),
    ("running", "InProgress", "Progressing"),
    ("cluster_ip", "InProgress", "Progressing"),
    ("load_balancer_pending", "InProgress", "Progressing"),
    ("node_port_without_address", "Failed", "Degraded"),
    ("sleeping", "InProgress", "Suspended"),
    // kstatus asks for the generation first, which counts as observed once it was carried out.
    ("upgrade_skips_a_minor", "InProgress", "Degraded"),
    ("unreadable_spec", "InProgress", "Degraded"),
];

/// The TenantControlPlane of a golden plan with the planned status.
fn tenant(scenario: &str) -> Value {
    let plan = if scenario == READY {
        "running"
    } else {
        scenario
    };
    let folder = checkout().join("crates/core/tests/plans").join(plan);
    let documents = |name: &str| -> Vec<Value> {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        serde_saphyr::from_multiple(&text).unwrap()
    };
    let mut tenant = documents("input.yaml")
        .into_iter()
        .find(|object| object["kind"] == "TenantControlPlane")
        .unwrap();
    let plan = documents("plan.yaml")
        .into_iter()
        .find(|document| document.get("plan").is_some())
        .unwrap();
    tenant["status"] = plan["plan"]["status"].clone();
    let ready = tenant["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|condition| condition["type"] == "Ready");
    // An API server gives a generation to what has none in the file.
    let generation = ready.unwrap()["observedGeneration"].clone();
    tenant["metadata"]["generation"] = generation;
    if scenario == READY {
        let conditions = &mut tenant["status"]["conditions"];
        *conditions = json!(ready_conditions(conditions.take()));
    }
    tenant
}

/// The conditions with a `Ready` that is True, and what follows from it.
fn ready_conditions(conditions: Value) -> Vec<Condition> {
    let mut conditions: Vec<Condition> = serde_json::from_value(conditions).unwrap();
    let ready = condition::find(&conditions, "Ready").unwrap();
    let ready = Condition {
        status: "True".to_owned(),
        reason: "AsPlanned".to_owned(),
        message: String::new(),
        ..ready.clone()
    };
    let now = ready.last_transition_time.clone();
    condition::set(&mut conditions, ready);
    condition::set_activity(&mut conditions, &now);
    conditions
}

fn run(command: &mut Command, input: &str) -> String {
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn kstatus_reads_the_state_of_tenants() {
    let tools = Tools::kstatus().await.unwrap();
    let tenants: Vec<Value> = STATES
        .iter()
        .map(|(scenario, ..)| tenant(scenario))
        .collect();
    let printed = run(
        &mut tools.command("kstatus").unwrap(),
        &json!(tenants).to_string(),
    );
    let seen: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    let wanted: Vec<&str> = STATES.iter().map(|(_, state, _)| *state).collect();
    assert_eq!(seen, wanted, "{printed}");
    let stalled = printed.lines().nth(4).unwrap();
    assert!(stalled.contains("spec.networkProfile.address"), "{stalled}");
}

/// A value as Lua writes it.
fn lua(value: &Value) -> String {
    match value {
        Value::Null => "nil".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => quoted(text),
        Value::Array(items) => format!(
            "{{{}}}",
            items.iter().map(lua).collect::<Vec<_>>().join(",")
        ),
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| format!("[{}]={}", quoted(name), lua(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    let bytes = text.bytes().map(|byte| format!("\\{byte:03}"));
    format!("\"{}\"", bytes.collect::<String>())
}

/// State and message that the health script for the kind of `object` returns.
fn health(object: &Value) -> (String, String) {
    let path = checkout().join("config/argocd/argocd-cm-patch.yaml");
    let patch: Value = serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let group = object["apiVersion"]
        .as_str()
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let kind = object["kind"].as_str().unwrap();
    let script = patch["data"][format!("resource.customizations.health.{group}_{kind}")]
        .as_str()
        .unwrap();
    let program = format!(
        "obj = {}\nlocal health = (function()\n{script}\nend)()\nio.write(health.status, '\\n', health.message)",
        lua(object)
    );
    let printed = run(Command::new("lua5.1").arg("-"), &program);
    let (state, message) = printed.split_once('\n').unwrap();
    (state.to_owned(), message.to_owned())
}

#[test]
fn argo_cd_reads_the_state_of_tenants() {
    for (scenario, _, wanted) in STATES {
        let tenant = tenant(scenario);
        let (state, message) = health(&tenant);
        assert_eq!(state, wanted, "{scenario}: {message}");
        assert_eq!(message.is_empty(), state == "Healthy", "{scenario}");
    }
    let mut changed = tenant(READY);
    changed["metadata"]["generation"] = json!(2);
    assert_eq!(health(&changed).0, "Progressing");
    changed["status"] = json!(null);
    assert_eq!(health(&changed).0, "Progressing");
}

#[test]
fn argo_cd_reads_the_state_of_data_stores_and_control_planes() {
    let store = |ready: bool, conditions: &[(&str, &str)]| {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status)| {
                let type_ = format!("kamaji.clastix.io/{type_}");
                json!({"type": type_, "status": status, "message": "why"})
            })
            .collect();
        json!({"apiVersion": "kamaji.clastix.io/v1alpha1", "kind": "DataStore",
            "status": {"ready": ready, "conditions": conditions}})
    };
    let valid = ("DataStoreValidation", "True");
    for (object, wanted) in [
        (store(false, &[]), "Progressing"),
        (store(true, &[valid]), "Progressing"),
        (
            store(true, &[valid, ("DataStoreAvailable", "True")]),
            "Healthy",
        ),
        (
            store(true, &[valid, ("DataStoreAvailable", "False")]),
            "Degraded",
        ),
        (store(true, &[("AccessControl", "False")]), "Degraded"),
    ] {
        assert_eq!(health(&object).0, wanted, "{object}");
    }
    let control_plane = |observed: i64, conditions: Value| {
        json!({"apiVersion": "controlplane.cluster.x-k8s.io/v1alpha2", "kind": "KamajiControlPlane",
            "metadata": {"generation": 2},
            "status": {"observedGeneration": observed, "conditions": conditions}})
    };
    let condition =
        |type_: &str, status: &str| json!({"type": type_, "status": status, "message": "why"});
    for (object, wanted) in [
        (
            control_plane(1, json!([condition("Available", "True")])),
            "Progressing",
        ),
        (control_plane(2, json!([])), "Progressing"),
        (
            control_plane(2, json!([condition("Available", "False")])),
            "Progressing",
        ),
        (
            control_plane(2, json!([condition("Available", "True")])),
            "Healthy",
        ),
        (
            control_plane(
                2,
                json!([condition("Available", "True"), condition("Paused", "True")]),
            ),
            "Suspended",
        ),
    ] {
        assert_eq!(health(&object).0, wanted, "{object}");
    }
}
