//! Tenancies and assertions that several checks use.

use kamaji_datastore::{DataStore, Error, Tenancy};

use crate::{harness::Harness, owner::owner};

/// A key that checks write.
pub const KEY: &str = "registry/pods/x";

/// The tenancy of `tenant` under these names.
pub fn named<H: Harness>(tenant: &str, schema: &str, user: &str) -> Tenancy {
    Tenancy::parse(H::DRIVER, schema, user, owner(tenant))
        .unwrap()
        .with_password(kamaji_datastore::Secret::new(format!("password-of-{user}")))
}

/// The tenancy of a tenant whose schema is `name`.
pub fn tenancy<H: Harness>(name: &str) -> Tenancy {
    named::<H>(name, name, &format!("user-of-{name}"))
}

/// A server with one tenancy `cp-a` in it, and the driver as administrator.
pub async fn with_tenant<H: Harness>() -> (H, Box<dyn DataStore>, Tenancy) {
    let server = H::start().await;
    let store = server.administrator().await;
    let tenancy = tenancy::<H>("cp-a");
    store.ensure(&tenancy).await.unwrap();
    (server, store, tenancy)
}

/// Asserts that `tenant` writes and reads its own data.
pub async fn assert_own_access<H: Harness>(server: &H, tenant: &Tenancy) {
    server.write(tenant, tenant, KEY).await.unwrap();
    assert!(server.read(tenant, tenant, KEY).await.unwrap());
}

/// Asserts that `tenant` can neither read nor write the data of `neighbour`.
pub async fn assert_denied<H: Harness>(server: &H, tenant: &Tenancy, neighbour: &Tenancy) {
    let names = format!("{} in {}", tenant.user, neighbour.schema);
    let read = server.read(tenant, neighbour, KEY).await;
    assert!(read.is_err(), "{names} reads: {read:?}");
    let written = server.write(tenant, neighbour, KEY).await;
    assert!(written.is_err(), "{names} writes");
}

/// Asserts that neither ensure nor remove of `tenancy` is done, that both are refusals, and that
/// nothing changes.
pub async fn assert_refused<H: Harness>(server: &H, tenancy: &Tenancy) -> [Error; 2] {
    let store = server.administrator().await;
    let before = server.listing().await;
    let errors = [
        store.ensure(tenancy).await.unwrap_err(),
        store.remove(tenancy).await.unwrap_err(),
    ];
    for error in &errors {
        assert!(error.is_refusal(), "{error}");
    }
    assert_eq!(server.listing().await, before);
    errors
}
