use super::*;
use crate::pki::{
    authority::{self, Authority},
    fixture::{DAY, Foreign, authority, entropy, now},
    key::KeyAlgorithm,
    leaves,
};

fn access() -> Access {
    Access {
        cluster: "full".into(),
        user: "kubernetes-admin".into(),
        server: "https://172.30.0.60:6443".into(),
    }
}

fn request() -> LeafRequest {
    leaves::user(
        "kubernetes-admin",
        Some("kubeadm:cluster-admins"),
        KeyAlgorithm::EcdsaP256,
    )
}

fn file(access: &Access) -> String {
    let ca = authority();
    let pair = ca.sign(&request(), now(), &mut entropy("leaf"));
    let (certificate, key) = (pair.certificate_pem, pair.key_pem);
    Kubeconfig::new(
        access,
        ca.certificate_pem(),
        certificate.as_bytes(),
        key.as_bytes(),
    )
    .to_yaml()
}

#[test]
fn a_kubeconfig_is_written_as_kubeadm_writes_it() {
    let access = access();
    let text = Kubeconfig::new(&access, &[b'c'; 300], &[b'k'; 300], b"key").to_yaml();
    let (ca, certificate) = (STANDARD.encode([b'c'; 300]), STANDARD.encode([b'k'; 300]));
    let want = format!(
        "apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: https://172.30.0.60:6443
  name: full
contexts:
- context:
    cluster: full
    user: kubernetes-admin
  name: kubernetes-admin@full
current-context: kubernetes-admin@full
kind: Config
users:
- name: kubernetes-admin
  user:
    client-certificate-data: {certificate}
    client-key-data: a2V5
"
    );
    assert_eq!(text, want);
}

#[test]
fn names_that_yaml_would_read_as_other_types_are_quoted() {
    let names = [
        "yes",
        "no",
        "on",
        "off",
        "y",
        "n",
        "true",
        "null",
        "123",
        "1e3",
        "0x1f",
        "0o7",
        "012",
        "1.5",
        "12e03",
        "0b1",
        "2024-01-01",
        "1-2",
    ];
    for name in names {
        let access = Access {
            cluster: name.into(),
            ..access()
        };
        let text = file(&access);
        let read: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
        assert_eq!(read["clusters"][0]["name"], name);
        // YAML 1.1, which kubectl reads, takes more words for something else than YAML 1.2 does.
        if name != "1-2" {
            assert!(text.contains(&format!("name: \"{name}\"\n")), "{text}");
        }
        assert!(credentials(text.as_bytes()).is_ok());
    }
}

#[test]
fn server_and_credentials_of_the_current_context_are_read() {
    let text = r"
apiVersion: v1
kind: Config
preferences: {}
current-context: b
clusters:
- {name: one, cluster: {server: 'https://one', certificate-authority-data: MQ==}}
- {name: two, cluster: {server: 'https://two', certificate-authority-data: Mg==}}
contexts:
- {name: a, context: {cluster: one, user: one}}
- {name: b, context: {cluster: two, user: two, namespace: x}}
users:
- {name: one, user: {client-certificate-data: MQ==, client-key-data: MQ==}}
- {name: two, user: {client-certificate-data: Mg==, client-key-data: Mg==}}
";
    let read = credentials(text.as_bytes()).unwrap();
    assert_eq!(
        (read.server.as_str(), read.key.as_slice()),
        ("https://two", &b"2"[..])
    );
    let lost = text.replace("current-context: b", "current-context: c");
    let error = credentials(lost.as_bytes()).unwrap_err();
    assert_eq!(error, KubeconfigError::Lacks("current context"));
}

