//! Bounds of what a tenant's database can have the operator read, whatever the tenant has put in the place of kine's
//! table.

use std::sync::{Mutex, PoisonError};

use kamaji_datastore::Error;
use kamaji_datastore::transfer::BATCH_RECORDS;

use super::*;

/// Text of the notices that a test raises.
const NOTICE: &str = "a notice of the tenant's";
/// Log lines of all tests that have [`NOTICE`].
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Log that keeps the lines which have [`NOTICE`].
struct Heard;

impl log::Log for Heard {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args().to_string();
        if line.contains(NOTICE) {
            let heard = HEARD.lock();
            heard.unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    fn flush(&self) {}
}

/// Bytes of an error or a name, far above every bound.
const HUGE: usize = 64 << 20;

/// A tenant with `kine` made by this statement instead of the table.
async fn with_kine(statement: &str) -> (Server, Box<dyn DataStore>, Tenancy) {
    let (server, store, tenancy) = with_tenant("cp-a").await;
    let session = own_session(&server, &tenancy).await;
    session.batch_execute(statement).await.unwrap();
    (server, store, tenancy)
}

/// A view of one key, in a row for each `n` up to `count`.
fn view(count: usize, (value, condition): (&str, &str)) -> String {
    format!(
        "CREATE VIEW kine AS SELECT 1::int8 AS id, '/registry/a' AS name, 1 AS created, 0 AS deleted,
            0::int8 AS create_revision, 0::int8 AS prev_revision, 0 AS lease, {value} AS value
         FROM generate_series(1, {count}) AS n WHERE {condition}"
    )
}

/// A view that raises an error of [`HUGE`] bytes when it is read.
fn raising() -> String {
    let function = format!(
        "CREATE FUNCTION loud() RETURNS bool LANGUAGE plpgsql AS
            $$ BEGIN RAISE EXCEPTION '%', repeat('x', {HUGE}); END $$;"
    );
    function + &view(1, ("''::bytea", "public.loud()"))
}

fn assert_excessive(error: &Error, most: usize) {
    assert!(matches!(error, Error::Protocol { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains(&format!("more than the {most} bytes that are read")),
        "{text}"
    );
    assert!(text.contains("database cp-a"), "{text}");
    assert!(text.len() < 1000, "{} bytes", text.len());
}

#[tokio::test]
async fn a_count_that_raises_a_huge_error_fails_by_the_bound_and_harms_nobody_else() {
    let (server, store, tenancy) = with_kine(&raising()).await;
    let other = super::tenancy("cp-b");
    store.ensure(&other).await.unwrap();
    let administrators =
        "SELECT pid::text FROM pg_stat_activity WHERE datname = 'kamaji_clastix_io'";
    let before = server.texts("postgres", administrators).await;
    for _ in 0..2 {
        let error = store.usage(&tenancy).await.unwrap_err();
        assert_excessive(&error, 1 << 20);
        assert_eq!(store.usage(&other).await, Ok(0));
        store.check().await.unwrap();
    }
    assert_eq!(server.texts("postgres", administrators).await, before);
}

#[tokio::test]
async fn an_error_of_a_tenants_function_is_shortened() {
    let short = raising().replace(&HUGE.to_string(), "100000");
    let (_server, store, tenancy) = with_kine(&short).await;
    let error = store.usage(&tenancy).await.unwrap_err().to_string();
    assert!(error.contains("xxx…"), "{error}");
    assert!(error.len() < 1000, "{} bytes", error.len());
}

#[tokio::test]
async fn a_transfer_that_meets_a_huge_error_fails_by_the_bound_and_goes_on_without_it() {
    let (server, store, tenancy) = with_kine(&raising()).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    assert_excessive(&reader.page(None).await.unwrap_err(), 32 << 20);
    assert_excessive(&reader.changes(0).await.unwrap_err(), 32 << 20);
    let keys = [b"a".to_vec()];
    assert_excessive(&reader.get(&keys).await.unwrap_err(), 32 << 20);
    let session = own_session(&server, &tenancy).await;
    session.batch_execute("DROP VIEW kine").await.unwrap();
    assert!(reader.page(None).await.unwrap().records.is_empty());
}

#[tokio::test]
async fn a_view_with_more_rows_than_ids_gives_a_page_no_more_than_it_may_have() {
    let rows = view(BATCH_RECORDS + 1, ("''::bytea", "true"));
    let (_server, store, tenancy) = with_kine(&rows).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let page = reader.page(None).await.unwrap();
    assert_eq!(page.records.len(), BATCH_RECORDS);
}

#[tokio::test]
async fn a_view_with_large_values_under_one_id_fails_by_the_bound() {
    let value = "convert_to(repeat('x', 1000000), 'UTF8')";
    let (_server, store, tenancy) = with_kine(&view(8, (value, "true"))).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    assert_excessive(&reader.page(None).await.unwrap_err(), 32 << 20);
}

/// The client library would ask for a type that it does not know, and for every type in that one.
#[tokio::test]
async fn a_value_of_a_tenants_own_type_is_not_looked_up() {
    let value = "CREATE TYPE inner_value AS (part bytea);
        CREATE TYPE own_value AS (part inner_value);
        CREATE FUNCTION length_of(own_value) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'x' $$;
        CREATE CAST (own_value AS text) WITH FUNCTION length_of(own_value) AS IMPLICIT;";
    let made = view(1, ("row(row('x'::bytea)::inner_value)::own_value", "true"));
    let (_server, store, tenancy) = with_kine(&format!("{value}{made}")).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    let error = reader.page(None).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("cannot cast type public.own_value to bytea"),
        "{error}"
    );
}

#[tokio::test]
async fn a_name_without_bound_is_refused_by_its_beginning() {
    let table = format!(
        "CREATE TABLE kine (id bigserial, name text, created int, deleted int, create_revision int8,
            prev_revision int8, lease int, value bytea, old_value bytea);
         INSERT INTO kine (name, created, value) VALUES ('/registry/long/' || repeat('x', {HUGE}), 1, 'value')"
    );
    let (_server, store, tenancy) = with_kine(&table).await;
    let mut reader = store.reader(&tenancy).await.unwrap();
    for error in [
        reader.page(None).await.unwrap_err(),
        reader.changes(0).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("the name that begins with /registry/long/xxx"),
            "{text}"
        );
        assert!(text.contains("67108879 bytes"), "{text}");
        assert!(text.len() < 1000, "{} bytes", text.len());
    }
}

#[tokio::test]
async fn notices_of_a_tenants_function_are_not_logged() {
    let function = format!(
        "CREATE FUNCTION noisy() RETURNS bool LANGUAGE plpgsql AS
            $$ BEGIN RAISE NOTICE '%', '{}'; RETURN true; END $$;",
        NOTICE.replace('\'', "\'\'")
    );
    let made = function + &view(1, ("''::bytea", "public.noisy()"));
    let (_server, store, tenancy) = with_kine(&made).await;
    log::set_logger(&Heard).unwrap();
    log::set_max_level(log::LevelFilter::Info);
    assert_eq!(store.usage(&tenancy).await, Ok(1));
    let heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(*heard, Vec::<String>::new());
}
