use super::*;

#[test]
fn a_driver_is_spelled_as_in_the_datastore() {
    for (driver, spelling) in [
        (Driver::Etcd, "etcd"),
        (Driver::MySql, "MySQL"),
        (Driver::PostgreSql, "PostgreSQL"),
        (Driver::Nats, "NATS"),
    ] {
        assert_eq!(driver.as_str(), spelling);
    }
}

#[test]
fn a_connection_shows_its_endpoints_and_no_secret() {
    let connection = Connection {
        driver: Driver::Etcd,
        endpoints: vec!["a:1".parse().unwrap(), "[::1]:2".parse().unwrap()],
        tls: Some(Tls {
            ca_pem: b"ca".to_vec(),
            client: Some(Identity {
                cert_pem: b"cert".to_vec(),
                key_pem: b"77;78".to_vec(),
            }),
        }),
        basic_auth: Some(BasicAuth {
            user: "u".to_owned(),
            password: Secret::new("hunter2"),
        }),
        without_access_control: false,
    };
    assert_eq!(connection.to_string(), "etcd a:1,[::1]:2");
    let debug = format!("{connection:?}");
    assert!(
        !debug.contains("hunter2") && !debug.contains("77;78"),
        "{debug}"
    );
    assert!(!debug.contains("55, 55"), "{debug}");
}
