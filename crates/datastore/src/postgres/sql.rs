//! SQL text of the driver: the only module that quotes identifiers and literals.
//!
//! Whatever the driver writes is a [`Statement`], which nothing outside this module can make from text. Whatever it
//! reads is a constant text with bound parameters.

use std::fmt;

use postgres_protocol::escape::{escape_identifier, escape_literal};

use crate::tenancy::{Schema, User};

/// First version in which a member of a role neither inherits nor may assume it unless the grant says so.
const GRANT_OPTIONS: u32 = 16;

/// Ends the policies by which a table with row security is written.
const NO_WRITES: &str = "DROP POLICY IF EXISTS kamaji_insert ON public.kine; \
    DROP POLICY IF EXISTS kamaji_update ON public.kine; DROP POLICY IF EXISTS kamaji_delete ON public.kine";
/// Definition of kine's table and its indexes.
const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS public.kine (
        id BIGSERIAL PRIMARY KEY,
        name text COLLATE \"C\",
        created INTEGER,
        deleted INTEGER,
        create_revision BIGINT,
        prev_revision BIGINT,
        lease INTEGER,
        value bytea,
        old_value bytea);
    CREATE INDEX IF NOT EXISTS kine_name_index ON public.kine (name);
    CREATE INDEX IF NOT EXISTS kine_name_id_index ON public.kine (name, id);
    CREATE INDEX IF NOT EXISTS kine_id_deleted_index ON public.kine (id, deleted);
    CREATE INDEX IF NOT EXISTS kine_prev_revision_index ON public.kine (prev_revision);
    CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON public.kine (name, prev_revision);
    CREATE INDEX IF NOT EXISTS kine_list_query_index ON public.kine (name, id DESC, deleted)";

/// Name of a database or role; quoted where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ident<'a>(&'a str);

/// Text value; quoted where it is shown.
#[derive(Clone, Copy)]
struct Literal<'a>(&'a str);

/// One SQL statement that writes, with everything in it quoted.
pub(super) struct Statement(String);

impl<'a> Ident<'a> {
    /// A name that the server itself has reported, or a constant of the operator.
    pub(super) fn known(name: &'a str) -> Self {
        Self(name)
    }
}

impl<'a> From<&'a Schema> for Ident<'a> {
    fn from(schema: &'a Schema) -> Self {
        Self(schema.as_str())
    }
}

impl<'a> From<&'a User> for Ident<'a> {
    fn from(user: &'a User) -> Self {
        Self(user.as_str())
    }
}

impl fmt::Display for Ident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_identifier(self.0))
    }
}

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_literal(self.0))
    }
}

impl Statement {
    /// The text of the statement.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// The kind of the statement in words, for errors, for example `ALTER DATABASE`.
    pub(super) fn verb(&self) -> String {
        let words: Vec<&str> = self.0.split(' ').take(2).collect();
        words.join(" ")
    }

    /// True if the server writes a checkpoint meanwhile.
    pub(super) fn is_slow(&self) -> bool {
        ["CREATE DATABASE", "DROP DATABASE"].contains(&self.verb().as_str())
    }

    /// Creates a role that may log in with the password behind `verifier`, and nothing else.
    pub(super) fn create_role(role: Ident<'_>, verifier: &str) -> Self {
        let verifier = Literal(verifier);
        Self(format!(
            "CREATE ROLE {role} LOGIN VALID UNTIL 'infinity' PASSWORD {verifier}"
        ))
    }

    /// Replaces the password of a role by the one behind `verifier`.
    pub(super) fn set_password(role: Ident<'_>, verifier: &str) -> Self {
        let verifier = Literal(verifier);
        Self(format!("ALTER ROLE {role} PASSWORD {verifier}"))
    }

    /// Lets a role log in again, whatever ended that.
    pub(super) fn allow_login(role: Ident<'_>) -> Self {
        Self(format!("ALTER ROLE {role} LOGIN VALID UNTIL 'infinity'"))
    }

