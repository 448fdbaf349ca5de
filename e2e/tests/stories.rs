//! Everything the testbed is for: one sentence, one story, one file below `stories/`.
//!
//! `cargo test -p kamaji-e2e --test stories -- WORDS` tells the stories whose name contains WORDS.

mod stories {
    pub mod autoscaler;
    pub mod cluster_api;
    pub mod deletion;
    pub mod drift_inside;
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

use kamaji_e2e::story::{Story, main as tell};
use stories::{
    autoscaler, cluster_api, deletion, drift_inside, exposure, external, management_dns,
    management_logs_and_exec, management_pod,
};
use stories::{rest, tenant_with_worker, topology, worker_joins_kubeadm};

fn main() -> ExitCode {
    tell(vec![
        Story::of_testbed("the management cluster runs a pod", management_pod::tell),
        Story::of_testbed(
            "kubectl logs and exec reach a pod of the management cluster",
            management_logs_and_exec::tell,
        ),
        Story::of_testbed("cluster DNS answers", management_dns::tell),
        Story::of_testbed(
            "a worker joins a cluster of kubeadm's",
            worker_joins_kubeadm::tell,
        ),
        Story::of_tenants(
            "a tenant with two workers runs pods",
            tenant_with_worker::tell,
        ),
        Story::of_tenants(
            "a control plane is reached by NodePort, a port, a domain and names of its own",
            exposure::by_node_port,
        ),
        Story::of_tenants("at rest nobody writes, nor after a restart", rest::tell),
        Story::of_tenants(
            "a load balancer's address may come late",
            exposure::by_late_load_balancer,
        ),
        Story::of_tenants(
            "a control plane is reached by the address of its Service",
            exposure::by_cluster_ip,
        ),
        Story::of_tenants(
            "a tenant has two families of addresses",
            exposure::dual_stack,
        ),
        Story::of_tenants("a tenant has addresses of IPv6 alone", exposure::ipv6),
        Story::of_tenants("a deleted tenant leaves nothing", deletion::leaves_nothing),
        Story::of_tenants(
            "a tenant whose API server is dead can be deleted",
            deletion::of_the_dead,
        ),
        Story::of_tenants(
            "what belongs into a tenant is put back there",
            drift_inside::tell,
        ),
        Story::of_tenants(
            "clusterctl installs it, and a Cluster without infrastructure is driven",
            cluster_api::without_infrastructure,
        ),
        Story::of_tenants(
            "a ClusterClass drives a tenant and its kubelets",
            topology::tell,
        ),
        Story::of_tenants(
            "a Cluster's tenant is in another management cluster",
            external::tell,
        ),
        // The last one takes everything away.
        Story::of_tenants(
            "the steps of the cluster-autoscaler work, and clusterctl moves nothing",
            autoscaler::tell,
        ),
    ])
}
