//! The management cluster runs a pod, reachable by its address and by its Service.

use anyhow::Result;
use kamaji_e2e::command::{output, words};
use kamaji_e2e::testbed::Testbed;

use super::pod::{PAGE, Web};

pub async fn run(testbed: Testbed) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    let web = Web {
        name: "runs",
        node: "mgmt",
        kubectl: &kubectl,
    };
    web.start().await?;
    for (kind, path) in [
        ("pod", "{.status.podIP}:8080"),
        ("service", "{.spec.clusterIP}:80"),
    ] {
        let address = kubectl
            .run(&format!("get {kind} runs -o jsonpath={path}"))
            .await?;
        let page = output(words(&format!(
            "curl -sS --noproxy * --max-time 5 {address}"
        )))
        .await?;
        assert_eq!(page.trim(), PAGE, "from this machine, by {kind}");
    }
    web.fetch("runs.default", 80).await?;
    web.stop().await
}
