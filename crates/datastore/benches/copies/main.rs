//! Figures of copies between real servers, printed: throughput, time under the fence, memory, and the plain tool of the
//! database beside them.
//!
//! `cargo bench --workspace --bench copies`; `KAMAJI_BENCH_KEYS` (default 100,000) and `KAMAJI_BENCH_VALUE`
//! (bytes of a value, default 10,240) set the size, `KAMAJI_BENCH_PAIR` (0 to 4) chooses one pair. Nobody writes
//! meanwhile; values are random and compress badly. Memory is that of a process with the operator's allocator, which
//! gives back what it does not use for a second.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a program of tests that prints its figures"
)]

#[path = "../../tests/kit/attempt.rs"]
mod attempt;
#[path = "../../tests/kit/disk.rs"]
#[expect(dead_code, reason = "tests/postgres needs more of it")]
mod disk;
mod memory;
#[path = "../../tests/mysql/server.rs"]
#[expect(dead_code, reason = "tests/mysql needs more of it")]
mod mysql_server;
#[path = "../../tests/kit/owner.rs"]
mod owner;
#[path = "../../tests/kit/pki.rs"]
mod pki;
mod plain;
#[path = "../../tests/kit/ports.rs"]
mod ports;
#[path = "../../tests/postgres/server.rs"]
#[expect(dead_code, reason = "tests/postgres needs more of it")]
mod postgres_server;
#[path = "../../tests/kit/process.rs"]
mod process;
#[path = "../../tests/etcd/server.rs"]
#[expect(dead_code, reason = "tests/etcd needs more of it")]
mod server;
#[path = "../../tests/kit/tools.rs"]
mod tools;

use std::time::{Duration, Instant};

use attempt::attempt;
use kamaji_datastore::transfer::{Copy, Ends, Op, Phase, Record, Roots};
use kamaji_datastore::{Access, DataStore, Driver, Secret, Tenancy};

use crate::owner::owner;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Time after which the allocator has given back what filling the source took.
const COOL: Duration = Duration::from_secs(3);
/// Variable with the number of the one pair that a process measures.
const PAIR: &str = "KAMAJI_BENCH_PAIR";
/// Settings of a PostgreSQL that is not squeezed into a test.
const POSTGRES: postgres_server::Setup = postgres_server::Setup {
    settings: &["shared_buffers=256MB", "max_wal_size=1GB"],
    ..postgres_server::USUAL
};

/// Size of the data.
#[derive(Clone, Copy)]
struct Size {
    keys: u32,
    value: u32,
}

impl Size {
    fn megabytes(self) -> f64 {
        f64::from(self.keys) * f64::from(self.value) / 1e6
    }
}

/// A server with one tenant.
struct End {
    server: Server,
    store: Box<dyn DataStore>,
    tenancy: Tenancy,
}

enum Server {
    Etcd(server::Server),
    MySql(mysql_server::Server),
    Postgres(postgres_server::Server),
}

impl End {
    async fn start(driver: Driver) -> Self {
        let (server, store) = match driver {
            Driver::Etcd => {
                // A gigabyte by the plain tool, and one by ours.
                let quota = "--quota-backend-bytes=8589934592";
                let server = server::Server::start_with(&[quota]).await;
                let store = server.store().await;
                (Server::Etcd(server), store)
            }
            Driver::MySql => {
                let options = [
                    "--innodb-buffer-pool-size=256M",
                    "--innodb-log-file-size=256M",
                ];
                let server = mysql_server::Server::start_with(&options).await;
                let store = server.store().await;
                (Server::MySql(server), store)
            }
            Driver::PostgreSql => {
                let server = postgres_server::Server::start_with(POSTGRES).await;
                let store = server.store().await;
                (Server::Postgres(server), store)
            }
            Driver::Nats => panic!("NATS is not measured"),
        };
        let tenancy = Tenancy::parse(driver, "tenant", "tenant", owner("tenant"))
            .unwrap()
            .with_password(Secret::new("password-of-tenant"));
        store.ensure(&tenancy).await.unwrap();
        Self {
            server,
            store,
            tenancy,
        }
    }

