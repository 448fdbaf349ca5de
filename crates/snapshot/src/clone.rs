//! Keys that a clone does not get, since they are the original's alone.

/// Beginnings of keys that belong to the original's machines and processes.
const DROPPED: [&str; 8] = [
    // Machines: kubelets of the clone register themselves, and controllers must not act on the original's.
    "minions/",
    "csinodes/",
    // A clone that detaches a volume would detach it from the original's machine.
    "volumeattachments/",
    // Holders of leases and API servers of the original.
    "leases/",
    "masterleases/",
    "services/endpoints/default/kubernetes",
    "endpointslices/default/kubernetes",
    // Whoever holds a bootstrap token of the original would join the clone with it.
    "secrets/kube-system/bootstrap-token-",
];

/// True for a key that a clone does not get: nodes, attachments of volumes, leases, addresses of the original's API
/// servers and bootstrap tokens.
pub fn is_dropped(key: &[u8]) -> bool {
    DROPPED.iter().any(|start| {
        let whole = !start.ends_with('/') && !start.ends_with('-');
        key.starts_with(start.as_bytes()) && (!whole || key.len() == start.len())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_machines_are_dropped_and_keys_that_begin_alike_are_not() {
        for key in [
            "minions/worker-1",
            "leases/kube-system/kube-scheduler",
            "masterleases/10.0.0.1",
            "services/endpoints/default/kubernetes",
            "secrets/kube-system/bootstrap-token-abcdef",
        ] {
            assert!(is_dropped(key.as_bytes()), "{key}");
        }
        for key in [
            "services/endpoints/default/kubernetes-dashboard",
            "services/specs/default/kubernetes",
            "secrets/default/bootstrap-token-abcdef",
            "leasesx/a",
            "minions",
        ] {
            assert!(!is_dropped(key.as_bytes()), "{key}");
        }
    }
}
