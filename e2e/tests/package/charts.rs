//! Chart `kamaji` as Helm renders it: values of integrators, rights, security of pods, refusals.

use kamaji_e2e::{layout::checkout, tools::Tools};
use serde_json::Value;

use super::helm::{helm, rendered};

mod restores;

/// Values of products that install upstream's chart, and of people who change one thing.
const VALUES: [(&str, &str); 16] = [
    ("defaults", "{}"),
    (
        "etcd elsewhere, two replicas",
        "{etcd: {deploy: false}, replicaCount: 2, telemetry: {disabled: true},
          image: {repository: registry.example.com/kamaji, tag: v1.2.3},
          resources: {limits: {cpu: 200m, memory: 512Mi}},
          startupProbe: {httpGet: {path: /healthz, port: healthcheck}, failureThreshold: 12},
          extraArgs: ['--migrate-image=registry.example.com/kamaji:v1.2.3']}",
    ),
    (
        "keys of older charts",
        "{etcd: {deploy: false}, datastore: {enabled: false, nameOverride: default},
          cfssl: {image: {tag: v1.6.5}}, image: {pullPolicy: IfNotPresent},
          tolerations: [{key: node-role.kubernetes.io/control-plane, operator: Exists, effect: NoSchedule}]}",
    ),
    (
        "another domain and an older etcd",
        "{replicaCount: 1, image: {repository: registry.example.com/kamaji, pullPolicy: Always, tag: edge},
          kamaji-etcd: {deploy: true, fullnameOverride: kamaji-etcd, clusterDomain: mgmt.example,
          image: {tag: v3.6.5}, datastore: {enabled: true, name: default}}}",
    ),
    ("one member", "{kamaji-etcd: {replicas: 1}}"),
    (
        "one endpoint",
        "{kamaji-etcd: {datastore: {headless: false}}}",
    ),
    (
        "no DataStore",
        "{kamaji-etcd: {datastore: {enabled: false}}}",
    ),
    (
        "tuned",
        "{kamaji-etcd: {autoCompactionRetention: 0, extraArgs: ['--max-request-bytes=2097152'],
          persistentVolumeClaim: {size: 20Gi, storageClassName: fast},
          resources: {requests: {cpu: 1, memory: 2Gi}}}}",
    ),
    (
        "no defragmentation",
        "{kamaji-etcd: {defragmentation: {enabled: false}}}",
    ),
    ("backups to S3", BACKUPS),
    (
        "backups to a claim",
        "{kamaji-etcd: {backup: {enabled: true, plain: true, persistentVolumeClaim: backups}}}",
    ),
    (
        "a restore",
        "{kamaji-etcd: {backup: {persistentVolumeClaim: backups},
          restore: {from: /backup/one.db, identitySecret: backup-key}}}",
    ),
    (
        "a restore without encryption",
        "{kamaji-etcd: {backup: {persistentVolumeClaim: backups},
          restore: {from: /backup/one.db, plain: true}}}",
    ),
    (
        "network policy and budget",
        "{networkPolicy: {enabled: true, apiServerCIDRs: [10.0.0.0/24]},
          podDisruptionBudget: {enabled: true}, replicaCount: 2}",
    ),
    ("kubeconfig generator", GENERATOR),
    (
        "kubeconfig generator with values of upstream's chart",
        "{kubeconfigGenerator: {enabled: true, fullnameOverride: '', replicaCount: 1, podAnnotations: {a: b},
          podSecurityContext: {runAsNonRoot: true}, serviceAccountOverride: mine, enableLeaderElect: true,
          healthProbeBindAddress: ':8081', loggingDevel: {enable: false}, extraArgs: [--cache-resync-period=1h],
          securityContext: {allowPrivilegeEscalation: false}, nodeSelector: {a: b}, tolerations: [], affinity: {},
          resources: {limits: {cpu: 200m, memory: 512Mi}, requests: {cpu: 200m, memory: 512Mi}}}}",
    ),
];

/// The kubeconfig generator beside two operators with a network policy.
const GENERATOR: &str =
    "{networkPolicy: {enabled: true, apiServerCIDRs: [10.0.0.0/24]}, replicaCount: 2,
  kubeconfigGenerator: {enabled: true}}";

