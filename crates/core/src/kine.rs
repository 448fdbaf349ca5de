//! Endpoint of kine: the URL of its database, and the texts that such a URL can carry.
//!
//! kine reads schema, user and password out of one URL, and each of its drivers has characters that do not
//! arrive there as they were written. Texts that no spelling can carry are refused, before anything is created
//! under them.

use std::{borrow::Cow, fmt::Write as _};

use kamaji_api::datastore::Driver;

/// Characters that can stand in the user part of a URL of PostgreSQL as they are, beside letters and digits.
const POSTGRESQL_USER: &str = "-._~!$&'()*+,;=@";

/// Characters that the user part of a URL of NATS can carry, beside letters and digits: kine hands the others to
/// the server in their percent-encoding, and takes a comma for the end of an endpoint.
const NATS_CREDENTIAL: &str = "-._~$&+;=";

/// Reason for which kine cannot reach a database under a name; its text goes after the name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// kine turns the name of a database of PostgreSQL into lower case.
    #[error(
        "has the capital letter {0:?}, and kine reaches databases of PostgreSQL in lower case only: write it in lower case"
    )]
    Capital(char),
    /// A character ends the name in kine's endpoint, or is not one of the driver's names.
    #[error(
        "contains {0:?}, which kine cannot pass to the datastore: use letters, digits, _ and -"
    )]
    Character(char),
}

/// Checks that kine can reach a database or bucket of this name.
pub fn check_schema(driver: Driver, name: &str) -> Result<(), Unreachable> {
    match driver {
        Driver::PostgreSql => refuse(name, char::is_uppercase, Unreachable::Capital),
        Driver::Nats => refuse(
            name,
            |c| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-')),
            Unreachable::Character,
        ),
        Driver::MySql | Driver::Etcd => Ok(()),
    }
}

/// Checks that kine can log in as a user of this name. The user of NATS is a credential of the DataStore
/// ([`carries`]).
pub fn check_user(driver: Driver, name: &str) -> Result<(), Unreachable> {
    match driver {
        Driver::MySql => refuse(name, |c| c == ':', Unreachable::Character),
        Driver::PostgreSql | Driver::Nats | Driver::Etcd => Ok(()),
    }
}

/// True if kine's endpoint can carry a DataStore's user or password. Only NATS has limits: the tenants of other
/// drivers have credentials of their own.
pub fn carries(driver: Driver, credential: &str) -> bool {
    let mut characters = credential.chars();
    driver != Driver::Nats
        || characters.all(|c| c.is_ascii_alphanumeric() || NATS_CREDENTIAL.contains(c))
}

fn refuse(
    name: &str,
    is_unfit: impl Fn(char) -> bool,
    problem: impl Fn(char) -> Unreachable,
) -> Result<(), Unreachable> {
    match name.chars().find(|c| is_unfit(*c)) {
        Some(c) => Err(problem(c)),
        None => Ok(()),
    }
}

/// URL of the database for kine's flag `--endpoint`; `None` for etcd. Names and password are variables of the
/// container, as in upstream; a name that a URL would read as something else is written out, percent-encoded.
pub fn endpoint(driver: Driver, schema: &str, user: &str) -> Option<String> {
    const PASSWORD: &str = "$(DB_PASSWORD)";
    const ADDRESS: &str = "$(DB_CONNECTION_STRING)";
    let schema = match driver {
        Driver::PostgreSql => url_part("$(DB_SCHEMA)", schema, |c| !"%?#".contains(c)),
        Driver::MySql => url_part("$(DB_SCHEMA)", schema, |c| !"%?".contains(c)),
        Driver::Nats | Driver::Etcd => Cow::Borrowed("$(DB_SCHEMA)"),
    };
    let user = match driver {
        Driver::PostgreSql => url_part("$(DB_USER)", user, |c| {
            c.is_ascii_alphanumeric() || POSTGRESQL_USER.contains(c)
        }),
        Driver::MySql | Driver::Nats | Driver::Etcd => Cow::Borrowed("$(DB_USER)"),
    };
    match driver {
        Driver::Etcd => None,
        Driver::MySql => Some(format!("mysql://{user}:{PASSWORD}@tcp({ADDRESS})/{schema}")),
        Driver::PostgreSql => Some(format!("postgres://{user}:{PASSWORD}@{ADDRESS}/{schema}")),
        Driver::Nats => Some(format!(
            "nats://{user}:{PASSWORD}@{ADDRESS}?bucket={schema}&noEmbed"
        )),
    }
}

/// The variable if its value means itself in a URL, else the value in percent-encoding.
fn url_part<'a>(variable: &'a str, value: &str, is_plain: impl Fn(char) -> bool) -> Cow<'a, str> {
    if value.chars().all(is_plain) {
        return Cow::Borrowed(variable);
    }
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
mod tests;
