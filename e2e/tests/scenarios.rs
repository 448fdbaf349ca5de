//! Everything the testbed is for: one sentence, one story, one file below `stories/`.
//!
//! `cargo test -p kamaji-e2e --test stories -- WORDS` tells the stories whose name contains WORDS.

mod scenarios {
    pub mod autoscaler;
    pub mod cluster_api;
    pub mod deletion;
    pub mod drift_in_tenant;
    pub mod exposure;
    pub mod external;
    pub mod keys;
    pub mod management_dns;
    pub mod management_logs_and_exec;
    pub mod management_pod;
    pub mod manifest;
    pub mod objects;
    pub mod pod;
    pub mod record;
    pub mod rest;
    pub mod tenant_with_worker;
    pub mod topology;
    pub mod worker_joins_kubeadm;
}

use std::process::ExitCode;

use kamaji_e2e::scenario::{Scenario, main as run};
use scenarios::{
    autoscaler, cluster_api, deletion, drift_in_tenant, exposure, external, management_dns,
    management_logs_and_exec, management_pod,
};
use scenarios::{rest, tenant_with_worker, topology, worker_joins_kubeadm};

fn main() -> ExitCode {
    run(vec![
        Scenario::of_testbed("the management cluster runs a pod", management_pod::run),
        Scenario::of_testbed(
            "kubectl logs and exec reach a pod of the management cluster",
            management_logs_and_exec::run,
        ),
        Scenario::of_testbed("cluster DNS answers", management_dns::run),
        Scenario::of_testbed(
            "a worker joins a cluster of kubeadm's",
            worker_joins_kubeadm::run,
        ),
        Scenario::of_tenants(
            "a tenant with two workers runs pods",
            tenant_with_worker::run,
        ),
        Scenario::of_tenants(
            "a control plane is reached by NodePort, a port, a domain and names of its own",
            exposure::by_node_port,
        ),
        Scenario::of_tenants("at rest nobody writes, nor after a restart", rest::run),
        Scenario::of_tenants(
            "a load balancer's address may come late",
            exposure::by_late_load_balancer,
        ),
        Scenario::of_tenants(
            "a control plane is reached by the address of its Service",
            exposure::by_cluster_ip,
        ),
        Scenario::of_tenants(
            "a tenant has two families of addresses",
            exposure::dual_stack,
        ),
        Scenario::of_tenants("a tenant has addresses of IPv6 alone", exposure::ipv6),
        Scenario::of_tenants("a deleted tenant leaves nothing", deletion::leaves_nothing),
        Scenario::of_tenants(
            "a tenant whose API server is dead can be deleted",
            deletion::of_the_dead,
        ),
        Scenario::of_tenants(
            "what belongs into a tenant is put back there",
            drift_in_tenant::run,
        ),
        Scenario::of_tenants(
            "clusterctl installs it, and a Cluster without infrastructure is driven",
            cluster_api::without_infrastructure,
        ),
        Scenario::of_tenants(
            "a ClusterClass drives a tenant and its kubelets",
            topology::run,
        ),
        Scenario::of_tenants(
            "a Cluster's tenant is in another management cluster",
            external::run,
        ),
        // The last one takes everything away.
        Scenario::of_tenants(
            "the steps of the cluster-autoscaler work, and clusterctl moves nothing",
            autoscaler::run,
        ),
    ])
}