/// Scheduled snapshots to an object store, as upstream's chart once named it.
const BACKUPS: &str = "{networkPolicy: {enabled: true, apiServerCIDRs: [10.0.0.0/24]},
  kamaji-etcd: {backup: {enabled: true, schedule: '0 * * * *', keep: 24, recipients: [age1qqqqqq],
  s3: {url: 'http://minio.example:9000', bucket: backups/one,
  accessKey: {valueFrom: {secretKeyRef: {name: s3, key: access}}},
  secretKey: {valueFrom: {secretKeyRef: {name: s3, key: secret}}}}}}}";

fn named<'a>(objects: &'a [Value], kind: &str, name: &str) -> Option<&'a Value> {
    let mut found = objects
        .iter()
        .filter(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.next()
}

/// Pod templates of an object, by its kind.
fn pods(object: &Value) -> Option<&Value> {
    match object["kind"].as_str()? {
        "Deployment" | "StatefulSet" | "Job" => object.pointer("/spec/template/spec"),
        "CronJob" => object.pointer("/spec/jobTemplate/spec/template/spec"),
        _ => None,
    }
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    let lists = ["initContainers", "containers"].map(|key| pod[key].as_array());
    lists.into_iter().flatten().flatten()
}

/// DataStore that the last Job of an installation applies.
fn data_store(objects: &[Value]) -> Option<Value> {
    let job = named(objects, "Job", "kamaji-etcd-etcd-setup-2")?;
    let arguments = pods(job)?["containers"][0]["args"].as_array()?;
    let mut texts = arguments.iter().filter_map(Value::as_str);
    let object = texts.find_map(|text| text.strip_prefix("--data-store="))?;
    Some(serde_json::from_str(object).unwrap())
}

#[tokio::test]
async fn values_files_render_pods_of_the_restricted_profile() {
    for (what, values) in VALUES {
        let objects = rendered("kamaji", values).await;
        let mut seen = 0;
        for pod in objects.iter().filter_map(pods) {
            let all = &pod["securityContext"];
            assert_eq!(all["runAsNonRoot"], true, "{what}: {pod}");
            let profile = &all["seccompProfile"]["type"];
            assert_eq!(profile, "RuntimeDefault", "{what}: {pod}");
            for container in containers(pod) {
                let own = &container["securityContext"];
                assert_eq!(own["allowPrivilegeEscalation"], false, "{what}: {own}");
                assert_eq!(own["readOnlyRootFilesystem"], true, "{what}: {own}");
                assert_eq!(own["capabilities"]["drop"][0], "ALL", "{what}: {own}");
                seen += 1;
            }
        }
        let etcd = named(&objects, "StatefulSet", "kamaji-etcd").is_some();
        assert_eq!(etcd, !values.contains("etcd: {deploy: false}"), "{what}");
        assert!(
            seen >= if etcd { 6 } else { 1 },
            "{what}: {seen} containers"
        );
    }
}

#[tokio::test]
async fn the_data_store_names_what_the_values_ask_for() {
    let domain = "kamaji-etcd.kamaji-system.svc.cluster.local:2379";
    let members = |count: u32| (0..count).map(move |index| format!("kamaji-etcd-{index}.{domain}"));
    let client = "kamaji-etcd-client.kamaji-system.svc.cluster.local:2379";
    for (what, endpoints) in [
        ("defaults", Some(members(3).collect::<Vec<_>>())),
        ("one member", Some(members(1).collect())),
        ("one endpoint", Some(vec![client.to_owned()])),
        ("no DataStore", None),
        ("etcd elsewhere, two replicas", None),
        (
            "another domain and an older etcd",
            Some(
                members(3)
                    .map(|m| m.replace("cluster.local", "mgmt.example"))
                    .collect(),
            ),
        ),
    ] {
        let values = VALUES.iter().find(|(name, _)| *name == what).unwrap().1;
        let store = data_store(&rendered("kamaji", values).await);
        assert_eq!(store.is_some(), endpoints.is_some(), "{what}");
        let (Some(store), Some(endpoints)) = (store, endpoints) else {
            continue;
        };
        assert_eq!(store["metadata"]["name"], "default", "{what}");
        assert_eq!(store["spec"]["endpoints"], Value::from(endpoints), "{what}");
        let kept = &store["metadata"]["annotations"]["helm.sh/resource-policy"];
        assert_eq!(kept, "keep", "{what}");
    }
}

