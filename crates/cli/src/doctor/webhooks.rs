//! Check of the webhooks: each has a CA that is valid.

use k8s_openapi::{
    api::admissionregistration::v1::{
        MutatingWebhookConfiguration, RuleWithOperations, ValidatingWebhookConfiguration,
        WebhookClientConfig,
    },
    jiff::Timestamp,
};
use kamaji_core::pki::certificate::Certificate;
use kube::{Api, api::ListParams};

use crate::access::Access;

use super::finding::{Finding, Level};

/// Group whose objects the webhooks are about.
const GROUP: &str = "kamaji.clastix.io";

/// Looks at all webhooks for our objects.
pub async fn check(access: &Access) -> anyhow::Result<Vec<Finding>> {
    let page = ListParams::default().limit(200);
    let mutating: Api<MutatingWebhookConfiguration> = Api::all(access.client());
    let validating: Api<ValidatingWebhookConfiguration> = Api::all(access.client());
    let mutating = access
        .call(
            "listing MutatingWebhookConfigurations",
            mutating.list(&page),
        )
        .await?;
    let validating = access
        .call(
            "listing ValidatingWebhookConfigurations",
            validating.list(&page),
        )
        .await?;
    let mut findings = Vec::new();
    for configuration in &mutating.items {
        for hook in configuration.webhooks.iter().flatten() {
            findings.extend(webhook(
                &hook.name,
                &hook.client_config,
                hook.rules.as_deref(),
            ));
        }
    }
    for configuration in &validating.items {
        for hook in configuration.webhooks.iter().flatten() {
            findings.extend(webhook(
                &hook.name,
                &hook.client_config,
                hook.rules.as_deref(),
            ));
        }
    }
    if findings.is_empty() {
        let text = format!(
            "no webhook is about {GROUP}: defaults and checks of tenants are missing, install the operator"
        );
        findings.push(Finding::new(Level::Failed, "webhooks", &text));
    }
    Ok(findings)
}

/// Finding about one webhook; `None` if it is about other objects.
fn webhook(
    name: &str,
    client: &WebhookClientConfig,
    rules: Option<&[RuleWithOperations]>,
) -> Option<Finding> {
    let mut groups = rules?
        .iter()
        .flat_map(|rule| rule.api_groups.iter().flatten());
    groups.find(|group| *group == GROUP)?;
    let what = "webhooks";
    let bundle = client
        .ca_bundle
        .as_ref()
        .map_or(&[][..], |bundle| &bundle.0);
    Some(match Certificate::from_pem(bundle) {
        Err(error) => Finding::new(
            Level::Failed,
            what,
            &format!(
                "{name} has no CA to be trusted by ({error}): the operator writes it, does it run?"
            ),
        ),
        Ok(certificate) if certificate.not_after < Timestamp::now() => Finding::new(
            Level::Failed,
            what,
            &format!(
                "the CA of {name} ended at {}: the operator renews it, does it run?",
                certificate.not_after
            ),
        ),
        Ok(_) => Finding::new(Level::Ok, what, name),
    })
}
