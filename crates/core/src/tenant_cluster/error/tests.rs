use super::*;

#[test]
fn stopped_reconcile_has_another_reason_than_a_panic() {
    let slow = TenantClusterError::TimedOut(Duration::from_secs(20));
    assert_eq!(slow.reason(), Reason::TenantApiUnreachable);
    let text = slow.to_string();
    assert!(
        text.contains("20s") && text.contains("tried again"),
        "{text}"
    );
    let ours = TenantClusterError::Panicked("no such luck".to_owned());
    assert_eq!(ours.reason(), Reason::InternalError);
    assert!(ours.to_string().contains("no such luck"));
}

#[test]
fn waits_for_endpoint_and_datastore_keep_their_own_reason_and_text() {
    let name = || "c2/full".to_owned();
    let endpoints = [
        (Unassigned::NoService(name()), Reason::ServicePending),
        (Unassigned::NoClusterIp(name()), Reason::ServicePending),
        (
            Unassigned::NoLoadBalancer(name()),
            Reason::LoadBalancerPending,
        ),
        (
            Unassigned::OnlyHostname {
                service: name(),
                hostname: "lb.example.com".to_owned(),
            },
            Reason::LoadBalancerHostnameOnly,
        ),
        (Unassigned::NodePort(name()), Reason::AddressMissing),
    ];
    for (wait, reason) in endpoints {
        let text = wait.to_string();
        let error = TenantClusterError::from(wait);
        assert_eq!((error.reason(), error.to_string()), (reason, text));
    }
    let stores = [
        (StoreWait::Unnamed, Reason::DataStoreUnnamed),
        (StoreWait::Missing(name()), Reason::DataStoreMissing),
        (
            StoreWait::NotReady {
                name: name(),
                why: "no CA".to_owned(),
            },
            Reason::DataStoreNotReady,
        ),
        (StoreWait::Leaving(name()), Reason::DataStoreLeaving),
        (
            StoreWait::OverrideDriver(name()),
            Reason::OverrideDriverNotEtcd,
        ),
    ];
    for (wait, reason) in stores {
        let text = wait.to_string();
        let error = TenantClusterError::from(wait);
        assert_eq!((error.reason(), error.to_string()), (reason, text));
    }
}