#[tokio::test]
async fn rights_of_etcds_jobs_are_limited_to_names_and_those_to_write_end_with_helms_run() {
    let objects = rendered("kamaji", "{}").await;
    let roles: Vec<&Value> = objects
        .iter()
        .filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole")
        .filter(|object| object["metadata"]["name"].to_string().contains("etcd"))
        .collect();
    assert_eq!(roles.len(), 3, "{roles:?}");
    for role in roles {
        let hook = &role["metadata"]["annotations"];
        let ends = hook["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded";
        for rule in role["rules"].as_array().unwrap() {
            let verbs = rule["verbs"].as_array().unwrap();
            for verb in verbs {
                let verb = verb.as_str().unwrap();
                assert!(
                    ["get", "create", "update", "patch"].contains(&verb),
                    "{rule}"
                );
                // A right to create cannot have names.
                assert!(verb != "create" || (ends && verbs.len() == 1), "{rule}");
                let names = rule["resourceNames"].as_array();
                let named = names.is_some_and(|names| !names.is_empty());
                assert_eq!(named, verb != "create", "{rule}");
            }
        }
        assert!(ends || role["kind"] == "Role", "{role}");
    }
}

#[tokio::test]
async fn no_pod_mounts_the_private_key_of_etcds_ca_and_etcd_itself_not_the_administrators() {
    let objects = rendered("kamaji", "{}").await;
    for pod in objects.iter().filter_map(pods) {
        let volumes = pod["volumes"].as_array().into_iter().flatten();
        for volume in volumes.filter(|v| v["secret"]["secretName"] == "kamaji-etcd-certs") {
            let items = volume["secret"]["items"].to_string();
            assert!(items.contains("ca.crt") && !items.contains("ca.key"));
        }
    }
    let set = named(&objects, "StatefulSet", "kamaji-etcd").unwrap();
    let pod = pods(set).unwrap();
    assert_eq!(pod["automountServiceAccountToken"], false);
    let mounts = pod["containers"][0]["volumeMounts"].to_string();
    assert!(mounts.contains("certs") && !mounts.contains("root"));
    let policy = &set["spec"]["persistentVolumeClaimRetentionPolicy"];
    assert_eq!(
        (&policy["whenDeleted"], &policy["whenScaled"]),
        (&"Retain".into(), &"Retain".into())
    );
}

#[tokio::test]
async fn backups_have_no_rights_no_token_no_secret_in_the_open_and_nobody_who_calls_them() {
    let objects = rendered("kamaji", BACKUPS).await;
    let job = named(&objects, "CronJob", "kamaji-etcd-backup").unwrap();
    assert_eq!(job["spec"]["concurrencyPolicy"], "Forbid");
    let pod = pods(job).unwrap();
    assert_eq!(pod["automountServiceAccountToken"], false);
    let account = pod["serviceAccountName"].as_str().unwrap();
    let bindings = objects
        .iter()
        .filter(|object| object["roleRef"].is_object());
    for binding in bindings {
        assert!(
            !binding["subjects"].to_string().contains(account),
            "{binding}"
        );
    }
    let arguments = pod["containers"][0]["args"].to_string();
    for argument in ["s3://backups/one/", "--keep=24", "--recipient=age1qqqqqq"] {
        assert!(arguments.contains(argument), "{arguments}");
    }
    for variable in pod["containers"][0]["env"].as_array().unwrap() {
        let open = variable["value"].is_string();
        let secret = variable["name"].to_string().contains("KEY");
        assert!(open != secret, "{variable}");
    }
    let policy = named(&objects, "NetworkPolicy", "kamaji-etcd-backup").unwrap();
    assert_eq!(policy["spec"]["ingress"].as_array().unwrap().len(), 0);
    let ports = policy["spec"]["egress"].to_string();
    assert!(ports.contains("2379") && ports.contains("9000"), "{ports}");
    let labels = &job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&policy["spec"]["podSelector"]["matchLabels"], labels);
}

