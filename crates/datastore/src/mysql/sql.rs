//! SQL text of the driver: the only module that quotes identifiers and literals.
//!
//! Whatever the driver writes is a [`Statement`], which nothing outside this module makes from text; whatever it
//! reads is a constant text with bound parameters. Sessions run with [`SQL_MODE`], by which a backslash escapes in
//! literals and double quotes are no identifiers.

use std::fmt;

use kamaji_api::owner::DATABASE;

use crate::tenancy::{Access, Schema, User};

/// The `sql_mode` that the quoting here relies on, and the seconds after which the server ends a connection that sends
/// nothing, with its locks; every session sets both first.
pub(super) const SQL_MODE: &str = "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', \
     SESSION wait_timeout = 180";
/// Host of a tenant's account, as upstream makes it: any.
pub(super) const ANY_HOST: &str = "%";
/// Most bytes of a name in kine's table.
pub(super) const NAME_BYTES: usize = 630;
/// Privileges of a tenant on its own database, as upstream grants them; kine needs no other.
pub(super) const PRIVILEGES: [&str; 7] = [
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "INDEX",
];

/// Privileges of a tenant that may not write.
const READING: [&str; 1] = ["SELECT"];

/// Privileges that a tenant with `access` has on its own database.
pub(super) fn privileges(access: Access) -> &'static [&'static str] {
    match access {
        Access::ReadWrite => &PRIVILEGES,
        Access::ReadOnly => &READING,
    }
}

/// Name of a database or table; quoted where it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ident<'a>(&'a str);

/// Text value; quoted where it is shown.
#[derive(Clone, Copy)]
struct Literal<'a>(&'a str);

/// Account of a user at one host; quoted where it is shown.
#[derive(Clone, Copy)]
pub(super) struct Account<'a> {
    user: &'a str,
    host: &'a str,
}

/// Database name in a grant. The server reads it as a pattern, so that `_` and `%` are escaped, unless the server
/// takes patterns literally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(String);

/// Name of kine's table in a tenant's database; quoted where it is shown.
#[derive(Clone, Copy)]
pub(super) struct Table<'a>(Ident<'a>);

/// One SQL statement that writes, with everything in it quoted.
pub(super) struct Statement(String);

impl fmt::Display for Ident<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0.replace('`', "``"))
    }
}

impl fmt::Display for Literal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\\', "\\\\").replace('\'', "''"))
    }
}

impl fmt::Display for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", Literal(self.user), Literal(self.host))
    }
}

impl<'a> Table<'a> {
    /// The table of the tenant with this schema.
    pub(super) fn of(schema: &'a Schema) -> Self {
        Self(Ident(schema.as_str()))
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.kine", self.0)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ident(&self.0).fmt(f)
    }
}

impl<'a> Account<'a> {
    /// The account that a tenant's user has: at any host.
    pub(super) fn of(user: &'a User) -> Self {
        Self {
            user: user.as_str(),
            host: ANY_HOST,
        }
    }

    /// The grantee as `information_schema` shows it: between quotes, which it does not escape.
    pub(super) fn grantee(self) -> String {
        format!("'{}'@'{}'", self.user, self.host)
    }
}

impl Pattern {
    /// The pattern that matches `schema` and no other database. `literal` is true on a server with
    /// `partial_revokes`, which knows no patterns.
    pub(super) fn of(schema: &Schema, literal: bool) -> Self {
        let name = schema.as_str();
        if literal {
            return Self(name.to_owned());
        }
        let mut pattern = String::with_capacity(name.len());
        for c in name.chars() {
            if matches!(c, '_' | '%' | '\\') {
                pattern.push('\\');
            }
            pattern.push(c);
        }
        Self(pattern)
    }

