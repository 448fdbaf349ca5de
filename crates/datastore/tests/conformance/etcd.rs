//! etcd with access control and client certificates, for the conformance suite.

use etcd_client::{Client, DeleteOptions, Error, GetOptions, Permission};
use kamaji_datastore::{DataStore, Driver, Tenancy, connect};

use crate::{
    harness::{Denied, Harness, Isolated},
    server::Server,
};

/// A real etcd of one member.
pub struct EtcdHarness {
    server: Server,
}

/// The answer to a tenant; panics on an error that is no denial.
fn answer<T>(result: Result<T, Error>) -> Result<T, Denied> {
    result.map_err(|error| {
        let text = error.to_string();
        let denied = [
            "permission denied",
            "user name not found",
            "authentication failed",
        ];
        let lower = text.to_lowercase();
        assert!(denied.iter().any(|words| lower.contains(words)), "{text}");
        Denied
    })
}

fn path(tenancy: &Tenancy, key: &str) -> String {
    format!("/{}/{key}", tenancy.schema)
}

fn record(what: &str, name: &str) -> String {
    format!("/kamaji.clastix.io/owners/{what}/{name}")
}

impl EtcdHarness {
    async fn admin(&self) -> Client {
        self.server.client("root").await
    }

    async fn client(&self, tenant: &Tenancy) -> Client {
        self.server.client(tenant.user.as_str()).await
    }
}

impl Harness for EtcdHarness {
    const DRIVER: Driver = Driver::Etcd;
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
        let mut client = self.client(tenant).await;
        answer(client.put(path(into, key), "x", None).await).map(drop)
    }

    async fn read(&self, tenant: &Tenancy, from: &Tenancy, key: &str) -> Result<bool, Denied> {
        let mut client = self.client(tenant).await;
        answer(client.get(path(from, key), None).await).map(|found| found.count() == 1)
    }

    async fn listing(&self) -> Vec<String> {
        let mut admin = self.admin().await;
        let everything = GetOptions::new().with_all_keys();
        let keys = admin.get("", Some(everything)).await.unwrap();
        let mut lines: Vec<String> = keys
            .kvs()
            .iter()
            .map(|kv| {
                format!(
                    "key {} = {}",
                    kv.key().escape_ascii(),
                    kv.value().escape_ascii()
                )
            })
            .collect();
        for user in admin.user_list().await.unwrap().users() {
            let roles = admin.user_get(user.as_str()).await.unwrap();
            lines.push(format!("user {user}: {:?}", roles.roles()));
        }
        for role in admin.role_list().await.unwrap().roles() {
            let found = admin.role_get(role.as_str()).await.unwrap();
            let mut grants: Vec<String> = found
                .permissions()
                .iter()
                .map(|grant| {
                    let (start, end) = (grant.key(), grant.range_end());
                    let range = format!("[{}, {})", start.escape_ascii(), end.escape_ascii());
                    format!("{} {range}", grant.get_type())
                })
                .collect();
            grants.sort();
            lines.push(format!("role {role}: {grants:?}"));
        }
        lines.sort();
        lines
    }

    async fn delete_owner_records(&self, tenancy: &Tenancy) {
        let mut admin = self.admin().await;
        for key in [
            record("schema", tenancy.schema.as_str()),
            record("user", tenancy.user.as_str()),
        ] {
            assert_eq!(admin.delete(key, None).await.unwrap().deleted(), 1);
        }
    }

    async fn lose(&self, tenancy: &Tenancy, part: usize) {
        let mut admin = self.admin().await;
        let (user, role) = (tenancy.user.as_str(), tenancy.schema.as_str());
        if part != 1 {
            admin.role_delete(role).await.unwrap();
        }
        match part {
            // A role without its range.
            0 => drop(admin.role_add(role).await.unwrap()),
            1 | 2 => drop(admin.user_delete(user).await.unwrap()),
            _ => {}
        }
    }
}

impl Isolated for EtcdHarness {
    async fn as_tenant(&self, tenant: &Tenancy) -> Box<dyn DataStore> {
        let identity = self.server.pki.client(tenant.user.as_str());
        connect(&self.server.connection_as(identity)).await.unwrap()
    }

    async fn withhold(&self, tenant: &Tenancy) {
        let (user, role) = (tenant.user.as_str(), tenant.schema.as_str());
        let mut admin = self.admin().await;
        admin.user_revoke_role(user, role).await.unwrap();
    }

    async fn widen(&self, tenant: &Tenancy, neighbour: &Tenancy) {
        let mut admin = self.admin().await;
        let foreign = Permission::read_write(path(neighbour, "")).with_prefix();
        let role = tenant.schema.as_str();
        admin.role_grant_permission(role, foreign).await.unwrap();
        let (user, role) = (tenant.user.as_str(), neighbour.schema.as_str());
        admin.user_grant_role(user, role).await.unwrap();
    }

    async fn escalations(&self, tenant: &Tenancy) -> Vec<(&'static str, Result<(), Denied>)> {
        let mut client = self.client(tenant).await;
        let (user, role) = (tenant.user.as_str(), tenant.schema.as_str());
        let owner = || record("schema", role);
        let all = || GetOptions::new().with_all_keys();
        let everything = Permission::read("").with_all_keys();
        let no_records = DeleteOptions::new().with_prefix();
        vec![
            (
                "listing all keys",
                answer(client.get("", Some(all())).await).map(drop),
            ),
            ("listing users", answer(client.user_list().await).map(drop)),
            ("listing roles", answer(client.role_list().await).map(drop)),
            (
                "adding a user",
                answer(client.user_add("friend", "password", None).await).map(drop),
            ),
            (
                "becoming an administrator",
                answer(client.user_grant_role(user, "root").await).map(drop),
            ),
            (
                "widening its range",
                answer(client.role_grant_permission(role, everything).await).map(drop),
            ),
            (
                "disabling access control",
                answer(client.auth_client().auth_disable().await).map(drop),
            ),
            (
                "reading its owner record",
                answer(client.get(owner(), None).await).map(drop),
            ),
            (
                "writing its owner record",
                answer(client.put(owner(), "x", None).await).map(drop),
            ),
            (
                "deleting owner records",
                answer(client.delete(record("", ""), Some(no_records)).await).map(drop),
            ),
        ]
    }
}
