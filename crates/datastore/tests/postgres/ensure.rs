//! What a tenant gets, and what it is kept from.

use kamaji_datastore::{Error, connect};

use super::*;
use crate::server::{Setup, USUAL};

/// Versions of the catalogue's rows on a tenant: any write changes them.
async fn row_versions(server: &Server) -> Vec<String> {
    let query = "SELECT format('%s %s %s', oid, xmin, ctid) FROM pg_authid
        UNION ALL SELECT format('%s %s %s', oid, xmin, ctid) FROM pg_database";
    server.texts("postgres", query).await
}

/// A database and a role as upstream makes them.
async fn made_by_upstream(server: &Server, tenancy: &Tenancy) {
    for statement in [
        format!("CREATE DATABASE \"{}\"", tenancy.schema),
        format!(
            "CREATE ROLE \"{}\" LOGIN PASSWORD '{}'",
            tenancy.user,
            tenancy.password.as_ref().unwrap().expose()
        ),
        format!(
            "GRANT CONNECT, CREATE ON DATABASE \"{}\" TO \"{}\"",
            tenancy.schema, tenancy.user
        ),
        format!(
            "ALTER DATABASE \"{}\" OWNER TO \"{}\"",
            tenancy.schema, tenancy.user
        ),
    ] {
        server.sql("postgres", &statement).await;
    }
}

#[tokio::test]
async fn a_new_tenant_is_made_in_few_steps_and_a_second_call_writes_no_row() {
    let server = Server::start().await;
    let (store, tenancy) = (server.store().await, tenancy("cp-a"));
    assert_eq!(
        store.ensure(&tenancy).await.unwrap().steps,
        created(&tenancy)
    );
    let before = row_versions(&server).await;
    for store in [store, server.store().await] {
        assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    }
    assert_eq!(row_versions(&server).await, before);
}

#[tokio::test]
async fn a_database_has_the_encoding_and_the_order_of_keys() {
    let (server, _, _) = with_tenant("cp-a").await;
    let query = "SELECT format('%s %s', pg_encoding_to_char(encoding), datcollate)
        FROM pg_database WHERE datname = 'cp-a'";
    assert_eq!(server.texts("postgres", query).await, ["UTF8 C"]);
}

#[tokio::test]
async fn a_password_that_is_not_the_tenants_is_replaced() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let other = "ALTER ROLE \"user-of-cp-a\" PASSWORD 'other'";
    server.sql("postgres", other).await;
    assert!(session_of(&server, &tenancy, "cp-a").await.is_err());
    let change = store.ensure(&tenancy).await.unwrap();
    let password = "the password of user user-of-cp-a".to_owned();
    assert_eq!(change.steps, [Step::AccessGranted(password)]);
    own_session(&server, &tenancy).await;
    let rotated = tenancy.clone().with_password(Secret::new("rotated"));
    assert!(!store.ensure(&rotated).await.unwrap().is_empty());
    own_session(&server, &rotated).await;
    assert!(session_of(&server, &tenancy, "cp-a").await.is_err());
}

#[tokio::test]
async fn no_statement_of_the_driver_shows_a_password() {
    let logging = Setup {
        settings: &[
            "logging_collector=on",
            "log_statement=all",
            "log_filename=all.log",
        ],
        ..USUAL
    };
    let server = Server::start_with(logging).await;
    let tenancy = tenancy("cp-a").with_password(Secret::new("in-the-clear"));
    let store = server.store().await;
    store.ensure(&tenancy).await.unwrap();
    server
        .sql("postgres", "ALTER ROLE \"user-of-cp-a\" PASSWORD 'other'")
        .await;
    assert!(!store.ensure(&tenancy).await.unwrap().is_empty());
    let logged = "SELECT pg_read_file('log/all.log')";
    let logged = server.texts("postgres", logged).await.concat();
    assert!(logged.contains("CREATE ROLE") && logged.contains("ALTER ROLE"));
    assert!(!logged.contains("in-the-clear"));
}

