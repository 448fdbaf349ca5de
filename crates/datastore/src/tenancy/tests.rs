use super::*;

#[test]
fn an_empty_schema_would_be_the_whole_store_and_is_refused() {
    assert_eq!(Schema::parse(""), Err(NameError::Empty { what: "schema" }));
    assert_eq!(User::parse(""), Err(NameError::Empty { what: "user" }));
}

#[test]
fn a_name_cannot_leave_its_prefix() {
    for name in ["a/b", "/", "../a", "a\0", "a\n"] {
        assert!(
            matches!(Schema::parse(name), Err(NameError::Forbidden { .. })),
            "{name:?}"
        );
        assert!(
            matches!(User::parse(name), Err(NameError::Forbidden { .. })),
            "{name:?}"
        );
    }
}

#[test]
fn the_administrators_and_the_operators_names_are_refused() {
    for name in ["root", "kamaji.clastix.io", "kamaji_clastix_io"] {
        let reserved = |what, name: &str| NameError::Reserved {
            what,
            name: name.to_owned(),
        };
        assert_eq!(Schema::parse(name), Err(reserved("schema", name)));
        assert_eq!(User::parse(name), Err(reserved("user", name)));
    }
}

#[test]
fn uids_and_the_names_of_older_releases_are_taken() {
    for name in [
        "6c0f0a3e-6f43-4f5c-8b0c-6a4fb3b9f8d2",
        "default_cp-a",
        "tenant.one",
    ] {
        assert_eq!(Schema::parse(name).unwrap().as_str(), name);
    }
    assert!(matches!(
        Schema::parse(&"a".repeat(254)),
        Err(NameError::TooLong { .. })
    ));
}

#[test]
fn a_password_does_not_show_itself() {
    let tenancy = Tenancy::parse("a", "b", Owner::default())
        .unwrap()
        .with_password(Secret::new("hunter2"));
    assert!(!format!("{tenancy:?}").contains("hunter2"));
    assert_eq!(tenancy.password.unwrap().expose(), "hunter2");
}
