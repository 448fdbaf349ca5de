use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};

use super::*;

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: None,
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

/// The one event about the way from `old` to `new`, as "Type reason: note"; empty if there is none.
fn event(old: Option<[&str; 3]>, new: [&str; 4]) -> String {
    let [type_, status, reason, message] = new;
    let old = old.map(|[status, reason, message]| condition(type_, status, reason, message));
    let events = transitions(old.as_slice(), &[condition(type_, status, reason, message)]);
    assert!(events.len() <= 1);
    events.first().map(described).unwrap_or_default()
}

fn described(event: &Event) -> String {
    let type_ = if event.warning { "Warning" } else { "Normal" };
    format!("{type_} {}: {}", event.reason, event.note)
}

/// The present condition by status, reason and message, the next one, and the event.
type Case<'a> = (Option<[&'a str; 3]>, [&'a str; 4], &'a str);

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn changes_of_tenant_conditions_make_these_events() {
    const PLANNED: Option<[&str; 3]> = Some(["True", "AsPlanned", ""]);
    const SERVES: Option<[&str; 3]> = Some(["True", "ReplicasReady", ""]);
    const PENDING: Option<[&str; 3]> = Some(["False", "DeploymentPending", "none"]);
    const AVAILABLE: &str = "ControlPlaneAvailable";
    const VALID: &str = "CertificatesValid";
    let cases: &[Case] = &[
        // A tenant that starts.
        (None, [AVAILABLE, "False", "DeploymentPending", "none"], ""),
        (None, [AVAILABLE, "False", "NoReplicaReady", "none"], ""),
        (None, [AVAILABLE, "False", "Sleeping", "zero"], ""),
        (
            None,
            ["EndpointAssigned", "False", "ServicePending", "none"],
            "",
        ),
        (
            None,
            [
                "TenantClusterConfigured",
                "False",
                "NotReconciledYet",
                "later",
            ],
            "",
        ),
        (
            None,
            [
                "EndpointAssigned",
                "False",
                "LoadBalancerPending",
                "no address",
            ],
            "Warning LoadBalancerPending: no address",
        ),
        (None, [AVAILABLE, "True", "ReplicasReady", ""], ""),
        (PENDING, [AVAILABLE, "False", "NoReplicaReady", "none"], ""),
        (PENDING, [AVAILABLE, "False", "Sleeping", "zero"], ""),
        (
            PENDING,
            [AVAILABLE, "True", "ReplicasReady", ""],
            "Normal ControlPlaneAvailable: ControlPlaneAvailable is True",
        ),
        // One that served.
        (
            SERVES,
            [AVAILABLE, "False", "NoReplicaReady", "none"],
            "Warning NoReplicaReady: none",
        ),
        (
            SERVES,
            [AVAILABLE, "False", "DeploymentPending", ""],
            "Warning DeploymentPending: ControlPlaneAvailable is False",
        ),
        (
            SERVES,
            [AVAILABLE, "False", "Sleeping", "zero"],
            "Normal Sleeping: zero",
        ),
        (SERVES, [AVAILABLE, "True", "ReplicasReady", ""], ""),
        (
            PLANNED,
            ["EndpointAssigned", "False", "ServicePending", "none"],
            "Warning ServicePending: none",
        ),
        (
            PLANNED,
            ["EndpointAssigned", "False", "ServiceForeign", "taken"],
            "Warning ServiceForeign: taken",
        ),
        (
            PLANNED,
            ["DataStoreReady", "Unknown", "NotBound", "not yet"],
            "Warning NotBound: not yet",
        ),
        (
            PLANNED,
            ["Reconciled", "False", "WriteConflict", "again"],
            "Warning WriteConflict: again",
        ),
        (
            PLANNED,
            ["Reconciled", "False", "ReasonOfTomorrow", "new"],
            "Warning ReasonOfTomorrow: new",
        ),
        // Ready repeats.
        (PLANNED, ["Ready", "False", "AuthorityLost", "gone"], ""),
        (None, ["Ready", "False", "AuthorityLost", "gone"], ""),
        (None, ["Ready", "True", "AsPlanned", ""], ""),
        (
            PENDING,
            ["Ready", "True", "AsPlanned", ""],
            "Normal Ready: Ready is True",
        ),
        // Warnings that are True.
        (
            None,
            [VALID, "True", "AuthorityExpiring", "soon"],
            "Warning AuthorityExpiring: soon",
        ),
        (
            PLANNED,
            [VALID, "True", "AuthorityExpiring", "soon"],
            "Warning AuthorityExpiring: soon",
        ),
        (
            Some(["True", "AuthorityExpiring", "soon"]),
            [VALID, "True", "AuthorityExpiring", "sooner"],
            "",
        ),
        (
            Some(["True", "AuthorityExpiring", "soon"]),
            [VALID, "True", "AsPlanned", ""],
            "Normal CertificatesValid: CertificatesValid is True",
        ),
        // What a person has to repair.
        (
            None,
            [VALID, "False", "AuthorityDamaged", "bad"],
            "Warning AuthorityDamaged: bad",
        ),
        (
            Some(["False", "AuthorityDamaged", "bad"]),
            [VALID, "False", "AuthorityDamaged", "bad"],
            "",
        ),
        (
            Some(["False", "AuthorityDamaged", "bad"]),
            [VALID, "False", "AuthorityLost", "gone"],
            "Warning AuthorityLost: gone",
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(event(*old, *new), *expected, "{old:?} -> {new:?}");
    }
}

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn changes_of_control_plane_conditions_make_these_events() {
    const CREATED: &str = "TenantControlPlaneCreated";
    let waiting = Some(["False", "OwnerMissing", "no owner"]);
    let cases: &[Case] = &[
        (
            None,
            [CREATED, "False", "OwnerMissing", "no owner"],
            "Normal OwnerMissing: no owner",
        ),
        (
            waiting,
            [CREATED, "False", "OwnerMissing", "still none"],
            "",
        ),
        (
            waiting,
            [CREATED, "False", "ClusterMissing", "no Cluster"],
            "Warning ClusterMissing: no Cluster",
        ),
        (waiting, [CREATED, "True", "Succeeded", ""], ""),
        (
            None,
            ["Available", "True", "Available", ""],
            "Normal Available: Available is true",
        ),
        (
            None,
            ["KamajiControlPlaneIsInitialized", "True", "Succeeded", ""],
            "Normal Succeeded: KamajiControlPlaneIsInitialized is true",
        ),
        (
            None,
            ["KamajiControlPlaneIsReady", "True", "Succeeded", ""],
            "",
        ),
        (
            None,
            [
                "KamajiControlPlaneIsReady",
                "Unknown",
                "ExternalClusterUnreachable",
                "away",
            ],
            "",
        ),
        (
            None,
            ["Paused", "True", "Paused", "paused"],
            "Normal Paused: paused",
        ),
        (None, ["Paused", "False", "NotPaused", ""], ""),
        (
            None,
            ["Deleting", "True", "TenantControlPlaneDeleting", "waits"],
            "Normal TenantControlPlaneDeleting: waits",
        ),
        (
            None,
            ["Deleting", "True", "ExternalClusterUnreachable", "away"],
            "Warning ExternalClusterUnreachable: away",
        ),
        (
            None,
            ["ScalingUp", "False", "NotScalingUp", "2 of 2"],
            "Normal NotScalingUp: 2 of 2",
        ),
        (None, ["ScalingUp", "True", "ScalingUp", "1 of 2"], ""),
        // A reason of the tenant's, repeated.
        (
            None,
            [
                "TenantControlPlaneAddressReady",
                "False",
                "ServicePending",
                "none",
            ],
            "Normal ServicePending: none",
        ),
        (
            None,
            [
                "TenantControlPlaneAddressReady",
                "False",
                "ServiceForeign",
                "taken",
            ],
            "Normal ServiceForeign: taken",
        ),
        (
            None,
            [
                "TenantControlPlaneAddressReady",
                "False",
                "FamiliesDiffer",
                "differ",
            ],
            "Normal FamiliesDiffer: differ",
        ),
        (
            None,
            ["CertificatesAvailable", "False", "AuthorityLost", "gone"],
            "Normal AuthorityLost: gone",
        ),
        (
            None,
            [CREATED, "False", "ReasonOfTomorrow", "new"],
            "Normal ReasonOfTomorrow: new",
        ),
    ];
    for (old, new, expected) in cases {
        assert_eq!(event(*old, *new), *expected, "{old:?} -> {new:?}");
    }
}

#[test]
fn control_plane_conditions_warn_with_exactly_these_reasons() {
    let warns: Vec<_> = Reason::ALL
        .iter()
        .map(|reason| reason.as_str())
        .filter(|reason| event(None, ["Available", "False", reason, "text"]).starts_with("Warning"))
        .collect();
    for reason in [
        "ClusterMissing",
        "ControlPlaneRefMismatch",
        "EndpointMismatch",
        "ExternalClusterUnreachable",
        "ExternalReferenceInvalid",
        "InfrastructureUnreadable",
        "InfrastructureUnsupported",
        "ProbeFailed",
        "SecretForeign",
        "SecretKeyMissing",
        "SecretTypeWrong",
        "SpecInvalid",
        "TenantControlPlaneForeign",
        "WriteFailed",
        "WriteForbidden",
        "WriteRefused",
        "WriteStorm",
    ] {
        assert!(warns.contains(&reason), "{reason}");
    }
    // What a control plane shows of its tenant's address is a warning there and none here.
    for reason in [
        "ServicePending",
        "LoadBalancerPending",
        "LoadBalancerHostnameOnly",
        "AddressMissing",
        "FamiliesDiffer",
        "ServiceForeign",
        "SecretPending",
        "SecretsPending",
        "ProbePending",
        "NotAvailable",
        "EndpointOutdated",
        "InfrastructureMissing",
        "CertificatesPending",
        "AddressPending",
        "TenantControlPlanePending",
    ] {
        assert!(!warns.contains(&reason), "{reason}");
    }
}

#[test]
fn control_plane_conditions_with_one_message_make_one_event() {
    let new = [
        condition("Available", "False", "ClusterMissing", "no Cluster c"),
        condition(
            "TenantControlPlaneCreated",
            "False",
            "ClusterMissing",
            "no Cluster c",
        ),
    ];
    let events = transitions(&[], &new);
    assert_eq!(events.len(), 1);
    assert!(events[0].warning);
    assert!(transitions(&new, &new).is_empty());
}

#[test]
fn tenant_conditions_with_one_message_make_one_event_each() {
    let new = [
        condition("DataStoreReady", "False", "DataStoreFailed", "no answer"),
        condition("Reconciled", "False", "DataStoreFailed", "no answer"),
    ];
    assert_eq!(transitions(&[], &new).len(), 2);
}
