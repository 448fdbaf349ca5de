//! The webhook configuration by which upstream's migrations refuse a tenant's writes, and which a failed one leaves.

use serde_json::Value;

use crate::object::{Kind, ObjectRef};

/// Upstream's webhooks, sorted. Upstream sets no label on them.
const WEBHOOKS: [&str; 2] = [
    "catchall.migrate.kamaji.clastix.io",
    "leases.migrate.kamaji.clastix.io",
];

/// Identity of the webhook configuration. This operator creates none.
pub(super) fn name() -> ObjectRef {
    ObjectRef::cluster(Kind::ValidatingWebhookConfiguration, "kamaji-freeze")
}

/// True if `body` is what upstream installs: its two webhooks and no others, both of which call the path `/migrate` of
/// a Service by URL. Where that Service is, depends on the installation.
pub(super) fn is_upstreams(body: &Value) -> bool {
    let Some(webhooks) = body["webhooks"].as_array() else {
        return false;
    };
    let mut names: Vec<_> = webhooks.iter().map(|webhook| &webhook["name"]).collect();
    names.sort_by_key(|name| name.as_str());
    let calls_upstream = |webhook: &Value| {
        let url = webhook["clientConfig"]["url"].as_str().unwrap_or_default();
        let host = url.strip_prefix("https://");
        host.is_some_and(|host| host.ends_with(".svc:443/migrate"))
    };
    names == WEBHOOKS && webhooks.iter().all(calls_upstream)
}

#[cfg(test)]
mod tests;
