//! Migrations of tenants' data by the operator: a real API server as the management cluster, real etcd, PostgreSQL,
//! MariaDB and NATS as datastores, and clients that write with the tenant's own credentials, through a real kine where its API
//! server would. No pods run.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "tests and their helpers fail by panics"
)]

mod checker;
mod clients;
#[path = "../../../datastore/tests/kit/disk.rs"]
mod disk;
#[path = "../tenants/environment.rs"]
#[expect(dead_code, reason = "tests/tenants needs more of it")]
mod environment;
mod faults;
mod full;
mod full_source;
mod held_up;
mod informer;
mod interrupted;
mod keys;
#[path = "../../../datastore/tests/kit/kine.rs"]
#[expect(dead_code, reason = "the drivers' tests need more of it")]
mod kit_kine;
#[path = "../../../datastore/tests/kit/nats.rs"]
mod kit_nats;
#[path = "../../../datastore/tests/kit/writers.rs"]
mod kit_writers;
mod late_cut;
#[path = "../../../datastore/tests/mysql/server.rs"]
#[expect(dead_code, reason = "the drivers' tests need more of it")]
mod mysql_server;
mod nats;
mod overrides;
mod pairs;
#[path = "../../../datastore/tests/kit/pki.rs"]
#[expect(dead_code, reason = "the drivers' tests need more of it")]
mod pki;
mod place;
#[path = "../../../datastore/tests/kit/ports.rs"]
mod ports;
#[path = "../../../datastore/tests/postgres/server.rs"]
#[expect(dead_code, reason = "the drivers' tests need more of it")]
mod postgres_server;
#[path = "../../../datastore/tests/kit/process.rs"]
mod process;
mod refused;
#[path = "../../../datastore/tests/kit/relay.rs"]
mod relay;
mod resources;
mod round;
mod soak;
#[path = "../../../datastore/tests/kit/tools.rs"]
mod tools;
mod trusting;
mod unusable;
mod values;
mod world;
mod writer;
mod writers;
