//! Scenarios of the testbed: each is one sentence and one function below `scenarios/`.
//!
//! `cargo test -p kamaji-e2e --test scenarios -- WORDS` runs the scenarios whose name contains WORDS.

mod scenarios {
    pub mod autoscaler;
    pub mod bundled_etcd;
    pub mod charts;
    pub mod cluster_api;
    pub mod databases;
    pub mod deletion;
    pub mod drift_in_tenant;
    pub mod exposure;
    pub mod external;
    pub mod guides;
    pub mod helm;
    pub mod keys;
    pub mod management_dns;
    pub mod management_logs_and_exec;
    pub mod management_pod;
    pub mod manifest;
    pub mod migration;
    pub mod objects;
    pub mod pod;
    pub mod record;
    pub mod rest;
    pub mod tenant_with_worker;
    pub mod terraform;
    pub mod topology;
    pub mod velero;
    pub mod worker_joins_kubeadm;
}

use std::process::ExitCode;

use kamaji_e2e::scenario::{Scenario, main as run};
use scenarios::{
    autoscaler, bundled_etcd, charts, cluster_api, databases, deletion, drift_in_tenant, exposure,
    external, guides, management_dns, management_logs_and_exec, management_pod, migration,
};
use scenarios::{rest, tenant_with_worker, terraform, topology, velero, worker_joins_kubeadm};

fn main() -> ExitCode {
    let mut scenarios = of_testbed();
    scenarios.extend(of_tenants());
    run(scenarios)
}

fn of_testbed() -> Vec<Scenario> {
    vec![
        Scenario::of_testbed("the management cluster runs a pod", management_pod::run),
        Scenario::of_testbed(
            "kubectl logs and exec reach a pod",
            management_logs_and_exec::run,
        ),
        Scenario::of_testbed("cluster DNS answers", management_dns::run),
        Scenario::of_testbed(
            "a worker joins a kubeadm cluster",
            worker_joins_kubeadm::run,
        ),
        // The last scenarios without the operator: they install one, and remove it.
        Scenario::of_testbed(
            "charts install, upgrade and leave tenants running",
            charts::run,
        ),
        Scenario::of_testbed(
            "one helm install gives a working tenant, and its etcd grows and survives",
            bundled_etcd::run,
        ),
        Scenario::of_testbed(
            "OpenTofu installs the charts, creates a tenant and joins its workers",
            terraform::run,
        ),
    ]
}

fn of_tenants() -> Vec<Scenario> {
    vec![
        Scenario::of_tenants(
            "a tenant with two workers runs pods",
            tenant_with_worker::run,
        ),
        Scenario::of_tenants(
            "a NodePort tenant has its own port, domain and names",
            exposure::by_node_port,
        ),
        Scenario::of_tenants(
            "the operator is quiet at rest and after a restart",
            rest::run,
        ),
        Scenario::of_tenants(
            "a tenant waits for its load balancer's address",
            exposure::by_late_load_balancer,
        ),
        Scenario::of_tenants(
            "a tenant is reached by its cluster IP",
            exposure::by_cluster_ip,
        ),
        Scenario::of_tenants("a tenant runs dual-stack", exposure::dual_stack),
        Scenario::of_tenants("a tenant runs on IPv6 only", exposure::ipv6),
        Scenario::of_tenants("a deleted tenant leaves nothing", deletion::leaves_nothing),
        Scenario::of_tenants(
            "a tenant with a dead API server is deleted",
            deletion::with_dead_api_server,
        ),
        Scenario::of_tenants(
            "a tenant keeps its data in PostgreSQL",
            databases::in_postgresql,
        ),
        Scenario::of_tenants("a tenant keeps its data in MariaDB", databases::in_mariadb),
        Scenario::of_tenants("a tenant keeps its data in NATS", databases::in_nats),
        Scenario::of_tenants(
            "a tenant moves from etcd to PostgreSQL while it is written",
            migration::from_etcd_to_postgresql,
        ),
        Scenario::of_tenants(
            "a tenant cluster is restored after drift",
            drift_in_tenant::run,
        ),
        Scenario::of_tenants(
            "a Cluster without infrastructure runs a tenant",
            cluster_api::without_infrastructure,
        ),
        Scenario::of_tenants(
            "a ClusterClass drives a tenant and its kubelets",
            topology::run,
        ),
        Scenario::of_tenants(
            "a Cluster's tenant runs in another management cluster",
            external::run,
        ),
        Scenario::of_tenants("Velero brings lost tenants back to their data", velero::run),
        // Removes operator and provider.
        Scenario::of_tenants(
            "the cluster-autoscaler scales a Cluster, and clusterctl moves nothing",
            autoscaler::run,
        ),
        // The last one types `make up`, and `make down`.
        Scenario::of_tenants("commands of guides do what they say", guides::run),
    ]
}
