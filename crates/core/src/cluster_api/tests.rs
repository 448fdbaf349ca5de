use kamaji_api::{
    cluster::{CLUSTER_NAME, SECRET_TYPE},
    condition::{find, is_true},
    control_plane::KamajiControlPlaneStatus,
};

use super::{
    fixture::{carry_out, converge, external, observe_again, remote, snapshot},
    *,
};
use crate::{
    endpoint::HostPort,
    object::{Kind, Object},
};

fn status(snapshot: &Snapshot) -> KamajiControlPlaneStatus {
    plan(snapshot).status.expect("a status")
}

fn tenant_spec(spec: Value) -> Value {
    let plan = plan(&snapshot(spec));
    let tenant = plan
        .objects
        .into_iter()
        .find(|o| o.key.kind == Kind::TenantControlPlane);
    tenant.expect("a TenantControlPlane").body["spec"].clone()
}

#[test]
fn a_converged_control_plane_plans_nothing() {
    let converged = converge(snapshot(json!({})), "192.0.2.9:6443");
    let plan = plan(&converged);
    assert_eq!(plan.own, None);
    assert_eq!(plan.objects, []);
    assert_eq!(plan.infrastructure, None);
    assert_eq!(plan.status, converged.control_plane.status);
    let status = plan.status.unwrap();
    assert!(status.ready && is_true(&status.conditions, "Available"));
    assert_eq!(status.version, "v1.36.3");
    assert_eq!(status.versions[0].replicas, Some(2));
    assert_eq!(
        status.initialization.unwrap().control_plane_initialized,
        Some(true)
    );
}

#[test]
fn a_control_plane_is_initialised_only_after_its_secrets_are_published_and_probed() {
    let mut observed = snapshot(json!({}));
    carry_out(&mut observed, plan(&snapshot(json!({}))), "192.0.2.9:6443");
    let next = plan(&observed);
    let names: Vec<&str> = next.objects.iter().map(|o| o.key.name.as_str()).collect();
    assert_eq!(names, ["c-kubeconfig", "c-ca"]);
    assert_eq!(next.objects[0].body["type"], SECRET_TYPE);
    assert!(next.status.as_ref().unwrap().initialization.is_none());
    carry_out(&mut observed, next, "192.0.2.9:6443");
    observed.probe = Probe::Fails("connection refused".to_owned());
    let said = status(&observed);
    assert!(said.initialization.is_none());
    let available = find(&said.conditions, "Available").unwrap();
    assert!(
        available.message.contains("connection refused"),
        "{available:?}"
    );
}

#[test]
fn a_control_plane_that_stops_serving_is_unavailable_but_stays_initialised() {
    let mut converged = converge(snapshot(json!({})), "192.0.2.9:6443");
    let tenant = converged.tenant.as_mut().unwrap().status.as_mut().unwrap();
    tenant.conditions[0].status = "False".to_owned();
    tenant.conditions[0].message = "no replica is ready".to_owned();
    let said = status(&converged);
    assert!(!said.ready);
    let available = find(&said.conditions, "Available").unwrap();
    assert_eq!(
        (available.status.as_str(), available.message.as_str()),
        ("False", "no replica is ready")
    );
    assert_eq!(
        said.initialization.unwrap().control_plane_initialized,
        Some(true)
    );
}

#[test]
fn a_rollout_reports_both_versions_the_lower_one_first() {
    // A patch release may be rolled back.
    for (next, lower, higher) in [
        ("v1.37.0", "v1.36.3", "v1.37.0"),
        ("v1.36.2", "v1.36.2", "v1.36.3"),
    ] {
        let mut converged = converge(snapshot(json!({})), "192.0.2.9:6443");
        let tenant = converged.tenant.as_mut().unwrap();
        next.clone_into(&mut tenant.spec.kubernetes.version);
        let status_of_tenant = tenant.status.as_mut().unwrap();
        let resources = status_of_tenant.kubernetes_resources.as_mut().unwrap();
        resources.deployment.as_mut().unwrap().updated_replicas = Some(1);
        let said = status(&converged);
        let told: Vec<_> = said
            .versions
            .iter()
            .map(|v| (v.version.as_str(), v.replicas))
            .collect();
        assert_eq!(told, [(lower, Some(1)), (higher, Some(1))]);
        let rolling = find(&said.conditions, "RollingOut").unwrap();
        assert_eq!(rolling.status, "True");
        assert!(
            rolling.message.starts_with("1 of 2 pods"),
            "{}",
            rolling.message
        );
    }
}

