//! Desired TenantControlPlane of a KamajiControlPlane.
//!
//! Exactly the fields that the control plane sets are applied: a field that a user removes is removed downstream,
//! and fields that others set beside them stay.

use std::collections::BTreeMap;

use kamaji_api::{
    cluster::Cluster,
    condition::Reason,
    control_plane::{ControlPlaneComponent, ControlPlaneFields, ControlPlaneNetwork},
    foreign::ParentReference,
    labels,
    tenant::{AdditionalMetadata, TenantControlPlane},
};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    builder::PlanBuilder,
    cert_sans,
    conditions::TENANT_CREATED,
    endpoint,
    ownership::{OWNER, cluster_label, foreign, mark, owner_reference},
    placement, rollout, secrets,
    types::Snapshot,
};
use crate::{
    endpoint::HostPort,
    object::{CONTENT_HASH, Intent, Object, TEXTS, Version, holds},
};

/// Plans the TenantControlPlane and returns the live one, if it exists and is ours. The write demands the observed
/// version, or that there is none: a replica that has lost its lease must not undo its successor's work.
pub(super) fn plan<'a>(
    builder: &mut PlanBuilder<'a>,
    cluster: &Cluster,
) -> Option<&'a TenantControlPlane> {
    let live = builder.snapshot.tenant.as_ref();
    if let Some(why) = live.and_then(|live| foreign(builder, live)) {
        builder.blocked(Reason::TenantControlPlaneForeign, &why);
        return None;
    }
    let control_plane = &builder.snapshot.control_plane;
    if let Some(why) = placement::contradiction(control_plane, &builder.snapshot.place) {
        builder.blocked(Reason::ExternalReferenceInvalid, &why);
        return live;
    }
    let desired = match desired(builder, cluster) {
        Ok(desired) => Object::from_value(desired),
        Err(why) => {
            builder.blocked(Reason::SpecInvalid, &why);
            return live;
        }
    };
    if !live.is_some_and(|live| as_planned(&desired, live)) {
        let observed = live.map(|live| Version::of(&live.metadata));
        let intent = observed.map_or(Intent::Create, Intent::Update);
        if live.is_none() {
            // Before the tenant, which would get a CA of its own otherwise.
            let given = secrets::given_authority(builder, cluster);
            builder.plan.objects.extend(given);
        }
        builder.plan.objects.push(desired.with(intent));
        builder.plan.take_over = live.is_some_and(|live| stamped(live).is_none());
    }
    builder.set_true(TENANT_CREATED, Reason::Succeeded);
    if live.is_none() {
        builder.tenant_missing();
    }
    live
}

/// Kubernetes version with its leading v.
pub(super) fn version(text: &str) -> String {
    if text.starts_with('v') {
        text.to_owned()
    } else {
        format!("v{text}")
    }
}

/// Content hash of what was applied last.
fn stamped(live: &TenantControlPlane) -> Option<&String> {
    live.metadata.annotations.as_ref()?.get(CONTENT_HASH)
}

/// True if the live object has the content that is planned.
fn as_planned(desired: &Object, live: &TenantControlPlane) -> bool {
    let stamped = stamped(live);
    let live = serde_json::to_value(live).unwrap_or_default();
    stamped == Some(&desired.hash)
        && holds(&desired.body["spec"], &live["spec"])
        && holds(&desired.body["metadata"], &live["metadata"])
}

/// Complete body of the TenantControlPlane; the error is a message for the condition.
fn desired(builder: &PlanBuilder, cluster: &Cluster) -> Result<Value, String> {
    let control_plane = &builder.snapshot.control_plane;
    let fields = &control_plane.spec.fields;
    let mut desired = json!({
        "apiVersion": "kamaji.clastix.io/v1alpha1",
        "kind": "TenantControlPlane",
        "metadata": tenant_metadata(builder, cluster),
        "spec": {
            "addons": addons(fields),
            "controlPlane": {
                "deployment": deployment(builder.snapshot),
                "gateway": gateway(&fields.network),
                "ingress": ingress(&fields.network),
                "service": {
                    "serviceType": fields.network.service_type,
                    "allocateLoadBalancerNodePorts": fields.network.allocate_load_balancer_node_ports,
                    "additionalMetadata": AdditionalMetadata {
                        labels: fields.network.service_labels.clone(),
                        annotations: fields.network.service_annotations.clone(),
                    },
                    "additionalPorts": fields.network.additional_service_ports,
                },
            },
            "dataStore": fields.data_store_name,
            "dataStoreSchema": fields.data_store_schema,
            "dataStoreUsername": fields.data_store_username,
            "dataStoreOverrides": fields.data_store_overrides,
            "writePermissions": fields.write_permissions,
            "kubernetes": {
                "version": version(&control_plane.spec.version),
                "kubelet": fields.kubelet,
                "admissionControllers": fields.admission_controllers,
            },
            "networkProfile": network_profile(builder, cluster)?,
        },
    });
    strip(&mut desired);
    restore_addons(&mut desired, fields);
    Ok(desired)
}

