//! Container `kube-apiserver` of a control plane's pods, and the flags of it that the operator sets alone.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;
use kamaji_api::datastore::Driver;

use super::{
    args::{flag, name},
    component::Component,
    core_container::CoreContainer,
    probes::Check,
    volumes,
};
use crate::{
    data_store::ResolvedDataStore,
    render::{facts::Facts, renderer::Change},
    tenant::{Hold, Tenant},
};

/// Flag of the egress selector, which the operator sets while the addon konnectivity is on.
pub const EGRESS_FLAG: &str = "--egress-selector-config-file";

/// Flags that the operator always sets: a user's flag of the same name is left out.
pub const MANAGED: [&str; 17] = [
    "--advertise-address",
    "--client-ca-file",
    "--enable-admission-plugins",
    "--etcd-servers",
    "--kubelet-client-certificate",
    "--kubelet-client-key",
    "--kubelet-preferred-address-types",
    "--proxy-client-cert-file",
    "--proxy-client-key-file",
    "--requestheader-allowed-names",
    "--requestheader-client-ca-file",
    "--secure-port",
    "--service-account-key-file",
    "--service-account-signing-key-file",
    "--service-cluster-ip-range",
    "--tls-cert-file",
    "--tls-private-key-file",
];

/// Flags that the operator sets as well where the datastore is etcd.
pub const MANAGED_WITH_ETCD: [&str; 5] = [
    "--etcd-cafile",
    "--etcd-certfile",
    "--etcd-compaction-interval",
    "--etcd-keyfile",
    "--etcd-prefix",
];

/// Flag that the operator sets as well where resources have datastores of their own.
pub const OVERRIDES_FLAG: &str = "--etcd-servers-overrides";

/// Flag with the issuer of service-account tokens.
const ISSUER: &str = "--service-account-issuer";

/// Flag with the kind of reconciler of the endpoints of the Service `kubernetes`.
const RECONCILER: &str = "--endpoint-reconciler-type";

/// True if the user's flags choose the reconciler of the endpoints of the Service `kubernetes`; the operator
/// writes them otherwise.
pub fn chooses_reconciler(tenant: &Tenant) -> bool {
    let user = Component::ApiServer.extra_args(&tenant.spec.control_plane.deployment);
    user.iter().any(|arg| name(arg) == RECONCILER)
}

/// Flags that the operator sets unless the user gives one of the same name.
const SAFE_DEFAULTS: [&str; 6] = [
    "--allow-privileged=true",
    AUTHORIZATION_MODE,
    "--enable-bootstrap-token-auth=true",
    "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    "--requestheader-group-headers=X-Remote-Group",
    "--requestheader-username-headers=X-Remote-User",
];

/// Admission plugins that call webhooks; a clone has none of them until it is released.
const WEBHOOKS: [&str; 2] = ["MutatingAdmissionWebhook", "ValidatingAdmissionWebhook"];

const AUTHORIZATION_MODE: &str = "--authorization-mode=Node,RBAC";

const EGRESS: &str = "--egress-selector-config-file=/etc/kubernetes/konnectivity/configurations/egress-selector-configuration.yaml";

/// Renders the container, which is restarted by its liveness probe at `/livez`.
pub fn container(facts: &Facts) -> Container {
    let tenant = facts.tenant;
    let port = i32::from(tenant.network.port);
    CoreContainer {
        component: Component::ApiServer,
        // Tags of kube-apiserver are re-pulled by upstream; changing it would roll the pods.
        image_pull_policy: Some("Always"),
        args: args(facts),
        liveness: Check {
            path: "/livez",
            port,
        },
        readiness: Check {
            path: "/readyz",
            port,
        },
        volume_mounts: volumes::api_server_mounts(facts),
    }
    .container(facts)
}

