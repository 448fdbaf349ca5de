//! OpenTofu with `config/terraform`: one apply installs the charts, creates a tenant, and joins two workers, one by a
//! command of this machine and one by SSH. A second plan is empty; workers that are removed are clean and join again;
//! destroying removes what was made.
//!
//! Only with `KAMAJI_SOAK=1`: OpenTofu and its providers take long to build.

mod machines;
mod refused;
mod workspace;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kamaji_e2e::audit::OPERATOR_NAMESPACE;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::operator;
use kamaji_e2e::step::step;
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::{Value, json};

use super::bundled_etcd::{prepare, remove_what_stays};
use super::helm::require_none;
use super::manifest;
use machines::Machines;
use workspace::Workspace;

const TENANT: &str = "formed";
const NAMESPACE: &str = "terraform";

pub async fn run(testbed: Testbed) -> Result<()> {
    if std::env::var_os("KAMAJI_SOAK").is_none() {
        println!("NOT RUN: only with KAMAJI_SOAK=1, since OpenTofu takes long to build");
        return Ok(());
    }
    let kubectl = testbed.kubectl()?;
    require_none(&kubectl).await?;
    let workspace = step("OpenTofu and its providers", Workspace::new(&testbed)).await?;
    let machines = step("machines", Machines::open(&testbed)).await?;
    let variables = variables(&testbed, &kubectl, &machines).await?;
    step("init", workspace.tofu("init")).await?;
    step("validate", workspace.tofu("validate")).await?;
    step(
        "input that is refused",
        refused::run(&workspace, &variables),
    )
    .await?;
    require_none(&kubectl).await?;

    prepare(&testbed, &kubectl).await?;
    let tenant = create(&testbed, (&workspace, &variables), &machines).await?;
    let inner = tenant.kubectl().await?;
    leave_and_return((&workspace, &variables), &inner, &machines).await?;
    machines.stop_kubelets().await?;
    step("destroy", workspace.tofu("destroy -auto-approve")).await?;
    machines.are_clean().await?;
    destroyed(&kubectl).await?;
    machines.remove().await?;
    clean_up(&kubectl).await
}

/// Variables of `config/terraform/example`.
async fn variables(testbed: &Testbed, kubectl: &Kubectl, machines: &Machines) -> Result<Value> {
    let values = json!({"image": {"tag": "chart"}, "kamaji-etcd": {"replicas": 1}});
    Ok(json!({
        "kubeconfig": kubectl.kubeconfig(),
        "values": [values.to_string()],
        "tenants": tenants(testbed),
        "private_key_file": machines.private_key_file(),
        "workers": {TENANT: {
            "machines": machines.terraform(),
            "join_arguments": machines::join_arguments(),
            "kamaji": operator::binary().await?,
        }},
    }))
}

fn tenants(testbed: &Testbed) -> Value {
    let mut network = manifest::at_address(testbed, 8);
    network["port"] = json!(6443);
    network["serviceCidr"] = json!("10.116.0.0/16");
    network["podCidr"] = json!("10.117.0.0/16");
    network["dnsServiceIPs"] = json!(["10.116.0.10"]);
    json!({TENANT: {
        "namespace": NAMESPACE,
        "labels": {"team": "platform"},
        "spec": {
            "controlPlane": {"deployment": {"replicas": 1}, "service": {"serviceType": "ClusterIP"}},
            "kubernetes": {"version": manifest::version(), "kubelet": {"cgroupfs": "cgroupfs"}},
            "networkProfile": network,
            "addons": {"coreDNS": {}, "kubeProxy": {}, "konnectivity": {"server": {"port": 8132}}},
        },
    }})
}

/// Applies everything. The machine with SSH is first given another host's key, and joins with its own only.
async fn create(
    testbed: &Testbed,
    (workspace, variables): (&Workspace, &Value),
    machines: &Machines,
) -> Result<Tenant> {
    let mut wrong = variables.clone();
    let set = &mut wrong["workers"][TENANT]["machines"];
    set[machines.remote()]["host_key"] = json!(machines.other_key);
    workspace.set(&wrong)?;
    step("plan", workspace.tofu("plan -out=first.plan")).await?;
    let said = step(
        "apply, with another host's key",
        workspace.refusal("apply first.plan"),
    )
    .await?;
    let words = format!(
        "The machine of the node {} cannot join, see above: nothing was changed there, and no token was made.",
        machines.remote()
    );
    ensure!(said.contains(&words), "{said}");
    let tenant = Tenant::named(testbed, NAMESPACE, TENANT)?;
    let inner = tenant.kubectl().await?;
    let tokens = tokens(&inner).await?.len();
    ensure!(tokens == 1, "{tokens} tokens for one machine that joined");

    workspace.set(variables)?;
    step("apply", workspace.tofu("apply -auto-approve")).await?;
    outputs_name_the_tenant(workspace, &tenant).await?;
    step("network of the workers", machines.are_ready(&inner)).await?;
    unchanged(workspace).await?;
    keeps_no_secret(workspace, &inner, machines).await?;
    Ok(tenant)
}