#[test]
fn the_highest_port_and_ipv6_addresses_are_valid_endpoints() {
    for (text, host, port) in [
        ("192.0.2.9:65535", "192.0.2.9", 65535),
        ("[2001:db8::9]:6443", "2001:db8::9", 6443),
    ] {
        let converged = converge(snapshot(json!({})), text);
        let endpoint = converged.control_plane.spec.control_plane_endpoint.unwrap();
        assert_eq!(
            (endpoint.host.as_deref(), endpoint.port),
            (Some(host), Some(port))
        );
    }
}

#[test]
fn the_host_of_an_ingress_is_published_and_certified() {
    for (typed, port) in [("api.example.com", 6443), ("api.example.com:443", 443)] {
        let spec = json!({"network": {"serviceType": "ClusterIP", "ingress": {"hostname": typed}}});
        let converged = converge(snapshot(spec), "192.0.2.9:6443");
        let endpoint = converged
            .control_plane
            .spec
            .control_plane_endpoint
            .clone()
            .unwrap();
        assert_eq!(
            (endpoint.host.as_deref(), endpoint.port),
            (Some("api.example.com"), Some(port))
        );
        let tenant = converged.tenant.unwrap().spec;
        assert_eq!(tenant.network_profile.cert_sans, ["api.example.com"]);
        assert_eq!(
            tenant.control_plane.ingress.unwrap().hostname.as_deref(),
            Some(typed)
        );
    }
}

#[test]
fn a_certificate_name_with_a_port_is_refused() {
    for name in [
        "api.example.com:443",
        "192.0.2.1:6443",
        "[2001:db8::1]:6443",
    ] {
        let said = status(&snapshot(json!({"network": {"certSANs": [name]}})));
        let created = find(&said.conditions, "TenantControlPlaneCreated").unwrap();
        assert_eq!(
            (created.status.as_str(), created.reason.as_str()),
            ("False", "SpecInvalid")
        );
        assert!(created.message.contains(name), "{}", created.message);
        let host = HostPort::parse(name, 443).host;
        let advice = format!("write {host}");
        assert!(created.message.ends_with(&advice), "{}", created.message);
    }
    let fine = tenant_spec(json!({"network": {"certSANs": ["2001:db8::1", "a.example.com"]}}));
    assert_eq!(
        fine["networkProfile"]["certSANs"],
        json!(["2001:db8::1", "a.example.com"])
    );
}

#[test]
fn a_gateway_port_other_than_the_api_servers_is_refused() {
    let gateway = json!({"hostname": "api.example.com:443", "name": "g", "namespace": "g"});
    let said = status(&snapshot(json!({"network": {"gateway": gateway}})));
    let created = find(&said.conditions, "TenantControlPlaneCreated").unwrap();
    assert!(
        created.message.contains("apiServerPort"),
        "{}",
        created.message
    );
}

#[test]
fn only_what_is_asked_for_is_sent() {
    let spec = tenant_spec(json!({}));
    insta::assert_yaml_snapshot!(spec);
    let probes = tenant_spec(json!({"apiServer": {"probes": {"liveness": {"periodSeconds": 7}}}}));
    let period =
        &probes["controlPlane"]["deployment"]["probes"]["apiServer"]["liveness"]["periodSeconds"];
    assert_eq!(period, 7, "one component's probes need not the others'");
    let dns = tenant_spec(json!({"addons": {"coreDNS": {}, "kubeProxy": {}}}));
    assert_eq!(dns["addons"], json!({"coreDNS": {}, "kubeProxy": {}}));
    assert!(dns["networkProfile"]["dnsServiceIPs"].is_null());
}

