use serde_json::{Value, json};

use crate::admission::fixture::{
    all_pass, all_refused, all_warned, evaluate, running, tenant, update,
};

fn version(text: &str) -> Value {
    json!({"kubernetes": {"version": text}})
}

#[test]
fn tenants_are_created_up_to_the_ceiling() {
    all_pass(["v1.37.2", "v1.36.9", "v1.37.0-rc.1", "v1.30.0"].map(version));
    all_refused(
        ["v1.38.0-alpha.1", "v1.38.0", "v2.0.0"].map(|text| (version(text), "newer than v1.37")),
    );
    all_refused(["v1.35", "latest", ""].map(|text| (version(text), "is not a version")));
    all_warned([(version("1.35.0"), "has no v")]);
}

#[test]
fn versions_that_workers_cannot_join_are_refused_for_new_tenants_and_give_a_warning_for_others() {
    all_refused(
        ["v1.29.15", "v1.27.16", "v0.99.0"].map(|text| (version(text), "older than v1.30")),
    );
    let warnings = update(version("v1.28.1"), version("v1.28.2")).unwrap();
    assert!(
        warnings
            .iter()
            .any(|text| text.contains("older than v1.30")),
        "{warnings:?}"
    );
}

#[test]
fn updates_go_up_minor_by_minor_and_never_down() {
    let judged = |from: &str, to: &str| update(version(from), version(to));
    for (from, to) in [
        ("v1.35.7", "v1.36.0"),
        ("v1.35.7", "v1.35.1"),
        ("v1.35.0", "v1.35.0-rc.1"),
        ("v1.35.7", "v1.35.8"),
        ("nonsense", "v1.35.0"),
    ] {
        assert_eq!(judged(from, to), Ok(Vec::new()), "{from} to {to}");
    }
    for (from, to, words) in [
        ("v1.36.0", "v1.35.9", "downgrade"),
        ("v1.34.0", "v1.36.0", "upgrade to v1.35 first"),
        ("v1.37.0", "v1.38.0", "newer than"),
        ("v1.35.0", "v0.36.0", "downgrade"),
    ] {
        let refusals = judged(from, to).expect_err(to);
        assert!(
            refusals.iter().any(|text| text.contains(words)),
            "{refusals:?}"
        );
    }
}

/// `installed`, before and after.
fn step(installed: &str, from: &str, to: &str) -> Result<Vec<String>, Vec<String>> {
    let status = json!({"kubernetesResources": {"version": {"version": installed}}});
    evaluate(
        &running(version(to), status.clone()),
        Some(&running(version(from), status)),
    )
}

#[test]
fn the_next_minor_waits_until_the_last_one_is_installed() {
    let refusals = step("v1.34.0", "v1.35.0", "v1.36.0").expect_err("too early");
    assert!(
        refusals[0].contains("upgrade to v1.35 first"),
        "{refusals:?}"
    );
    assert_eq!(step("v1.35.0", "v1.35.0", "v1.36.0"), Ok(Vec::new()));
}

#[test]
fn a_version_that_may_be_rolling_out_is_not_taken_back() {
    step("v1.34.0", "v1.35.0", "v1.34.0").expect_err("pods of v1.35 may have written");
}

#[test]
fn a_version_that_was_never_reachable_can_be_taken_back() {
    assert_eq!(step("v1.34.0", "v1.36.0", "v1.34.2"), Ok(Vec::new()));
    assert_eq!(step("v1.34.0", "v1.36.0", "v1.35.0"), Ok(Vec::new()));
}

#[test]
fn a_change_of_other_fields_is_not_checked_for_the_version() {
    let old = running(version("v1.40.0"), json!({}));
    let mut new = tenant(version("v1.40.0"));
    new.spec.control_plane.deployment.replicas = Some(5);
    let warnings = evaluate(&new, Some(&old)).expect("it may scale");
    assert!(warnings[0].contains("newer than"), "{warnings:?}");
}