#[test]
fn errors_and_debug_output_have_no_keys_in_them() {
    let text = file(&access());
    let key = STANDARD.encode("-----BEGIN EC");
    assert!(text.contains(&key[..12]));
    let broken = text.replace("kind: Config", "kind: [");
    let error = credentials(broken.as_bytes()).unwrap_err().to_string();
    let config = Kubeconfig::parse(text.as_bytes()).unwrap();
    let shown = format!("{error}{config:?}{:?}", config.credentials().unwrap());
    let secret = &text[text.find("client-key-data: ").unwrap() + 17..];
    assert!(!shown.contains(&secret[40..80]), "{shown}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

#[test]
fn each_violated_rule_gives_its_reason() {
    let ca = TenantAuthority::from(authority());
    let other = TenantAuthority::from(Foreign::new().load());
    let text = file(&access());
    let moved = Access {
        server: "https://elsewhere:6443".into(),
        ..access()
    };
    let (here, request) = (access(), request());
    let stranger = leaves::user("jo", None, KeyAlgorithm::EcdsaP256);
    let good = Expected {
        access: &here,
        request: &request,
        authority: &ca,
        rotate: false,
    };
    let due = now() + 364 * DAY;
    let verdict =
        |text: &str, expected: &Expected, at| evaluate(Some(text.as_bytes()), expected, at, DAY);
    assert_eq!(verdict(&text, &good, now()), Verdict::Keep { due });
    assert_eq!(
        evaluate(None, &good, now(), DAY),
        Verdict::Renew(Reason::Missing)
    );
    let rotated = Expected {
        rotate: true,
        ..good
    };
    let of_another = Expected {
        authority: &other,
        ..good
    };
    let moved = Expected {
        access: &moved,
        ..good
    };
    let stranger = Expected {
        request: &stranger,
        ..good
    };
    let table = [
        (verdict("", &good, now()), Reason::Missing),
        (
            verdict(&text, &rotated, now()),
            Reason::Certificate(renew::Reason::RotationRequested),
        ),
        (verdict(&text, &of_another, now()), Reason::AuthorityDiffers),
        (
            verdict(&text, &moved, now()),
            Reason::ServerDiffers(here.server.clone()),
        ),
        (
            verdict(&text, &stranger, now()),
            Reason::Certificate(renew::Reason::SubjectDiffers(
                "CN=kubernetes-admin, O=kubeadm:cluster-admins".into(),
            )),
        ),
        (
            verdict(&text, &good, due),
            Reason::Certificate(renew::Reason::Ends(due + DAY)),
        ),
    ];
    for (have, want) in table {
        assert_eq!(have, Verdict::Renew(want));
    }
    let broken = verdict("{", &good, now());
    assert!(matches!(broken, Verdict::Renew(Reason::Unreadable(_))));
}

#[test]
fn a_kubeconfig_that_trusts_former_authorities_is_kept_while_they_are_expected() {
    let former = ["zeroth", "first"]
        .map(|name| authority::issue(name, KeyAlgorithm::EcdsaP256, now(), &mut entropy(name)));
    let (ca, access, request) = (authority(), access(), request());
    let pair = ca.sign(&request, now(), &mut entropy("leaf"));
    let [zeroth, first] = former.each_ref().map(Authority::certificate_pem);
    let trust = [ca.certificate_pem(), first, zeroth].concat();
    let (certificate, key) = (pair.certificate_pem.as_bytes(), pair.key_pem.as_bytes());
    let text = Kubeconfig::new(&access, &trust, certificate, key).to_yaml();
    let expected = |trust: &[u8]| {
        let authority = TenantAuthority::load(trust, ca.key_pem(), now()).unwrap();
        let expected = Expected {
            access: &access,
            request: &request,
            authority: &authority,
            rotate: false,
        };
        evaluate(Some(text.as_bytes()), &expected, now(), DAY)
    };
    assert!(matches!(expected(&trust), Verdict::Keep { .. }));
    let differs = Verdict::Renew(Reason::AuthorityDiffers);
    assert_eq!(expected(ca.certificate_pem()), differs);
}

#[test]
fn a_kubeconfig_that_cannot_be_read_is_refused_without_a_word_of_it() {
    let of = |server: &str, key: &str| {
        format!(
            "{{apiVersion: v1, kind: Config, current-context: c, \
             contexts: [{{name: c, context: {{cluster: c, user: u}}}}], \
             clusters: [{{name: c, cluster: {{server: {server}, certificate-authority-data: \"\"}}}}], \
             users: [{{name: u, user: {{client-certificate-data: \"\", client-key-data: {key}}}}}]}}"
        )
    };
    assert!(credentials(of("a", "\"\"").as_bytes()).is_ok());
    for text in [
        "hunter22".to_owned(),
        of("a", "[hunter22]"),
        of("*hunter22", "a"),
        of("a", "hunter22!"),
    ] {
        let error = credentials(text.as_bytes()).unwrap_err().to_string();
        assert!(!error.contains("hunter22"), "{text}: {error}");
    }
    // Not even the byte that is no base64.
    let error = credentials(of("a", "\"!\"").as_bytes())
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("client-key-data is not base64"), "{error}");
}
