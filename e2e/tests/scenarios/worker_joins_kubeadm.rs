//! A worker of the testbed joins a cluster that kubeadm has set up: faults of a tenant's worker are
//! then the tenant's.

use anyhow::Result;
use kamaji_e2e::certs::Certs;
use kamaji_e2e::command::output;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::worker::Worker;

use super::pod::{PAGE, Web};

pub async fn run(testbed: Testbed) -> Result<()> {
    let (bed, kubectl) = (&testbed.bed, testbed.kubectl()?);
    for phase in ["upload-config all", "bootstrap-token"] {
        let mut kubeadm = bed.tools.command("kubeadm")?;
        kubeadm.args(["init", "phase"]).args(phase.split(' '));
        kubeadm.arg("--config").arg(Certs::of(bed).config());
        output({
            kubeadm.arg("--kubeconfig").arg(kubectl.kubeconfig());
            kubeadm
        })
        .await?;
    }
    let worker = Worker::join(bed, 7, &kubectl).await?;
    let web = Web {
        name: "afar",
        node: worker.name(),
        kubectl: &kubectl,
    };
    web.start().await?;
    assert_eq!(kubectl.run("logs afar").await?.trim(), PAGE);
    assert_eq!(web.shell("hostname").await?.trim(), "afar");
    web.stop().await?;
    kubectl
        .run(&format!("delete node {}", worker.name()))
        .await?;
    worker.remove().await
}
