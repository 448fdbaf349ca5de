use async_trait::async_trait;
use kamaji_api::datastore::Driver;
use kamaji_core::binding::Access;
use kamaji_datastore::{Change, Error, FenceId, transfer};
use tokio::sync::Notify;

use super::*;

fn store() -> ResolvedDataStore {
    ResolvedDataStore {
        name: "pg".to_owned(),
        driver: Driver::PostgreSql,
        endpoints: vec!["10.0.0.5:5432".to_owned(), "[fd00::5]:5432".to_owned()],
        tls: None,
        basic_auth: Some(("kamaji".to_owned(), "of-the-operator".to_owned())),
        without_access_control: false,
        adopted_clusters: Vec::new(),
    }
}

fn binding() -> Binding {
    let owner = Owner {
        cluster: "c".to_owned(),
        tenant: "t".to_owned(),
        ..Owner::default()
    };
    Binding {
        schema: "cp-a".to_owned(),
        user: "cp-a".to_owned(),
        password: "of-the-tenant".to_owned(),
        connection: "10.0.0.5:5432".to_owned(),
        owner,
        recorded: true,
        adopts: None,
        part: Vec::new(),
        access: Access::ReadWrite,
    }
}

/// A datastore that records the rights that it is asked for. The first answer waits for `answer`.
#[derive(Clone, Default)]
struct Rights {
    asked: Arc<Mutex<Vec<datastore::Access>>>,
    answer: Arc<Notify>,
}

#[async_trait]
impl DataStore for Rights {
    async fn ensure(&self, tenancy: &Tenancy) -> Result<Change, Error> {
        let first = {
            let mut asked = lock(&self.asked);
            asked.push(tenancy.access);
            asked.len() == 1
        };
        if first {
            self.answer.notified().await;
        }
        Ok(Change::default())
    }

    async fn check(&self) -> Result<AccessControl, Error> {
        unreachable!()
    }

    async fn remove(&self, _: &Tenancy) -> Result<Change, Error> {
        unreachable!()
    }

    async fn usage(&self, _: &Tenancy) -> Result<u64, Error> {
        unreachable!()
    }

    async fn bytes(&self, _: &Tenancy) -> Result<u64, Error> {
        unreachable!()
    }

    async fn version(&self) -> Result<String, Error> {
        unreachable!()
    }

    async fn fence(&self, _: &Tenancy, _: &FenceId) -> Result<i64, Error> {
        unreachable!()
    }

    async fn lift(&self, _: &Tenancy, _: &FenceId) -> Result<Change, Error> {
        unreachable!()
    }

    async fn reader(&self, _: &Tenancy) -> Result<Box<dyn transfer::Reader>, Error> {
        unreachable!()
    }

    async fn writer(&self, _: &Tenancy) -> Result<Box<dyn transfer::Writer>, Error> {
        unreachable!()
    }
}

/// Of two operations at once, the datastore has the rights of the second, and so must the memory: else nothing would
/// ever put right what the first one asked for.
#[tokio::test]
async fn operations_at_one_share_follow_one_another_and_the_last_one_is_remembered() {
    let (key, store, rights) = (ObjectKey::new("tenants", "a"), store(), Rights::default());
    let clients = DatastoreClients::new(Duration::from_hours(1), Objects::default());
    let open = Open {
        digest: digest(&store, None),
        store: Box::new(rights.clone()),
        permits: Semaphore::new(AT_ONCE),
    };
    clients
        .open
        .lock()
        .await
        .insert(store.name.clone(), Arc::new(open));
    let may_write = binding();
    let may_read = Binding {
        access: Access::ReadOnly,
        ..binding()
    };
    let given = clients.ensure(&key, &store, &may_write);
    // From a plan of before.
    let taken = clients.ensure(&key, &store, &may_read);
    let answer = async {
        tokio::task::yield_now().await;
        rights.answer.notify_one();
    };
    let (given, taken, ()) = tokio::join!(given, taken, answer);
    given.unwrap();
    taken.unwrap();
    assert!(clients.is_ensured(&key, &store, &may_read));
    clients.ensure(&key, &store, &may_write).await.unwrap();
    let asked = lock(&rights.asked).clone();
    let (full, read) = (datastore::Access::ReadWrite, datastore::Access::ReadOnly);
    assert_eq!(asked, [full, read, full]);
    assert!(clients.fences.is_idle(), "no turn is left");
}

#[tokio::test]
async fn a_postgresql_data_store_is_opened_as_its_administrator_without_a_request() {
    let connection = connection(&store()).unwrap();
    assert_eq!(
        connection.to_string(),
        "PostgreSQL 10.0.0.5:5432,[fd00::5]:5432"
    );
    let administrator = connection.basic_auth.as_ref().unwrap();
    assert_eq!(administrator.user, "kamaji");
    assert_eq!(administrator.password.expose(), "of-the-operator");
    assert!(datastore::connect(&connection).await.is_ok());
}

#[test]
fn a_tenancy_on_postgresql_has_the_password_of_its_binding() {
    let binding = binding();
    let tenancy = tenancy(&store(), &binding).unwrap();
    assert_eq!(tenancy.password, Some(Secret::new("of-the-tenant")));
    assert!(tenancy.recorded);
}
