//! Configuration of key-value buckets, exactly as the clients expect that use them. Pure code.

use std::time::Duration;

use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, RetentionPolicy, StorageType,
};

use crate::tenancy::Schema;

/// Description that kine gives to its bucket.
const KINE: &str = "Holds kine key/values";
/// Revisions of a key that kine keeps.
const KINE_HISTORY: i64 = 10;
const UNLIMITED: i64 = -1;

/// Name of the stream behind a bucket.
pub(super) fn stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// Subject of a key of a bucket.
pub(super) fn subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// Configuration of a tenant's bucket. kine refuses to start with a bucket that differs from it in any setting, a
/// limit of its size and the number of its replicas included.
pub(super) fn of_tenant(schema: &Schema) -> Config {
    Config {
        allow_direct: true,
        ..key_values(schema.as_str(), KINE, KINE_HISTORY)
    }
}

/// Configuration of a bucket with these many revisions of a key.
pub(super) fn key_values(bucket: &str, description: &str, history: i64) -> Config {
    Config {
        name: stream(bucket),
        description: Some(description.to_owned()),
        subjects: vec![subject(bucket, ">")],
        max_messages_per_subject: history,
        max_bytes: UNLIMITED,
        max_messages: UNLIMITED,
        max_age: Duration::ZERO,
        max_message_size: -1,
        max_consumers: -1,
        discard: DiscardPolicy::New,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: 1,
        duplicate_window: Duration::from_mins(2),
        allow_rollup: true,
        deny_delete: true,
        ..Config::default()
    }
}

/// True if kine would refuse a bucket of this configuration.
pub(super) fn differs(found: &Config, schema: &Schema) -> bool {
    // What servers add, and what they leave away when they write it down, is theirs.
    let mut expected = of_tenant(schema);
    let mut found = found.clone();
    expected.metadata.clear();
    found.metadata.retain(|key, _| !key.starts_with("_nats."));
    found.compression = found.compression.filter(|kind| *kind != Compression::None);
    found.persist_mode = None;
    found.consumer_limits = None;
    found.first_sequence = found.first_sequence.filter(|first| *first > 1);
    found != expected
}

#[cfg(test)]
mod tests {
    use kamaji_api::datastore::Driver;

    use super::*;

    fn schema() -> Schema {
        Schema::parse(Driver::Nats, "cp-a").expect("a schema")
    }

    #[test]
    fn a_bucket_as_a_server_describes_it_does_not_differ() {
        let mut found = of_tenant(&schema());
        found
            .metadata
            .insert("_nats.ver".to_owned(), "2.14.10".to_owned());
        found.compression = Some(Compression::None);
        found.first_sequence = Some(1);
        assert!(!differs(&found, &schema()));
    }

    #[test]
    fn a_bucket_with_a_setting_that_kine_refuses_differs() {
        let expected = || of_tenant(&schema());
        let changed = [
            Config {
                max_messages_per_subject: 1,
                ..expected()
            },
            Config {
                description: None,
                ..expected()
            },
            Config {
                max_bytes: 1 << 30,
                ..expected()
            },
            Config {
                num_replicas: 3,
                ..expected()
            },
            Config {
                allow_direct: false,
                ..expected()
            },
            Config {
                compression: Some(Compression::S2),
                ..expected()
            },
        ];
        for found in changed {
            assert!(differs(&found, &schema()), "{found:?}");
        }
    }
}
