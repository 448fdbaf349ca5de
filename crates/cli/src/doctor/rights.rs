//! Check of the caller's rights, as the API server itself answers it.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, api::PostParams};

use crate::access::Access;

use super::finding::{Finding, Level};

/// Group, resource and verbs that the commands for tenants use.
const RIGHTS: [(&str, &str, &[&str]); 3] = [
    (
        "kamaji.clastix.io",
        "tenantcontrolplanes",
        &["get", "list", "create", "patch"],
    ),
    ("kamaji.clastix.io", "datastores", &["get", "list"]),
    ("", "secrets", &["get", "list", "patch"]),
];

/// Asks for each right in the namespace of the flags.
pub async fn check(access: &Access) -> anyhow::Result<Vec<Finding>> {
    let api: Api<SelfSubjectAccessReview> = Api::all(access.client());
    let mut denied = Vec::new();
    let mut asked = 0;
    for (group, resource, verbs) in RIGHTS {
        for verb in verbs {
            let review = review(access.namespace(), (group, resource, verb));
            let answer = access
                .call(
                    "asking for the caller's rights",
                    api.create(&PostParams::default(), &review),
                )
                .await?;
            asked += 1;
            if !answer.status.is_some_and(|status| status.allowed) {
                denied.push(format!("{verb} {resource}"));
            }
        }
    }
    let finding = match denied.len() {
        0 => Finding::new(
            Level::Ok,
            "rights",
            &format!(
                "the caller has all {asked} that commands need in {}",
                access.namespace()
            ),
        ),
        _ => Finding::new(
            Level::Failed,
            "rights",
            &format!(
                "the caller may not {} in the namespace {}: ask the administrator for a role, or choose another --namespace",
                denied.join(", "),
                access.namespace()
            ),
        ),
    };
    Ok(vec![finding])
}

fn review(namespace: &str, right: (&str, &str, &str)) -> SelfSubjectAccessReview {
    let (group, resource, verb) = right;
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(namespace.to_owned()),
                group: Some(group.to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}
