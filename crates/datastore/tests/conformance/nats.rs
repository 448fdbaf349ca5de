//! NATS with JetStream and one user for all, for the conformance suite.

use std::error::Error as _;

use async_nats::jetstream::Context;
use kamaji_datastore::{DataStore, Driver, Tenancy};

use crate::{
    harness::{Denied, Harness},
    nats_server::Server,
};

/// A real nats-server.
pub struct NatsHarness {
    server: Server,
}

const RECORDS: &str = "KV_kamaji_clastix_io";

async fn purge(admin: &Context, key: &str) {
    let stream = admin.get_stream(RECORDS).await.unwrap();
    let subject = format!("$KV.kamaji_clastix_io.{key}");
    let purged = stream.purge().filter(subject).await.unwrap();
    assert_eq!(purged.purged, 1, "{key}");
}

fn schema_key(tenancy: &Tenancy) -> String {
    let bytes = tenancy.schema.as_str().bytes();
    let hex = bytes.fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("schema.{hex}")
}

impl Harness for NatsHarness {
    const DRIVER: Driver = Driver::Nats;
    const PARTS: usize = 2;

    async fn start() -> Self {
        Self {
            server: Server::start().await,
        }
    }

    async fn administrator(&self) -> Box<dyn DataStore> {
        self.server.store().await
    }

    async fn write(&self, _: &Tenancy, into: &Tenancy, key: &str) -> Result<(), Denied> {
        let admin = self.server.admin().await;
        let subject = format!("$KV.{}.{key}", into.schema);
        let stored = admin.publish(subject, "value".into()).await.unwrap().await;
        stored.map(drop).map_err(|error| {
            let words = error.source().unwrap().to_string();
            assert!(words.contains("message size exceeds maximum"), "{words}");
            Denied
        })
    }

    async fn read(&self, _: &Tenancy, from: &Tenancy, key: &str) -> Result<bool, Denied> {
        let admin = self.server.admin().await;
        let bucket = admin.get_key_value(from.schema.as_str()).await.unwrap();
        Ok(bucket.get(key).await.unwrap().is_some())
    }

    async fn listing(&self) -> Vec<String> {
        self.server.listing().await
    }

    async fn delete_owner_records(&self, tenancy: &Tenancy) {
        let admin = self.server.admin().await;
        purge(&admin, &schema_key(tenancy)).await;
        purge(&admin, "account").await;
    }

    async fn lose(&self, tenancy: &Tenancy, part: usize) {
        let admin = self.server.admin().await;
        admin
            .delete_key_value(tenancy.schema.as_str())
            .await
            .unwrap();
        // The record of the account is the first that is written and the last that is deleted.
        if part == 1 {
            purge(&admin, &schema_key(tenancy)).await;
        }
    }
}