    /// Ends further log-ins of a role.
    pub(super) fn forbid_login(role: Ident<'_>) -> Self {
        Self(format!("ALTER ROLE {role} NOLOGIN"))
    }

    /// Takes a power from a role.
    pub(super) fn take_power(role: Ident<'_>, power: Power) -> Self {
        Self(format!("ALTER ROLE {role} NO{}", power.as_str()))
    }

    /// Makes the administrator a member of a role, so that it may give it a database and drop what it owns.
    pub(super) fn join(role: Ident<'_>, version: u32) -> Self {
        let options = match version {
            GRANT_OPTIONS.. => " WITH INHERIT TRUE, SET TRUE",
            _ => "",
        };
        Self(format!("GRANT {role} TO CURRENT_USER{options}"))
    }

    /// Ends the membership of `member` in `role` that `grantor` gave.
    pub(super) fn leave(
        member: Ident<'_>,
        (role, grantor): (Ident<'_>, Ident<'_>),
        version: u32,
    ) -> Self {
        let by = match version {
            GRANT_OPTIONS.. => format!(" GRANTED BY {grantor}"),
            _ => String::new(),
        };
        Self(format!("REVOKE {role} FROM {member}{by}"))
    }

    /// Creates an empty database that nobody may connect to yet, with the order of bytes as etcd has it. Of the
    /// templates only `template0` cannot be written, or kept busy, by others.
    pub(super) fn create_database(database: Ident<'_>) -> Self {
        Self(format!(
            "CREATE DATABASE {database} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C' \
             ALLOW_CONNECTIONS false"
        ))
    }

