//! Operator at rest: it writes nothing, for ten seconds or, in `make soak`, for five minutes; a restart writes nothing, or the
//! handover alone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use futures::future::join;
use kamaji_e2e::audit::{Entry, OPERATOR_NAMESPACE};
use kamaji_e2e::tenant::Tenant;
use kamaji_e2e::testbed::Testbed;
use kamaji_e2e::wait::until;
use serde_json::json;
use tokio::time::sleep;

use super::manifest;

/// Time without a write after which the operator counts as at rest.
const QUIET: Duration = Duration::from_secs(5);
/// Upper bound of the time in which a new replica replaces the old one.
const ROLLOUT: Duration = Duration::from_secs(20);
/// Write of the handover for the next process, up to two minutes after tenants have changed, and at a stop. At rest there is
/// one at most.
const HANDOVER: &str = "patch secrets/kamaji-handover ";

pub async fn run(testbed: Testbed) -> Result<()> {
    let whole = json!({
        "networkProfile": manifest::at_address(&testbed, 10),
        "addons": {"coreDNS": {}, "kubeProxy": {}, "konnectivity": {"server": {"port": 8132}}},
    });
    let waits = json!({"controlPlane": {"service": {"serviceType": "LoadBalancer"}}});
    let pends = json!({"controlPlane": {"deployment": {"nodeSelector": {"no": "such-node"}}}});
    let mut tenants = Vec::new();
    for (name, spec) in [("whole", whole), ("waits", waits), ("pends", pends)] {
        let text = manifest::tenant("rest", name, spec);
        tenants.push(Tenant::apply(&testbed, &text).await?);
    }
    tenants[0].wait_ready(Duration::from_mins(2)).await?;
    for tenant in &tenants {
        wait_measured(tenant).await?;
    }
    let rest = match std::env::var_os("KAMAJI_SOAK") {
        Some(_) => Duration::from_mins(5),
        None => Duration::from_secs(10),
    };
    stays_at_rest(&testbed, rest).await?;

    let kubectl = testbed.kubectl()?;
    let deployment = format!("-n {OPERATOR_NAMESPACE} deployment/kamaji-controller-manager");
    kubectl
        .run(&format!("rollout restart {deployment}"))
        .await?;
    let mark = testbed.audit().mark()?;
    let status = format!("rollout status {deployment} --timeout=90s");
    let (rolled, refused) = join(kubectl.run(&status), refusals(&testbed)).await;
    rolled?;
    let refused = refused?;
    ensure!(refused.is_empty(), "while it rolled: {refused:?}");
    let writes = writes(&testbed, mark)?;
    ensure!(
        is_handover(&writes),
        "the restart has written {writes:?}, and not only the handover"
    );
    for tenant in tenants {
        tenant.delete().await?;
    }
    Ok(())
}

/// Waits until the size of a tenant's data is in its status, which is written once, one to two minutes after its start.
pub async fn wait_measured(tenant: &Tenant) -> Result<()> {
    until("its data is measured", Duration::from_mins(3), || async {
        let object = tenant.get().await?;
        let usage = &object["status"]["storage"]["usage"];
        ensure!(usage["bytes"].is_i64(), "its usage is {usage}");
        Ok(())
    })
    .await
}

/// Errors of dry-run writes of a tenant, repeated while a new replica replaces the old one.
async fn refusals(testbed: &Testbed) -> Result<Vec<String>> {
    let kubectl = testbed.kubectl()?;
    let tenant = manifest::tenant("rest", "of-a-user", json!({}));
    let begin = Instant::now();
    let (mut written, mut refused) = (0, Vec::new());
    while begin.elapsed() < ROLLOUT {
        match kubectl.dry_run(&tenant).await {
            Ok(()) => written += 1,
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    println!("  {written} writes of a user while the operator was rolled out");
    ensure!(written > 10, "too few writes to show anything");
    Ok(refused)
}

/// Waits until the operator is at rest, and checks that it stays so.
pub async fn stays_at_rest(testbed: &Testbed, rest: Duration) -> Result<()> {
    until(
        "the operator comes to rest",
        Duration::from_mins(1),
        || async {
            let mark = testbed.audit().mark()?;
            sleep(QUIET).await;
            assert_no_writes(testbed, mark)
        },
    )
    .await?;
    let mark = testbed.audit().mark()?;
    sleep(rest).await;
    assert_no_writes(testbed, mark)?;
    let mut reads: BTreeMap<String, usize> = BTreeMap::new();
    for entry in operator_requests(testbed, mark)? {
        let what = format!("{} {}", entry.verb, entry.object_ref.resource);
        *reads.entry(what).or_default() += 1;
    }
    println!("  requests in {} s at rest: {reads:?}", rest.as_secs());
    Ok(())
}

/// Fails if the operator has written anything since the mark but one handover.
fn assert_no_writes(testbed: &Testbed, mark: u64) -> Result<()> {
    let writes = writes(testbed, mark)?;
    ensure!(is_handover(&writes), "the operator has written: {writes:?}");
    Ok(())
}

/// True for no write, and for one of the handover.
fn is_handover(writes: &[String]) -> bool {
    writes.len() <= 1 && writes.iter().all(|write| write == HANDOVER)
}

/// Writes of the operator since the mark, of all objects but its Lease.
fn writes(testbed: &Testbed, mark: u64) -> Result<Vec<String>> {
    let entries = operator_requests(testbed, mark)?;
    let writes = entries
        .iter()
        .filter(|entry| entry.is_write() && !entry.is_of_a_lease());
    let named = writes.map(|entry| {
        let object = &entry.object_ref;
        let (kind, name) = (&object.resource, &object.name);
        format!("{} {kind}/{name} {}", entry.verb, object.subresource)
    });
    Ok(named.collect())
}

/// Requests of the operator since the mark.
fn operator_requests(testbed: &Testbed, mark: u64) -> Result<Vec<Entry>> {
    let entries = testbed.audit().since(mark)?;
    Ok(entries
        .into_iter()
        .filter(Entry::is_of_the_operator)
        .collect())
}
