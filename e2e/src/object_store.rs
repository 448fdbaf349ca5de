//! Object store with the API of S3 on the management node: a versitygw over a folder.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

use crate::bed::Bed;
use crate::management::NODE;
use crate::node::Node;
use crate::wait::until;

const PROCESS: &str = "object-store";
const PORT: u16 = 17070;
/// First part of the key of the store.
pub const ACCESS_KEY: &str = "access";
/// Second part of that key.
pub const SECRET_KEY: &str = "secret";

/// An object store that runs.
#[derive(Debug, Clone)]
pub struct ObjectStore {
    bed: Bed,
}

impl ObjectStore {
    /// Starts the store with empty buckets, and waits until it listens.
    pub async fn start(bed: &Bed, buckets: &[&str]) -> Result<Self> {
        let folder = bed.layout.dir(PROCESS);
        let buckets = buckets
            .iter()
            .map(|bucket| folder.join("data").join(bucket));
        for path in buckets.chain([folder.join("metadata")]) {
            fs::create_dir_all(&path).with_context(|| format!("create {}", path.display()))?;
        }
        let address = bed.layout.management_ip();
        let mut gateway = Node::named(bed, NODE)?.command(bed.tools.path("versitygw")?)?;
        gateway
            .args(["--port", &format!("{address}:{PORT}"), "--quiet", "posix"])
            .arg("--sidecar")
            .arg(folder.join("metadata"))
            .arg(folder.join("data"))
            .env("ROOT_ACCESS_KEY_ID", ACCESS_KEY)
            .env("ROOT_SECRET_ACCESS_KEY", SECRET_KEY);
        bed.processes.spawn(PROCESS, gateway)?;
        let store = Self { bed: bed.clone() };
        until("versitygw listens", Duration::from_secs(20), || {
            store.is_reached(address)
        })
        .await
        .with_context(|| bed.processes.log_excerpt(PROCESS))?;
        Ok(store)
    }

    async fn is_reached(&self, address: Ipv4Addr) -> Result<()> {
        ensure!(self.bed.processes.is_alive(PROCESS), "it has ended");
        TcpStream::connect((address, PORT)).await?;
        Ok(())
    }

    /// URL of the store, which pods and this machine reach.
    pub fn url(bed: &Bed) -> String {
        format!("http://{}:{PORT}", bed.layout.management_ip())
    }

    /// File of credentials as the clients of AWS read it.
    pub fn credentials() -> String {
        format!(
            "[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"
        )
    }

    /// Stops the store and removes what it has.
    pub async fn stop(&self) -> Result<()> {
        let processes = &self.bed.processes;
        processes.stop(PROCESS, Duration::from_secs(5)).await?;
        let folder = self.bed.layout.dir(PROCESS);
        fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))
    }
}
