//! Requests of the driver to an etcd cluster, one method each.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use etcd_client::{
    GetOptions, Permission, PermissionType, RoleGetResponse, RoleRevokePermissionOptions, Txn,
    TxnOp, TxnOpResponse, TxnResponse, UserAddOptions,
};
use kamaji_api::owner::AUTH_PROBE_USER;

use super::answer::{
    BECOME_ADMINISTRATOR, NOT_GRANTED, ROLE_EXISTS, ROLE_MISSING, USER_EXISTS, USER_MISSING,
    auth_is_on, unless,
};
use super::members::Members;
use super::observed::{Access, Observed, Range, Records};
use super::owners::{frozen_key, key};
use super::plan::{ADMINISTRATOR, Write};
use crate::change::{Item, Step};
use crate::connection::Connection;
use crate::driver::AccessControl;
use crate::error::Error;
use crate::ownership::overtaken;
use crate::tenancy::{Schema, Tenancy, User};

/// An etcd whose administrator accepts that access control is off.
const OPEN: AccessControl = AccessControl::Off {
    exposure: "whoever reaches this etcd with any client certificate of its CA, each tenant included, \
               reads and writes every tenant's data",
    remedy: "create the user and role root, run `etcdctl auth enable`",
};

/// An etcd cluster, reached as its administrator.
pub(crate) struct Etcd {
    pub(super) members: Arc<Members>,
    /// True once this connection has seen that access control is on.
    pub(super) auth_seen: AtomicBool,
    /// True if an administrator accepts that access control is off.
    accepts_open: bool,
}

impl Etcd {
    /// Prepares the clients; nothing is dialled yet.
    pub(super) async fn open(connection: &Connection) -> Result<Self, Error> {
        let members = Members::prepare(connection).await?;
        Ok(Self {
            members: Arc::new(members),
            auth_seen: AtomicBool::new(false),
            accepts_open: connection.without_access_control,
        })
    }

    /// Shares the connections of this etcd with a reader or writer.
    pub(super) fn share(&self) -> Self {
        Self {
            members: Arc::clone(&self.members),
            auth_seen: AtomicBool::new(self.auth_seen.load(Ordering::Relaxed)),
            accepts_open: self.accepts_open,
        }
    }

    /// Refuses a store that would let every tenant read every other, unless that is accepted.
    pub(super) async fn require_auth(&self) -> Result<AccessControl, Error> {
        if self.auth_seen.load(Ordering::Relaxed) {
            return Ok(AccessControl::On);
        }
        let log_in = |client: etcd_client::Client| async move {
            let mut auth = client.auth_client();
            auth_is_on(
                auth.authenticate(AUTH_PROBE_USER.to_owned(), String::new())
                    .await,
            )
        };
        let answer = self
            .members
            .call("asking whether access control is on", log_in)
            .await;
        match answer {
            Err(Error::AccessControlOff { .. }) if self.accepts_open => return Ok(OPEN),
            other => other?,
        }
        self.auth_seen.store(true, Ordering::Relaxed);
        Ok(AccessControl::On)
    }

    pub(super) async fn observe(&self, tenancy: &Tenancy) -> Result<Observed, Error> {
        let (role, user) = Box::pin(async {
            tokio::try_join!(self.role(&tenancy.schema), self.user(&tenancy.user))
        })
        .await?;
        // Read after the role, which a fence changes later than its note: a role that a fence has changed is never seen
        // without the note.
        let records = self.records(tenancy).await?;
        let observed = Observed {
            role,
            user,
            records,
        };
        observed.refuse_administrator().map_err(|_| Error::Refused {
            site: self.members.site(format!("reading user {}", tenancy.user)),
            reason: format!(
                "user {} holds the role {ADMINISTRATOR} and so is an administrator of the store; \
                 give the tenant another datastore user, or take the role from this one",
                tenancy.user
            ),
        })?;
        Ok(observed)
    }

    async fn role(&self, role: &Schema) -> Result<Option<Vec<(Access, Range)>>, Error> {
        let found = self.read_role(role.as_str()).await?;
        Ok(found.map(|role| role.permissions().iter().map(permission).collect()))
    }

