use super::*;

const EC: KeyAlgorithm = KeyAlgorithm::EcdsaP256;

fn names() -> ApiServerNames {
    ApiServerNames {
        tenant: "full".into(),
        namespace: "c2".into(),
        cluster_domain: "cluster.local".into(),
        service_cidrs: vec!["10.112.0.0/16".parse().unwrap()],
        assigned: "172.30.0.60".parse().unwrap(),
        advertised: "172.30.0.60".parse().unwrap(),
        service_addresses: Vec::new(),
        control_plane_host: "172.30.0.60".into(),
        cert_sans: vec!["full.example.com".into(), "10.9.9.9".into()],
    }
}

fn ips(names: &ApiServerNames) -> Vec<String> {
    let request = api_server(names, EC);
    request
        .ip_addresses
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn the_api_server_has_the_names_that_upstream_gives_it() {
    let request = api_server(&names(), EC);
    assert_eq!(request.common_name, "kube-apiserver");
    assert_eq!(request.usages, [Usage::Server]);
    assert_eq!(request.validity, Duration::from_hours(8_760));
    let dns = [
        "full",
        "full.c2.svc",
        "full.c2.svc.cluster.local",
        "full.example.com",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
        "node",
    ];
    assert_eq!(request.dns_names, dns);
    assert_eq!(
        ips(&names()),
        ["10.112.0.1", "172.30.0.60", "127.0.0.1", "10.9.9.9"]
    );
}

#[test]
fn addresses_come_in_the_order_of_kubeadm_and_once() {
    let names = ApiServerNames {
        control_plane_host: "192.0.2.7".into(),
        advertised: "192.0.2.8".parse().unwrap(),
        cert_sans: ["127.0.0.1", "fd00::1", "::ffff:10.9.9.9", "10.9.9.9"]
            .map(str::to_owned)
            .into(),
        ..names()
    };
    let want = [
        "10.112.0.1",
        "172.30.0.60",
        "192.0.2.7",
        "127.0.0.1",
        "fd00::1",
        "10.9.9.9",
        "192.0.2.8",
    ];
    assert_eq!(ips(&names), want);
}

#[test]
fn only_the_first_service_range_has_the_address_of_kubernetes() {
    let names = ApiServerNames {
        service_cidrs: ["fd00:1::/112", "10.112.0.0/16"]
            .map(|range| range.parse().unwrap())
            .into(),
        ..names()
    };
    assert_eq!(ips(&names)[0], "fd00:1::1");
    assert!(!ips(&names).contains(&"10.112.0.1".to_owned()));
}

#[test]
fn hosts_are_added_as_names_and_invalid_names_are_skipped() {
    let names = ApiServerNames {
        cluster_domain: "corp.example".into(),
        control_plane_host: "demo.example.org".into(),
        cert_sans: ["*.example.net", "https://x", "a b", "", "localhost"]
            .map(str::to_owned)
            .into(),
        ..names()
    };
    let dns = api_server(&names, EC).dns_names;
    for name in [
        "kubernetes.default.svc.corp.example",
        "demo.example.org",
        "*.example.net",
    ] {
        assert!(dns.iter().any(|have| have == name), "{name}");
    }
    assert_eq!(dns.len(), 11);
}

#[test]
fn other_leaves_have_the_subjects_and_usages_of_upstream() {
    use Usage::{Client, CodeSigning, Server};
    let all = vec![Client, Server, CodeSigning];
    let (year, ten) = (8_760, 87_600);
    let table = [
        (
            kubelet_client(EC),
            "kube-apiserver-kubelet-client",
            None,
            vec![Client],
            year,
        ),
        (
            front_proxy_client(EC),
            "front-proxy-client",
            None,
            vec![Client],
            year,
        ),
        (
            user("jo", Some("g"), EC),
            "jo",
            Some("g"),
            vec![Client],
            year,
        ),
        (
            datastore_client("u", EC),
            "u",
            Some("system:masters"),
            all.clone(),
            ten,
        ),
        (
            konnectivity_server(EC),
            "system:konnectivity-server",
            Some("system:masters"),
            all,
            ten,
        ),
    ];
    for (request, common_name, organization, usages, hours) in table {
        assert_eq!(request.common_name, common_name);
        let organizations: Vec<_> = organization.into_iter().collect();
        assert_eq!(request.organizations, organizations, "{common_name}");
        assert_eq!(request.usages, usages, "{common_name}");
        assert_eq!(
            request.validity,
            Duration::from_hours(hours),
            "{common_name}"
        );
        assert!(request.dns_names.is_empty() && request.ip_addresses.is_empty());
    }
}
