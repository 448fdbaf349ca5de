//! Claims of a tenancy's names: owner records, written under locks of the server.
//!
//! There is a lock for each schema and each user, so that work on one tenant keeps no other waiting. Its name has a part
//! that only administrators can read, since any user may take a lock whose name it knows. It goes with the connection. A server of a cluster knows nothing of its neighbours' locks, so that each record is written
//! only if it is still as it was read.

use kamaji_api::owner::DATABASE;
use rand_core::{OsRng, RngCore};
use sha2::{Digest, Sha256};

use super::answer::code::{DUPLICATE, NO_DATABASE, NO_TABLE};
use super::observed::Observed;
use super::query::Query;
use super::session::Session;
use super::sql::Statement;
use crate::change::Step;
use crate::error::Error;
use crate::ownership::{Standing, Standings, overtaken};
use crate::tenancy::Tenancy;

/// Time that one request waits for the lock, in seconds; shorter than a request may take.
const WAIT: u8 = 3;
/// Most requests for one lock.
const ATTEMPTS: usize = 6;

const LOCK_NAME: &str = "SELECT name FROM kamaji_clastix_io.claim_lock WHERE id = 1";
const DRAW_NAME: &str = "INSERT IGNORE INTO kamaji_clastix_io.claim_lock (id, name) VALUES (1, ?)";
const INSERT: &str = "INSERT INTO kamaji_clastix_io.owners (kind, name, record) VALUES (?, ?, ?)";
const REPLACE: &str = "UPDATE kamaji_clastix_io.owners SET record = ? \
     WHERE kind = ? AND name = ? AND record = ?";
const DELETE: &str = "DELETE FROM kamaji_clastix_io.owners \
     WHERE record = ? AND ((kind = 'schema' AND name = ?) OR (kind = 'user' AND name = ?))";

/// Names of the locks of a tenancy's schema and user, in the order in which every session takes them. The longest name
/// that MySQL takes has 64 characters.
fn locks(secret: &str, tenancy: &Tenancy) -> [String; 2] {
    let name = |kind: &str, name: &str| {
        let digest = Sha256::digest(format!("{kind} {name}"));
        let (first, _) = digest.split_at(8);
        let digits = first
            .iter()
            .fold(0, |all, byte| all << 8 | u64::from(*byte));
        format!("{secret}-{digits:016x}")
    };
    let mut names = [
        name("schema", tenancy.schema.as_str()),
        name("user", tenancy.user.as_str()),
    ];
    names.sort();
    names
}

/// A name that is claimed: the record it has, and what it is to the tenant.
struct Claim<'a> {
    kind: &'static str,
    name: &'a str,
    record: Option<&'a [u8]>,
    standing: Standing,
}

