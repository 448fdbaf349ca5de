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
fn several_conditions_that_say_the_same_are_one_event() {
    let next = [
        condition("Available", "False", ("ClusterMissing", "no Cluster c")),
        condition(
            "TenantControlPlaneCreated",
            "False",
            ("ClusterMissing", "no Cluster c"),
        ),
    ];
    let told = event_records(&[], &next);
    assert_eq!(told.len(), 1);
    assert!(told[0].warning);
    assert!(event_records(&next, &next).is_empty());
}

#[test]
fn a_condition_that_came_out_as_it_was_keeps_its_time() {
    let had = [condition(
        "InfrastructureClusterPatched",
        "False",
        ("WriteRefused", "no"),
    )];
    let mut next = had.to_vec();
    next[0].last_transition_time = Time(clock::now() + std::time::Duration::from_secs(9));
    carry(&had, &mut next);
    assert_eq!(had.as_slice(), next.as_slice());
}
