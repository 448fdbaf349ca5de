use super::*;

#[test]
fn the_join_command_of_kubeadm_is_understood() {
    let line = "kubeadm join 172.30.0.60:6443 --token abcdef.0123456789abcdef \
                --discovery-token-ca-cert-hash sha256:00ff \n";
    let parsed = Invitation::parse(line).unwrap();
    assert_eq!(parsed.endpoint, "172.30.0.60:6443");
    assert_eq!(parsed.token, "abcdef.0123456789abcdef");
    assert_eq!(parsed.ca_hash, "sha256:00ff");
}

#[test]
fn a_join_command_without_a_token_is_refused() {
    let refusal = Invitation::parse("kubeadm join 172.30.0.60:6443").unwrap_err();
    assert!(refusal.to_string().contains("--token"));
}