    async fn fill(&self, size: Size) {
        let bytes = size.value as usize;
        let mut writer = self.store.writer(&self.tenancy).await.unwrap();
        writer.clear().await.unwrap();
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut revision = 0;
        for first in (0..size.keys).step_by(200) {
            let mut ops = Vec::new();
            for number in first..size.keys.min(first + 200) {
                revision += 1;
                let mut value = Vec::with_capacity(bytes + 8);
                while value.len() < bytes {
                    random ^= random << 13;
                    random ^= random >> 7;
                    random ^= random << 17;
                    value.extend(random.to_le_bytes());
                }
                value.truncate(bytes);
                ops.push(Op::Put(Record {
                    key: format!("secrets/namespace-{}/{number:06}", number % 50).into_bytes(),
                    value,
                    created: revision,
                    modified: revision,
                    ttl: None,
                }));
            }
            writer.apply(&ops).await.unwrap();
        }
        writer.finish(revision).await.unwrap();
    }
}

/// Times of one copy.
struct Figures {
    scan: Duration,
    ready: Duration,
    refused: Duration,
    peak: u64,
}

async fn copy(source: &End, target: &End) -> Figures {
    memory::reset_peak();
    let begin = Instant::now();
    let ends = Ends {
        source: source.store.reader(&source.tenancy).await.unwrap(),
        target: target.store.writer(&target.tenancy).await.unwrap(),
        copied: target.store.reader(&target.tenancy).await.unwrap(),
    };
    let mut copy = Copy::new(ends, Roots::Different);
    while copy.step().await.unwrap() == Phase::Scan {}
    let scan = begin.elapsed();
    while copy.step().await.unwrap() != Phase::Ready {}
    let ready = begin.elapsed();
    let fenced = source.tenancy.with_access(Access::ReadOnly);
    let since = Instant::now();
    let fence = source.store.fence(&fenced, &attempt()).await.unwrap();
    copy.finish(fence).await.unwrap();
    let refused = since.elapsed();
    let lifted = source.store.lift(&source.tenancy, &attempt()).await;
    lifted.unwrap();
    Figures {
        scan,
        ready,
        refused,
        peak: memory::peak(),
    }
}

fn from_env(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Pairs that are measured.
const PAIRS: [(Driver, Driver); 5] = [
    (Driver::PostgreSql, Driver::PostgreSql),
    (Driver::MySql, Driver::MySql),
    (Driver::Etcd, Driver::Etcd),
    (Driver::Etcd, Driver::PostgreSql),
    (Driver::MySql, Driver::Etcd),
];

/// Measures each pair in a process of its own, so that the memory of one is not that of another.
#[tokio::main]
async fn main() {
    let size = Size {
        keys: from_env("KAMAJI_BENCH_KEYS", 100_000),
        value: from_env("KAMAJI_BENCH_VALUE", 10_240),
    };
    let missing = kamaji_datastore::ENVIRONMENT
        .iter()
        .any(|(name, _)| std::env::var_os(name).is_none());
    if let (Ok(pair), false) = (std::env::var(PAIR), missing) {
        let pair = PAIRS[pair.parse::<usize>().unwrap()];
        Box::pin(measure(pair, size)).await;
        return;
    }
    println!("{} keys, {:.0} MB", size.keys, size.megabytes());
    let only = std::env::var(PAIR).map(|number| number.parse::<usize>().unwrap());
    for (number, pair) in PAIRS.iter().enumerate() {
        if only.as_ref().is_ok_and(|only| *only != number) {
            continue;
        }
        let mut own = std::process::Command::new(std::env::current_exe().unwrap());
        own.env(PAIR, number.to_string());
        let ended = own.envs(kamaji_datastore::ENVIRONMENT).status().unwrap();
        assert!(ended.success(), "{pair:?}: {ended}");
    }
}

async fn measure((from, to): (Driver, Driver), size: Size) {
    let (source, target) = (
        Box::pin(End::start(from)).await,
        Box::pin(End::start(to)).await,
    );
    source.fill(size).await;
    let plain = plain::copy(&source.server, &target.server).await;
    tokio::time::sleep(COOL).await;
    let before = memory::resident();
    let Figures {
        scan,
        ready,
        refused,
        peak,
    } = copy(&source, &target).await;
    let rate = |time: Duration| {
        let seconds = time.as_secs_f64();
        let keys = f64::from(size.keys) / seconds;
        let megabytes = size.megabytes() / seconds;
        format!("{seconds:.1} s, {keys:.0} keys/s, {megabytes:.0} MB/s")
    };
    let plain = plain.map_or("none here".to_owned(), rate);
    println!(
        "{from:?} -> {to:?}: copied {}; verified after {:.1} s; refused {:.2} s; peak {peak} MiB, {before} before; plain tool {plain}",
        rate(scan),
        ready.as_secs_f64(),
        refused.as_secs_f64(),
    );
}
