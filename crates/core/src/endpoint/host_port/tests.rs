use super::*;

#[test]
fn lenient_parser_takes_the_port_of_the_text_or_the_default() {
    for (text, host, port) in [
        ("api.example.com", "api.example.com", 6443),
        ("api.example.com:443", "api.example.com", 443),
        ("api.example.com:0", "api.example.com", 6443),
        ("api.example.com:http", "api.example.com", 6443),
        ("2001:db8::1", "2001:db8::1", 6443),
        ("[2001:db8::1]:8443", "2001:db8::1", 8443),
    ] {
        assert_eq!(
            HostPort::parse(text, 6443),
            HostPort {
                host: host.into(),
                port
            },
            "{text}"
        );
    }
}

#[test]
fn an_ipv6_host_is_written_in_brackets() {
    assert_eq!(
        HostPort {
            host: "2001:db8::1".into(),
            port: 6443
        }
        .to_string(),
        "[2001:db8::1]:6443"
    );
}

fn parsed(text: &str) -> (String, u16) {
    let endpoint: HostPort = text.parse().unwrap();
    assert_eq!(endpoint.to_string(), text);
    (endpoint.host, endpoint.port)
}

#[test]
fn strict_parser_accepts_names_and_addresses_of_both_families() {
    assert_eq!(parsed("etcd-0.etcd.kamaji-system.svc:2379").1, 2379);
    assert_eq!(parsed("10.0.0.1:12379"), ("10.0.0.1".to_owned(), 12379));
    assert_eq!(parsed("[fd00::1]:2379"), ("fd00::1".to_owned(), 2379));
}

#[test]
fn strict_parser_refuses_other_texts_with_a_reason() {
    type Kind = fn(String) -> HostPortError;
    let cases: [(&str, Kind); 13] = [
        ("https://etcd:2379", HostPortError::NotBare),
        ("etcd:2379/", HostPortError::NotBare),
        ("etcd", HostPortError::NoPort),
        ("", HostPortError::NoPort),
        ("[fd00::1]", HostPortError::NoPort),
        ("fd00::1:2379", HostPortError::BareIpv6),
        ("etcd:", HostPortError::BadPort),
        ("etcd:0", HostPortError::BadPort),
        ("etcd:+1", HostPortError::BadPort),
        ("etcd:65536", HostPortError::BadPort),
        (":2379", HostPortError::BadHost),
        ("[etcd]:2379", HostPortError::BadHost),
        ("et cd:2379", HostPortError::BadHost),
    ];
    for (text, kind) in cases {
        assert_eq!(text.parse::<HostPort>(), Err(kind(text.to_owned())));
    }
}