/// Metadata of the TenantControlPlane: owned by the control plane in the same cluster, marked with it in another.
fn tenant_metadata(builder: &PlanBuilder, cluster: &Cluster) -> Value {
    let metadata = &builder.snapshot.control_plane.metadata;
    let place = &builder.snapshot.place;
    let (owners, mark) = match place.kubeconfig {
        None => (vec![owner_reference(builder)], None),
        Some(_) => (Vec::new(), Some((OWNER.to_owned(), mark(builder)))),
    };
    json!({
        "name": place.name,
        "namespace": place.namespace,
        "labels": passed_on(metadata.labels.as_ref(), Some(cluster_label(cluster))),
        "annotations": passed_on(metadata.annotations.as_ref(), mark),
        "ownerReferences": owners,
    })
}

/// Restores empty members of addons that have a meaning, which [`strip`] has dropped.
fn restore_addons(desired: &mut Value, fields: &ControlPlaneFields) {
    // An addon is asked for by its presence, however empty it is.
    let addons = fields.addons.clone().unwrap_or_default();
    for (name, present) in [
        ("coreDNS", addons.core_dns.is_some()),
        ("kubeProxy", addons.kube_proxy.is_some()),
        ("konnectivity", addons.konnectivity.is_some()),
    ] {
        if present && desired["spec"]["addons"][name].is_null() {
            desired["spec"]["addons"][name] = json!({});
        }
    }
    // An absent list has got its default already: an empty one means no tolerations.
    if let Some(konnectivity) = addons.konnectivity {
        desired["spec"]["addons"]["konnectivity"]["agent"]["tolerations"] =
            json!(konnectivity.agent.tolerations);
    }
}

/// Drops null and empty maps, lists and texts, but for the texts of a user's own maps.
fn strip(value: &mut Value) {
    let Value::Object(map) = value else { return };
    for (key, value) in map.iter_mut() {
        if !TEXTS.contains(&key.as_str()) {
            strip(value);
        }
    }
    map.retain(|_, value| match value {
        Value::Null => false,
        Value::Object(map) => !map.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    });
}