    /// Keeps everybody but the owner and whom it names out of a database.
    pub(super) fn close_database(database: Ident<'_>) -> Self {
        Self(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC"))
    }

    /// Lets those who have the privilege connect to a database.
    pub(super) fn open_database(database: Ident<'_>) -> Self {
        Self(format!("ALTER DATABASE {database} ALLOW_CONNECTIONS true"))
    }

    /// Makes `role` the owner of a database.
    pub(super) fn give_database(database: Ident<'_>, role: Ident<'_>) -> Self {
        Self(format!("ALTER DATABASE {database} OWNER TO {role}"))
    }

    /// Grants the owner of a database what an owner has by default.
    pub(super) fn grant_database(database: Ident<'_>, role: Ident<'_>) -> Self {
        Self(format!(
            "GRANT CONNECT, CREATE, TEMPORARY ON DATABASE {database} TO {role}"
        ))
    }

    /// Takes every privilege on a database from `role`.
    pub(super) fn revoke_database(database: Ident<'_>, role: Ident<'_>) -> Self {
        Self(format!("REVOKE ALL ON DATABASE {database} FROM {role}"))
    }

    /// Lets `role` create tables in the schema `public` of the database that the session is connected to.
    pub(super) fn grant_public(role: Ident<'_>) -> Self {
        Self(format!(
            "CREATE SCHEMA IF NOT EXISTS public; GRANT USAGE, CREATE ON SCHEMA public TO {role}"
        ))
    }

    /// Makes `role` the owner of kine's table in the database that the session is connected to.
    pub(super) fn give_table(role: Ident<'_>) -> Self {
        Self(format!("ALTER TABLE public.kine OWNER TO {role}"))
    }

    /// Creates kine's table and its indexes where they are missing, as kine 0.17.5 does.
    pub(super) fn create_table() -> Self {
        Self(CREATE_TABLE.to_owned())
    }

    /// Lets `role` write kine's table.
    pub(super) fn allow_writes(role: Ident<'_>) -> Self {
        Self(format!(
            "ALTER TABLE public.kine DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY; \
             DROP POLICY IF EXISTS kamaji_fence ON public.kine; {NO_WRITES}; GRANT ALL ON TABLE public.kine TO {role}"
        ))
    }

    /// Lets `role` write kine's table, and has the search of [`forbid_writes`](Self::forbid_writes) fail still: the one
    /// of a creation that was refused in the last moment before.
    pub(super) fn allow_writes_at_first(role: Ident<'_>) -> Self {
        Self(format!(
            "{NO_WRITES}; CREATE POLICY kamaji_insert ON public.kine FOR INSERT WITH CHECK (true); \
             CREATE POLICY kamaji_update ON public.kine FOR UPDATE USING (true) WITH CHECK (true); \
             CREATE POLICY kamaji_delete ON public.kine FOR DELETE USING (true); GRANT ALL ON TABLE public.kine TO {role}"
        ))
    }

    /// Lets `role`, although it owns kine's table, only read it. What kine does at its start goes on to work: it needs
    /// the owner for that, but no right to write.
    ///
    /// kine 0.17.5 reports a creation as done if its insert failed and the key cannot be found afterwards. So the policy
    /// has that one search fail, too, by a setting that does not exist; its name is what the client is told. The policy
    /// hides no row from anything else. It waits for every statement on the table.
    pub(super) fn forbid_writes(role: Ident<'_>) -> Self {
        Self(format!(
            "ALTER TABLE public.kine ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; \
             DROP POLICY IF EXISTS kamaji_fence ON public.kine; {NO_WRITES}; \
             CREATE POLICY kamaji_fence ON public.kine FOR SELECT USING ((SELECT CASE \
             WHEN pg_catalog.current_query() LIKE '%, lease FROM kine WHERE id = %' \
             THEN pg_catalog.current_setting('kamaji.datastore_is_read_only')::pg_catalog.bool ELSE true END)); \
             REVOKE ALL ON TABLE public.kine FROM PUBLIC; REVOKE ALL ON TABLE public.kine FROM {role}; \
             GRANT SELECT ON TABLE public.kine TO {role}"
        ))
    }

    /// Deletes every row of kine's table.
    pub(super) fn empty_table() -> Self {
        Self("TRUNCATE TABLE public.kine".to_owned())
    }

    /// Deletes a database with all its data and ends every session in it.
    pub(super) fn drop_database(database: Ident<'_>) -> Self {
        Self(format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)"))
    }

    /// Deletes what a role owns, and ends what it was granted, in the database that the session is connected to.
    pub(super) fn drop_owned(role: Ident<'_>) -> Self {
        Self(format!("DROP OWNED BY {role}"))
    }

    /// Deletes a role, which must own nothing any more.
    pub(super) fn drop_role(role: Ident<'_>) -> Self {
        Self(format!("DROP ROLE IF EXISTS {role}"))
    }

    /// Creates the table of owner records in the operator's database.
    pub(super) fn create_records() -> Self {
        Self(
            "CREATE TABLE IF NOT EXISTS public.owners (kind text, name text, record text NOT NULL, \
             PRIMARY KEY (kind, name))"
                .to_owned(),
        )
    }
}

/// Power of a role that no tenant has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Power {
    /// Permission to create databases.
    CreateDatabases,
    /// Permission to create and change roles.
    CreateRoles,
    /// Permission to read everything by replication.
    Replicate,
    /// Permission to read rows that a policy hides.
    BypassPolicies,
}

impl Power {
    /// Every power, with the column of `pg_roles` that tells of it.
    pub(super) const ALL: [(Self, &'static str); 4] = [
        (Self::CreateDatabases, "rolcreatedb"),
        (Self::CreateRoles, "rolcreaterole"),
        (Self::Replicate, "rolreplication"),
        (Self::BypassPolicies, "rolbypassrls"),
    ];

    /// The word of `CREATE ROLE` for it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::CreateDatabases => "CREATEDB",
            Self::CreateRoles => "CREATEROLE",
            Self::Replicate => "REPLICATION",
            Self::BypassPolicies => "BYPASSRLS",
        }
    }
}

#[cfg(test)]
mod tests;
