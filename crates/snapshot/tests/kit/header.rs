//! Header of the snapshots that tests make. Whoever includes this file has `Header` in scope.

use kamaji_api::{datastore::Driver, owner::Owner};

use super::Header;

/// Header of a plain snapshot of the tenant `ns/demo`, from an etcd with its keys below `/demo/`.
pub fn header() -> Header {
    Header {
        tenant: Owner {
            cluster: "c".to_owned(),
            tenant: "t".to_owned(),
            namespace: "ns".to_owned(),
            name: "demo".to_owned(),
        },
        driver: Driver::Etcd,
        data_store: "default".to_owned(),
        schema: "demo".to_owned(),
        root: "/demo/".to_owned(),
        begun: 1,
        kubernetes: "v1.36.3".to_owned(),
        taken: "2026-01-01T00:00:00Z".to_owned(),
        left_out: Vec::new(),
        encrypted: false,
    }
}
