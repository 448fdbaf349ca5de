//! Configuration of key-value buckets, exactly as the clients expect that use them. Pure code.

use std::time::Duration;

use async_nats::jetstream::stream::{
    Compression, Config, DiscardPolicy, RetentionPolicy, StorageType,
};

use crate::tenancy::{Access, Schema};

/// Description that kine gives to its bucket.
const KINE: &str = "Holds kine key/values";
/// Revisions of a key that kine keeps.
const KINE_HISTORY: i64 = 10;
const UNLIMITED: i64 = -1;
/// Most bytes of a message, headers included, in a bucket that is not to be written: fewer than any that kine publishes.
/// The value of a key is compressed JSON, and the mark of a deletion has headers. 0 would be no limit.
const READ_ONLY: i32 = 1;

/// Name of the stream behind a bucket.
pub(super) fn stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// Subject of a key of a bucket.
pub(super) fn subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

/// Configuration of a tenant's bucket. kine refuses to start with a bucket that differs from it in any setting, a
/// limit of its size and the number of its replicas included; without the right to write, in the size of a message. The
/// server reads the limit when it processes a message, so that it holds for connections that are open, too. Reads and
/// watches know no such limit.
pub(super) fn of_tenant(schema: &Schema, access: Access) -> Config {
    Config {
        allow_direct: true,
        max_message_size: match access {
            Access::ReadWrite => -1,
            Access::ReadOnly => READ_ONLY,
        },
        ..key_values(schema.as_str(), KINE, KINE_HISTORY)
    }
}

/// True if a bucket takes no message of kine.
pub(super) fn is_read_only(found: &Config) -> bool {
    found.max_message_size == READ_ONLY
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

/// True if a bucket is not as [`of_tenant`] says, in anything that kine or the access depends on.
pub(super) fn differs(found: &Config, schema: &Schema, access: Access) -> bool {
    // What servers add, and what they leave away when they write it down, is theirs.
    let mut expected = of_tenant(schema, access);
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
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let mut found = of_tenant(&schema(), access);
            found
                .metadata
                .insert("_nats.ver".to_owned(), "2.14.10".to_owned());
            found.compression = Some(Compression::None);
            found.first_sequence = Some(1);
            assert!(!differs(&found, &schema(), access));
        }
    }

    #[test]
    fn a_bucket_with_the_other_access_differs() {
        let (all, none) = (Access::ReadWrite, Access::ReadOnly);
        assert!(differs(&of_tenant(&schema(), none), &schema(), all));
        assert!(differs(&of_tenant(&schema(), all), &schema(), none));
    }

    #[test]
    fn a_bucket_with_a_setting_that_kine_refuses_differs() {
        let expected = || of_tenant(&schema(), Access::ReadWrite);
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
            assert!(differs(&found, &schema(), Access::ReadWrite), "{found:?}");
        }
    }
}