/// A plan with changes ends with 2, which is a failure.
async fn unchanged(workspace: &Workspace) -> Result<()> {
    let plan = workspace.tofu("plan -detailed-exitcode");
    step("second plan, without changes", plan).await?;
    Ok(())
}

/// Removes the workers, which leaves neither Nodes nor files, and has them join once more.
async fn leave_and_return(
    (workspace, variables): (&Workspace, &Value),
    tenant: &Kubectl,
    machines: &Machines,
) -> Result<()> {
    machines.stop_kubelets().await?;
    let mut none = variables.clone();
    none["workers"] = json!({});
    workspace.set(&none)?;
    step(
        "apply without workers",
        workspace.tofu("apply -auto-approve"),
    )
    .await?;
    let nodes = tenant.run("get nodes -o name").await?;
    ensure!(nodes.trim().is_empty(), "Nodes are left: {nodes}");
    machines.are_clean().await?;
    machines.start_kubelets()?;
    workspace.set(variables)?;
    step("apply with workers", workspace.tofu("apply -auto-approve")).await?;
    machines.are_ready(tenant).await
}

/// The outputs are those of the tenant's status, and its Secret exists.
async fn outputs_name_the_tenant(workspace: &Workspace, tenant: &Tenant) -> Result<()> {
    let text = workspace.tofu("output -json").await?;
    let outputs: Value = serde_json::from_str(&text).context("parse the outputs")?;
    let object = tenant.get().await?;
    let found = &outputs["tenants"]["value"][TENANT];
    let status = &object["status"];
    ensure!(
        found["endpoint"] == status["controlPlaneEndpoint"] && found["endpoint"].is_string(),
        "the output is {found}, the status {status}"
    );
    ensure!(found["version"] == manifest::version(), "{found}");
    ensure!(
        object["metadata"]["labels"]["team"] == "platform",
        "{object}"
    );
    let secret = format!("{TENANT}-admin-kubeconfig");
    ensure!(
        found["admin_kubeconfig"]["secret"] == secret.as_str(),
        "{found}"
    );
    let nodes = &outputs["nodes"]["value"][TENANT];
    ensure!(nodes.as_array().map(Vec::len) == Some(2), "{outputs}");
    Ok(())
}

/// Secrets of the tenant's bootstrap tokens.
async fn tokens(tenant: &Kubectl) -> Result<Vec<String>> {
    let list = tenant
        .json("get secret -n kube-system --field-selector type=bootstrap.kubernetes.io/token")
        .await?;
    let items = list["items"].as_array().into_iter().flatten();
    items
        .map(|token| workspace::decode(&token["data"]["token-secret"]))
        .collect()
}

/// Neither variables, plan and state nor the output of any command has a token or a key.
async fn keeps_no_secret(
    workspace: &Workspace,
    tenant: &Kubectl,
    machines: &Machines,
) -> Result<()> {
    let mut secrets = tokens(tenant).await?;
    ensure!(
        secrets.len() >= 2,
        "the machines joined without tokens of their own"
    );
    let key = std::fs::read_to_string(machines.private_key_file())?;
    secrets.push(key.lines().nth(1).context("the key is empty")?.to_owned());
    let kubeconfig = std::fs::read_to_string(tenant.kubeconfig())?;
    let client_key = kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix("client-key-data: "));
    secrets.push(client_key.context("the kubeconfig has no key")?.to_owned());
    workspace.knows_none_of(&secrets).await
}

/// Tenant and operator are gone; definitions and the operator's namespace stay.
async fn destroyed(kubectl: &Kubectl) -> Result<()> {
    let limit = Duration::from_mins(1);
    until("the operator's pods are gone", limit, || async {
        let pods =
            format!("get pods -n {OPERATOR_NAMESPACE} -l control-plane=controller-manager -o name");
        let left = kubectl.run(&pods).await?;
        ensure!(left.trim().is_empty(), "{left}");
        Ok(())
    })
    .await?;
    let left = kubectl.run("get tcp -A -o name").await?;
    ensure!(left.trim().is_empty(), "{left}");
    let rights = kubectl
        .run(&format!("get role,rolebinding,job -n {NAMESPACE} -o name"))
        .await?;
    ensure!(
        rights.trim().is_empty(),
        "rights of the wait are left: {rights}"
    );
    Ok(())
}

/// Removes what stays by design: the next scenarios install an operator of their own.
async fn clean_up(kubectl: &Kubectl) -> Result<()> {
    for line in [
        // Its finalizer needs an operator, and there is none any more.
        "patch datastore default --type=merge -p {\"metadata\":{\"finalizers\":null}}".to_owned(),
        "delete datastore default --ignore-not-found --timeout=60s".to_owned(),
        format!("delete namespace {NAMESPACE} --timeout=60s"),
    ] {
        kubectl.run(&line).await?;
    }
    remove_what_stays(kubectl).await
}