#[tokio::test]
async fn the_kubeconfig_generator_has_pods_and_rights_apart_from_the_operators() {
    let name = "kamaji-kubeconfiggenerator";
    let objects = rendered("kamaji", GENERATOR).await;
    let deployment = named(&objects, "Deployment", name).unwrap();
    assert_eq!(deployment["spec"]["replicas"], 2);
    let selector = &deployment["spec"]["selector"]["matchLabels"];
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    assert_eq!(selector, labels);
    let manager = named(&objects, "Deployment", "kamaji").unwrap();
    assert_ne!(selector, &manager["spec"]["selector"]["matchLabels"]);
    for kind in ["PodDisruptionBudget", "NetworkPolicy"] {
        let text = named(&objects, kind, name).unwrap()["spec"].to_string();
        assert!(text.contains(&selector.to_string()), "{kind}: {text}");
    }
    let services = objects.iter().filter(|object| object["kind"] == "Service");
    for service in services {
        assert_ne!(&service["spec"]["selector"], selector, "{service}");
    }
    let pod = pods(deployment).unwrap();
    assert_eq!(pod["serviceAccountName"], "kamaji-kubeconfig-generator");
    let container = &pod["containers"][0];
    assert_eq!(container["args"][0], "kubeconfig-generator");
    assert_eq!(
        container["image"],
        pods(manager).unwrap()["containers"][0]["image"]
    );
    let role = named(&objects, "ClusterRole", "kamaji-kubeconfig-generator-role").unwrap();
    let file = checkout().join("config/kubeconfig-generator/role.yaml");
    let written = super::helm::objects(&std::fs::read_to_string(file).unwrap());
    assert_eq!(role["rules"], written[0]["rules"]);

    let objects = rendered("kamaji", VALUES[VALUES.len() - 1].1).await;
    let pod = pods(named(&objects, "Deployment", name).unwrap()).unwrap();
    assert_eq!(pod["serviceAccountName"], "mine");
    assert!(named(&objects, "ServiceAccount", "mine").is_none());
    let binding = "kamaji-kubeconfig-generator-rolebinding";
    let binding = named(&objects, "ClusterRoleBinding", binding).unwrap();
    assert_eq!(binding["subjects"][0]["name"], "mine");
    assert!(named(&objects, "PodDisruptionBudget", name).is_none());
    let objects = rendered("kamaji", "{}").await;
    let mut names = objects
        .iter()
        .map(|object| object["metadata"]["name"].to_string());
    assert_eq!(names.find(|name| name.contains("kubeconfig")), None);
}

#[tokio::test]
async fn values_that_cannot_work_are_refused_with_words() {
    for (values, words) in [
        ("{kamaji-etcd: {replicas: 2}}", "replicas"),
        (
            "{kamaji-etcd: {image: {pullPolicy: Sometimes}}}",
            "pullPolicy",
        ),
        ("{kamaji-etcd: {extraArgs: [verbose]}}", "extraArgs"),
        (
            "{kamaji-etcd: {certManager: {enabled: true, issuerRef: {name: corporate}}}}",
            "makes the certificates of its etcd itself",
        ),
        (
            "{kubeconfigGenerator: {enabled: true, enableLeaderElect: false}}",
            "Set replicaCount=1",
        ),
        ("{kubeconfigGenerator: {enabled: sometimes}}", "enabled"),
        (
            "{kamaji-etcd: {backup: {enabled: true, s3: {bucket: b}}}}",
            "backup.recipients is empty",
        ),
        (
            "{kamaji-etcd: {backup: {enabled: true, plain: true}}}",
            "needs one place",
        ),
        (
            "{kamaji-etcd: {backup: {enabled: true, plain: true, location: 'gs://b/c', s3: {bucket: b}}}}",
            "exactly one of",
        ),
        (
            "{kamaji-etcd: {backup: {s3: {secretKey: {value: hunter2}}}}}",
            "by valueFrom.secretKeyRef",
        ),
        (
            "{kamaji-etcd: {restore: {from: /backup/one.db, identitySecret: key, plain: true}}}",
            "exclude each other",
        ),
        (
            "{kamaji-etcd: {backup: {recipients: [AGE-SECRET-KEY-1]}}}",
            "recipients",
        ),
    ] {
        let made = helm("kamaji", values).await;
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(
            !made.status.success() && said.contains(words),
            "{values}: {said}"
        );
    }
}

#[tokio::test]
async fn charts_pass_helms_own_checks() {
    for chart in ["kamaji", "kamaji-crds", "kamaji-capi"] {
        let mut helm = Tools::helm().await.unwrap().command("helm").unwrap();
        helm.arg("lint")
            .arg(checkout().join("config/charts").join(chart));
        let linted = tokio::task::spawn_blocking(move || helm.output().unwrap());
        let linted = linted.await.unwrap();
        let said = String::from_utf8_lossy(&linted.stdout);
        assert!(
            linted.status.success() && !said.contains("[WARNING]"),
            "{said}"
        );
    }
}
