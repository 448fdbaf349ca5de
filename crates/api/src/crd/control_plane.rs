//! Version rules of `KamajiControlPlane`: the versions that may be set, and the steps from one to
//! another.
//!
//! The admission of TenantControlPlanes refuses the same. A version that is stored in a
//! KamajiControlPlane and refused further down leaves Cluster API with an upgrade that never ends:
//! it makes no worker until the versions agree, and a topology does not go back. Therefore the API
//! server refuses it at the first object. Rules apply to changed values only, so that stored
//! objects stay editable.

use serde_json::{Value, json};

use crate::NEWEST_MINOR;

/// Pattern of a semantic version, with or without v.
const FORMAT: &str = "^v?(0|[1-9][0-9]{0,8})[.](0|[1-9][0-9]{0,8})[.](0|[1-9][0-9]{0,8})(-(0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)([.](0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*)?([+][0-9A-Za-z-]+([.][0-9A-Za-z-]+)*)?$";
/// Pattern of the beginning of a version whose minor can be compared.
const COMPARABLE: &str = "^v?1[.](0|[1-9][0-9]{0,8})[.]";

/// Path of the desired version.
const NEW: &str = "self.spec.version";
/// Path of the version that was desired before.
const OLD: &str = "oldSelf.spec.version";
/// Path of the version that is installed.
const RUNS: &str = "self.status.version";

/// Adds the rules to every version of the definition of KamajiControlPlane.
pub(super) fn constrain_versions(definition: &mut Value) {
    let versions = definition["spec"]["versions"].as_array_mut();
    for version in versions.into_iter().flatten() {
        let schema = &mut version["schema"]["openAPIV3Schema"];
        let spec = &mut schema["properties"]["spec"]["properties"];
        spec["version"]["x-kubernetes-validations"] = values();
        // Rules, not limits of the schema: upstream's definition has none there.
        spec["replicas"]["x-kubernetes-validations"] = json!([{"rule": "self >= 0", "message": "is less than 0: set 0 to let the control plane sleep, or more"}]);
        if let Some(rules) = schema["x-kubernetes-validations"].as_array_mut() {
            rules.extend(steps());
        }
    }
}

/// Rules of a version by itself.
fn values() -> Value {
    let known = format!("int(self.split('.')[1]) <= {NEWEST_MINOR}");
    json!([
        {
            "rule": format!("self.matches('{FORMAT}')"),
            "message": format!("is no version of Kubernetes: write it like v1.{NEWEST_MINOR}.0"),
        },
        {
            "rule": format!("!self.matches('{FORMAT}') || (self.matches('{COMPARABLE}') && {known})"),
            "message": format!(
                "is newer than v1.{NEWEST_MINOR}, the newest minor that this release knows: install a newer release of Kamaji first, or set an older version"
            ),
        },
    ])
}

/// Rules of the step from the installed version and from the one that was desired before. A version
/// that could not be installed from the installed one was never rolled out: leaving it is no step.
fn steps() -> [Value; 2] {
    let comparable = |text: &str| format!("{text}.matches('{COMPARABLE}')");
    let minor = |text: &str| format!("int({text}.split('.')[1])");
    let (new, old, runs) = (minor(NEW), minor(OLD), minor(RUNS));
    let free = format!(
        "!has(self.spec) || !has(oldSelf.spec) || {NEW} == {OLD} || !has(self.status) || !has(self.status.version) || !{} || !{}",
        comparable(RUNS),
        comparable(NEW),
    );
    let never_rolled_out = format!(
        "!{} || {old} < {runs} || {old} > {runs} + 1",
        comparable(OLD)
    );
    let message = |what: &str, next: &str| {
        format!("'spec.version: {what} from ' + {RUNS} + ' to ' + {NEW} + ' {next}'")
    };
    let back = "is not supported: set a version of the minor that runs, or of the one that was asked for before";
    let ahead =
        "is more than one minor: upgrade minor by minor, and wait until status.version follows";
    [
        json!({
            "rule": format!("{free} || ({new} >= {runs} && ({never_rolled_out} || {new} >= {old}))"),
            "message": format!("spec.version: a downgrade {back}"),
            "messageExpression": message("a downgrade", back),
        }),
        json!({
            "rule": format!("{free} || ({new} <= {runs} + 1 && ({never_rolled_out} || {new} <= {old} + 1))"),
            "message": format!("spec.version: the step {ahead}"),
            "messageExpression": message("the step", ahead),
        }),
    ]
}
