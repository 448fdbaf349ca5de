//! One migration under clients that write and watch, with a fault in the middle, and what the clients saw of it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use kamaji_api::{condition::Reason, tenant::MigrationPhase};
use kube::{Api, api::ListParams};

use crate::{
    checker::check,
    clients::{Clients, Figures},
    environment::{NAMESPACE, wait_until},
    faults::{Fault, Moving},
    values::Random,
    world::{Place, TENANT, World},
    writers::{assert_served, fill},
};

/// Keys that stand at the source before the clients write.
const STANDING: usize = 500;
/// Writes that have to be acknowledged before the migration, and after it.
const WRITES: u64 = 500;

/// One migration.
pub struct Round {
    pub from: Place,
    pub to: Place,
    pub fault: Fault,
    /// Seed of all random choices.
    pub seed: u64,
}

/// Figures of one migration.
pub struct Outcome {
    round: Round,
    /// Phase in which the fault came.
    phase: Option<MigrationPhase>,
    /// From the change of the spec to the first answer of the target.
    total: Duration,
    /// Message of the event about the cut.
    cut: String,
    clients: Figures,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (round, clients) = (&self.round, &self.clients);
        let refused = self.cut.rsplit("refused for ").next().unwrap_or_default();
        write!(
            f,
            "{} to {}, seed {:x}, {:?} in {:?}: refused for {refused}; {} ms without an acknowledgement at most, {:.1} s in all; {} writes acknowledged, {} refused, 0 lost, {} observations",
            round.from.name(),
            round.to.name(),
            round.seed,
            round.fault,
            self.phase,
            clients.longest_pause.as_millis(),
            self.total.as_secs_f64(),
            clients.acknowledged,
            clients.refused,
            clients.seen,
        )
    }
}

impl Round {
    /// Moves a tenant, and fails if a client saw anything that contradicts what was acknowledged.
    pub async fn play(self) -> Outcome {
        let (from, to) = (self.from, self.to);
        let mut random = Random(self.seed);
        let mut world = World::start([from, to]).await;
        let mut operator = Some(world.environment.operator());
        world.tenant(from).await;
        let source = world.serve(from).await;
        let standing = fill(&source, STANDING).await;
        let clients = Clients::start(&source, self.seed);
        clients.write_on(WRITES).await;
        let started = Instant::now();
        world.ask_for(to.name()).await;
        let mut moving = Moving {
            world: &mut world,
            operator: &mut operator,
            from,
            to,
        };
        let phase = moving.disturb(self.fault, &mut random).await;
        world.wait_for_move(to).await;
        let target = world.serve(to).await;
        let total = started.elapsed();
        clients.go_to(&target);
        clients.write_on(WRITES).await;
        let (history, figures) = clients.stop().await;
        let problems = check(&history);
        assert!(
            problems.is_empty(),
            "{} to {}, seed {:x}, {:?} in {phase:?}: {} problems, {:#?}",
            from.name(),
            to.name(),
            self.seed,
            self.fault,
            problems.len(),
            &problems[..problems.len().min(20)]
        );
        assert_served(&target, &standing).await;
        Outcome {
            phase,
            total,
            cut: cut_event(&world).await,
            clients: figures,
            round: self,
        }
    }
}

/// Message of the event about the cut.
pub async fn cut_event(world: &World) -> String {
    event(world, Reason::Migrated).await
}

/// Message of the first event of the tenant that has this reason.
pub async fn event(world: &World, reason: Reason) -> String {
    let events: Api<k8s_openapi::api::core::v1::Event> =
        Api::namespaced(world.environment.client.clone(), NAMESPACE);
    let reason = reason.as_str();
    wait_until(&format!("the event {reason}"), async || {
        let fields = format!("involvedObject.name={TENANT},reason={reason}");
        let list = events
            .list(&ListParams::default().fields(&fields))
            .await
            .ok()?;
        list.items.first()?.message.clone()
    })
    .await
}