#[test]
fn fields_that_upstream_lacks_are_passed_on() {
    let spec = tenant_spec(json!({
        "registryTagSuffix": "-fips",
        "writePermissions": {"blockCreation": true},
        "apiServer": {"securityContext": {"readOnlyRootFilesystem": true}},
        "deployment": {"automountServiceAccountToken": false,
            "podSecurityContext": {"runAsNonRoot": true}},
        "network": {"allowAddressAsExternalIP": true, "allocateLoadBalancerNodePorts": false},
    }));
    let deployment = &spec["controlPlane"]["deployment"];
    assert_eq!(deployment["registrySettings"]["tagSuffix"], "-fips");
    assert_eq!(deployment["automountServiceAccountToken"], false);
    assert_eq!(deployment["podSecurityContext"]["runAsNonRoot"], true);
    let contexts = &deployment["containerSecurityContexts"];
    assert_eq!(contexts["apiServer"]["readOnlyRootFilesystem"], true);
    assert_eq!(spec["writePermissions"]["blockCreation"], true);
    assert_eq!(spec["networkProfile"]["allowAddressAsExternalIP"], true);
    assert_eq!(
        spec["controlPlane"]["service"]["allocateLoadBalancerNodePorts"],
        false
    );
}

#[test]
fn labels_are_passed_on_except_those_of_cluster_api() {
    let plan = plan(&snapshot(json!({})));
    let labels = &plan.objects[0].body["metadata"]["labels"];
    assert_eq!(labels, &json!({CLUSTER_NAME: "c", "team": "blue"}));
}

#[test]
fn a_tenant_of_another_owner_is_left_alone() {
    let mut taken = converge(snapshot(json!({})), "192.0.2.9:6443");
    taken.tenant.as_mut().unwrap().metadata.owner_references = Some(vec![serde_json::from_value(
        json!({"apiVersion": "v1", "kind": "Other", "name": "b", "uid": "x", "controller": true}),
    )
    .unwrap()]);
    let plan = plan(&taken);
    assert_eq!(plan.objects, []);
    let said = plan.status.unwrap();
    let created = find(&said.conditions, "TenantControlPlaneCreated").unwrap();
    assert!(created.message.contains("Other b"), "{}", created.message);
}

#[test]
fn a_paused_cluster_plans_nothing() {
    let mut paused = snapshot(json!({}));
    let Owner::Cluster(cluster) = &mut paused.owner else {
        unreachable!()
    };
    cluster.spec.paused = Some(true);
    let plan = plan(&paused);
    assert!(plan.objects.is_empty() && plan.own.is_none());
    assert!(is_true(&plan.status.unwrap().conditions, "Paused"));
    let said = status(&snapshot(json!({})));
    assert_eq!(
        find(&said.conditions, "Paused").unwrap().reason,
        "NotPaused"
    );
}

#[test]
fn the_owning_cluster_is_found_at_any_position() {
    assert_eq!(cluster_of(&snapshot(json!({})).control_plane), Some("c"));
}

#[test]
fn empty_texts_and_empty_lists_of_a_user_are_passed_on() {
    let mut asked = snapshot(json!({
        "deployment": {"nodeSelector": {"node-role.kubernetes.io/infra": ""}},
        "addons": {"konnectivity": {"agent": {"tolerations": []}}},
    }));
    let annotations = asked
        .control_plane
        .metadata
        .annotations
        .get_or_insert_default();
    annotations.insert("kamaji.clastix.io/paused".to_owned(), String::new());
    let desired = &plan(&asked).objects[0].body;
    let deployment = &desired["spec"]["controlPlane"]["deployment"];
    assert_eq!(
        deployment["nodeSelector"],
        json!({"node-role.kubernetes.io/infra": ""})
    );
    let agent = &desired["spec"]["addons"]["konnectivity"]["agent"];
    assert_eq!(agent["tolerations"], json!([]));
    assert_eq!(
        desired["metadata"]["annotations"]["kamaji.clastix.io/paused"],
        ""
    );
    let converged = converge(asked, "192.0.2.9:6443");
    assert_eq!(plan(&converged).objects, []);
}

