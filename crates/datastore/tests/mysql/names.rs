use kamaji_datastore::DataStore;
use mysql_async::prelude::Queryable;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

#[tokio::test]
async fn a_wildcard_in_a_name_reaches_no_database_that_it_would_match() {
    let server = Server::start().await;
    let store = server.store().await;
    for (wild, matched) in [("a_b", "axb"), ("c%", "cd"), ("e\\_f", "e_f"), ("g_", "g-")] {
        let (wild, matched) = (tenancy(wild), tenancy(matched));
        store.ensure(&matched).await.unwrap();
        store.ensure(&wild).await.unwrap();
        let mut client = client_of(&server, &matched).await.unwrap();
        let table = format!("CREATE TABLE `{}`.kine (n INT)", matched.schema);
        client.query_drop(table).await.unwrap();
        let mut client = client_of(&server, &wild).await.unwrap();
        let own = format!("CREATE TABLE `{}`.kine (n INT)", wild.schema);
        client.query_drop(own).await.unwrap();
        let theirs = format!("SELECT * FROM `{}`.kine", matched.schema);
        client.query_drop(theirs).await.unwrap_err();
    }
}

/// Makes and removes a tenant, and compares what the server has with the names that were given.
async fn round_trip(
    server: &Server,
    store: &dyn DataStore,
    tenancy: &Tenancy,
) -> Result<(), String> {
    store
        .ensure(tenancy)
        .await
        .map_err(|error| error.to_string())?;
    let mut root = server.root().await;
    let (schema, user) = (tenancy.schema.as_str(), tenancy.user.as_str());
    let schemas: Vec<String> = root.query("SHOW DATABASES").await.unwrap();
    let users: Vec<String> = root
        .query("SELECT User FROM mysql.user WHERE Host = '%'")
        .await
        .unwrap();
    if !schemas.iter().any(|name| name == schema) || !users.iter().any(|name| name == user) {
        return Err(format!("{schemas:?} {users:?}"));
    }
    let mut client = client_of(server, tenancy)
        .await
        .map_err(|error| error.to_string())?;
    let create = format!("CREATE TABLE `{}`.kine (n INT)", schema.replace('`', "``"));
    client
        .query_drop(create)
        .await
        .map_err(|error| error.to_string())?;
    if !store
        .ensure(tenancy)
        .await
        .map_err(|error| error.to_string())?
        .is_empty()
    {
        return Err("a second ensure writes".to_owned());
    }
    store
        .remove(tenancy)
        .await
        .map_err(|error| error.to_string())?;
    let left: Vec<String> = root.query("SHOW DATABASES").await.unwrap();
    let grants: Vec<String> = root.query("SELECT Db FROM mysql.db").await.unwrap();
    if left.len() + 1 != schemas.len() || !grants.is_empty() {
        return Err(format!("{left:?} {grants:?}"));
    }
    Ok(())
}

#[test]
fn names_and_passwords_of_any_characters_arrive_as_they_are() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let server = runtime.block_on(Server::start());
    let store = runtime.block_on(server.store());
    let any = "[a-cA-C`'\"\\\\_%;.,:*?@#$(){}ÄßЖ中\u{ffe5}-]";
    let names = (
        format!("{any}{{1,24}}"),
        format!("{any}{{1,12}}"),
        "[ -~\u{e4}\u{1f600}\n\0]{1,40}".to_owned(),
    );
    let cases = Config {
        cases: 48,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(cases);
    let strategy = (names.0.as_str(), names.1.as_str(), names.2.as_str());
    let outcome = runner.run(&strategy, |(schema, user, password)| {
        let Ok(tenancy) = Tenancy::parse(Driver::MySql, &schema, &user, owner("any")) else {
            return Err(TestCaseError::reject("not a name"));
        };
        let tenancy = tenancy.with_password(Secret::new(password));
        let done = runtime.block_on(round_trip(&server, store.as_ref(), &tenancy));
        done.map_err(TestCaseError::fail)
    });
    outcome.unwrap();
}

/// The server's own behaviour, for which names between quotes are refused.
#[tokio::test]
async fn a_user_between_quotes_logs_in_as_the_one_without_them() {
    let server = Server::start().await;
    let store = server.store().await;
    store.ensure(&tenancy("cp-a")).await.unwrap();
    let mut client = server
        .client("'cp-a'", password(&tenancy("cp-a")))
        .await
        .unwrap();
    let user: Option<String> = client.query_first("SELECT CURRENT_USER()").await.unwrap();
    assert_eq!(user.as_deref(), Some("cp-a@%"));
    let owner = owner("quoted");
    let quoted = Tenancy::parse(Driver::MySql, "quoted", "'cp-a'", owner);
    assert!(quoted.unwrap_err().to_string().contains("single quotes"));
}

#[tokio::test]
async fn the_longest_names_that_are_taken_fit_the_server() {
    let server = Server::start().await;
    let store = server.store().await;
    for (schema, user) in [
        ("s".repeat(64), "u".repeat(32)),
        ("_".repeat(32), "_".repeat(32)),
        ("s".repeat(62) + "%", "%".repeat(32)),
        (
            "x".to_owned(),
            "11111111-2222-3333-4444-555555555555".to_owned(),
        ),
    ] {
        let tenancy = Tenancy::parse(Driver::MySql, &schema, &user, owner("long")).unwrap();
        let tenancy = tenancy.with_password(Secret::new("long"));
        round_trip(&server, store.as_ref(), &tenancy).await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_the_servers_file_system_does_not_take_is_refused_and_can_be_removed() {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy(&"-".repeat(32)));
    let long = Tenancy::parse(Driver::MySql, &"-".repeat(64), "long", tenancy.owner).unwrap();
    let long = long.with_password(Secret::new("long"));
    let error = store.ensure(&long).await.unwrap_err();
    assert!(error.is_refusal(), "{error}");
    store.remove(&long).await.unwrap();
    assert!(store.remove(&long).await.unwrap().is_empty());
}
