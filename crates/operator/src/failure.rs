//! Failures of a reconcile: the condition, reason and message that each publishes.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kamaji_api::{
    condition::{ConditionType, Reason},
    datastore::Driver,
    labels,
};
use kamaji_core::{
    binding::Binding, data_store::ResolvedDataStore, names::Names, object::ObjectRef, plan::Wait,
    secret_role::SecretRole, snapshot::StoreWait, tenant::ParseError,
};
use kamaji_datastore as datastore;

use crate::{databases::DatabaseError, orphan::OrphanError};
use kamaji_shell::{ObjectKey, apply::WriteError, queue::Abort};

/// The reason why a reconcile did not apply all of its plan.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The condition that becomes False, beside Ready.
    pub condition: ConditionType,
    /// The reason of both conditions.
    pub reason: Reason,
    /// The message of both conditions: object, cause and next action.
    pub message: String,
    /// An object without our labels that exists under a planned name; later reconciles read it by name.
    pub occupied: Option<ObjectRef>,
    /// True for a lost race, which the next reconcile usually resolves: published only if it repeats.
    pub silent: bool,
}

impl Failure {
    fn new(reason: Reason, message: impl ToString) -> Self {
        Self {
            condition: ConditionType::Reconciled,
            reason,
            message: message.to_string(),
            occupied: None,
            silent: false,
        }
    }

    /// The spec cannot be parsed.
    pub fn spec_invalid(error: &ParseError) -> Self {
        Self::new(Reason::SpecInvalid, error)
    }

    /// A read of `what` from the management cluster failed.
    pub fn reading(key: &ObjectKey, what: &str, error: &kube::Error) -> Self {
        Self::new(
            Reason::ReadFailed,
            format!("{what} of {key} cannot be read: {error}; it is tried again by itself"),
        )
    }

    /// The status has moved the tenant's data on, or fences it, since the plan was made.
    pub fn superseded(key: &ObjectKey, store: &str) -> Self {
        Self {
            silent: true,
            ..Self::new(
                Reason::WriteConflict,
                format!(
                    "{key} has other rights in the DataStore {store} by its status as it is now: it is planned again"
                ),
            )
        }
    }

    /// A datastore became unusable after the plan was made.
    pub fn store_unusable(wait: &StoreWait) -> Self {
        Self {
            condition: ConditionType::DataStoreReady,
            ..Self::new(wait.reason(), wait)
        }
    }

    /// The object has a value that the API server accepts and this build does not know.
    pub fn object_unreadable(why: &str) -> Self {
        Self::new(
            Reason::ObjectUnreadable,
            format!(
                "this operator cannot read the object: {why}. It changes nothing of it and can only delete it; correct that field, or run the release that the definitions came with"
            ),
        )
    }

    /// Another tenant has the schema or the user of `binding`.
    pub fn shared(store: &ResolvedDataStore, binding: &Binding, other: &ObjectKey) -> Self {
        let (name, next) = (&store.name, next_step(store.driver == Driver::Nats));
        Self {
            condition: ConditionType::DataStoreReady,
            ..Self::new(
                Reason::DataStoreShared,
                format!(
                    "schema {} or user {} of the DataStore {name} belongs to the TenantControlPlane {other}: two tenants must not share them; {next}",
                    binding.schema, binding.user
                ),
            )
        }
    }

    /// Adds a hint to a refused binding where the tenant holds a client certificate from before.
    pub fn with_certificate_hint(
        self,
        secrets: &BTreeMap<String, Secret>,
        key: &ObjectKey,
    ) -> Self {
        let refused = matches!(
            self.reason,
            Reason::DataStoreShared | Reason::DataStoreForeign
        );
        let name = Names::of(&key.name).secret(SecretRole::DatastoreCertificate);
        if !refused || !secrets.contains_key(&name) {
            return self;
        }
        Self {
            message: format!(
                "{}. The Secret {name} holds a client certificate that was signed before this was refused; it is no longer renewed: delete it, and if another tenant has that user, recreate that user in the datastore under another name",
                self.message
            ),
            ..self
        }
    }

    /// The data of a tenant that is being deleted could not be removed.
    pub fn not_removed(error: &DatabaseError) -> Self {
        Self {
            condition: ConditionType::DataStoreReady,
            ..Self::new(
                Reason::DataStoreFailed,
                format!(
                    "the deletion waits, since the tenant's data cannot be removed: {error}. It goes on by itself once the datastore is back"
                ),
            )
        }
    }

