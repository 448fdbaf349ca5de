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
