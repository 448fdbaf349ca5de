//! MariaDB with TLS and an administrator of few privileges, for the conformance suite.

use kamaji_datastore::{DataStore, Driver, Tenancy, connect};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use crate::{
    harness::{Denied, Harness, Isolated},
    mysql_server::Server,
};

/// A real MariaDB.
pub struct MySqlHarness {
    server: Server,
}

/// Columns and indexes of kine's table that a write needs.
const COLUMNS: &str = "(id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(630) CHARACTER SET ascii, \
    created INTEGER, deleted INTEGER, create_revision BIGINT UNSIGNED, prev_revision BIGINT UNSIGNED, \
    lease INTEGER, value MEDIUMBLOB, old_value MEDIUMBLOB, \
    UNIQUE INDEX kine_name_prev_revision_uindex (name, prev_revision))";

/// Numbers of the server's errors that deny access.
const DENIED: [u16; 6] = [1044, 1045, 1142, 1143, 1227, 1410];

const LISTINGS: [&str; 5] = [
    "SELECT CONCAT('database ', SCHEMA_NAME, ' ', DEFAULT_COLLATION_NAME) \
     FROM information_schema.SCHEMATA \
     WHERE SCHEMA_NAME NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema', 'kamaji_clastix_io')",
    "SELECT CONCAT('user ', User, '@', Host, ' ', JSON_REMOVE(Priv, '$.password_last_changed')) FROM mysql.global_priv \
     WHERE User NOT IN ('root', 'mariadb.sys', 'kamaji')",
    "SELECT CONCAT_WS(' ', 'grant', User, Host, Db, Select_priv, Insert_priv, Update_priv, Delete_priv, \
     Create_priv, Drop_priv, Grant_priv, References_priv, Index_priv, Alter_priv) FROM mysql.db",
    "SELECT CONCAT_WS(' ', 'role', User, Host, Role) FROM mysql.roles_mapping WHERE User <> 'root'",
    "SELECT CONCAT_WS(' ', 'owner', kind, name, record) FROM kamaji_clastix_io.owners",
];

/// The answer to a tenant; panics on an error that is no denial.
fn answer<T>(result: Result<T, Error>) -> Result<T, Denied> {
    result.map_err(|error| match &error {
        Error::Server(answer) if DENIED.contains(&answer.code) => Denied,
        _ => panic!("{error}"),
    })
}

/// The name between backticks, as the harness itself quotes.
fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The name as a grant has to have it.
fn pattern(name: &str) -> String {
    let escaped = name.replace('\\', "\\\\").replace('_', "\\_");
    quoted(&escaped.replace('%', "\\%"))
}

fn account(tenant: &Tenancy) -> String {
    format!("{}@'%'", quoted(tenant.user.as_str()))
}

fn table(tenancy: &Tenancy) -> String {
    format!("{}.kine", quoted(tenancy.schema.as_str()))
}

/// Name that a key has in kine's table.
fn name(key: &str) -> String {
    format!("/registry/{key}")
}

fn password(tenant: &Tenancy) -> &str {
    tenant.password.as_ref().unwrap().expose()
}

impl MySqlHarness {
    async fn client(&self, tenant: &Tenancy) -> Result<Conn, Denied> {
        answer(
            self.server
                .client(tenant.user.as_str(), password(tenant))
                .await,
        )
    }

    async fn execute(&self, statements: &[String]) {
        for statement in statements {
            self.server.execute(statement).await;
        }
    }
}

impl Harness for MySqlHarness {
    const DRIVER: Driver = Driver::MySql;
    // A kine that may read acknowledges creations that were refused.
    const READS_WHILE_FENCED: bool = false;
    const PARTS: usize = 3;

    async fn start() -> Self {
        Self {
            server: Server::start().await,
        }
    }

    async fn administrator(&self) -> Box<dyn DataStore> {
        self.server.store().await
    }

    async fn write(&self, tenant: &Tenancy, into: &Tenancy, key: &str) -> Result<(), Denied> {
        let (mut client, table) = (self.client(tenant).await?, table(into));
        let create = format!("CREATE TABLE IF NOT EXISTS {table} {COLUMNS}");
        answer(client.query_drop(create).await)?;
        let insert = format!(
            "INSERT IGNORE INTO {table} (name, created, deleted, create_revision, prev_revision, lease, value) \
             VALUES (?, 1, 0, 0, 0, 0, 'x')"
        );
        answer(client.exec_drop(insert, (name(key),)).await)
    }

    async fn read(&self, tenant: &Tenancy, from: &Tenancy, key: &str) -> Result<bool, Denied> {
        let mut client = self.client(tenant).await?;
        let query = format!("SELECT COUNT(*) FROM {} WHERE name = ?", table(from));
        let found = answer(client.exec_first::<u64, _, _>(query, (name(key),)).await)?;
        Ok(found == Some(1))
    }

