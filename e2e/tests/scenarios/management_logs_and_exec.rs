//! kubectl logs and kubectl exec go through the API server to the kubelet and back.

use anyhow::Result;
use kamaji_e2e::testbed::Testbed;

use super::pod::{PAGE, Web};

pub async fn run(testbed: Testbed) -> Result<()> {
    let kubectl = testbed.kubectl()?;
    let web = Web {
        name: "talks",
        node: "mgmt",
        kubectl: &kubectl,
    };
    web.start().await?;
    assert_eq!(kubectl.run("logs talks").await?.trim(), PAGE);
    assert_eq!(web.shell("hostname").await?.trim(), "talks");
    web.stop().await
}
