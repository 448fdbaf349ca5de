//! Migrations between all pairs of datastores, and under faults, with clients that write and watch. `make soak` runs
//! all of them; the gate has one of each kind.

use std::time::{SystemTime, UNIX_EPOCH};

use kamaji_datastore::Driver;

use crate::{
    faults::Fault,
    round::Round,
    values::Random,
    world::{Place, name},
};

/// Drivers between which data moves.
const DRIVERS: [Driver; 4] = [
    Driver::Etcd,
    Driver::PostgreSql,
    Driver::MySql,
    Driver::Nats,
];
/// Rounds of each pair under faults, unless `KAMAJI_SOAK_ROUNDS` says otherwise.
const ROUNDS: u64 = 20;

/// True in `make soak`.
pub fn soaks() -> bool {
    let soaks = std::env::var_os("KAMAJI_SOAK").is_some();
    if !soaks {
        println!("NOT RUN: KAMAJI_SOAK is not set, and these migrations take minutes");
    }
    soaks
}

/// A number from the environment; a seed is given in hexadecimal digits, as it is printed.
fn setting(name: &str, radix: u32) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(u64::from_str_radix(&text, radix).unwrap())
}

/// The seed of `KAMAJI_SOAK_SEED`, or one of the time.
fn seed() -> u64 {
    setting("KAMAJI_SOAK_SEED", 16).unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.unwrap().as_secs()
    })
}

/// The target of a pair: a second server if the source has the same driver.
fn target(from: Driver, to: Driver) -> Place {
    if from == to {
        Place::second(to)
    } else {
        to.into()
    }
}

async fn play(from: Driver, to: Driver, fault: Fault, seed: u64) {
    let round = Round {
        from: from.into(),
        to: target(from, to),
        fault,
        seed,
    };
    println!("{}", Box::pin(round.play()).await);
}

/// Twenty rounds, each with a fault at a random step.
async fn play_under_faults(from: Driver, to: Driver) {
    if !soaks() {
        return;
    }
    let mut random = Random(seed());
    for round in 1..=setting("KAMAJI_SOAK_ROUNDS", 10).unwrap_or(ROUNDS) {
        let fault = Fault::any(&mut random);
        let seed = random.next();
        println!("{} to {}, round {round}, {fault:?}", name(from), name(to));
        play(from, to, fault, seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_tenant_see_no_gap_and_no_step_back_between_two_etcds() {
    play(Driver::Etcd, Driver::Etcd, Fault::None, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_tenant_see_no_gap_and_no_step_back_between_two_postgresqls() {
    play(Driver::PostgreSql, Driver::PostgreSql, Fault::None, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_every_ordered_pair_moves_once() {
    if !soaks() {
        return;
    }
    for from in DRIVERS {
        for to in DRIVERS {
            play(from, to, Fault::None, seed()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_etcd_moves_to_postgresql_under_faults() {
    play_under_faults(Driver::Etcd, Driver::PostgreSql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_postgresql_moves_to_postgresql_under_faults() {
    play_under_faults(Driver::PostgreSql, Driver::PostgreSql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_mysql_moves_to_etcd_under_faults() {
    play_under_faults(Driver::MySql, Driver::Etcd).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn soak_nats_moves_to_etcd_under_faults() {
    play_under_faults(Driver::Nats, Driver::Etcd).await;
}
