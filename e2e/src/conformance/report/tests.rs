use serde_json::json;

use super::*;

fn spec(name: &str, state: &str, message: &str) -> serde_json::Value {
    json!({
        "ContainerHierarchyTexts": ["[sig-x] y"], "LeafNodeText": name, "LeafNodeType": "It",
        "State": state, "Failure": {"Message": message},
    })
}

fn report(specs: &[serde_json::Value]) -> Result<Report> {
    let suites = json!([{"RunTime": 120_000_000_000_u64, "SpecReports": specs}]);
    let suites: Vec<Suite> = serde_json::from_value(suites).unwrap();
    let exclusions = [Exclusion {
        name: "needs an image".into(),
        reason: "no image".into(),
    }];
    Report::of(&suites, &exclusions)
}

#[test]
fn a_report_counts_conformance_specs_only_and_by_outcome() {
    let report = report(&[
        spec("one [Conformance]", "passed", ""),
        spec("two [Conformance]", "timedout", "slow"),
        spec("three [Conformance]", "skipped", "no such node"),
        spec("four needs an image [Conformance]", "skipped", ""),
        spec("five out of focus [Conformance]", "skipped", ""),
        spec("six", "passed", ""),
    ])
    .unwrap();
    assert_eq!(report.passed, 1);
    assert_eq!(report.failed(), ["[sig-x] y two [Conformance]"]);
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(report.excluded.len(), 1);
    let page = report.markdown("Measured today.");
    assert!(page.contains("| ran | 2, in 2 min |"), "{page}");
    assert!(
        page.contains("| `[sig-x] y four needs an image` | no image |"),
        "{page}"
    );
}

#[test]
fn a_run_without_specs_or_with_a_failed_preparation_is_no_result() {
    assert!(report(&[spec("six", "passed", "")]).is_err());
    let mut prepared = spec("", "failed", "nodes are not ready");
    prepared["LeafNodeType"] = json!("SynchronizedBeforeSuite");
    let specs = [spec("one [Conformance]", "passed", ""), prepared];
    let said = format!("{:#}", report(&specs).unwrap_err());
    assert!(said.contains("nodes are not ready"), "{said}");
}
