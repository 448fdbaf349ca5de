//! Demo of `make up`: the operator, a tenant `demo` with all addons, a worker that has joined it,
//! and a pod on the worker. Parts that exist already are left as they are.

use std::time::Duration;

use anyhow::Result;
use futures::future::{try_join, try_join_all};

use crate::kubectl::Kubectl;
use crate::layout::manifest;
use crate::operator;
use crate::step::step;
use crate::tenant::Tenant;
use crate::testbed::Testbed;
use crate::worker::Worker;

/// Deploys the operator and brings the tenant `demo` up with this many workers.
pub async fn up(testbed: &Testbed, workers: u8) -> Result<()> {
    let mut missing = Vec::new();
    for index in 0..workers {
        let worker = Worker::numbered(&testbed.bed, index)?;
        if !worker.is_up() {
            worker.remove().await?;
            missing.push(worker);
        }
    }
    operator::deploy(testbed).await?;
    // The images of the workers are loaded while the tenant's control plane starts.
    let demo = step(
        "tenant demo until it is Ready, containerd and images of workers",
        async {
            let demo = Tenant::apply(testbed, &manifest("demo.yaml")?).await?;
            let open = try_join_all(missing.iter().map(Worker::open));
            try_join(demo.wait_ready(Duration::from_mins(3)), open).await?;
            Ok(demo)
        },
    )
    .await?;
    let kubectl = demo.kubectl().await?;
    for worker in missing {
        worker.join_opened(&kubectl).await?;
    }
    if workers > 0 {
        step("addons and a pod on the worker", run_pod(&kubectl)).await?;
    }
    println!("{}", what_to_try(testbed, &kubectl)?);
    Ok(())
}

async fn run_pod(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(&manifest("demo-pod.yaml")?).await?;
    for line in [
        "wait --for=condition=Ready pod/web --timeout=120s",
        "-n kube-system rollout status daemonset/kube-proxy --timeout=120s",
        "-n kube-system rollout status daemonset/konnectivity-agent --timeout=120s",
        "-n kube-system rollout status deployment/coredns --timeout=120s",
        "logs web",
    ] {
        kubectl.run(line).await?;
    }
    Ok(())
}

fn what_to_try(testbed: &Testbed, tenant: &Kubectl) -> Result<String> {
    let binary = testbed.bed.tools.path("kubectl")?.display();
    let management = testbed.bed.layout.kubeconfig();
    Ok(format!(
        "
Try, with kubectl={binary}:
  $kubectl --kubeconfig {management} get tcp,pods -A
  $kubectl --kubeconfig {tenant} get nodes,pods -A -o wide
  $kubectl --kubeconfig {tenant} logs web
  $kubectl --kubeconfig {tenant} exec -it web -- sh
`make down` removes it all.",
        management = management.display(),
        tenant = tenant.kubeconfig().display(),
    ))
}
