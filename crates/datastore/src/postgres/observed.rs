//! State of one tenant on a server, as it was read.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::answer::Failure;
use super::session::Session;
use super::sql::Power;
use crate::tenancy::Tenancy;

/// Columns of the owner records; the others do without the operator's database.
const RECORDS: &str = "(SELECT record FROM public.owners WHERE kind = 'schema' AND name = $1), \
                       (SELECT record FROM public.owners WHERE kind = 'user' AND name = $2)";
/// The same where the operator's database does not exist.
const NO_RECORDS: &str = "NULL::text, NULL::text";

/// State of a tenant; `None` where database or role is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Observed {
    /// Owner record of the schema, undecoded.
    pub(super) schema_record: Option<String>,
    /// Owner record of the user, undecoded.
    pub(super) user_record: Option<String>,
    pub(super) database: Option<Database>,
    pub(super) role: Option<Role>,
    /// True if the administrator is a superuser.
    pub(super) superuser: bool,
}

/// A database as the catalogue has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Database {
    /// Name of the role that owns it.
    pub(super) owner: String,
    /// True if that is the administrator.
    pub(super) owned_by_administrator: bool,
    /// True if it takes connections.
    pub(super) open: bool,
    /// True if every role may connect or create temporary tables.
    pub(super) public: bool,
    /// True if its owner has an owner's privileges.
    pub(super) granted: bool,
}

/// A role as the catalogue has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Role {
    pub(super) superuser: bool,
    /// True if it may log in, and until later than now.
    pub(super) login: bool,
    /// True if the administrator has its privileges and may assume it.
    pub(super) joined: bool,
    pub(super) powers: Vec<Power>,
    /// Roles that it is a member of.
    pub(super) memberships: Vec<Membership>,
    /// Databases beside its own on which it has privileges.
    pub(super) granted: Vec<String>,
    /// Databases beside its own that it owns.
    pub(super) owned: Vec<String>,
}

/// Membership of a role in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) role: String,
    /// Name of the role that gave it.
    pub(super) grantor: String,
}

impl Observed {
    /// Reads a tenant's state in the operator's database.
    pub(super) async fn read(session: &Session, tenancy: &Tenancy) -> Result<Self, Failure> {
        Self::read_with(session, tenancy, RECORDS).await
    }

    /// Reads a tenant's state on a server without the operator's database.
    pub(super) async fn read_without_records(
        session: &Session,
        tenancy: &Tenancy,
    ) -> Result<Self, Failure> {
        Self::read_with(session, tenancy, NO_RECORDS).await
    }

    async fn read_with(
        session: &Session,
        tenancy: &Tenancy,
        records: &str,
    ) -> Result<Self, Failure> {
        let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
        let parameters = [(&schema as _, Type::TEXT), (&user as _, Type::TEXT)];
        let rows = session
            .rows(&query(records, session.version), &parameters)
            .await?;
        let row = rows
            .first()
            .ok_or_else(|| Failure::Unexpected("no row where one is certain".to_owned()))?;
        Self::of(row).map_err(|error| Failure::Unexpected(error.to_string()))
    }

    fn of(row: &Row) -> Result<Self, tokio_postgres::Error> {
        let database = match row.try_get::<_, Option<String>>(2)? {
            Some(owner) => Some(Database {
                owner,
                owned_by_administrator: row.try_get(3)?,
                open: row.try_get(4)?,
                public: row.try_get(5)?,
                granted: row.try_get(6)?,
            }),
            None => None,
        };
        let role = match row.try_get::<_, Option<bool>>(8)? {
            Some(superuser) => Some(Role::of(row, superuser)?),
            None => None,
        };
        Ok(Self {
            schema_record: row.try_get(0)?,
            user_record: row.try_get(1)?,
            superuser: row.try_get(7)?,
            database,
            role,
        })
    }
}

impl Role {
    fn of(row: &Row, superuser: bool) -> Result<Self, tokio_postgres::Error> {
        let mut powers = Vec::new();
        for (power, column) in Power::ALL {
            if row.try_get(column)? {
                powers.push(power);
            }
        }
        let roles: Vec<String> = row.try_get(11)?;
        let grantors: Vec<String> = row.try_get(12)?;
        let memberships = roles.into_iter().zip(grantors);
        Ok(Self {
            superuser,
            login: row.try_get(9)?,
            joined: row.try_get(10)?,
            powers,
            memberships: memberships
                .map(|(role, grantor)| Membership { role, grantor })
                .collect(),
            granted: row.try_get(13)?,
            owned: row.try_get(14)?,
        })
    }
}

/// The query for everything at once. Until version 15 a member might always assume a role.
fn query(records: &str, version: u32) -> String {
    let assume = if version < 16 { "MEMBER" } else { "SET" };
    format!(
        "WITH db AS (
            SELECT datdba, datallowconn, coalesce(datacl, acldefault('d', datdba)) AS acl
            FROM pg_database WHERE datname = $1),
        me AS (SELECT oid, rolsuper FROM pg_roles WHERE rolname = current_user),
        login AS (SELECT * FROM pg_roles WHERE rolname = $2)
        SELECT {records},
            pg_get_userbyid(db.datdba)::text,
            db.datdba = me.oid,
            db.datallowconn,
            EXISTS (SELECT FROM aclexplode(db.acl) AS a WHERE a.grantee = 0),
            (SELECT count(DISTINCT a.privilege_type) = 3 FROM aclexplode(db.acl) AS a
                WHERE a.grantee = db.datdba
                AND a.privilege_type IN ('CONNECT', 'CREATE', 'TEMPORARY')),
            me.rolsuper,
            login.rolsuper,
            login.rolcanlogin AND coalesce(login.rolvaliduntil > now(), true),
            pg_has_role(current_user, login.oid, 'USAGE')
                AND pg_has_role(current_user, login.oid, '{assume}'),
            ARRAY(SELECT pg_get_userbyid(roleid)::text FROM pg_auth_members
                WHERE member = login.oid ORDER BY roleid, grantor),
            ARRAY(SELECT pg_get_userbyid(grantor)::text FROM pg_auth_members
                WHERE member = login.oid ORDER BY roleid, grantor),
            ARRAY(SELECT d.datname::text FROM pg_database AS d
                WHERE d.datname <> $1 AND d.datdba <> login.oid AND EXISTS (
                    SELECT FROM aclexplode(d.datacl) AS a WHERE a.grantee = login.oid)
                ORDER BY 1),
            ARRAY(SELECT d.datname::text FROM pg_database AS d
                WHERE d.datname <> $1 AND d.datdba = login.oid ORDER BY 1),
            login.rolcreatedb, login.rolcreaterole, login.rolreplication, login.rolbypassrls
        FROM me LEFT JOIN db ON true LEFT JOIN login ON true"
    )
}
