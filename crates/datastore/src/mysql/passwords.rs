//! Passwords that this process knows to be right, so that nothing is written or logged in for them again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::session::{Login, Session};
use crate::error::Error;
use crate::tenancy::{Secret, User};

/// Most users whose password is remembered; beyond that, all are forgotten and asked for again.
const MOST: usize = 100_000;

/// A password that logged in, and what the server verified it by.
struct Known {
    password: Secret,
    verifier: Vec<u8>,
}

/// Passwords that logged in, by user.
#[derive(Default)]
pub(super) struct Passwords(Mutex<HashMap<User, Known>>);

impl Passwords {
    /// True if the user has this password. The server is asked by a log-in, unless the same password logged in before
    /// and `verifier`, what the server has stored of it, is the same since then.
    pub(super) async fn is_right(
        &self,
        session: &Session<'_>,
        login: Login<'_>,
        verifier: &[u8],
    ) -> Result<bool, Error> {
        if self.knows(login, verifier) {
            return Ok(true);
        }
        let right = session.logs_in(login).await?;
        if right {
            let known = Known {
                password: login.password.clone(),
                verifier: verifier.to_owned(),
            };
            self.with(|all| {
                if all.len() >= MOST {
                    all.clear();
                }
                all.insert(login.user.clone(), known);
            });
        }
        Ok(right)
    }

    /// Drops what is known of a user.
    pub(super) fn forget(&self, user: &User) {
        self.with(|all| drop(all.remove(user)));
    }

    fn knows(&self, login: Login<'_>, verifier: &[u8]) -> bool {
        self.with(|all| {
            let known = all.get(login.user);
            known.is_some_and(|known| {
                known.password == *login.password && known.verifier == verifier
            })
        })
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut HashMap<User, Known>) -> T) -> T {
        use_it(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
