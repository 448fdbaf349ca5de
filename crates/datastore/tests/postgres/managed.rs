//! An administrator who is no superuser, as on a managed PostgreSQL.

use kamaji_datastore::{AccessControl, Error, connect};

use super::*;

/// A server whose operator may create roles and databases, and nothing else.
async fn managed() -> (Server, Box<dyn DataStore>) {
    let server = Server::start().await;
    let manager = "CREATE ROLE manager LOGIN CREATEROLE CREATEDB PASSWORD 'x'";
    server.sql("postgres", manager).await;
    let store = connect(&server.connection_as("manager", "x")).await;
    (server, store.unwrap())
}

/// Major version of the server.
async fn version(server: &Server) -> u32 {
    let number = server.texts("postgres", "SHOW server_version_num").await;
    number[0].parse::<u32>().unwrap() / 10_000
}

#[tokio::test]
async fn an_administrator_without_superuser_makes_and_removes_tenants() {
    let (server, store) = managed().await;
    assert_eq!(store.check().await, Ok(AccessControl::On));
    store.ensure(&tenancy("stays")).await.unwrap();
    assert_eq!(store.check().await, Ok(AccessControl::On));
    let before = (databases(&server).await, roles(&server).await);
    let tenancy = tenancy("cp-a");
    assert_eq!(
        store.ensure(&tenancy).await.unwrap().steps,
        created(&tenancy)
    );
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    let session = own_session(&server, &tenancy).await;
    let table = "CREATE TABLE kine (id SERIAL PRIMARY KEY); INSERT INTO kine DEFAULT VALUES";
    session.batch_execute(table).await.unwrap();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    assert_eq!(store.usage(&tenancy).await, Ok(1));
    assert!(session_of(&server, &tenancy, "stays").await.is_err());
    let left = session_of(&server, &tenancy, "postgres").await.unwrap();
    left.batch_execute("SELECT lo_create(0)").await.unwrap();
    store.remove(&tenancy).await.unwrap();
    assert_eq!((databases(&server).await, roles(&server).await), before);
}

#[tokio::test]
async fn whatever_such_an_administrator_finds_half_made_is_completed() {
    let (server, store) = managed().await;
    let tenancy = tenancy("cp-a");
    // Since version 16 a role has its creator as a member, too, and that membership is not the one that it gave itself.
    let leave = if version(&server).await < 16 {
        "REVOKE \"user-of-cp-a\" FROM manager"
    } else {
        "REVOKE \"user-of-cp-a\" FROM manager GRANTED BY manager"
    };
    for lost in [
        leave,
        "ALTER ROLE \"user-of-cp-a\" NOLOGIN PASSWORD NULL",
        "ALTER DATABASE \"cp-a\" OWNER TO manager",
        "ALTER DATABASE \"cp-a\" ALLOW_CONNECTIONS false",
        "REVOKE CONNECT ON DATABASE \"cp-a\" FROM \"user-of-cp-a\"",
        "GRANT CONNECT ON DATABASE \"cp-a\" TO PUBLIC",
    ] {
        store.ensure(&tenancy).await.unwrap();
        server.sql("postgres", lost).await;
        store.ensure(&tenancy).await.unwrap();
        assert!(store.ensure(&tenancy).await.unwrap().is_empty(), "{lost}");
        own_session(&server, &tenancy).await;
        server.sql("postgres", lost).await;
        store.remove(&tenancy).await.unwrap();
        assert!(!roles(&server).await.contains(&"user-of-cp-a".to_owned()));
    }
}

#[tokio::test]
async fn a_database_that_such_an_administrator_cannot_take_is_named() {
    let (server, store) = managed().await;
    let tenancy = tenancy("cp-a");
    store.ensure(&tenancy).await.unwrap();
    let taken = "ALTER DATABASE \"cp-a\" OWNER TO postgres";
    server.sql("postgres", taken).await;
    let error = store.ensure(&tenancy).await.unwrap_err();
    assert!(matches!(error, Error::Foreign { .. }), "{error}");
    assert!(
        error.to_string().contains("is owned by the role postgres"),
        "{error}"
    );
}

/// Until version 15 `CREATEROLE` is power over every role, and from 16 on over those that the role itself created.
#[tokio::test]
async fn a_role_of_an_earlier_administrator_is_named_until_it_may_be_administered() {
    let (server, store) = managed().await;
    let tenancy = tenancy("cp-a");
    store.ensure(&tenancy).await.unwrap();
    let successor = "CREATE ROLE successor LOGIN CREATEROLE CREATEDB PASSWORD 'x'; \
        GRANT ALL ON DATABASE kamaji_clastix_io TO successor";
    server.sql("postgres", successor).await;
    let records = "GRANT ALL ON TABLE public.owners TO successor";
    server.sql("kamaji_clastix_io", records).await;
    let connection = server.connection_as("successor", "x");
    let successor = connect(&connection).await.unwrap();
    if version(&server).await >= 16 {
        for done in [
            successor.ensure(&tenancy).await,
            successor.remove(&tenancy).await,
        ] {
            let error = done.unwrap_err();
            assert!(matches!(error, Error::NotAuthorised { .. }), "{error}");
            let words = "ADMIN option on role \"user-of-cp-a\"";
            assert!(error.to_string().contains(words), "{error}");
        }
        own_session(&server, &tenancy).await;
        let admin = "GRANT \"user-of-cp-a\" TO successor WITH ADMIN OPTION";
        server.sql("postgres", admin).await;
    }
    successor.ensure(&tenancy).await.unwrap();
    assert!(successor.ensure(&tenancy).await.unwrap().is_empty());
    own_session(&server, &tenancy).await;
    successor.remove(&tenancy).await.unwrap();
    assert!(!roles(&server).await.contains(&"user-of-cp-a".to_owned()));
}
