//! PostgreSQL with TLS and passwords, for the conformance suite.

use kamaji_datastore::{DataStore, Driver, Tenancy, connect};
use tokio_postgres::{Client, Error};

use crate::harness::{Denied, Harness, Isolated};
use crate::postgres_server::{ADMIN, Server};

const RECORDS: &str = "kamaji_clastix_io";

/// kine's table, as far as a write needs it.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS kine (id BIGSERIAL PRIMARY KEY, name text COLLATE \"C\",
        created INTEGER, deleted INTEGER, create_revision BIGINT, prev_revision BIGINT, lease INTEGER,
        value bytea, old_value bytea);
    CREATE UNIQUE INDEX IF NOT EXISTS kine_name_prev_revision_uindex ON kine (name, prev_revision)";

/// A real PostgreSQL.
pub struct PostgresHarness {
    server: Server,
}

/// The answer to a tenant; panics on an error that is no denial.
fn answer<T>(result: Result<T, Error>) -> Result<T, Denied> {
    result.map_err(|error| {
        // Wrong password, no log-in, no such database (any more), insufficient privilege.
        let denied = ["28P01", "28000", "3D000", "42501"];
        let code = error.code().map(tokio_postgres::error::SqlState::code);
        assert!(code.is_some_and(|code| denied.contains(&code)), "{error:?}");
        Denied
    })
}

/// Name that a key has in kine's table.
fn name(key: &str) -> String {
    format!("/registry/{key}")
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl PostgresHarness {
    async fn client(&self, tenant: &Tenancy, database: &str) -> Result<Client, Denied> {
        let password = tenant.password.as_ref().unwrap().expose();
        let credentials = (tenant.user.as_str(), password);
        answer(self.server.log_in(credentials, database).await)
    }

    async fn attempt(
        &self,
        tenant: &Tenancy,
        database: &str,
        statement: &str,
    ) -> Result<(), Denied> {
        let client = self.client(tenant, database).await?;
        answer(client.batch_execute(statement).await)
    }

    /// Owner of kine's table and the names in it, of one database.
    async fn data(&self, database: &str) -> Vec<String> {
        let table = "SELECT tableowner::text FROM pg_tables WHERE tablename = 'kine'";
        let mut lines = self.server.texts(database, table).await;
        if !lines.is_empty() {
            let names = self
                .server
                .texts(database, "SELECT name FROM public.kine")
                .await;
            lines.extend(names);
        }
        lines
            .iter()
            .map(|line| format!("data of {database}: {line}"))
            .collect()
    }
}

impl Harness for PostgresHarness {
    const DRIVER: Driver = Driver::PostgreSql;
    const PARTS: usize = 4;

    async fn start() -> Self {
        Self {
            server: Server::start().await,
        }
    }

    async fn administrator(&self) -> Box<dyn DataStore> {
        self.server.store().await
    }

    async fn write(&self, tenant: &Tenancy, into: &Tenancy, key: &str) -> Result<(), Denied> {
        let client = self.client(tenant, into.schema.as_str()).await?;
        answer(client.batch_execute(TABLE).await)?;
        let row = "INSERT INTO kine (name, created, deleted, create_revision, prev_revision, lease, value)
            VALUES ($1, 1, 0, 0, 0, 0, 'x') ON CONFLICT DO NOTHING";
        answer(client.execute(row, &[&name(key)]).await).map(drop)
    }

    async fn read(&self, tenant: &Tenancy, from: &Tenancy, key: &str) -> Result<bool, Denied> {
        let client = self.client(tenant, from.schema.as_str()).await?;
        let rows = client
            .query("SELECT FROM kine WHERE name = $1", &[&name(key)])
            .await;
        answer(rows).map(|rows| rows.len() == 1)
    }

    async fn listing(&self) -> Vec<String> {
        let databases = "SELECT datname::text FROM pg_database
            WHERE datname NOT IN ('postgres', 'template0', 'template1', 'kamaji_clastix_io')";
        let grants = "SELECT format('database %s of %s, connections %s: %s', datname,
                pg_get_userbyid(datdba), datallowconn, datacl)
            FROM pg_database WHERE datname NOT IN ('template0', 'kamaji_clastix_io')";
        let roles = "SELECT format('role %s: %s', rolname, to_jsonb(r) - 'oid' - 'rolpassword')
            FROM pg_roles AS r WHERE rolname !~ '^pg_'";
        let members = "SELECT format('%s in %s', pg_get_userbyid(member), pg_get_userbyid(roleid))
            FROM pg_auth_members WHERE pg_get_userbyid(member) !~ '^pg_'";
        let mut lines = Vec::new();
        for query in [grants, roles, members] {
            lines.extend(self.server.texts("postgres", query).await);
        }
        for database in self.server.texts("postgres", databases).await {
            lines.extend(self.data(&database).await);
        }
        let operators = "SELECT datname::text FROM pg_database WHERE datname = 'kamaji_clastix_io'";
        if !self.server.texts("postgres", operators).await.is_empty() {
            let records =
                "SELECT format('record %s %s = %s', kind, name, record) FROM public.owners";
            lines.extend(self.server.texts(RECORDS, records).await);
        }
        lines.sort();
        lines
    }

    async fn delete_owner_records(&self, tenancy: &Tenancy) {
        let admin = self.server.admin(RECORDS).await;
        let delete = "DELETE FROM public.owners WHERE kind = $1 AND name = $2";
        for (kind, name) in [
            ("schema", tenancy.schema.as_str()),
            ("user", tenancy.user.as_str()),
        ] {
            assert_eq!(admin.execute(delete, &[&kind, &name]).await.unwrap(), 1);
        }
    }

    async fn lose(&self, tenancy: &Tenancy, part: usize) {
        let (database, role) = (
            quoted(tenancy.schema.as_str()),
            quoted(tenancy.user.as_str()),
        );
        match part {
            // Removal had begun.
            0 => {
                let statement = format!("ALTER ROLE {role} NOLOGIN PASSWORD NULL");
                self.server.sql("postgres", &statement).await;
            }
            // The database was created, and not yet protected.
            1 => {
                for statement in [
                    format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false"),
                    format!("GRANT CONNECT, TEMPORARY ON DATABASE {database} TO PUBLIC"),
                ] {
                    self.server.sql("postgres", &statement).await;
                }
            }
            // It was not yet given to the role.
            2 => {
                let statement = format!("ALTER DATABASE {database} OWNER TO {ADMIN}");
                self.server.sql("postgres", &statement).await;
            }
            _ => {
                let statement = format!(
                    "REASSIGN OWNED BY {role} TO {ADMIN}; DROP OWNED BY {role}; DROP ROLE {role}"
                );
                self.server.sql(tenancy.schema.as_str(), &statement).await;
            }
        }
    }
}

