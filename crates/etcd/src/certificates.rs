//! `kamaji etcd certificates`: makes both Secrets and the record of the formation, and renews leaves.

use k8s_openapi::jiff::Timestamp;
use kamaji_core::rng::Seed;

use crate::{
    error::Error,
    layout::{MOST_MEMBERS, Store},
    management::{Management, Written},
    material::{Observed, Source, plan},
};

/// Most attempts while others write the same objects.
const ATTEMPTS: u32 = 5;

/// Ensures the Secrets and, if `replicas` is given, the record of the formation. An upgrade that would take members
/// away is refused before anything is written. `seed` is the source of all new keys.
pub async fn ensure(store: &Store, replicas: Option<u32>, seed: &Seed) -> Result<(), Error> {
    if let Some(count) = replicas
        && !(1..=MOST_MEMBERS).contains(&count)
    {
        return Err(Error::Setting {
            setting: "--replicas".to_owned(),
            cause: format!("{count} is not between 1 and {MOST_MEMBERS}; use 1 or 3"),
        });
    }
    let management = Management::connect(store).await?;
    for _ in 0..ATTEMPTS {
        if attempt(&management, (store, replicas), seed).await? == Written::Done {
            return Ok(());
        }
    }
    Err(Error::Contended {
        object: format!("Secret {}", store.certificates_secret()),
    })
}

/// Reads, plans and writes once.
async fn attempt(
    management: &Management<'_>,
    (store, replicas): (&Store, Option<u32>),
    seed: &Seed,
) -> Result<Written, Error> {
    let existing = management.existing().await?;
    let record = replicas.map(|replicas| existing.plan(store, replicas));
    let record = record.transpose()?;
    let observed = Observed {
        certificates: management.secret(&store.certificates_secret()).await?,
        root: management.secret(&store.root_secret()).await?,
        witness: existing.witness(store),
    };
    let source = Source {
        now: Timestamp::now(),
        seed: seed.clone(),
    };
    for write in plan(store, &observed, &source)? {
        if management.write_secret(&write.secret).await? == Written::Overtaken {
            return Ok(Written::Overtaken);
        }
        let name = write.secret.metadata.name.unwrap_or_default();
        tracing::info!(secret = name, reasons = write.reasons.join("; "), "written");
    }
    match record {
        Some(record) => management.write_record(&record).await,
        None => Ok(Written::Done),
    }
}
