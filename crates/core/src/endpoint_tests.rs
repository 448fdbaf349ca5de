use super::*;

#[test]
fn host_names_take_their_own_port_or_the_default() {
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