    /// The reconcile ended by a panic or by its time limit.
    pub fn abort(what: &Abort) -> Self {
        match what {
            Abort::TimeOut(limit) => Self::new(
                Reason::ReconcileTimedOut,
                format!(
                    "a look at this object took longer than {limit:?} and was stopped: the API server or the datastore answers slowly; it is tried again by itself, and --controller-reconcile-timeout gives it more time"
                ),
            ),
            Abort::Panic(what) => Self::new(
                Reason::InternalError,
                format!(
                    "the operator failed on this object alone: {what}; please report it, with this object's YAML"
                ),
            ),
        }
    }
}

impl From<Wait> for Failure {
    fn from(wait: Wait) -> Self {
        Self {
            condition: wait.condition,
            ..Self::new(wait.reason, wait.message)
        }
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        Self {
            occupied: match &error {
                WriteError::AlreadyExists(object) => Some(object.clone()),
                _ => None,
            },
            silent: matches!(
                error,
                WriteError::AlreadyExists(_)
                    | WriteError::Conflict { .. }
                    | WriteError::Gone(_)
                    | WriteError::NotLeading(_)
            ),
            ..Self::new(error.reason(), error)
        }
    }
}

impl From<OrphanError> for Failure {
    fn from(error: OrphanError) -> Self {
        match error {
            OrphanError::Write(error) => error.into(),
            OrphanError::Read(..) => Self::new(Reason::ReadFailed, error),
        }
    }
}

impl From<DatabaseError> for Failure {
    fn from(error: DatabaseError) -> Self {
        let (reason, message) = match error.driver() {
            Some(datastore::Error::Owned { what, .. }) => (
                Reason::DataStoreShared,
                format!(
                    "{error}: two tenants must not share them; {}. After a restore, see the annotation {} in the documentation",
                    next_step(what.starts_with("account")),
                    labels::ADOPT_OWNER
                ),
            ),
            Some(datastore::Error::Foreign { .. } | datastore::Error::Refused { .. }) => {
                (Reason::DataStoreForeign, error.to_string())
            }
            Some(datastore::Error::AccessControlOff { .. }) => {
                (Reason::AccessControlOff, error.to_string())
            }
            _ => (Reason::DataStoreFailed, error.to_string()),
        };
        Self {
            condition: ConditionType::DataStoreReady,
            ..Self::new(reason, message)
        }
    }
}

/// Next step of a tenant whose names are another's; `of_account` if the two share an account of NATS, which serves one
/// tenant whatever its schema.
fn next_step(of_account: bool) -> &'static str {
    if of_account {
        "nothing was granted; name a DataStore in spec.dataStore whose user is of another account of NATS"
    } else {
        "nothing was granted; recreate this one with another spec.dataStoreSchema and spec.dataStoreUsername"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_step_of_a_tenant_in_another_ones_account_is_another_data_store() {
        let owned = |what| DatabaseError::Driver {
            store: "s".to_owned(),
            source: Box::new(datastore::Error::Owned {
                site: datastore::Site {
                    store: "NATS 10.0.0.5:4222".to_owned(),
                    doing: "claiming".to_owned(),
                },
                what,
                name: "kamaji".to_owned(),
                owner: Box::default(),
            }),
        };
        let message = Failure::from(owned("account of user")).message;
        assert!(message.contains("another account of NATS"), "{message}");
        assert!(!message.contains("spec.dataStoreSchema"), "{message}");
        let message = Failure::from(owned("schema")).message;
        assert!(
            message.contains("another spec.dataStoreSchema"),
            "{message}"
        );
    }

    #[test]
    fn abort_by_timeout_has_another_reason_than_a_panic() {
        let slow = Failure::abort(&Abort::TimeOut(std::time::Duration::from_secs(30)));
        assert_eq!(slow.reason, "ReconcileTimedOut");
        assert!(slow.message.contains("30s") && slow.message.contains("tried again"));
        let ours = Failure::abort(&Abort::Panic("no such luck".to_owned()));
        assert_eq!(ours.reason, "InternalError");
        assert!(ours.message.contains("no such luck"));
    }
}
