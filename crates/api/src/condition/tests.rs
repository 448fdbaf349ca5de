use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Time {
    Time(Timestamp::from_second(second).unwrap())
}

fn condition(type_: &str, status: &str, second: i64) -> Condition {
    Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: "Reported".to_owned(),
        message: format!("at {second}"),
        last_transition_time: at(second),
        observed_generation: Some(second),
    }
}

#[test]
fn set_of_a_first_condition_is_a_transition() {
    let mut conditions = Vec::new();
    assert!(set(&mut conditions, condition("Ready", "True", 1)));
    assert!(is_true(&conditions, "Ready"));
    assert!(find(&conditions, "Other").is_none());
}

#[test]
fn set_keeps_the_time_while_the_status_stays() {
    let mut conditions = vec![condition("Ready", "False", 1)];
    assert!(!set(&mut conditions, condition("Ready", "False", 2)));
    let ready = find(&conditions, "Ready").unwrap();
    assert_eq!(ready.last_transition_time, at(1));
    assert_eq!(ready.message, "at 2");
    assert_eq!(ready.observed_generation, Some(2));
}

#[test]
fn set_takes_the_new_time_with_another_status() {
    let mut conditions = vec![condition("Ready", "False", 1)];
    assert!(set(&mut conditions, condition("Ready", "True", 2)));
    assert_eq!(conditions, [condition("Ready", "True", 2)]);
}

#[test]
fn set_reports_another_reason_and_keeps_the_time() {
    let mut conditions = vec![condition("Ready", "False", 1)];
    let mut next = condition("Ready", "False", 2);
    next.reason = "Else".to_owned();
    assert!(set(&mut conditions, next));
    assert_eq!(conditions[0].last_transition_time, at(1));
}

#[test]
fn set_sorts_the_list_and_removes_duplicates() {
    let mut conditions = vec![
        condition("c", "True", 1),
        condition("a", "True", 1),
        condition("a", "True", 1),
    ];
    set(&mut conditions, condition("a", "True", 2));
    let types: Vec<_> = conditions.iter().map(|c| c.type_.as_str()).collect();
    assert_eq!(types, ["a", "c"]);
}

#[test]
fn set_cuts_a_long_message_between_characters() {
    let mut conditions = Vec::new();
    let mut long = condition("Ready", "True", 1);
    long.message = format!("a{}", "é".repeat(40_000));
    set(&mut conditions, long);
    assert_eq!(conditions[0].message.len(), 32_767);
}

#[test]
fn condition_types_are_named_as_their_variants() {
    for type_ in ConditionType::ALL {
        assert_eq!(type_.as_str(), format!("{type_:?}"));
    }
}

#[test]
fn conditions_of_an_earlier_build_are_removed_and_others_stay() {
    let mut conditions = vec![
        condition("Accepted", "True", 1),
        condition("InsideReady", "True", 1),
        condition("example.com/Audited", "False", 1),
        condition("TenantClusterConfigured", "True", 1),
    ];
    remove_renamed(&mut conditions);
    let types: Vec<_> = conditions.iter().map(|c| c.type_.as_str()).collect();
    assert_eq!(
        types,
        ["Accepted", "example.com/Audited", "TenantClusterConfigured"]
    );
}

#[test]
fn transition_times_are_kept_where_the_status_is_the_same() {
    let old = [condition("a", "True", 1), condition("b", "True", 1)];
    let mut new = [
        condition("a", "True", 2),
        condition("b", "False", 2),
        condition("c", "True", 2),
    ];
    keep_transition_times(&old, &mut new);
    let times = new.map(|condition| condition.last_transition_time);
    assert_eq!(times, [at(1), at(2), at(2)]);
}

proptest! {
    #[test]
    fn transition_time_is_that_of_the_last_status_change(
        steps in prop::collection::vec(("[abc]", "True|False|Unknown"), 1..40)
    ) {
        let mut conditions = Vec::new();
        let mut changed = std::collections::BTreeMap::new();
        for (second, (type_, status)) in (0..).zip(&steps) {
            let before: Option<&(String, i64)> = changed.get(type_);
            let transition = before.is_none_or(|(old, _)| old != status);
            if transition {
                changed.insert(type_.clone(), (status.clone(), second));
            }
            let next = condition(type_, status, second);
            prop_assert_eq!(set(&mut conditions, next.clone()), transition);
            let before = conditions.clone();
            prop_assert!(!set(&mut conditions, next));
            prop_assert_eq!(&before, &conditions);
        }
        let times: Vec<_> = conditions
            .iter()
            .map(|c| (c.type_.clone(), (c.status.clone(), c.last_transition_time.0.as_second())))
            .collect();
        prop_assert_eq!(times, changed.into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn activity_follows_ready_and_keeps_the_time_at_which_it_began() {
    let ready = |status: &str, reason: Reason, second| Condition {
        reason: reason.as_str().to_owned(),
        ..condition("Ready", status, second)
    };
    let mut conditions = Vec::new();
    let mut after = |next: Condition| {
        let now = next.last_transition_time.clone();
        set(&mut conditions, next);
        set_activity(&mut conditions, &now);
        let found = conditions.iter().filter(|c| c.type_ != "Ready");
        let all: Vec<_> = found
            .map(|c| {
                (
                    c.type_.clone(),
                    c.reason.clone(),
                    c.last_transition_time.clone(),
                )
            })
            .collect();
        all
    };
    let is = |type_: &str, reason: Reason, second| {
        vec![(type_.to_owned(), reason.as_str().to_owned(), at(second))]
    };
    assert_eq!(
        after(ready("False", Reason::DeploymentPending, 1)),
        is("Reconciling", Reason::DeploymentPending, 1)
    );
    assert_eq!(
        after(ready("False", Reason::NoReplicaReady, 2)),
        is("Reconciling", Reason::NoReplicaReady, 1)
    );
    assert_eq!(
        after(ready("False", Reason::AuthorityLost, 3)),
        is("Stalled", Reason::AuthorityLost, 3)
    );
    assert_eq!(after(ready("False", Reason::Sleeping, 4)), []);
    assert_eq!(
        after(ready("False", Reason::WriteConflict, 5)),
        is("Reconciling", Reason::WriteConflict, 5)
    );
    assert_eq!(after(ready("True", Reason::AsPlanned, 6)), []);
}

#[test]
fn what_every_tenant_passes_through_needs_no_person() {
    for reason in Reason::ALL {
        assert!(!(reason.is_startup() && reason.needs_person()), "{reason}");
        let is_normal = reason.severity() == Severity::Normal;
        assert!(!(is_normal && reason.needs_person()), "{reason}");
    }
}
