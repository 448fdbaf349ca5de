use super::*;

fn entry(tenant: &str, why: Option<&str>) -> Entry {
    Entry {
        tenant: tenant.to_owned(),
        state: why.map_or(State::Available, |why| State::Missing(why.to_owned())),
    }
}

const SUBJECT: Subject = Subject {
    name: "auditors",
    generation: Some(3),
};

#[test]
fn results_are_counted_and_errors_sorted_by_tenant() {
    let entries = vec![
        entry("b/two", Some("second")),
        entry("a/one", None),
        entry("a/two", Some("first")),
    ];
    let status = status(SUBJECT, entries);
    assert_eq!((status.resources, status.available_resources), (3, 1));
    assert_eq!(status.observed_generation, Some(3));
    let errors: Vec<_> = status
        .errors
        .iter()
        .map(|e| (e.resource.as_str(), e.message.as_str()))
        .collect();
    assert_eq!(errors, [("a/two", "first"), ("b/two", "second")]);
}

#[test]
fn errors_of_thousands_of_tenants_stay_within_the_limit() {
    let why = "x".repeat(10_000);
    let all = |count: usize| {
        (0..count)
            .map(|n| entry(&format!("a/{n:05}"), Some(&why)))
            .collect()
    };
    let most = status(SUBJECT, all(MOST_ERRORS));
    assert_eq!(most.errors.len(), MOST_ERRORS);
    assert_eq!(most.errors[MOST_ERRORS - 1].resource, "a/00255");
    let status = status(SUBJECT, all(5000));
    assert_eq!((status.resources, status.available_resources), (5000, 0));
    assert_eq!(status.errors.len(), MOST_ERRORS);
    let last = &status.errors[MOST_ERRORS - 1];
    assert_eq!(last.resource, "auditors");
    assert!(
        last.message.starts_with("4745 more tenants"),
        "{}",
        last.message
    );
    assert!(serde_json::to_string(&status).unwrap().len() < 200_000);
}
