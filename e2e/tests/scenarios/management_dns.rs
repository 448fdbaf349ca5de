//! The DNS of the management cluster knows Services and denies what does not exist.

use anyhow::Result;
use kamaji_e2e::testbed::Testbed;

use super::pod::Web;

pub async fn run(testbed: Testbed) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    let web = Web {
        name: "asks",
        node: "mgmt",
        kubectl: &kubectl,
    };
    web.start().await?;
    let api = web
        .shell("nslookup kubernetes.default.svc.cluster.local")
        .await?;
    assert!(api.contains("10.96.0.1"), "{api}");
    let own = kubectl
        .run("get service asks -o jsonpath={.spec.clusterIP}")
        .await?;
    let answer = web.shell("nslookup asks.default.svc.cluster.local").await?;
    assert!(answer.contains(&own), "{answer}");
    assert!(web.shell("nslookup nothing.example.com").await.is_err());
    web.stop().await
}
