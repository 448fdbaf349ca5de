use super::*;

fn problem(driver: Driver, text: &str) -> NameProblem {
    let schema = Schema::parse(driver, text).unwrap_err();
    let user = User::parse(driver, text).unwrap_err();
    assert_eq!((schema.what, user.what), ("schema", "user"));
    assert_eq!((schema.name.as_str(), user.name.as_str()), (text, text));
    assert_eq!(schema.problem, user.problem);
    schema.problem
}

#[test]
fn an_empty_schema_is_refused() {
    assert_eq!(problem(Driver::Etcd, ""), NameProblem::Empty);
}

#[test]
fn names_with_slashes_or_control_characters_are_refused() {
    for name in ["a/b", "/", "../a", "a\0", "a\n"] {
        assert!(
            matches!(problem(Driver::Etcd, name), NameProblem::Character(_)),
            "{name:?}"
        );
    }
}

#[test]
fn reserved_names_of_administrators_and_the_operator_are_refused() {
    for name in ["root", "kamaji.clastix.io", "kamaji_clastix_io"] {
        assert_eq!(problem(Driver::Etcd, name), NameProblem::Reserved);
    }
    assert_eq!(
        problem(Driver::PostgreSql, "postgres"),
        NameProblem::Reserved
    );
}

#[test]
fn uids_and_names_of_older_releases_are_accepted() {
    for name in [
        "6c0f0a3e-6f43-4f5c-8b0c-6a4fb3b9f8d2",
        "default_cp-a",
        "tenant.one",
    ] {
        assert_eq!(Schema::parse(Driver::Etcd, name).unwrap().as_str(), name);
    }
}

#[test]
fn names_longer_than_the_limit_of_the_driver_are_refused() {
    for (driver, schema, user) in [
        (Driver::Etcd, 253, 253),
        (Driver::PostgreSql, 63, 63),
        (Driver::MySql, 64, 32),
    ] {
        Schema::parse(driver, &"a".repeat(schema)).unwrap();
        User::parse(driver, &"a".repeat(user)).unwrap();
        let long = Schema::parse(driver, &"a".repeat(schema + 1)).unwrap_err();
        assert!(
            matches!(long.problem, NameProblem::TooLong { .. }),
            "{long}"
        );
        let long = User::parse(driver, &"a".repeat(user + 1)).unwrap_err();
        assert!(
            matches!(long.problem, NameProblem::TooLong { .. }),
            "{long}"
        );
    }
}

#[test]
fn a_password_is_hidden_in_debug_output() {
    let tenancy = Tenancy::parse(Driver::Etcd, "a", "b", Owner::default())
        .unwrap()
        .with_password(Secret::new("hunter2"));
    assert!(!format!("{tenancy:?}").contains("hunter2"));
    assert_eq!(tenancy.password.unwrap().expose(), "hunter2");
}
