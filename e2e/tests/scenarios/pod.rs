//! Pod that serves a page, for scenarios that need one.

use std::time::Duration;

use anyhow::{Result, ensure};
use kamaji_e2e::catalogue::BUSYBOX;
use kamaji_e2e::kubectl::Kubectl;
use kamaji_e2e::wait::until;

/// Text that the pod serves on port 8080 and logs when it starts.
pub const PAGE: &str = "hello from a pod";

/// A web server of this name in the namespace `default`.
pub struct Web<'a> {
    pub name: &'a str,
    pub node: &'a str,
    pub kubectl: &'a Kubectl,
}

impl Web<'_> {
    /// Creates the pod with a Service of the same name and waits until it serves.
    pub async fn start(&self) -> Result<()> {
        let (name, node) = (self.name, self.node);
        self.kubectl
            .apply(&format!(
                "apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: default, labels: {{web: {name}}}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: {BUSYBOX}
    command: [sh, -c, 'mkdir /www; echo {PAGE} | tee /www/index.html; exec httpd -f -p 8080 -h /www']
    readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{selector: {{web: {name}}}, ports: [{{port: 80, targetPort: 8080}}]}}
"
            ))
            .await?;
        self.kubectl
            .run(&format!(
                "wait --for=condition=Ready pod/{name} --timeout=60s"
            ))
            .await?;
        Ok(())
    }

    /// Runs a shell line in the pod.
    pub async fn shell(&self, line: &str) -> Result<String> {
        self.kubectl
            .args(["exec", self.name, "--", "sh", "-c", line])
            .await
    }

    /// Fetches a page from within the pod; retries while Service rules are being written.
    pub async fn fetch(&self, host: &str, port: u16) -> Result<String> {
        let line = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 3 {host} {port}");
        until(
            &format!("{host}:{port} answers"),
            Duration::from_secs(20),
            || async {
                let page = self.shell(&line).await?;
                ensure!(page.contains(PAGE), "the page is {page:?}");
                Ok(page)
            },
        )
        .await
    }

    /// Deletes the pod and its Service.
    pub async fn stop(&self) -> Result<()> {
        self.kubectl
            .run(&format!("delete pod,service {} --timeout=60s", self.name))
            .await?;
        Ok(())
    }
}
