//! Place of the writer at a bucket, beside the owner record of its schema.

use super::super::client::Nats;
use super::super::records::{WRITER, key_of};
use crate::error::Error;
use crate::tenancy::Tenancy;
use crate::transfer::place;

/// Most attempts to take a place, each after another writer came first.
const ATTEMPTS: usize = 5;

/// Takes the place of the writer; returns the place.
pub(super) async fn take(nats: &Nats, tenancy: &Tenancy) -> Result<String, Error> {
    let (key, own) = (key_of(WRITER, &tenancy.schema), place::draw());
    for _ in 0..ATTEMPTS {
        let before = nats.read(&key).await?;
        if nats.write(&key, own.as_bytes(), before.as_ref()).await? {
            return Ok(own);
        }
    }
    Err(nats.overtaken("taking the writer's place", tenancy))
}

/// Fails unless `own` is the place in force.
pub(super) async fn require(nats: &Nats, tenancy: &Tenancy, own: &str) -> Result<(), Error> {
    let found = nats.read(&key_of(WRITER, &tenancy.schema)).await?;
    let noted = found.as_ref().and_then(|stored| stored.record());
    let noted = noted.map(String::from_utf8_lossy);
    place::require(own, noted.as_deref(), || {
        nats.site(format!("writing bucket {}", tenancy.schema))
    })
}