    pub(super) async fn read_role(&self, role: &str) -> Result<Option<RoleGetResponse>, Error> {
        let doing = format!("reading role {role}");
        let answer = self
            .members
            .call(doing.as_str(), |mut client| async move {
                unless(
                    USER_MISSING,
                    unless(ROLE_MISSING, client.role_get(role).await),
                )
            })
            .await?;
        // The only user that can be missing here is the operator's own.
        answer.ok_or_else(|| Error::NotAuthorised {
            site: self.members.site(doing),
            cause: "the store has no user with the client certificate's common name".to_owned(),
            remedy: BECOME_ADMINISTRATOR,
        })
    }

    async fn user(&self, user: &User) -> Result<Option<Vec<String>>, Error> {
        let found = self
            .members
            .call(format!("reading user {user}"), |mut client| async move {
                unless(USER_MISSING, client.user_get(user.as_str()).await)
            })
            .await?;
        Ok(found.map(|user| user.roles().to_vec()))
    }

    pub(super) async fn write(&self, write: Write, tenancy: &Tenancy) -> Result<Step, Error> {
        match write {
            Write::CreateRole => self.create_role(&tenancy.schema).await,
            Write::GrantOwnRange(access) => {
                let own = Range::of(&tenancy.schema);
                self.grant(&tenancy.schema, access, &own).await
            }
            Write::GrantPart(range) => self.grant(&tenancy.schema, Access::Full, &range).await,
            Write::RevokeRange(range) => self.revoke(&tenancy.schema, range).await,
            Write::CreateUser => self.create_user(&tenancy.user).await,
            Write::Bind => self.bind(tenancy).await,
            Write::Unbind(role) => self.unbind(&tenancy.user, role).await,
        }
    }

    async fn create_role(&self, role: &Schema) -> Result<Step, Error> {
        self.members
            .call(format!("creating role {role}"), |mut client| async move {
                unless(ROLE_EXISTS, client.role_add(role.as_str()).await)
            })
            .await?;
        Ok(Step::Created(Item::new("role", role.as_str())))
    }

    async fn grant(&self, role: &Schema, access: Access, range: &Range) -> Result<Step, Error> {
        let read_only = access == Access::Read;
        self.members
            .call(
                format!("granting {range} to role {role}"),
                |mut client| async move {
                    let start = range.start.clone();
                    let permission = if read_only {
                        Permission::read(start)
                    } else {
                        Permission::read_write(start)
                    };
                    let permission = permission.with_range_end(range.end.clone());
                    client
                        .role_grant_permission(role.as_str(), permission)
                        .await
                },
            )
            .await?;
        let extent = if read_only { ", read-only" } else { "" };
        Ok(Step::AccessGranted(format!("range {range}{extent}")))
    }

    async fn revoke(&self, role: &Schema, range: Range) -> Result<Step, Error> {
        let range = &range;
        self.members
            .call(
                format!("revoking {range} from role {role}"),
                |mut client| async move {
                    let end = RoleRevokePermissionOptions::new().with_range_end(range.end.clone());
                    let start = range.start.clone();
                    let result = client
                        .role_revoke_permission(role.as_str(), start, Some(end))
                        .await;
                    unless(NOT_GRANTED, result)
                },
            )
            .await?;
        Ok(Step::AccessRevoked(format!("range {range}")))
    }

    async fn create_user(&self, user: &User) -> Result<Step, Error> {
        self.members
            .call(format!("creating user {user}"), |mut client| async move {
                let by_certificate = UserAddOptions::new().with_no_pwd();
                unless(
                    USER_EXISTS,
                    client
                        .user_add(user.as_str(), "", Some(by_certificate))
                        .await,
                )
            })
            .await?;
        Ok(Step::Created(Item::new("user", user.as_str())))
    }