    /// The pattern as the server's tables hold it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// True if the pattern of a grant covers the database `name`.
pub(super) fn covers(pattern: &str, name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    // Element n: the pattern up to here may have matched the first n characters.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut pattern = pattern.chars();
    while let Some(c) = pattern.next() {
        if c == '%' {
            let first = reached.iter().position(|yes| *yes).unwrap_or(reached.len());
            reached[first..].fill(true);
            continue;
        }
        let exactly = match c {
            '_' => None,
            '\\' => pattern.next().or(Some(c)),
            other => Some(other),
        };
        for n in (0..name.len()).rev() {
            reached[n + 1] = reached[n] && exactly.is_none_or(|exactly| exactly == name[n]);
        }
        reached[0] = false;
    }
    reached.last().is_some_and(|yes| *yes)
}

impl Statement {
    /// The text of the statement.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Creates the tenant's database; its character set keeps what is written apart by its bytes.
    pub(super) fn create_database(schema: &Schema) -> Self {
        let schema = Ident(schema.as_str());
        Self(format!(
            "CREATE DATABASE IF NOT EXISTS {schema} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        ))
    }

    /// Deletes the tenant's database with all its tables.
    pub(super) fn drop_database(schema: &Schema) -> Self {
        Self(format!(
            "DROP DATABASE IF EXISTS {}",
            Ident(schema.as_str())
        ))
    }

    /// Creates the tenant's account.
    pub(super) fn create_user(account: Account<'_>, password: &str) -> Self {
        let password = Literal(password);
        Self(format!("CREATE USER {account} IDENTIFIED BY {password}"))
    }

    /// Sets the password of the tenant's account.
    pub(super) fn set_password(account: Account<'_>, password: &str) -> Self {
        let password = Literal(password);
        Self(format!("ALTER USER {account} IDENTIFIED BY {password}"))
    }

    /// Deletes the tenant's account and its grants.
    pub(super) fn drop_user(account: Account<'_>) -> Self {
        Self(format!("DROP USER IF EXISTS {account}"))
    }

    /// Grants the tenant its privileges on its own database.
    pub(super) fn grant(pattern: &Pattern, account: Account<'_>, access: Access) -> Self {
        let privileges = privileges(access).join(", ");
        Self(format!("GRANT {privileges} ON {pattern}.* TO {account}"))
    }

    /// Revokes every privilege of the tenant on its own database but that to read.
    pub(super) fn revoke_writes(pattern: &Pattern, account: Account<'_>) -> Self {
        let mut writes = PRIVILEGES.to_vec();
        writes.retain(|name| !READING.contains(name));
        let writes = writes.join(", ");
        Self(format!("REVOKE {writes} ON {pattern}.* FROM {account}"))
    }

    /// Revokes every privilege of an account; roles stay.
    pub(super) fn revoke_everything(account: Account<'_>) -> Self {
        Self(format!(
            "REVOKE ALL PRIVILEGES, GRANT OPTION FROM {account}"
        ))
    }

    /// Revokes a role; `host` is the role's own, empty on MariaDB.
    pub(super) fn revoke_role(role: &str, host: &str, account: Account<'_>) -> Self {
        let role = if host.is_empty() {
            Ident(role).to_string()
        } else {
            Account { user: role, host }.to_string()
        };
        Self(format!("REVOKE {role} FROM {account}"))
    }

    /// Ends a connection by its number.
    pub(super) fn kill(id: u64) -> Self {
        Self(format!("KILL CONNECTION {id}"))
    }

    /// Ends the statement that a connection carries out, by the connection's number.
    pub(super) fn kill_statement(id: u64) -> Self {
        Self(format!("KILL QUERY {id}"))
    }

    /// Creates kine's table with the columns and indexes of kine v0.17.5, except that names are bytes, as etcd's keys
    /// are. All in one statement, since kine adds no index to a table that exists.
    pub(super) fn create_kine(table: Table<'_>) -> Self {
        Self(format!(
            "CREATE TABLE IF NOT EXISTS {table} (\
             id BIGINT UNSIGNED AUTO_INCREMENT, name VARBINARY({NAME_BYTES}), created INTEGER, \
             deleted INTEGER, create_revision BIGINT UNSIGNED, prev_revision BIGINT UNSIGNED, \
             lease INTEGER, value MEDIUMBLOB, old_value MEDIUMBLOB, PRIMARY KEY (id), \
             INDEX kine_name_index (name), INDEX kine_name_id_index (name, id), \
             INDEX kine_id_deleted_index (id, deleted), \
             INDEX kine_prev_revision_index (prev_revision), \
             UNIQUE INDEX kine_name_prev_revision_uindex (name, prev_revision)) ENGINE = InnoDB"
        ))
    }

    /// Makes the names in kine's table bytes.
    pub(super) fn compare_bytes(table: Table<'_>) -> Self {
        Self(format!(
            "ALTER TABLE {table} MODIFY COLUMN name VARBINARY({NAME_BYTES})"
        ))
    }

    /// Sets the id of the next row of kine's table.
    pub(super) fn set_next_id(table: Table<'_>, id: i64) -> Self {
        Self(format!("ALTER TABLE {table} AUTO_INCREMENT = {id}"))
    }

    /// Begins a transaction; one that is open is committed.
    pub(super) fn begin() -> Self {
        Self("START TRANSACTION".to_owned())
    }

    /// Commits the transaction that is open.
    pub(super) fn commit() -> Self {
        Self("COMMIT".to_owned())
    }

    /// Waits until every transaction that has used kine's table has ended, and changes nothing: tables of `InnoDB`
    /// have no keys that could be enabled.
    pub(super) fn wait_for_transactions(table: Table<'_>) -> Self {
        Self(format!("ALTER TABLE {table} ENABLE KEYS"))
    }

    /// Creates the operator's database.
    pub(super) fn create_records() -> Self {
        let database = Ident(DATABASE);
        Self(format!(
            "CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        ))
    }

    /// Creates the table of owner records.
    pub(super) fn create_owners() -> Self {
        Self(format!(
            "CREATE TABLE IF NOT EXISTS {}.owners (\
             kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, \
             name VARBINARY(256) NOT NULL, record BLOB NOT NULL, \
             PRIMARY KEY (kind, name)) ENGINE = InnoDB",
            Ident(DATABASE)
        ))
    }

    /// Creates the table that holds the secret part of the names of locks, one row.
    pub(super) fn create_lock() -> Self {
        Self(format!(
            "CREATE TABLE IF NOT EXISTS {}.claim_lock (\
             id TINYINT NOT NULL PRIMARY KEY, name CHAR(64) CHARACTER SET ascii NOT NULL) \
             ENGINE = InnoDB",
            Ident(DATABASE)
        ))
    }
}

/// Text of the query that counts the rows of a tenant's table.
pub(super) fn count_rows(schema: &Schema) -> String {
    format!("SELECT COUNT(*) FROM {}", Table::of(schema))
}

#[cfg(test)]
mod tests;
