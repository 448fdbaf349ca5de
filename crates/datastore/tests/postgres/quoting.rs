//! Names and passwords arrive at the server character for character.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::*;

/// Names that a tenant may have: any characters, up to 63 bytes.
fn names() -> impl Strategy<Value = String> {
    let hostile = "[\"'\\\\$;%a-zA-Z0-9._-]{1,63}";
    let any = "[^\0/]{1,40}";
    prop_oneof![hostile, any].prop_filter("a tenant's name", |name| {
        Tenancy::parse(Driver::PostgreSql, name, name, owner("x")).is_ok()
    })
}

#[test]
fn names_and_passwords_of_any_characters_arrive_as_they_are() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (server, store) = runtime.block_on(async {
        let server = Server::start().await;
        let store = server.store().await;
        store.ensure(&tenancy("first")).await.unwrap();
        (server, store)
    });
    let mut runner = TestRunner::new(Config {
        cases: 24,
        failure_persistence: None,
        ..Config::default()
    });
    let cases = (names(), names(), "[^\0]{1,30}");
    let outcome = runner.run(&cases, |(schema, user, password)| {
        runtime.block_on(async {
            let tenancy = Tenancy::parse(Driver::PostgreSql, &schema, &user, owner("x"))
                .unwrap()
                .with_password(Secret::new(password));
            let before = (databases(&server).await, roles(&server).await);
            let change = store.ensure(&tenancy).await.unwrap();
            prop_assert_eq!(change.steps, created(&tenancy));
            prop_assert!(databases(&server).await.contains(&schema));
            prop_assert!(roles(&server).await.contains(&user));
            let session = own_session(&server, &tenancy).await;
            let row = session.query_one("SELECT current_user::text, current_database()::text", &[]);
            let row = row.await.unwrap();
            prop_assert_eq!(
                (row.get::<_, String>(0), row.get::<_, String>(1)),
                (user, schema)
            );
            prop_assert!(store.ensure(&tenancy).await.unwrap().is_empty());
            store.remove(&tenancy).await.unwrap();
            prop_assert_eq!((databases(&server).await, roles(&server).await), before);
            Ok(())
        })
    });
    outcome.unwrap();
}

#[test]
fn names_that_postgresql_has_for_itself_are_no_tenants() {
    for user in ["pg_friend", "public", "none", "postgres"] {
        let parsed = Tenancy::parse(Driver::PostgreSql, "cp-a", user, owner("x"));
        assert!(parsed.is_err(), "{user}");
    }
    let schema = Tenancy::parse(Driver::PostgreSql, "pg_schema", "cp-a", owner("x"));
    assert!(schema.is_ok());
}
