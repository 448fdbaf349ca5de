use super::*;

const PLAIN: &str = "11111111-2222-3333-4444-555555555555";

#[test]
fn an_endpoint_of_plain_names_has_only_variables_as_upstream_writes_them() {
    let of = |driver| endpoint(driver, PLAIN, PLAIN);
    assert_eq!(
        of(Driver::MySql).as_deref(),
        Some("mysql://$(DB_USER):$(DB_PASSWORD)@tcp($(DB_CONNECTION_STRING))/$(DB_SCHEMA)")
    );
    assert_eq!(
        of(Driver::PostgreSql).as_deref(),
        Some("postgres://$(DB_USER):$(DB_PASSWORD)@$(DB_CONNECTION_STRING)/$(DB_SCHEMA)")
    );
    assert_eq!(
        of(Driver::Nats).as_deref(),
        Some(
            "nats://$(DB_USER):$(DB_PASSWORD)@$(DB_CONNECTION_STRING)?bucket=$(DB_SCHEMA)&noEmbed"
        )
    );
    assert_eq!(of(Driver::Etcd), None);
}

#[test]
fn names_that_work_unencoded_stay_variables_so_that_taken_over_pods_stay() {
    for name in [
        "a_b",
        "a+b",
        "a@b",
        "$(DB_PASSWORD)",
        "a'b",
        "a&b=c",
        "a;b,c",
    ] {
        let postgresql = endpoint(Driver::PostgreSql, name, name).unwrap();
        assert!(postgresql.contains("//$(DB_USER):"), "{postgresql}");
        assert!(postgresql.ends_with("/$(DB_SCHEMA)"), "{postgresql}");
        let mysql = endpoint(Driver::MySql, name, name).unwrap();
        assert!(mysql.ends_with("/$(DB_SCHEMA)"), "{mysql}");
    }
}

#[test]
fn names_that_would_end_early_in_a_url_are_percent_encoded() {
    let postgresql = endpoint(Driver::PostgreSql, "a?sslmode=disable", "u:x\"y%").unwrap();
    assert_eq!(
        postgresql,
        "postgres://u%3Ax%22y%25:$(DB_PASSWORD)@$(DB_CONNECTION_STRING)/a%3Fsslmode%3Ddisable"
    );
    let mysql = endpoint(Driver::MySql, "50%?tls=skip-verify", "u%").unwrap();
    assert!(mysql.starts_with("mysql://$(DB_USER):"), "{mysql}");
    assert!(mysql.ends_with("/50%25%3Ftls%3Dskip-verify"), "{mysql}");
    let fragment = endpoint(Driver::PostgreSql, "a#b", "ü").unwrap();
    assert!(fragment.starts_with("postgres://%C3%BC:"), "{fragment}");
    assert!(fragment.ends_with("/a%23b"), "{fragment}");
}

#[test]
fn names_that_kine_cannot_reach_are_refused_for_that_driver_alone() {
    let schema = |driver, name| check_schema(driver, name).err();
    assert_eq!(
        schema(Driver::PostgreSql, "Demo"),
        Some(Unreachable::Capital('D'))
    );
    assert_eq!(
        schema(Driver::Nats, "a.b"),
        Some(Unreachable::Character('.'))
    );
    assert_eq!(
        check_user(Driver::MySql, "a:b"),
        Err(Unreachable::Character(':'))
    );
    assert_eq!(schema(Driver::MySql, "De.mo"), None);
    assert_eq!(schema(Driver::Etcd, "De.mo"), None);
    assert_eq!(schema(Driver::PostgreSql, "de.mo"), None);
    assert_eq!(schema(Driver::Nats, "De_mo-1"), None);
    assert_eq!(check_user(Driver::PostgreSql, "A:b"), Ok(()));
    for driver in [Driver::MySql, Driver::PostgreSql, Driver::Nats] {
        assert_eq!(check_schema(driver, PLAIN), Ok(()));
        assert_eq!(check_user(driver, PLAIN), Ok(()));
    }
}

#[test]
fn credentials_of_nats_have_no_character_that_kine_would_encode_or_split() {
    for c in ['%', '@', ':', '/', ',', '?', '#', '!', ' ', 'ü'] {
        let password = format!("a{c}b");
        assert!(!carries(Driver::Nats, &password), "{password}");
        assert!(carries(Driver::PostgreSql, &password));
    }
    assert!(carries(Driver::Nats, "aZ09-._~$&+;="));
}
