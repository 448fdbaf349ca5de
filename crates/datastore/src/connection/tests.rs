use super::*;

fn parsed(text: &str) -> (String, u16) {
    let endpoint: Endpoint = text.parse().unwrap();
    assert_eq!(endpoint.to_string(), text);
    (endpoint.host().to_owned(), endpoint.port())
}

#[test]
fn names_and_addresses_of_both_families_are_endpoints() {
    assert_eq!(parsed("etcd-0.etcd.kamaji-system.svc:2379").1, 2379);
    assert_eq!(parsed("10.0.0.1:12379"), ("10.0.0.1".to_owned(), 12379));
    assert_eq!(parsed("[fd00::1]:2379"), ("fd00::1".to_owned(), 2379));
}

#[test]
fn what_is_not_host_and_port_is_refused_with_its_reason() {
    type Kind = fn(String) -> EndpointError;
    let cases: [(&str, Kind); 13] = [
        ("https://etcd:2379", EndpointError::NotBare),
        ("etcd:2379/", EndpointError::NotBare),
        ("etcd", EndpointError::NoPort),
        ("", EndpointError::NoPort),
        ("[fd00::1]", EndpointError::NoPort),
        ("fd00::1:2379", EndpointError::BareIpv6),
        ("etcd:", EndpointError::BadPort),
        ("etcd:0", EndpointError::BadPort),
        ("etcd:+1", EndpointError::BadPort),
        ("etcd:65536", EndpointError::BadPort),
        (":2379", EndpointError::BadHost),
        ("[etcd]:2379", EndpointError::BadHost),
        ("et cd:2379", EndpointError::BadHost),
    ];
    for (text, kind) in cases {
        assert_eq!(text.parse::<Endpoint>(), Err(kind(text.to_owned())));
    }
}

#[test]
fn a_driver_is_spelled_as_in_the_datastore() {
    for driver in [
        Driver::Etcd,
        Driver::MySql,
        Driver::PostgreSql,
        Driver::Nats,
    ] {
        assert_eq!(driver.as_str().parse(), Ok(driver));
    }
    assert!("mysql".parse::<Driver>().is_err());
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
