use super::*;

fn condition(type_: &str, status: &str, (reason, message): (&str, &str)) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: None,
        last_transition_time: Time(clock::now()),
    }
}

#[test]
fn conditions_with_equal_messages_lead_to_one_event() {
    let next = [
        condition("Available", "False", ("ClusterMissing", "no Cluster c")),
        condition(
            "TenantControlPlaneCreated",
            "False",
            ("ClusterMissing", "no Cluster c"),
        ),
    ];
    let records = event_records(&[], &next);
    assert_eq!(records.len(), 1);
    assert!(records[0].warning);
    assert!(event_records(&next, &next).is_empty());
}

#[test]
fn an_unchanged_condition_keeps_its_transition_time() {
    let had = [condition(
        "InfrastructureClusterPatched",
        "False",
        ("WriteRefused", "no"),
    )];
    let mut next = had.to_vec();
    next[0].last_transition_time = Time(clock::now() + std::time::Duration::from_secs(9));
    carry_times(&had, &mut next);
    assert_eq!(had.as_slice(), next.as_slice());
}