/// Flags of the container: the operator's, sorted, then the user's as written.
pub fn args(facts: &Facts) -> Vec<String> {
    let user = Component::ApiServer.extra_args(&facts.tenant.spec.control_plane.deployment);
    let mut ours = managed(facts);
    let reconciler = facts
        .renderer
        .has(Change::OwnEndpoints)
        .then(|| flag(RECONCILER, "none"));
    let managed: BTreeSet<String> = ours.iter().map(|arg| name(arg).into_owned()).collect();
    let given: BTreeSet<_> = user.iter().map(|arg| name(arg)).collect();
    let defaults = SAFE_DEFAULTS
        .into_iter()
        .filter(|arg| *arg != AUTHORIZATION_MODE || !given.contains("--authorization-config"))
        .map(str::to_owned)
        .chain([flag(ISSUER, facts.issuer)])
        .chain(reconciler)
        .filter(|arg| !given.contains(&name(arg)));
    ours.extend(defaults);
    // Beside a user's flag of the same name: kube-apiserver takes the plugins of both.
    if facts.tenant.hold == Hold::Fenced {
        ours.push(flag("--disable-admission-plugins", WEBHOOKS.join(",")));
    }
    ours.sort();
    ours.extend(
        user.iter()
            .filter(|arg| !managed.contains(name(arg).as_ref()))
            .cloned(),
    );
    ours
}

fn managed(facts: &Facts) -> Vec<String> {
    let tenant = facts.tenant;
    let kubernetes = &tenant.spec.kubernetes;
    let mut args = vec![
        flag("--advertise-address", facts.endpoint.advertised),
        "--client-ca-file=/etc/kubernetes/pki/ca.crt".to_owned(),
        "--kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt".to_owned(),
        "--kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key".to_owned(),
        "--proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt".to_owned(),
        "--proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key".to_owned(),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt".to_owned(),
        flag("--secure-port", tenant.network.port),
        "--service-account-key-file=/etc/kubernetes/pki/sa.pub".to_owned(),
        "--service-account-signing-key-file=/etc/kubernetes/pki/sa.key".to_owned(),
        flag(
            "--service-cluster-ip-range",
            tenant.network.service_subnet(),
        ),
        "--tls-cert-file=/etc/kubernetes/pki/apiserver.crt".to_owned(),
        "--tls-private-key-file=/etc/kubernetes/pki/apiserver.key".to_owned(),
    ];
    let fenced = tenant.hold == Hold::Fenced;
    let plugins = kubernetes
        .admission_controllers
        .iter()
        .map(|plugin| plugin.as_str())
        .filter(|plugin| !(fenced && WEBHOOKS.contains(plugin)));
    args.extend(listed("--enable-admission-plugins", plugins));
    let types = kubernetes
        .kubelet
        .preferred_address_types
        .iter()
        .map(|kind| kind.as_str());
    args.extend(listed("--kubelet-preferred-address-types", types));
    args.extend(storage(facts));
    if tenant.spec.addons.konnectivity.is_some() {
        args.push(EGRESS.to_owned());
    }
    args
}

/// `--name=a,b`; nothing for an empty list, since a bare flag would take the next one as its value.
fn listed<'a>(flag_name: &str, items: impl Iterator<Item = &'a str>) -> Option<String> {
    let items: Vec<&str> = items.collect();
    (!items.is_empty()).then(|| flag(flag_name, items.join(",")))
}

fn storage(facts: &Facts) -> Vec<String> {
    let mut args = if facts.store.driver == Driver::Etcd {
        vec![
            flag("--etcd-servers", urls(facts.store, ",")),
            "--etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt".to_owned(),
            "--etcd-certfile=/etc/kubernetes/pki/etcd/server.crt".to_owned(),
            "--etcd-compaction-interval=0".to_owned(),
            "--etcd-keyfile=/etc/kubernetes/pki/etcd/server.key".to_owned(),
            flag("--etcd-prefix", format_args!("/{}", facts.binding.schema)),
        ]
    } else {
        vec!["--etcd-servers=unix:///uds/kine".to_owned()]
    };
    let overrides: Vec<String> = facts
        .overrides
        .iter()
        .map(|(resource, store)| format!("{resource}#{}", urls(store, ";")))
        .collect();
    args.extend(listed(OVERRIDES_FLAG, overrides.iter().map(String::as_str)));
    args
}

fn urls(store: &ResolvedDataStore, separator: &str) -> String {
    let urls: Vec<String> = store
        .endpoints
        .iter()
        .map(|e| format!("https://{e}"))
        .collect();
    urls.join(separator)
}

#[cfg(test)]
mod tests;
