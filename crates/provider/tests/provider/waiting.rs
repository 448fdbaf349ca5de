//! Waits and assertions of the tests.

use std::time::{Duration, Instant};

use k8s_openapi::{api::core::v1::Event, apimachinery::pkg::apis::meta::v1::Condition};
use kamaji_api::{condition, control_plane::KamajiControlPlane, tenant::TenantControlPlane};
use kamaji_e2e::audit::Entry;
use kube::{Api, api::ListParams};

use crate::environment::{Environment, NAMESPACE};

/// Status, type and reason of a condition that is waited for.
struct Expected<'a> {
    status: &'a str,
    type_: &'a str,
    reason: &'a str,
}

impl Environment {
    /// Waits until the provider has created the TenantControlPlane.
    pub async fn wait_for_tenant(&self, name: &str) -> TenantControlPlane {
        until(&format!("the TenantControlPlane {name}"), async || {
            self.tenants().get_opt(name).await.ok()?
        })
        .await
    }

    /// Waits until a control plane has finalizers.
    pub async fn wait_for_finalizers(&self, name: &str) -> Vec<String> {
        until("the finalizer of the control plane", async || {
            let live = self.control_planes().get(name).await.ok()?;
            live.metadata.finalizers
        })
        .await
    }

    /// Waits until the tenant of a control plane is being deleted.
    pub async fn wait_for_tenant_deletion(&self, name: &str) {
        wait_for_deletion(&self.tenants(), name).await;
    }

    /// Waits until a control plane is deleted.
    pub async fn wait_deleted(&self, name: &str) {
        until("the control plane to be deleted", async || {
            let found = self.control_planes().get_opt(name).await.ok()?;
            found.is_none().then_some(())
        })
        .await;
    }

    /// Reads a condition of a control plane.
    pub async fn condition(&self, name: &str, type_: &str) -> Option<Condition> {
        let object = self.control_planes().get_opt(name).await.ok()??;
        condition::find(&object.status?.conditions, type_).cloned()
    }

    /// Waits until a condition is `True` for that reason; returns its message.
    pub async fn wait_until_true(&self, name: &str, type_: &str, reason: &str) -> String {
        let status = "True";
        let expected = Expected {
            status,
            type_,
            reason,
        };
        self.wait_for_condition(name, &expected).await
    }

    /// Waits until a condition is `False` for that reason; returns its message.
    pub async fn wait_until_false(&self, name: &str, type_: &str, reason: &str) -> String {
        let status = "False";
        let expected = Expected {
            status,
            type_,
            reason,
        };
        self.wait_for_condition(name, &expected).await
    }

    async fn wait_for_condition(&self, name: &str, expected: &Expected<'_>) -> String {
        let Expected {
            status,
            type_,
            reason,
        } = *expected;
        let what = format!("{type_} of {name} to be {status} for {reason}");
        let mut last = None;
        let message = poll(async || {
            let found = self.condition(name, type_).await?;
            last = Some(found.clone());
            (found.status == status && found.reason == reason).then_some(found.message)
        });
        message.await.unwrap_or_else(|| {
            let requests = self.last_requests();
            panic!("waited a minute for {what}, and it is {last:?}; the provider's last requests: {requests:#?}")
        })
    }

    /// Waits until a control plane is available.
    pub async fn wait_until_available(&self, name: &str) -> KamajiControlPlane {
        self.wait_until_true(name, "Available", "Available").await;
        self.control_planes().get(name).await.unwrap()
    }

    /// Requests of the provider since `mark`, without watches.
    pub fn requests(&self, mark: u64) -> Vec<Entry> {
        let entries = self.api.audit().since(mark).unwrap();
        let ours = entries
            .into_iter()
            .filter(|entry| entry.is_of_the_operator() && entry.verb != "watch");
        ours.collect()
    }

    /// The provider's last 40 requests, watches included.
    fn last_requests(&self) -> Vec<String> {
        let entries = self.api.audit().since(0).unwrap_or_default();
        let ours = entries.iter().filter(|entry| entry.is_of_the_operator());
        let lines =
            ours.map(|e| format!("{} {} {} {}", e.at, e.verb, e.uri, e.response_status.code));
        let lines: Vec<_> = lines.collect();
        lines[lines.len().saturating_sub(40)..].to_vec()
    }

    pub fn mark(&self) -> u64 {
        self.api.audit().mark().unwrap()
    }

    /// Asserts that the provider becomes quiescent within a minute, and then requests nothing for `seconds`.
    pub async fn assert_quiescent(&self, seconds: u64) {
        until("the provider to become quiescent", async || {
            let mark = self.mark();
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.requests(mark).is_empty().then_some(())
        })
        .await;
        let mark = self.mark();
        let requests = self.requests_within(seconds).await;
        // Not even the restart of a watch is a reason to write.
        let writes = self.requests(mark).into_iter().filter(Entry::is_write);
        let all = requests.into_iter().chain(writes);
        let all: Vec<_> = all.map(|e| (e.verb, e.uri)).collect();
        assert!(all.is_empty(), "{all:?} {:#?}", self.last_requests());
    }

    /// True if the requests restart a watch of a defined kind for the first time.
    fn watch_restarted(&self, requests: &[Entry]) -> bool {
        let defined = |uri: &str| {
            uri.starts_with("/apis/") && !uri.starts_with("/apis/apiextensions.k8s.io/")
        };
        let lists = requests
            .iter()
            .filter(|e| e.verb == "list" && defined(&e.uri));
        let mut restarted = self.restarted.lock().unwrap();
        let first_restarts = lists.filter(|e| restarted.insert(e.uri.clone())).count();
        first_restarts > 0
    }

    /// Requests of the provider within so many seconds. The API server ends the watches of a new definition once: they
    /// restart, the provider reconciles again, and this measures again.
    pub async fn requests_within(&self, seconds: u64) -> Vec<Entry> {
        loop {
            let mark = self.mark();
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            let requests = self.requests(mark);
            if !self.watch_restarted(&requests) {
                return requests;
            }
        }
    }

    /// Waits for an event about an object with that reason; returns its message.
    pub async fn wait_for_event(&self, name: &str, reason: &str) -> String {
        let api: Api<Event> = Api::namespaced(self.client.clone(), NAMESPACE);
        until(&format!("an event {reason} of {name}"), async || {
            let events = api.list(&ListParams::default()).await.ok()?.items;
            let found = events.into_iter().find(|event| {
                event.involved_object.name.as_deref() == Some(name)
                    && event.reason.as_deref() == Some(reason)
            })?;
            found.message
        })
        .await
    }
}

/// Waits until a tenant is being deleted.
pub async fn wait_for_deletion(tenants: &Api<TenantControlPlane>, name: &str) {
    until("the tenant to be deleted", async || {
        let live = tenants.get(name).await.ok()?;
        live.metadata.deletion_timestamp
    })
    .await;
}

/// Polls until there is a result, for at most a minute.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    let result = poll(ask).await;
    result.unwrap_or_else(|| panic!("waited a minute for {what}"))
}

/// Polls for at most a minute; `None` without a result.
async fn poll<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> Option<T> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_mins(1) {
        if let Some(result) = ask().await {
            return Some(result);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}