/// Labels or annotations to copy to the TenantControlPlane. Those of Cluster API and of kubectl concern the control
/// plane's own object and are left out.
fn passed_on(
    given: Option<&BTreeMap<String, String>>,
    further: Option<(String, String)>,
) -> BTreeMap<String, String> {
    let given = given.into_iter().flatten();
    given
        .filter(|(key, _)| {
            let domain = key.split_once('/').map_or("", |(domain, _)| domain);
            let reserved = domain == "cluster.x-k8s.io" || domain.ends_with(".cluster.x-k8s.io");
            !reserved && domain != "kubectl.kubernetes.io" && key.as_str() != CONTENT_HASH
        })
        .filter(|(key, _)| {
            !matches!(
                key.as_str(),
                labels::NAME | labels::PROJECT | labels::COMPONENT | endpoint::ENDPOINT_HOST
            )
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .chain(further)
        .collect()
}

fn addons(fields: &ControlPlaneFields) -> Value {
    let addons = fields.addons.clone().unwrap_or_default();
    let core_dns = addons
        .core_dns
        .map(|dns| json!({"imageRepository": dns.image_repository, "imageTag": dns.image_tag}));
    json!({
        "coreDNS": core_dns,
        "kubeProxy": addons.kube_proxy,
        "konnectivity": addons.konnectivity,
    })
}

fn deployment(snapshot: &Snapshot) -> Value {
    let spec = &snapshot.control_plane.spec;
    let fields = &spec.fields;
    let pods = fields.deployment.clone().unwrap_or_default();
    let kine = fields.kine.clone().unwrap_or_default();
    let of = |pick: fn(&ControlPlaneComponent) -> Value| by_component(fields, pick);
    let mut extra_args = of(|component| json!(component.extra_args));
    extra_args.insert("kine".to_owned(), json!(kine.extra_args));
    let mut resources = of(|component| json!(component.resources));
    resources.insert("kine".to_owned(), json!(kine.resources));
    let mut probes = of(|component| json!(component.probes));
    if let Value::Object(all) = json!(pods.probes) {
        probes.extend(all);
    }
    let image = |component: &Option<ControlPlaneComponent>| {
        component
            .as_ref()
            .and_then(|c| c.container_image_name.clone())
    };
    json!({
        "replicas": spec.replicas,
        "registrySettings": {
            "registry": fields.registry,
            "apiServerImage": image(&fields.api_server),
            "controllerManagerImage": image(&fields.controller_manager),
            "schedulerImage": image(&fields.scheduler),
            "tagSuffix": fields.registry_tag_suffix,
        },
        "extraArgs": extra_args,
        "resources": resources,
        "probes": probes,
        "additionalVolumeMounts": of(|component| json!(component.extra_volume_mounts)),
        "additionalInitContainers": pods.extra_init_containers,
        "additionalContainers": pods.extra_containers,
        "additionalVolumes": pods.extra_volumes,
        "additionalMetadata": pods.additional_metadata,
        "podAdditionalMetadata": rollout::annotated(snapshot, pods.pod_additional_metadata),
        "nodeSelector": pods.node_selector,
        "affinity": pods.affinity,
        "tolerations": pods.tolerations,
        "topologySpreadConstraints": pods.topology_spread_constraints,
        "runtimeClassName": pods.runtime_class_name,
        "serviceAccountName": pods.service_account_name,
        "automountServiceAccountToken": pods.automount_service_account_token,
        "podSecurityContext": pods.pod_security_context,
        "containerSecurityContexts": of(|component| json!(component.security_context)),
        "strategy": pods.strategy,
    })
}

fn by_component(
    fields: &ControlPlaneFields,
    pick: fn(&ControlPlaneComponent) -> Value,
) -> Map<String, Value> {
    [
        ("apiServer", &fields.api_server),
        ("controllerManager", &fields.controller_manager),
        ("scheduler", &fields.scheduler),
    ]
    .into_iter()
    .filter_map(|(name, component)| Some((name.to_owned(), pick(component.as_ref()?))))
    .collect()
}

/// Checks the port in the gateway's host name. A TLS route passes connections through unchanged, and kubeconfigs name
/// the API server's port, so both must be the same.
fn gateway_port(network: &ControlPlaneNetwork, cluster: &Cluster) -> Result<(), String> {
    let Some(gateway) = &network.gateway else {
        return Ok(());
    };
    let asked = cluster.spec.cluster_network.as_ref();
    let port = asked
        .and_then(|asked| asked.api_server_port)
        .filter(|port| *port != 0);
    let port = port
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(6443);
    let typed = HostPort::parse(&gateway.hostname, port).port;
    if typed == port {
        return Ok(());
    }
    Err(format!(
        "spec.network.gateway.hostname has port {typed}, and kubeconfigs name port {port}: set spec.clusterNetwork.apiServerPort of the Cluster to {typed}, or leave the port out"
    ))
}

fn gateway(network: &ControlPlaneNetwork) -> Option<Value> {
    let gateway = network.gateway.as_ref()?;
    let parent = ParentReference {
        name: gateway.name.clone(),
        namespace: Some(gateway.namespace.clone()),
        section_name: gateway.section_name.clone(),
        port: gateway.port,
        ..ParentReference::default()
    };
    Some(json!({
        "hostname": HostPort::parse(&gateway.hostname, 443).host,
        "parentRefs": [parent],
        "additionalMetadata": metadata(&gateway.extra_labels, &gateway.extra_annotations),
    }))
}

fn ingress(network: &ControlPlaneNetwork) -> Option<Value> {
    let ingress = network.ingress.as_ref()?;
    Some(json!({
        "hostname": ingress.hostname,
        "ingressClassName": ingress.class_name,
        "additionalMetadata": metadata(&ingress.extra_labels, &ingress.extra_annotations),
    }))
}

fn metadata(labels: &impl Serialize, annotations: &impl Serialize) -> Value {
    json!({"labels": labels, "annotations": annotations})
}

fn network_profile(builder: &PlanBuilder, cluster: &Cluster) -> Result<Value, String> {
    let fields = &builder.snapshot.control_plane.spec.fields;
    let network = &fields.network;
    gateway_port(network, cluster)?;
    let asked = cluster.spec.cluster_network.clone().unwrap_or_default();
    let ranges =
        |ranges: Option<kamaji_api::cluster::NetworkRanges>| ranges.unwrap_or_default().cidr_blocks;
    let dns = fields
        .addons
        .as_ref()
        .and_then(|addons| addons.core_dns.as_ref());
    let dns = dns
        .map(|dns| &dns.dns_service_ips)
        .filter(|list| !list.is_empty())
        .unwrap_or(&network.dns_service_ips);
    let balancer = network.load_balancer_config.clone().unwrap_or_default();
    Ok(json!({
        "address": network.service_address,
        "allowAddressAsExternalIP": network.allow_address_as_external_ip,
        "advertiseAddress": network.advertise_address,
        // Always set, so that the definition's rules have a networkProfile to validate.
        "port": asked.api_server_port.filter(|port| *port != 0).unwrap_or(6443),
        "serviceCidrs": ranges(asked.services),
        "podCidrs": ranges(asked.pods),
        "clusterDomain": asked.service_domain,
        "dnsServiceIPs": dns,
        "certSANs": cert_sans::desired(builder, cluster)?,
        "loadBalancerClass": balancer.load_balancer_class,
        "loadBalancerSourceRanges": balancer.load_balancer_source_ranges,
    }))
}
