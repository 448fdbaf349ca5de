//! Chart `kamaji-capi`: it renders what `config/capi` has for the provider.

use std::collections::BTreeMap;

use kamaji_e2e::{
    command::output,
    envtest::{ApiServer, Options},
    kubectl::Kubectl,
    layout::checkout,
    tools::Tools,
};
use serde_json::Value;

use super::helm::{helm, kustomized, objects, rendered};

/// The kustomization as clusterctl fills it in where no variable is set.
async fn provider() -> Vec<Value> {
    objects(&with_defaults(&kustomized("capi").await))
}

/// Replaces `${NAME:=default}` by the default.
fn with_defaults(text: &str) -> String {
    let mut parts = text.split("${");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let (variable, rest) = part.split_once('}').unwrap();
        text + variable.split_once(":=").unwrap().1 + rest
    })
}

/// Objects of the provider by kind and name, without what the two ways write differently on purpose.
fn comparable(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let own = objects.into_iter().filter_map(|mut object| {
        let name = object["metadata"]["name"].as_str()?.to_owned();
        let of_provider = name.starts_with("capi-kamaji") || name.contains("kamajicontrolplane");
        let key = format!("{} {name}", object["kind"].as_str()?);
        let top = object.as_object_mut()?;
        let meta = top.remove("metadata")?;
        top.insert("namespace".to_owned(), meta["namespace"].clone());
        if top.contains_key("aggregationRule") {
            top.remove("rules");
        }
        of_provider.then_some((key, object))
    });
    own.collect()
}

/// Removes the arguments and the tag of the image of a Deployment, and returns them.
fn take_own(deployment: &mut Value) -> (Vec<String>, String) {
    let container = &mut deployment["spec"]["template"]["spec"]["containers"][0];
    let image = container["image"].take().as_str().unwrap().to_owned();
    let arguments = container["args"].take();
    let arguments = arguments.as_array().unwrap().iter();
    let mut words = Vec::new();
    for argument in arguments.filter_map(Value::as_str) {
        let (name, value) = argument.split_once('=').unwrap_or((argument, ""));
        let mut values: Vec<&str> = value.split(',').collect();
        values.sort_unstable();
        // A variable of clusterctl cannot be empty, and stands there without a value.
        if !argument.ends_with('=') {
            words.push(format!("{name}={}", values.join(",")));
        }
    }
    (words, image)
}

const DEPLOYMENT: &str = "Deployment capi-kamaji-controller-manager";

#[tokio::test]
async fn the_chart_renders_the_provider_as_the_kustomization_does() {
    let mut chart = comparable(rendered("kamaji-capi", "{}").await);
    let mut wanted = comparable(provider().await);
    let deployment =
        |from: &mut BTreeMap<String, Value>| take_own(from.get_mut(DEPLOYMENT).unwrap());
    let (arguments, image) = deployment(&mut chart);
    let (own, _) = deployment(&mut wanted);
    assert_eq!(arguments, own);
    assert_eq!(image, "docker.io/clastix/kamaji:latest");
    let names = |from: &BTreeMap<String, Value>| from.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&chart), names(&wanted));
    for (name, object) in &wanted {
        assert_eq!(&chart[name], object, "{name}");
    }
}

#[tokio::test]
async fn definitions_outlive_the_release_and_are_converted_by_its_service() {
    let objects = rendered("kamaji-capi", "{}").await;
    let definitions = objects
        .iter()
        .filter(|object| object["kind"] == "CustomResourceDefinition");
    let mut seen = 0;
    for definition in definitions {
        let meta = &definition["metadata"];
        assert_eq!(meta["annotations"]["helm.sh/resource-policy"], "keep");
        // Cluster API finds the versions of its contract by labels of the definition.
        let labels = meta["labels"].to_string();
        assert!(labels.contains("cluster.x-k8s.io/v1beta"), "{labels}");
        let service = "/spec/conversion/webhook/clientConfig/service/name";
        let service = definition.pointer(service).unwrap();
        assert_eq!(service, "capi-kamaji-webhook-service");
        seen += 1;
    }
    assert_eq!(seen, 2);
}

