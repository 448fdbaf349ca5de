//! Migration of a tenant's data to another DataStore, as part of its status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

status! {
    /// Migration of the tenant's data to another DataStore. Only the operator writes it.
    StorageMigrationStatus {
        /// Number of the current attempt, from 1.
        #[serde(default)]
        attempts: i32,
        /// True from before the tenant's names are claimed at the target.
        #[serde(default)]
        claimed: bool,
        /// Time at which the migration is given up. Empty: the copy has not begun.
        #[serde(skip_serializing_if = "Option::is_none")]
        deadline: Option<Time>,
        /// Identity of the fence at the source, from before it stands until after it is lifted. Empty: the
        /// tenant may write.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = 128))]
        fence: Option<String>,
        /// Generation of the tenant for which the migration began: another spec starts the attempts
        /// again.
        #[serde(skip_serializing_if = "Option::is_none")]
        generation: Option<i64>,
        /// Cause and next action after a failure. Empty: none.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(length(max = 2048))]
        message: Option<String>,
        /// Part of the migration that is under way.
        #[serde(default)]
        phase: MigrationPhase,
        /// True once the target holds nothing of the tenant's but this copy, which may be deleted.
        #[serde(default)]
        prepared: bool,
        /// Figures of the copy, written every few seconds while they change.
        #[serde(skip_serializing_if = "Option::is_none")]
        progress: Option<MigrationProgress>,
        /// Resources whose data moves, into an override, out of one, or from one to another. Empty: the whole data
        /// moves.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(length(max = 64))]
        resources: Vec<String>,
        /// Time of the next attempt after a failure. Empty: none is due by itself.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_at: Option<Time>,
        /// DataStore that the data is copied from.
        #[schemars(length(max = 253))]
        source: String,
        /// Time at which the first attempt began.
        #[serde(skip_serializing_if = "Option::is_none")]
        started_at: Option<Time>,
        /// DataStore that the data is copied to.
        #[schemars(length(max = 253))]
        target: String,
    }

    /// Figures of a copy.
    MigrationProgress {
        /// Bytes of keys and values that were copied.
        bytes: i64,
        /// Keys that were copied.
        keys: i64,
        /// Revisions of the source that are not followed yet.
        lag: i64,
        /// Keys that were compared at both ends.
        verified: i64,
    }

    /// DataStore that held the tenant's data before a migration, and keeps it without the right to
    /// write.
    FormerStorageStatus {
        /// Name of the DataStore.
        #[schemars(length(max = 253))]
        data_store: String,
        /// Time at which the data moved on.
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<Time>,
        /// User of the tenant in the DataStore.
        #[schemars(length(max = 253))]
        user: String,
    }
}

/// Part of a migration: Copying, Fenced, Switched, RollingBack or Failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MigrationPhase {
    /// Data is copied and compared while the tenant writes.
    #[default]
    Copying,
    /// Writes of the tenant are refused at the source, for seconds.
    Fenced,
    /// The target holds the data, and the control plane's pods change over to it.
    Switched,
    /// The source stays in force, and the copy at the target is removed.
    RollingBack,
    /// An attempt failed; the source stays in force.
    Failed,
}