#[test]
fn a_lost_tenant_resets_counters_and_versions() {
    let mut lost = converge(snapshot(json!({})), "192.0.2.9:6443");
    lost.tenant = None;
    let said = status(&lost);
    assert_eq!((said.ready_replicas, said.version.as_str()), (Some(0), ""));
    assert_eq!(said.versions, []);
    for (type_, word) in [
        ("TenantControlPlaneAddressReady", "False"),
        ("ControlPlaneEndpointPatched", "Unknown"),
        ("KubeadmResourcesCreated", "Unknown"),
        ("Available", "False"),
    ] {
        assert_eq!(
            find(&said.conditions, type_).unwrap().status,
            word,
            "{type_}"
        );
    }
}

#[test]
fn scaling_is_reported_until_it_is_complete() {
    for (replicas, type_) in [(3, "ScalingUp"), (1, "ScalingDown")] {
        let mut converged = converge(snapshot(json!({})), "192.0.2.9:6443");
        converged.control_plane.spec.replicas = Some(replicas);
        let said = status(&converged).conditions;
        let scaling = find(&said, type_).unwrap();
        assert_eq!(scaling.status, "True", "{type_}");
        let message = format!("2 pods exist, {replicas} are asked for");
        assert_eq!(scaling.message, message);
        converged.control_plane.spec.replicas = Some(2);
        assert!(!is_true(&status(&converged).conditions, type_), "{type_}");
    }
}

#[test]
fn an_unreachable_cluster_leaves_availability_unknown() {
    let mut converged = remote();
    converged.remote = Remote::Unreachable("no route".to_owned());
    converged.tenant = None;
    let said = status(&converged);
    assert_eq!(
        find(&said.conditions, "Available").unwrap().status,
        "Unknown"
    );
    assert!(said.ready && said.ready_replicas == Some(2));
}

#[test]
fn a_local_tenant_stays_local_when_the_spec_asks_for_another_cluster() {
    // After two reconciles it is not initialised yet.
    for reconciles in [2, 4] {
        let mut here = snapshot(json!({}));
        here.settings.external = true;
        for _ in 0..reconciles {
            let plan = plan(&here);
            carry_out(&mut here, plan, "192.0.2.9:6443");
        }
        let said = here.control_plane.status.as_ref().unwrap();
        assert_eq!(said.is_initialized(), reconciles == 4);
        here.control_plane.spec.fields.deployment =
            serde_json::from_value(external("far")).unwrap();
        observe_again(&mut here);
        for _ in 0..3 {
            let plan = plan(&here);
            let tenant = |object: &Object| object.key.kind == Kind::TenantControlPlane;
            assert!(!plan.objects.iter().any(tenant), "after {reconciles}");
            let said = plan.status.clone().unwrap().conditions;
            let created = find(&said, "TenantControlPlaneCreated").unwrap();
            assert_eq!(created.reason, "ExternalReferenceInvalid");
            assert_eq!(find(&said, "FoundExternalReferenceClient"), None);
            carry_out(&mut here, plan, "192.0.2.9:6443");
        }
        // What runs is observed after all the same.
        let said = here.control_plane.status.as_ref().unwrap();
        assert!(is_true(&said.conditions, "Available"), "after {reconciles}");
        let mut down = here.clone();
        down.tenant.as_mut().unwrap().status = None;
        let said = status(&down);
        assert!(
            !is_true(&said.conditions, "Available"),
            "after {reconciles}"
        );
        here.control_plane.spec.fields.deployment = None;
        observe_again(&mut here);
        let converged = converge(here, "192.0.2.9:6443");
        let said = converged.control_plane.status.unwrap();
        for type_ in ["TenantControlPlaneCreated", "Available"] {
            assert!(
                is_true(&said.conditions, type_),
                "{type_} after {reconciles}"
            );
        }
    }
}
