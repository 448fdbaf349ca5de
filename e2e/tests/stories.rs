//! Everything the testbed is for: one sentence, one story, one file below `stories/`.
//!
//! `cargo test -p kamaji-e2e --test stories -- WORDS` tells the stories whose name contains WORDS.

mod stories {
    pub mod management_dns;
    pub mod management_logs_and_exec;
    pub mod management_pod;
    pub mod pod;
    pub mod tenant_with_worker;
    pub mod worker_joins_kubeadm;
}

use std::process::ExitCode;

use kamaji_e2e::story::{Story, main as tell};
use stories::{management_dns, management_logs_and_exec, management_pod};
use stories::{tenant_with_worker, worker_joins_kubeadm};

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
        Story::of_tenants("a tenant with a worker runs pods", tenant_with_worker::tell),
    ])
}
