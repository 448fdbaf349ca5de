//! `kamaji join`: makes a bootstrap token in the tenant cluster, and prints how a worker joins with it.

use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::{api::core::v1::Secret, jiff::Timestamp};
use kamaji_core::pki::kubeconfig::Credentials;
use kamaji_shell::remote::{Remote, Target};
use kube::{Api, Client, api::PostParams};
use sha2::{Digest, Sha256};
use x509_parser::{pem::Pem, prelude::X509Certificate};

use crate::{
    access::{Access, AccessFlags, MANAGER, TenantName},
    duration::duration,
    failure::describe,
    terminal::{note, print},
};

use super::{
    admin::{self, Entry, require_awake, server_address},
    token::{self, Token},
};

/// Time limit of the request to the tenant cluster.
const LIMIT: Duration = Duration::from_secs(30);
/// Certificates of the tenant's CA that a worker is told of at most.
const AUTHORITIES: usize = 8;

/// Arguments of `kamaji join`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    /// Time for which the token can be used, 1m to 168h
    #[arg(long, default_value = "1h", value_parser = validity)]
    ttl: Duration,
    /// Print user data for cloud-init instead of the command
    #[arg(long)]
    cloud_init: bool,
    /// Kubeconfig by which the tenant cluster is reached
    #[arg(long, default_value = "admin.conf")]
    key: Entry,
    #[command(flatten)]
    access: AccessFlags,
}

fn validity(text: &str) -> Result<Duration, String> {
    let read = duration(text)?;
    if !(Duration::from_mins(1)..=Duration::from_hours(168)).contains(&read) {
        return Err("choose 1m to 168h".to_owned());
    }
    Ok(read)
}

/// Makes the token and prints the command or the user data.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let tenant = access.living_tenant(&key).await?;
    require_awake(&tenant, &key)?;
    let reached = admin::read(&access, &tenant, arguments.key).await?;
    // Workers always join at the public address.
    let public = match arguments.key {
        Entry::Admin => reached.clone(),
        _ => admin::read(&access, &tenant, Entry::Admin).await?,
    };
    let line = Line {
        server: server_address(&public.server)?,
        token: Token::random()?,
        hashes: hashes(&public.ca)?,
    };
    let end = token::end(Timestamp::now(), arguments.ttl)?;
    let client = client(&reached, &key.to_string())?;
    create(&client, &line.token.secret(end), &reached.server).await?;
    note(&format!("the token can be used until {end}"));
    if arguments.cloud_init {
        return print(&line.cloud_init());
    }
    print(&format!("{}\n", line.arguments().join(" ")))
}

fn client(credentials: &Credentials, tenant: &str) -> anyhow::Result<Client> {
    let address = server_address(&credentials.server)?;
    let (host, port) = address.rsplit_once(':').context("the server has no port")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let target = Target {
        uid: tenant.to_owned(),
        host: host.to_owned(),
        address: host.parse().ok(),
        port: port.parse()?,
        ca: credentials.ca.clone(),
        certificate: credentials.certificate.clone(),
        key: credentials.key.clone(),
    };
    Ok(Remote::default().client(&target)?)
}

async fn create(client: &Client, secret: &Secret, server: &str) -> anyhow::Result<()> {
    let api: Api<Secret> = Api::namespaced(client.clone(), "kube-system");
    let parameters = PostParams {
        field_manager: Some(MANAGER.to_owned()),
        ..PostParams::default()
    };
    let created = tokio::time::timeout(LIMIT, api.create(&parameters, secret)).await;
    let Ok(created) = created else {
        bail!(
            "making a token in the tenant cluster: {server} has not answered within {LIMIT:?}: is it reachable from here? In the management cluster, use --key admin.svc"
        );
    };
    if let Err(error) = created {
        bail!(
            "making a token in the tenant cluster: {}",
            describe(&error, server)
        );
    }
    Ok(())
}

/// Hashes by which a worker knows the tenant's CA: of each certificate's public key, as kubeadm writes them.
fn hashes(ca: &[u8]) -> anyhow::Result<Vec<String>> {
    let mut hashes = Vec::new();
    for block in Pem::iter_from_buffer(ca).take(AUTHORITIES) {
        let block = block.context("the tenant's CA is not PEM")?;
        let certificate: X509Certificate = block.parse_x509().context("the tenant's CA")?;
        let digest = Sha256::digest(certificate.public_key().raw);
        hashes.push(format!("sha256:{digest:x}"));
    }
    if hashes.is_empty() {
        bail!("the tenant's CA has no certificate: rotate the kubeconfig with `kamaji rotate`");
    }
    Ok(hashes)
}

/// Arguments by which a worker joins.
struct Line<'a> {
    server: &'a str,
    token: Token,
    hashes: Vec<String>,
}

impl Line<'_> {
    /// The command and its arguments, none of which needs quotes in a shell.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            "kubeadm".to_owned(),
            "join".to_owned(),
            self.server.to_owned(),
            "--token".to_owned(),
            self.token.text(),
        ];
        for hash in &self.hashes {
            arguments.extend(["--discovery-token-ca-cert-hash".to_owned(), hash.clone()]);
        }
        arguments
    }

    /// User data that runs the command at the first start of a machine with a container runtime, kubelet and kubeadm.
    fn cloud_init(&self) -> String {
        let quoted: Vec<String> = self
            .arguments()
            .iter()
            .map(|argument| format!("\"{argument}\""))
            .collect();
        format!("#cloud-config\nruncmd:\n  - [{}]\n", quoted.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_command_and_the_user_data_have_the_same_arguments() {
        let line = Line {
            server: "[2001:db8::1]:6443",
            token: Token::random().unwrap(),
            hashes: vec!["sha256:aa".to_owned(), "sha256:bb".to_owned()],
        };
        let text = line.cloud_init();
        assert!(text.starts_with("#cloud-config\n"));
        let data: Value = serde_saphyr::from_str(&text).unwrap();
        let run: Vec<&str> = data["runcmd"][0]
            .as_array()
            .unwrap()
            .iter()
            .map(|word| word.as_str().unwrap())
            .collect();
        assert_eq!(run, line.arguments());
        assert_eq!(
            run.iter()
                .filter(|word| **word == "--discovery-token-ca-cert-hash")
                .count(),
            2
        );
    }

    #[test]
    fn a_token_is_valid_for_a_bounded_time() {
        assert!(validity("1h").is_ok() && validity("168h").is_ok());
        for wrong in ["0", "59s", "169h", "x"] {
            assert!(validity(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn text_that_is_no_certificate_has_no_hash() {
        assert!(hashes(b"").is_err());
        assert!(hashes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
    }
}
