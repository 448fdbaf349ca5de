//! An etcd for single resources: it takes client certificates of the tenant's own etcd, too.

use std::{path::Path, process::Command};

use kamaji_e2e::{
    command::words,
    ports::free_port,
    process_guard::Guarded,
    tls_etcd::{Identities, command_line, enable_auth},
    tools::Tools,
};

use crate::{environment::administrator, world::World};

/// The etcd, with its files.
pub struct Trusting {
    _etcd: Guarded,
    _dir: tempfile::TempDir,
    pub endpoint: String,
    pub identities: Identities,
}

impl Trusting {
    /// Starts the etcd, and applies a DataStore of this name.
    pub async fn start(world: &World, name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let identities = Identities::new(&["127.0.0.1"]).unwrap();
        identities.write(dir.path()).unwrap();
        let first = &world.environment.etcd.identities.authority.cert;
        let trusted = format!("{}{first}", identities.authority.cert);
        std::fs::write(dir.path().join("ca.crt"), trusted).unwrap();
        let endpoint = format!("127.0.0.1:{}", free_port().unwrap());
        let url = format!("https://{endpoint}");
        let mut command = etcd().await;
        let peer = format!("http://127.0.0.1:{}", free_port().unwrap());
        command.args(command_line(dir.path(), &url, &peer));
        let etcd = Guarded::spawn(&command, Path::new(&dir.path().join("log"))).unwrap();
        enable_auth(dir.path(), &url, || words("curl"))
            .await
            .unwrap();
        world
            .etcd_named(name, &endpoint, (&identities, first))
            .await;
        Self {
            _etcd: etcd,
            _dir: dir,
            endpoint,
            identities,
        }
    }

    /// A client of its administrator.
    pub async fn client(&self) -> etcd_client::Client {
        administrator(&self.identities, &self.endpoint).await
    }
}

async fn etcd() -> Command {
    let tools = Tools::api_server().await.unwrap();
    tools.command("etcd").unwrap()
}