impl Isolated for PostgresHarness {
    async fn as_tenant(&self, tenant: &Tenancy) -> Box<dyn DataStore> {
        let password = tenant.password.as_ref().unwrap().expose();
        let connection = self.server.connection_as(tenant.user.as_str(), password);
        connect(&connection).await.unwrap()
    }

    async fn withhold(&self, tenant: &Tenancy) {
        let (database, role) = (quoted(tenant.schema.as_str()), quoted(tenant.user.as_str()));
        let statement = format!("REVOKE CONNECT ON DATABASE {database} FROM {role}");
        self.server.sql("postgres", &statement).await;
    }

    async fn widen(&self, tenant: &Tenancy, neighbour: &Tenancy) {
        let (role, database) = (
            quoted(tenant.user.as_str()),
            quoted(neighbour.schema.as_str()),
        );
        let foreign = quoted(neighbour.user.as_str());
        let statement = format!(
            "GRANT {foreign} TO {role}; GRANT CONNECT ON DATABASE {database} TO {role}; ALTER ROLE {role} CREATEROLE"
        );
        self.server.sql("postgres", &statement).await;
    }

    async fn escalations(&self, tenant: &Tenancy) -> Vec<(&'static str, Result<(), Denied>)> {
        let own = tenant.schema.as_str();
        let role = quoted(tenant.user.as_str());
        let superuser = format!("ALTER ROLE {role} SUPERUSER");
        let membership = format!("GRANT pg_read_all_data TO {role}");
        let databases = format!("ALTER ROLE {role} CREATEDB");
        let mut outcomes = Vec::new();
        for (attempt, database, statement) in [
            ("reading owner records", RECORDS, "SELECT 1"),
            ("creating a database", own, "CREATE DATABASE friend"),
            ("creating a role", own, "CREATE ROLE friend"),
            ("becoming a superuser", own, &superuser),
            ("joining a group that reads everything", own, &membership),
            ("creating databases", own, &databases),
            ("acting as the superuser", own, "SET ROLE postgres"),
            ("reading password hashes", own, "SELECT FROM pg_authid"),
            (
                "reading files of the server",
                own,
                "SELECT pg_read_file('PG_VERSION')",
            ),
            (
                "running programs",
                own,
                "CREATE TEMPORARY TABLE t (x text); COPY t FROM PROGRAM 'id'",
            ),
            (
                "creating a table in the maintenance database",
                "postgres",
                "CREATE TABLE t ()",
            ),
            (
                "creating a table in the template of others",
                "template1",
                "CREATE TABLE t ()",
            ),
            (
                "changing settings of the server",
                own,
                "ALTER SYSTEM SET ssl = off",
            ),
            (
                "ending sessions of others",
                own,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
            ),
        ] {
            outcomes.push((attempt, self.attempt(tenant, database, statement).await));
        }
        outcomes
    }
}