#[tokio::test]
async fn values_reach_the_deployment_and_the_bootstrap_providers_rights() {
    let values = "{replicaCount: 2, image: {repository: registry.example.com/kamaji, tag: v1},
        featureGates: {DynamicInfrastructureClusterPatch: true}, infrastructureClusters: [FooCluster],
        bootstrap: {namespace: boot, serviceAccount: strap}, priorityClassName: high,
        extraArgs: ['--watch-filter=a'], resources: {limits: {memory: 1Gi}}, tolerations: []}";
    let mut chart = comparable(rendered("kamaji-capi", values).await);
    let deployment = chart.get_mut(DEPLOYMENT).unwrap();
    let (arguments, image) = take_own(deployment);
    assert_eq!(image, "registry.example.com/kamaji:v1");
    for wanted in [
        "--dynamic-infrastructure-clusters=FooCluster",
        "--watch-filter=a",
    ] {
        assert!(arguments.iter().any(|have| have == wanted), "{arguments:?}");
    }
    let gates = arguments
        .iter()
        .find(|text| text.starts_with("--feature-gates="));
    assert!(
        gates
            .unwrap()
            .contains("DynamicInfrastructureClusterPatch=true")
    );
    let (replicas, pod) = (
        &deployment["spec"]["replicas"],
        &deployment["spec"]["template"]["spec"],
    );
    assert_eq!(
        (replicas, &pod["priorityClassName"]),
        (&2.into(), &"high".into())
    );
    assert_eq!(pod["containers"][0]["resources"]["limits"]["memory"], "1Gi");
    assert_eq!(pod["tolerations"], Value::Array(Vec::new()));
    let binding = &chart["ClusterRoleBinding capi-kamaji-bootstrap-rolebinding"];
    assert_eq!(
        binding["subjects"][0]["name"],
        "system:serviceaccount:boot:strap"
    );
}

#[tokio::test]
async fn an_unknown_gate_and_values_of_a_wrong_type_are_refused() {
    for (values, words) in [
        ("{featureGates: {Unknown: true}}", "Unknown"),
        ("{replicaCount: many}", "replicaCount"),
        ("{bootstrap: {namespace: 'a:b'}}", "namespace"),
    ] {
        let made = helm("kamaji-capi", values).await;
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(
            !made.status.success() && said.contains(words),
            "{values}: {said}"
        );
    }
}

/// No pods run here: the API server takes what the chart renders, and keeps the definitions.
#[tokio::test]
async fn the_chart_is_installed_upgraded_and_removed_and_its_definitions_stay() {
    let tools = Tools::all().await.unwrap();
    let api = ApiServer::start(&tools, Options::default()).await.unwrap();
    let kubectl = Kubectl::new(&tools, &api.kubeconfig()).unwrap();
    let chart = checkout().join("config/charts/kamaji-capi");
    let chart = chart.display().to_string();
    let release = async |arguments: &[&str]| {
        let mut helm = Tools::helm().await.unwrap().command("helm").unwrap();
        helm.args(arguments)
            .args(["--namespace=provider", "--timeout=20s"]);
        helm.arg("--kubeconfig").arg(kubectl.kubeconfig());
        output(helm).await.unwrap()
    };
    release(&["install", "kamaji-capi", &chart, "--create-namespace"]).await;
    let get = "get deployment -n provider capi-kamaji-controller-manager";
    let before = kubectl.json(get).await.unwrap();
    let upgrade = ["upgrade", "kamaji-capi", &chart, "--set=replicaCount=2"];
    release(&upgrade).await;
    let now = kubectl.json(get).await.unwrap();
    assert_eq!(before["metadata"]["uid"], now["metadata"]["uid"]);
    assert_eq!(now["spec"]["replicas"], 2);
    let name = "kamajicontrolplanes.controlplane.cluster.x-k8s.io";
    let get = format!("get crd {name}");
    let definition = kubectl.json(&get).await.unwrap();
    let service = "/spec/conversion/webhook/clientConfig/service/namespace";
    assert_eq!(definition.pointer(service).unwrap(), "provider");
    release(&["uninstall", "kamaji-capi"]).await;
    let left = kubectl.json(&get).await.unwrap();
    assert_eq!(left["metadata"]["uid"], definition["metadata"]["uid"]);
    let deployments = kubectl.json("get deployment -n provider").await.unwrap();
    assert_eq!(deployments["items"], Value::Array(Vec::new()));
}
