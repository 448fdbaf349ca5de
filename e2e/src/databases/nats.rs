//! A NATS server with JetStream on the management node.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::net::TcpStream;

use super::{ADMINISTRATOR, Channel, Kind, Server};
use crate::bed::Bed;
use crate::wait::until;

const KIND: Kind = Kind {
    name: "nats",
    driver: "NATS",
    port: 14222,
    password: "kamaji-._~$&+;=",
};

/// Starts a server, or returns the one that runs.
pub async fn start(bed: &Bed, channel: Channel) -> Result<Server> {
    let server = Server::new(bed, KIND, channel);
    if server.is_running() {
        return Ok(server);
    }
    server.prepare()?;
    server.write("nats.conf", &configuration(&server))?;
    let program = bed.tools.path("nats-server")?.display().to_string();
    let mut nats = server.command(&program)?;
    nats.arg("-c").arg(server.file("nats.conf"));
    server.spawn(nats)?;
    let address = (bed.layout.management_ip(), server.port());
    until("NATS listens", Duration::from_secs(20), || async {
        ensure!(server.is_running(), "it has ended");
        Ok(TcpStream::connect(address).await?)
    })
    .await
    .with_context(|| bed.processes.log_excerpt(&server.name()))?;
    Ok(server)
}

/// Configuration of the server, in its own notation.
fn configuration(server: &Server) -> String {
    let file = |name: &str| server.file(name).display().to_string();
    let tls = match server.channel {
        Channel::Plain => String::new(),
        Channel::Tls | Channel::MutualTls => format!(
            "tls {{\n  ca_file: \"{}\"\n  cert_file: \"{}\"\n  key_file: \"{}\"\n  verify: {}\n}}\n",
            file("ca.crt"),
            file("server.crt"),
            file("server.key"),
            server.channel == Channel::MutualTls
        ),
    };
    format!(
        "listen: \"{}:{}\"\njetstream {{ store_dir: \"{}\" }}\n\
         authorization {{ user: \"{ADMINISTRATOR}\", password: \"{}\" }}\n{tls}",
        server.address(),
        server.port(),
        file("data"),
        server.password()
    )
}
