//! State of one tenant at a server, as it was read.

use std::collections::BTreeSet;

use super::query::Query;
use super::session::Session;
use super::sql::{ANY_HOST, Account};
use super::{
    answer::code::{NO_DATABASE, NO_TABLE},
    version::Product,
};
use crate::error::Error;
use crate::tenancy::Tenancy;

const RECORDS: &str = "SELECT kind, record FROM kamaji_clastix_io.owners \
     WHERE (kind = 'schema' AND name = ?) OR (kind = 'user' AND name = ?)";
const DATABASES: &str = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?";
const ACCOUNTS: &str = "SELECT User, Host, authentication_string FROM mysql.user WHERE User = ?";
const PRIVILEGES: &str = "\
     SELECT 'global', '', PRIVILEGE_TYPE, IS_GRANTABLE, GRANTEE \
     FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = ? UNION ALL \
     SELECT 'schema', TABLE_SCHEMA, PRIVILEGE_TYPE, IS_GRANTABLE, GRANTEE \
     FROM information_schema.SCHEMA_PRIVILEGES WHERE GRANTEE = ? UNION ALL \
     SELECT 'table', CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), PRIVILEGE_TYPE, IS_GRANTABLE, GRANTEE \
     FROM information_schema.TABLE_PRIVILEGES WHERE GRANTEE = ? UNION ALL \
     SELECT 'column', CONCAT(TABLE_SCHEMA, '.', TABLE_NAME), PRIVILEGE_TYPE, IS_GRANTABLE, GRANTEE \
     FROM information_schema.COLUMN_PRIVILEGES WHERE GRANTEE = ?";
const ROUTINES: &str =
    "SELECT CONCAT(Db, '.', Routine_name) FROM mysql.procs_priv WHERE User = ? AND Host = '%'";
const ROLES_OF_MARIADB: &str =
    "SELECT Role, '' FROM mysql.roles_mapping WHERE User = ? AND Host = '%'";
const ROLES_OF_MYSQL: &str =
    "SELECT FROM_USER, FROM_HOST FROM mysql.role_edges WHERE TO_USER = ? AND TO_HOST = '%'";
const EVERYBODYS: &str = "SELECT Db FROM mysql.db WHERE User IN ('', 'PUBLIC')";

/// State of a tenant at a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// Owner records of the names.
    pub(super) records: Records,
    /// True if the database exists.
    pub(super) database: bool,
    /// The tenant's account, as it verifies passwords; `None` without an account.
    pub(super) verifier: Option<Vec<u8>>,
    /// Further hosts for which the server has a user of this name; empty for a role.
    pub(super) other_hosts: Vec<String>,
    /// Privileges of the account, one per level and name.
    pub(super) privileges: Vec<Privilege>,
    /// Roles of the account, with their host.
    pub(super) roles: Vec<(String, String)>,
    /// Patterns of databases that every user may reach.
    pub(super) everybodys: Vec<String>,
}

/// Owner records of a tenancy's names, undecoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Records {
    pub(super) schema: Option<Vec<u8>>,
    pub(super) user: Option<Vec<u8>>,
}

/// One privilege of an account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Privilege {
    pub(super) extent: Extent,
    /// The server's own word for it: `SELECT`, `CREATE USER`.
    pub(super) name: String,
    /// True if the account may pass it on.
    pub(super) grantable: bool,
}

/// Extent of a privilege.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Extent {
    /// Every database, and the server itself.
    Global,
    /// Databases that match this pattern.
    Schema(String),
    /// A table, column or routine.
    Part(String),
}

impl Observed {
    /// Reads the state of a tenant.
    pub(super) async fn read(session: &mut Session<'_>, tenancy: &Tenancy) -> Result<Self, Error> {
        let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
        let mut observed = Self {
            records: records(session, tenancy).await?,
            ..Self::default()
        };
        let doing = format!("reading schema {schema}");
        // The server compares without regard to case: what it finds is compared again here.
        let found: Vec<String> = session.rows(&doing, DATABASES, (schema,)).await?;
        observed.database = found.iter().any(|name| name == schema);
        let patterns: Vec<String> = session.rows(&doing, EVERYBODYS, ()).await?;
        observed.everybodys = patterns;

        let doing = format!("reading user {user}");
        let accounts: Vec<(String, String, Option<Vec<u8>>)> =
            session.rows(&doing, ACCOUNTS, (user,)).await?;
        for (_, host, verifier) in accounts.into_iter().filter(|(name, ..)| name == user) {
            if host == ANY_HOST {
                observed.verifier = Some(verifier.unwrap_or_default());
            } else {
                observed.other_hosts.push(host);
            }
        }
        if observed.verifier.is_some() {
            observed.privileges = privileges(session, tenancy).await?;
            observed.roles = roles(session, user).await?;
        }
        Ok(observed)
    }

    /// True if the server has nothing at all of a tenancy.
    pub(super) fn is_empty(&self) -> bool {
        self.records == Records::default() && !self.database && self.verifier.is_none()
    }
}

async fn records(session: &mut Session<'_>, tenancy: &Tenancy) -> Result<Records, Error> {
    let doing = format!("reading the owner of schema {}", tenancy.schema);
    let names = (tenancy.schema.as_str(), tenancy.user.as_str());
    // Before the first tenant there is no such database.
    let found = session
        .rows_unless::<(String, Vec<u8>)>(
            &[NO_DATABASE, NO_TABLE],
            Query::new(&doing, RECORDS),
            names,
        )
        .await?;
    let mut records = Records::default();
    for (kind, record) in found.unwrap_or_default() {
        match kind.as_str() {
            "schema" => records.schema = Some(record),
            _ => records.user = Some(record),
        }
    }
    Ok(records)
}

async fn privileges(session: &mut Session<'_>, tenancy: &Tenancy) -> Result<Vec<Privilege>, Error> {
    let doing = format!("reading privileges of user {}", tenancy.user);
    let grantee = Account::of(&tenancy.user).grantee();
    let four = vec![
        grantee.clone(),
        grantee.clone(),
        grantee.clone(),
        grantee.clone(),
    ];
    let rows: Vec<(String, String, String, String, String)> =
        session.rows(&doing, PRIVILEGES, four).await?;
    let mut found: BTreeSet<Privilege> = rows
        .into_iter()
        // Who has nothing is shown as USAGE, which is nothing unless it may be passed on.
        .filter(|(_, _, name, grantable, of)| {
            *of == grantee && (name != "USAGE" || grantable == "YES")
        })
        .map(|(level, about, name, grantable, _)| Privilege {
            extent: match level.as_str() {
                "global" => Extent::Global,
                "schema" => Extent::Schema(about),
                _ => Extent::Part(about),
            },
            name,
            grantable: grantable == "YES",
        })
        .collect();
    let routines: Vec<String> = session
        .rows(&doing, ROUTINES, (tenancy.user.as_str(),))
        .await?;
    found.extend(routines.into_iter().map(|routine| Privilege {
        extent: Extent::Part(routine),
        name: "EXECUTE".to_owned(),
        grantable: false,
    }));
    Ok(found.into_iter().collect())
}

async fn roles(session: &mut Session<'_>, user: &str) -> Result<Vec<(String, String)>, Error> {
    let query = match session.facts.version.product {
        Product::MariaDb => ROLES_OF_MARIADB,
        Product::MySql => ROLES_OF_MYSQL,
    };
    let doing = format!("reading roles of user {user}");
    session.rows(&doing, query, (user,)).await
}