    async fn bind(&self, Tenancy { schema, user, .. }: &Tenancy) -> Result<Step, Error> {
        self.members
            .call(format!("binding user {user} to role {schema}"), |mut client| async move {
                client.user_grant_role(user.as_str(), schema.as_str()).await
            })
            .await?;
        Ok(Step::AccessGranted(format!("role {schema}")))
    }

    async fn unbind(&self, user: &User, role: String) -> Result<Step, Error> {
        let foreign = role.as_str();
        self.members
            .call(
                format!("unbinding user {user} from role {role}"),
                |mut client| async move {
                    unless(
                        NOT_GRANTED,
                        client.user_revoke_role(user.as_str(), foreign).await,
                    )
                },
            )
            .await?;
        Ok(Step::AccessRevoked(format!("role {role}")))
    }

    pub(super) async fn delete_role(&self, role: &Schema) -> Result<Step, Error> {
        self.members
            .call(format!("deleting role {role}"), |mut client| async move {
                unless(ROLE_MISSING, client.role_delete(role.as_str()).await)
            })
            .await?;
        Ok(Step::Removed(Item::new("role", role.as_str())))
    }

    pub(super) async fn delete_user(&self, user: &User) -> Result<Step, Error> {
        self.members
            .call(format!("deleting user {user}"), |mut client| async move {
                unless(USER_MISSING, client.user_delete(user.as_str()).await)
            })
            .await?;
        Ok(Step::Removed(Item::new("user", user.as_str())))
    }

    /// Carries out a transaction.
    pub(super) async fn transact(
        &self,
        doing: &str,
        transaction: &Txn,
    ) -> Result<TxnResponse, Error> {
        self.members
            .call(doing, |mut client| async move {
                client.txn(transaction.clone()).await
            })
            .await
    }

    /// Number of the keys in a range.
    pub(super) async fn count(&self, own: &Range) -> Result<u64, Error> {
        let counted = self
            .members
            .call(format!("counting keys of {own}"), |mut client| async move {
                let options = GetOptions::new()
                    .with_range(own.end.clone())
                    .with_count_only();
                client.get(own.start.clone(), Some(options)).await
            })
            .await?;
        Ok(counted.count().unsigned_abs())
    }

    /// Reads the records of a tenancy's names, its frozen parts, and whether the schema has keys.
    pub(super) async fn records(&self, tenancy: &Tenancy) -> Result<Records, Error> {
        let own = &Range::of(&tenancy.schema);
        let answer = self
            .members
            .call(
                format!("reading the owner of schema {}", tenancy.schema),
                |mut client| async move {
                    // Without a key: the tenant decides how large one is.
                    let count = GetOptions::new().with_range(own.end.clone());
                    let count = count.with_count_only();
                    let reads = [
                        TxnOp::get(key("schema", tenancy.schema.as_str()), None),
                        TxnOp::get(key("user", tenancy.user.as_str()), None),
                        TxnOp::get(own.start.clone(), Some(count)),
                        TxnOp::get(frozen_key(tenancy.schema.as_str()), None),
                    ];
                    client.txn(Txn::new().and_then(reads)).await
                },
            )
            .await?;
        let mut found = answer.op_responses().into_iter().map(|response| {
            let TxnOpResponse::Get(got) = response else {
                return (0, None);
            };
            let value = got.kvs().first().map(|kv| kv.value().to_vec());
            (got.count(), value)
        });
        let mut next = || found.next().unwrap_or_default();
        Ok(Records {
            schema: next().1,
            user: next().1,
            keys: next().0 > 0,
            frozen: next().1,
        })
    }

    /// Error of an operation whose records another writer changed meanwhile.
    pub(super) fn overtaken(&self, doing: String, tenancy: &Tenancy) -> Error {
        overtaken(self.members.site(doing), tenancy)
    }
}

fn permission(permission: &Permission) -> (Access, Range) {
    let range = Range {
        start: permission.key().to_vec(),
        end: permission.range_end().to_vec(),
    };
    let access = match permission.get_type() {
        kind if kind == PermissionType::Readwrite as i32 => Access::Full,
        kind if kind == PermissionType::Read as i32 => Access::Read,
        _ => Access::Write,
    };
    (access, range)
}