impl Session<'_> {
    /// Takes the locks of a tenancy's names; they end with [`Session::unlock`] or with the connection.
    pub(super) async fn lock(&mut self, tenancy: &Tenancy) -> Result<(), Error> {
        for name in locks(&self.lock_name().await?, tenancy) {
            self.take_lock(&name, tenancy).await?;
        }
        Ok(())
    }

    async fn take_lock(&mut self, name: &str, tenancy: &Tenancy) -> Result<(), Error> {
        let Tenancy { schema, user, .. } = tenancy;
        let doing = format!("waiting for other work on schema {schema} and user {user}");
        for _ in 0..ATTEMPTS {
            let taken: Vec<Option<u8>> = self
                .rows(&doing, "SELECT GET_LOCK(?, ?)", (name, WAIT))
                .await?;
            if taken.first().copied().flatten() == Some(1) {
                return Ok(());
            }
        }
        Err(Error::Unreachable {
            site: self.site(doing),
            cause: format!("it did not end within {} s", ATTEMPTS * usize::from(WAIT)),
        })
    }

    /// Gives the locks of a tenancy's names back.
    pub(super) async fn unlock(&mut self, tenancy: &Tenancy) -> Result<(), Error> {
        let query = "SELECT RELEASE_LOCK(?)";
        for name in locks(&self.lock_name().await?, tenancy) {
            let released: Vec<Option<u8>> = self.rows("ending a claim", query, (name,)).await?;
            drop(released);
        }
        Ok(())
    }

    async fn lock_name(&mut self) -> Result<String, Error> {
        let doing = format!("reading the database {DATABASE}");
        let none = [NO_DATABASE, NO_TABLE];
        let found: Option<Vec<String>> = self
            .rows_unless(&none, Query::new(&doing, LOCK_NAME), ())
            .await?;
        if let Some(name) = found.and_then(|found| found.into_iter().next()) {
            return Ok(name);
        }
        let doing = format!("creating the database {DATABASE}");
        for statement in [
            Statement::create_records(),
            Statement::create_owners(),
            Statement::create_lock(),
        ] {
            self.write(&doing, &statement).await?;
        }
        let drawn = format!(
            "kamaji-{:032x}",
            u128::from(OsRng.next_u64()) << 64 | u128::from(OsRng.next_u64())
        );
        self.change_unless(&[], Query::new(&doing, DRAW_NAME), (drawn,))
            .await?;
        let names: Vec<String> = self.rows(&doing, LOCK_NAME, ()).await?;
        names.into_iter().next().ok_or_else(|| Error::Protocol {
            site: self.site(doing),
            cause: "the name of the lock is gone as soon as it was written".to_owned(),
        })
    }

    /// Writes the records of names that are not recorded as the tenant's yet.
    pub(super) async fn record(
        &mut self,
        tenancy: &Tenancy,
        observed: &Observed,
        standings: Standings,
    ) -> Result<Option<Step>, Error> {
        if standings.are_own() {
            return Ok(None);
        }
        let claims = [
            Claim {
                kind: "schema",
                name: tenancy.schema.as_str(),
                record: observed.records.schema.as_deref(),
                standing: standings.schema,
            },
            Claim {
                kind: "user",
                name: tenancy.user.as_str(),
                record: observed.records.user.as_deref(),
                standing: standings.user,
            },
        ];
        let record = tenancy.owner.record();
        for claim in claims
            .iter()
            .filter(|claim| claim.standing != Standing::Own)
        {
            let doing = format!("recording the owner of {} {}", claim.kind, claim.name);
            let changed = match claim.record {
                None => {
                    let row = (claim.kind, claim.name, &record);
                    self.change_unless(&[DUPLICATE], Query::new(&doing, INSERT), row)
                        .await?
                }
                Some(old) => {
                    let row = (&record, claim.kind, claim.name, old);
                    self.change_unless(&[], Query::new(&doing, REPLACE), row)
                        .await?
                }
            };
            if changed == 0 {
                return Err(self.overtaken(doing, tenancy));
            }
        }
        Ok(Some(Step::OwnerRecorded))
    }

    /// Deletes the records of both names, as far as they are the tenant's, and before them the notes of the schema.
    pub(super) async fn forget(
        &mut self,
        tenancy: &Tenancy,
        observed: &Observed,
    ) -> Result<Step, Error> {
        let doing = format!("deleting the owner record of schema {}", tenancy.schema);
        self.forget_notes(tenancy).await?;
        let written = tenancy.owner.record();
        let mut records = vec![written];
        let read = [&observed.records.schema, &observed.records.user];
        for record in read.into_iter().flatten() {
            if !records.contains(record) {
                records.push(record.clone());
            }
        }
        for record in records {
            let row = (record, tenancy.schema.as_str(), tenancy.user.as_str());
            self.change_unless(&[], Query::new(&doing, DELETE), row)
                .await?;
        }
        Ok(Step::OwnerRemoved)
    }

    /// Error of an operation whose records another writer changed meanwhile.
    fn overtaken(&self, doing: String, tenancy: &Tenancy) -> Error {
        overtaken(self.site(doing), tenancy)
    }
}