#[tokio::test]
async fn an_installation_of_upstream_is_adopted_and_closed_to_its_neighbours() {
    let (server, store, neighbour) = with_tenant("cp-b").await;
    let tenancy = tenancy("cp-a");
    made_by_upstream(&server, &tenancy).await;
    assert!(session_of(&server, &neighbour, "cp-a").await.is_ok());
    for error in [
        store.ensure(&tenancy).await.unwrap_err(),
        store.remove(&tenancy).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
    }
    let change = store.ensure(&recorded(&tenancy)).await.unwrap();
    let public = "access of PUBLIC to database cp-a".to_owned();
    let expected = [Step::OwnerRecorded, Step::AccessRevoked(public)];
    assert_eq!(change.steps, expected);
    assert!(session_of(&server, &neighbour, "cp-a").await.is_err());
    own_session(&server, &tenancy).await;
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_table_or_schema_of_another_role_is_given_to_the_tenant() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let foreign = "CREATE TABLE public.kine (id SERIAL PRIMARY KEY, name TEXT); ALTER SCHEMA public OWNER TO postgres;
        REVOKE ALL ON SCHEMA public FROM PUBLIC, pg_database_owner";
    server.sql("cp-a", foreign).await;
    let session = own_session(&server, &tenancy).await;
    let insert = "INSERT INTO kine (name) VALUES ('x')";
    assert!(session.batch_execute(insert).await.is_err());
    let change = store.ensure(&tenancy).await.unwrap();
    let expected =
        ["schema public", "table kine"].map(|access| Step::AccessGranted(access.to_owned()));
    assert_eq!(change.steps, expected);
    session.batch_execute(insert).await.unwrap();
    session.batch_execute("CREATE TABLE more ()").await.unwrap();
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
}

#[tokio::test]
async fn names_of_other_applications_are_refused_and_left_alone() {
    let server = Server::start().await;
    let store = server.store().await;
    for statement in [
        "CREATE ROLE shop LOGIN PASSWORD 'x'",
        "CREATE DATABASE shop OWNER shop",
        "CREATE ROLE boss LOGIN SUPERUSER",
    ] {
        server.sql("postgres", statement).await;
    }
    let before = row_versions(&server).await;
    for (schema, user, words) in [
        ("shop", "cp-a", "is owned by the role shop"),
        ("cp-a", "shop", "it may be another application's"),
        ("cp-a", "boss", "is a superuser"),
    ] {
        let named = Tenancy::parse(Driver::PostgreSql, schema, user, owner("cp-a")).unwrap();
        let named = recorded(&named.with_password(Secret::new("x")));
        for error in [
            store.ensure(&named).await.unwrap_err(),
            store.remove(&named).await.unwrap_err(),
        ] {
            assert!(error.is_refusal(), "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
    assert!(databases(&server).await.contains(&"shop".to_owned()));
    let after = row_versions(&server).await;
    let missing: Vec<_> = before.iter().filter(|row| !after.contains(row)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn nothing_that_a_tenant_plants_runs_as_the_administrator() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let session = own_session(&server, &tenancy).await;
    // Each of these would make the tenant a superuser as soon as the administrator runs it.
    let planted = "CREATE FUNCTION public.evil() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
            EXECUTE 'ALTER ROLE \"user-of-cp-a\" SUPERUSER'; RETURN 1;
            EXCEPTION WHEN insufficient_privilege THEN RETURN 1; END $$;
        CREATE VIEW public.kine AS SELECT public.evil() AS id;
        CREATE FUNCTION public.to_regclass(text) RETURNS regclass LANGUAGE sql AS
            $$ SELECT CASE WHEN public.evil() = 1 THEN pg_catalog.to_regclass($1) END $$;
        CREATE FUNCTION public.has_schema_privilege(oid, text) RETURNS bool LANGUAGE sql AS
            $$ SELECT public.evil() = 1 $$;
        ALTER DATABASE \"cp-a\" SET search_path = public, pg_catalog";
    session.batch_execute(planted).await.unwrap();
    assert_eq!(store.usage(&tenancy).await, Ok(1));
    assert!(store.ensure(&tenancy).await.unwrap().is_empty());
    store.check().await.unwrap();
    let superusers = "SELECT rolname::text FROM pg_roles WHERE rolsuper";
    assert_eq!(server.texts("postgres", superusers).await, ["postgres"]);
}

#[tokio::test]
async fn usage_counts_rows_and_needs_the_tenant_or_an_administrator() {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    assert_eq!(store.usage(&tenancy).await, Ok(0));
    let rows = "CREATE TABLE kine AS SELECT n AS id FROM generate_series(1, 1234) AS n";
    own_session(&server, &tenancy)
        .await
        .batch_execute(rows)
        .await
        .unwrap();
    let own = server.connection_as("user-of-cp-a", "password-of-cp-a");
    for store in [store, connect(&own).await.unwrap()] {
        assert_eq!(store.usage(&tenancy).await, Ok(1234));
    }
}
