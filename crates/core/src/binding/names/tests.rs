use super::*;

#[test]
fn names_are_as_long_as_each_driver_takes() {
    for (driver, schema, user) in [
        (None, 253, 253),
        (Some(Driver::Etcd), 253, 253),
        (Some(Driver::Nats), 253, 253),
        (Some(Driver::PostgreSql), 63, 63),
        (Some(Driver::MySql), 64, 32),
    ] {
        for (part, most) in [(Part::Schema, schema), (Part::User, user)] {
            assert_eq!(examine(part, &"a".repeat(most), driver), Ok(()));
            let long = examine(part, &"a".repeat(most + 1), driver);
            assert!(
                matches!(long, Err(NameProblem::TooLong { most: found, .. }) if found == most),
                "{long:?}"
            );
        }
    }
}

#[test]
fn names_of_a_database_itself_are_reserved_for_that_driver_alone() {
    for (driver, name) in [(Driver::PostgreSql, "template1"), (Driver::MySql, "sys")] {
        let found = examine(Part::Schema, name, Some(driver));
        assert_eq!(found, Err(NameProblem::Reserved));
        assert_eq!(examine(Part::Schema, name, Some(Driver::Etcd)), Ok(()));
    }
    let postgresql = |part| examine(part, "pg_friend", Some(Driver::PostgreSql));
    assert_eq!(postgresql(Part::User), Err(NameProblem::Reserved));
    assert_eq!(postgresql(Part::Schema), Ok(()));
}

#[test]
fn mysql_refuses_its_own_names_in_any_case_and_characters_beyond_its_identifiers() {
    let mysql = |text: &str| examine(Part::Schema, text, Some(Driver::MySql));
    for own in ["Information_Schema", "PUBLIC"] {
        assert_eq!(mysql(own), Err(NameProblem::Reserved));
    }
    let beyond = mysql("a\u{1f600}");
    assert_eq!(beyond, Err(NameProblem::Character('\u{1f600}')));
    assert_eq!(
        examine(Part::Schema, "a\u{1f600}", Some(Driver::Etcd)),
        Ok(())
    );
    for (letters, wildcards, fits) in [(63, 0, true), (62, 1, true), (63, 1, false)] {
        let name = "a".repeat(letters) + &"_".repeat(wildcards);
        assert_eq!(mysql(&name).is_ok(), fits, "{name}");
    }
}

#[test]
fn a_user_between_quotes_is_refused_at_mysql_alone() {
    let mysql = |part, text: &str| examine(part, text, Some(Driver::MySql));
    for quoted in ["''", "'neighbour'"] {
        assert_eq!(mysql(Part::User, quoted), Err(NameProblem::Quoted));
        assert_eq!(mysql(Part::Schema, quoted), Ok(()));
        let other = examine(Part::User, quoted, Some(Driver::PostgreSql));
        assert_eq!(other, Ok(()));
    }
    for user in ["'", "'a", "a'", "\"a\"", "`a`"] {
        assert_eq!(mysql(Part::User, user), Ok(()), "{user}");
    }
}

#[test]
fn a_user_that_nothing_names_is_the_uid_on_mysql_without_its_hyphens() {
    let uid = "11111111-2222-3333-4444-555555555555";
    let object = crate::plan::fixture::tenant(serde_json::json!({}));
    let user = user_at(None, &object.spec, uid, Driver::MySql);
    assert_eq!(user, "11111111222233334444555555555555");
    assert_eq!(examine(Part::User, &user, Some(Driver::MySql)), Ok(()));
    let other = user_at(None, &object.spec, uid, Driver::PostgreSql);
    assert_eq!(other, uid);
}

#[test]
fn a_uid_that_the_status_records_as_user_keeps_its_hyphens_and_is_taken_on_mysql() {
    let uid = "11111111-2222-3333-4444-555555555555";
    let object = crate::plan::fixture::tenant(serde_json::json!({}));
    let setup = StorageSetupStatus {
        user: Some(uid.to_owned()),
        ..StorageSetupStatus::default()
    };
    let user = user_at(Some(&setup), &object.spec, "other", Driver::MySql);
    assert_eq!(user, uid);
    assert_eq!(examine(Part::User, &user, Some(Driver::MySql)), Ok(()));
    let no_uid = examine(Part::User, &"-".repeat(36), Some(Driver::MySql));
    assert!(no_uid.is_err());
}

#[test]
fn the_record_wins_over_the_spec_and_the_spec_over_the_uid() {
    let setup = StorageSetupStatus {
        schema: Some("recorded".to_owned()),
        user: Some(String::new()),
        ..StorageSetupStatus::default()
    };
    let object = crate::plan::fixture::tenant(serde_json::json!({
        "spec": {"dataStoreSchema": "asked", "dataStoreUsername": "asked"},
    }));
    let names = schema_and_user(Some(&setup), &object.spec, "uid");
    assert_eq!((names.schema, names.user), ("recorded", "asked"));
    let object = crate::plan::fixture::tenant(serde_json::json!({}));
    let names = schema_and_user(None, &object.spec, "uid");
    assert_eq!((names.schema, names.user), ("uid", "uid"));
}

#[test]
fn nats_takes_the_users_of_its_data_stores_and_refuses_reserved_buckets() {
    let nats = Some(Driver::Nats);
    assert_eq!(examine(Part::User, "root", nats), Ok(()));
    assert_eq!(examine(Part::User, "", nats), Err(NameProblem::Empty));
    for bucket in ["root", owner::DATABASE] {
        assert_eq!(
            examine(Part::Schema, bucket, nats),
            Err(NameProblem::Reserved)
        );
    }
}
