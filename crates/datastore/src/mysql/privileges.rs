//! Privileges of the operator itself, which the check of a datastore asks for.

use super::answer::{BECOME_ADMINISTRATOR, code::NO_VIEW};
use super::query::Query;
use super::session::Session;
use super::sql::PRIVILEGES;
use crate::error::Error;

const OWN: &str = "SELECT CURRENT_USER()";
const ROLES: &str =
    "SELECT ROLE_NAME FROM information_schema.ENABLED_ROLES WHERE ROLE_NAME IS NOT NULL";
const GRANTED: &str = "SELECT GRANTEE, PRIVILEGE_TYPE, IS_GRANTABLE \
     FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE <> 'USAGE'";
/// Privileges that the operator uses and does not pass on.
const USED: [&str; 3] = ["CREATE USER", "PROCESS", "DROP"];
/// Names of the privilege to end others' connections, one of which will do.
const ENDS_CONNECTIONS: [&str; 3] = ["CONNECTION ADMIN", "CONNECTION_ADMIN", "SUPER"];
/// Instruction for a server on which every user has privileges.
const REVOKE_EVERYBODYS: &str = "revoke what PUBLIC and the users without a name have on *.*";

/// One global privilege: its grantee, its name, and whether it may be passed on.
type Granted = (String, String, String);

impl Session<'_> {
    /// Fails unless the operator may create databases and users, grant on them and end connections, and unless the
    /// server has access control.
    pub(super) async fn require_administrator(&mut self) -> Result<(), Error> {
        let doing = "reading the operator's privileges";
        // A server without grant tables refuses this one.
        self.rows::<mysql_async::Row>(doing, "SHOW GRANTS", ())
            .await?;
        let own: Vec<String> = self.rows(doing, OWN, ()).await?;
        // MySQL before 8.0.19 has no such table.
        let roles = self
            .rows_unless::<String>(&[NO_VIEW], Query::new(doing, ROLES), ())
            .await?;
        let roles = roles.unwrap_or_default();
        let granted: Vec<Granted> = self.rows(doing, GRANTED, ()).await?;
        if granted.iter().any(|(grantee, ..)| is_everybody(grantee)) {
            return Err(Error::AccessControlOff {
                site: self.site(doing),
                remedy: REVOKE_EVERYBODYS,
            });
        }
        let own = own.into_iter().next().unwrap_or_default();
        let lacks = missing(&grantees(&own, &roles), &granted);
        if lacks.is_empty() {
            return Ok(());
        }
        Err(Error::NotAuthorised {
            site: self.site(doing),
            cause: format!("the user {own} lacks {}", lacks.join(", ")),
            remedy: BECOME_ADMINISTRATOR,
        })
    }
}

fn is_everybody(grantee: &str) -> bool {
    grantee.starts_with("''@") || grantee == "'PUBLIC'" || grantee == "'PUBLIC'@''"
}

/// The operator's account and its roles, as `information_schema` shows grantees, without the host of roles.
fn grantees(own: &str, roles: &[String]) -> Vec<String> {
    let (user, host) = own.rsplit_once('@').unwrap_or((own, ""));
    let roles = roles.iter().map(|role| format!("'{role}'"));
    std::iter::once(format!("'{user}'@'{host}'"))
        .chain(roles)
        .collect()
}

/// The privileges that `grantees` lack together.
fn missing(grantees: &[String], granted: &[Granted]) -> Vec<String> {
    let holds = |name: &str, grantable: bool| {
        granted.iter().any(|(of, privilege, passes_on)| {
            privilege == name
                && (!grantable || passes_on == "YES")
                && grantees.iter().any(|grantee| {
                    of == grantee
                        || of
                            .strip_prefix(grantee.as_str())
                            .is_some_and(|rest| rest.starts_with('@'))
                })
        })
    };
    let used = USED.iter().filter(|name| !holds(name, false));
    let mut missing: Vec<String> = used.map(|name| (*name).to_owned()).collect();
    if !ENDS_CONNECTIONS.iter().any(|name| holds(name, false)) {
        missing.push(ENDS_CONNECTIONS[0].to_owned());
    }
    let passed_on = PRIVILEGES.iter().filter(|name| !holds(name, true));
    missing.extend(passed_on.map(|name| format!("{name} with grant option")));
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(of: &str, names: &[&str]) -> Vec<Granted> {
        let row = |name: &&str| (of.to_owned(), (*name).to_owned(), "YES".to_owned());
        names.iter().map(row).collect()
    }

    #[test]
    fn privileges_of_the_account_and_of_its_roles_count_together() {
        let mut all = granted("'op'@'%'", &["CREATE USER", "PROCESS", "DROP"]);
        let of_both = grantees("op@%", &["r".to_owned()]);
        assert_eq!(missing(&of_both, &all).len(), 1 + PRIVILEGES.len());
        all.extend(granted("'r'@'%'", &["CONNECTION_ADMIN"]));
        all.extend(granted("'r'@'%'", &PRIVILEGES));
        assert!(missing(&of_both, &all).is_empty());
        assert!(!missing(&grantees("op@%", &[]), &all).is_empty());
        let alike = granted("'op'@'%x'", &PRIVILEGES);
        assert!(!missing(&of_both, &alike).is_empty());
    }

    #[test]
    fn a_privilege_without_grant_option_is_not_enough_to_pass_on() {
        let mut all = granted("'op'@'%'", &["CREATE USER", "PROCESS", "DROP", "SUPER"]);
        all.extend(granted("'op'@'%'", &PRIVILEGES));
        all.iter_mut()
            .filter(|row| row.1 == "INDEX")
            .for_each(|row| row.2 = "NO".to_owned());
        assert_eq!(
            missing(&grantees("op@%", &[]), &all),
            ["INDEX with grant option"]
        );
    }
}