    async fn listing(&self) -> Vec<String> {
        let mut root = self.server.root().await;
        let mut lines = Vec::new();
        for query in LISTINGS {
            let found = root.query::<Vec<u8>, _>(query).await;
            let found = match found {
                // Before the first tenant there are no records.
                Err(Error::Server(answer)) if [1049, 1146].contains(&answer.code) => Vec::new(),
                other => other.unwrap(),
            };
            lines.extend(found.iter().map(|line| line.escape_ascii().to_string()));
        }
        let tables: Vec<(String, String)> = root
            .query("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_NAME = 'kine'")
            .await
            .unwrap();
        for (schema, table) in tables {
            let query = format!(
                "SELECT CONCAT(id, ' ', name, '=', COALESCE(value, '')) FROM {}.{table}",
                quoted(&schema)
            );
            let rows: Vec<Vec<u8>> = root.query(query).await.unwrap();
            let rows: Vec<String> = rows
                .iter()
                .map(|row| row.escape_ascii().to_string())
                .collect();
            lines.push(format!("rows {schema}.{table}: {rows:?}"));
        }
        lines.sort();
        lines
    }

    async fn delete_owner_records(&self, tenancy: &Tenancy) {
        let mut root = self.server.root().await;
        for (kind, name) in [
            ("schema", tenancy.schema.as_str()),
            ("user", tenancy.user.as_str()),
        ] {
            let delete = "DELETE FROM kamaji_clastix_io.owners WHERE kind = ? AND name = ?";
            root.exec_drop(delete, (kind, name)).await.unwrap();
            assert_eq!(root.affected_rows(), 1);
        }
    }

    async fn lose(&self, tenancy: &Tenancy, part: usize) {
        if part == 0 {
            return self.withhold(tenancy).await;
        }
        self.execute(&[format!("DROP USER {}", account(tenancy))])
            .await;
        let mut root = self.server.root().await;
        let tables = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?";
        let schema = tenancy.schema.as_str();
        let tables = root
            .exec_first::<u64, _, _>(tables, (schema,))
            .await
            .unwrap();
        // No crash of a driver loses tables and keeps the record.
        if part == 2 && tables == Some(0) {
            self.execute(&[format!("DROP DATABASE {}", quoted(schema))])
                .await;
        }
    }
}

impl Isolated for MySqlHarness {
    async fn as_tenant(&self, tenant: &Tenancy) -> Box<dyn DataStore> {
        let connection = self
            .server
            .connection_as(tenant.user.as_str(), password(tenant));
        connect(&connection).await.unwrap()
    }

    async fn withhold(&self, tenant: &Tenancy) {
        let own = pattern(tenant.schema.as_str());
        let account = account(tenant);
        self.execute(&[format!("REVOKE ALL PRIVILEGES ON {own}.* FROM {account}")])
            .await;
    }

    async fn widen(&self, tenant: &Tenancy, neighbour: &Tenancy) {
        let (theirs, account) = (pattern(neighbour.schema.as_str()), account(tenant));
        self.execute(&[
            format!("GRANT ALL PRIVILEGES ON {theirs}.* TO {account} WITH GRANT OPTION"),
            format!(
                "GRANT DROP ON {}.* TO {account}",
                pattern(tenant.schema.as_str())
            ),
            format!("GRANT SELECT, CREATE USER ON *.* TO {account}"),
            format!("GRANT SELECT ON mysql.user TO {account}"),
        ])
        .await;
    }

    async fn escalations(&self, tenant: &Tenancy) -> Vec<(&'static str, Result<(), Denied>)> {
        let (own, account) = (pattern(tenant.schema.as_str()), account(tenant));
        let attempts = [
            ("reading users", "SELECT * FROM mysql.user".to_owned()),
            (
                "adding a user",
                "CREATE USER friend IDENTIFIED BY 'password'".to_owned(),
            ),
            ("adding a role", "CREATE ROLE friends".to_owned()),
            ("adding a database", "CREATE DATABASE other".to_owned()),
            (
                "becoming an administrator",
                format!("GRANT ALL ON *.* TO {account}"),
            ),
            (
                "passing its access on",
                format!("GRANT SELECT ON {own}.* TO kamaji@'%'"),
            ),
            (
                "deleting its database",
                format!("DROP DATABASE {}", quoted(tenant.schema.as_str())),
            ),
            (
                "deleting its table",
                format!("DROP TABLE {}", table(tenant)),
            ),
            ("disabling access control", "FLUSH PRIVILEGES".to_owned()),
            (
                "setting a variable for all",
                "SET GLOBAL max_connections = 10".to_owned(),
            ),
            (
                "reading owner records",
                "SELECT * FROM kamaji_clastix_io.owners".to_owned(),
            ),
            (
                "writing owner records",
                "UPDATE kamaji_clastix_io.owners SET record = 'x'".to_owned(),
            ),
            (
                "deleting owner records",
                "DELETE FROM kamaji_clastix_io.owners".to_owned(),
            ),
            (
                "reading the name of the lock",
                "SELECT * FROM kamaji_clastix_io.claim_lock".to_owned(),
            ),
            ("stopping the server", "SHUTDOWN".to_owned()),
        ];
        let mut client = self.client(tenant).await.unwrap();
        let mut outcomes = Vec::new();
        for (name, statement) in attempts {
            outcomes.push((name, answer(client.query_drop(statement).await)));
        }
        outcomes
    }
}
