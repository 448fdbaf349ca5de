//! What goes wrong in the middle of a migration.

use std::time::{Duration, Instant};

use kamaji_api::tenant::MigrationPhase;

use crate::{
    environment::Operator,
    values::Random,
    world::{Place, World},
};

/// Time that a server stands still.
const STANDSTILL: Duration = Duration::from_secs(10);
/// Longest wait for the phase in which a fault comes.
const PHASE: Duration = Duration::from_mins(1);
/// Longest wait for the end of an aborted migration.
const ROLLBACK: Duration = Duration::from_mins(3);

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    None,
    /// The operator is killed, and another one started.
    Killed,
    /// The server of the source stands still for ten seconds, or, an etcd, is killed for as long.
    SourceStopped,
    /// The same at the target.
    TargetStopped,
    /// The spec is set back, and after that set again.
    Aborted,
}

impl Fault {
    /// One of the faults.
    pub fn any(random: &mut Random) -> Self {
        match random.below(4) {
            0 => Self::Killed,
            1 => Self::SourceStopped,
            2 => Self::TargetStopped,
            _ => Self::Aborted,
        }
    }
}

/// A migration that is under way.
pub struct Moving<'a> {
    pub world: &'a mut World,
    pub operator: &'a mut Option<Operator>,
    pub from: Place,
    pub to: Place,
}

impl Moving<'_> {
    /// Makes `fault` happen at a random step. Returns the phase in which it did, once the migration may go on.
    pub async fn disturb(&mut self, fault: Fault, random: &mut Random) -> Option<MigrationPhase> {
        if matches!(fault, Fault::None) {
            return None;
        }
        let phase = self.wait(random).await;
        match fault {
            Fault::None => {}
            Fault::Killed => {
                *self.operator = None;
                tokio::time::sleep(Duration::from_millis(500)).await;
                *self.operator = Some(self.world.environment.operator());
            }
            Fault::SourceStopped => self.stand_still(self.from).await,
            Fault::TargetStopped => self.stand_still(self.to).await,
            Fault::Aborted => self.abort().await,
        }
        phase
    }

    /// Waits for one of the phases, or until it is over, and a moment longer.
    async fn wait(&self, random: &mut Random) -> Option<MigrationPhase> {
        let (due, moment) = match random.below(3) {
            0 => (MigrationPhase::Copying, random.below(600)),
            1 => (MigrationPhase::Fenced, random.below(100)),
            _ => (MigrationPhase::Switched, random.below(200)),
        };
        let started = Instant::now();
        loop {
            let phase = self.world.phase().await;
            let over = phase == Some(MigrationPhase::Switched);
            if phase == Some(due) || over || started.elapsed() > PHASE {
                break;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        tokio::time::sleep(Duration::from_millis(moment)).await;
        self.world.phase().await
    }

    async fn stand_still(&mut self, place: Place) {
        self.world.halt(place);
        tokio::time::sleep(STANDSTILL).await;
        self.world.go_on(place);
    }

    /// Sets the spec back, waits until the copy is removed, unless the cut was before, and asks for the target again.
    async fn abort(&mut self) {
        self.world.ask_for(self.from.name()).await;
        let started = Instant::now();
        loop {
            let storage = self.world.storage().await.unwrap();
            let moved = storage.data_store_name.as_deref() == Some(self.to.name());
            if moved || storage.migration.is_none() {
                break;
            }
            assert!(started.elapsed() < ROLLBACK, "{:?}", storage.migration);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.world.ask_for(self.to.name()).await;
    }
}
