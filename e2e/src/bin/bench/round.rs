//! One round of the bench: a number of tenants from their creation to rest.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kamaji_e2e::audit::{Audit, Entry, OPERATOR_NAMESPACE};
use kamaji_e2e::tools::Tools;
use kube::Api;
use kube::api::DeleteParams;
use tokio::time::sleep;

use crate::environment::Environment;
use crate::figures::Figures;
use crate::operator_process::Operator;
use crate::profile::Profile;
use crate::{baseline, environment, requests};

/// Time without a write after which the tenants count as converged.
const QUIET: Duration = Duration::from_secs(3);
/// CPU seconds in a quarter of a second above which the operator works, between two and three ticks of the kernel's clock: less is what
/// measurements and probes take, which never end.
const BUSY: f64 = 0.025;
/// Time after which the size of nearly every new tenant was measured and is in its status; the rest waited for a turn.
const MEASURED: Duration = Duration::from_secs(130);
/// Time without a write after which the last of them is written.
const UNWRITTEN: Duration = Duration::from_secs(20);
/// Time in which writes at rest are counted.
const IDLE: Duration = Duration::from_mins(1);
/// Longest wait for one number of tenants.
const LIMIT: Duration = Duration::from_mins(20);

/// One round; the last one also counts writes at rest and restarts the operator.
pub struct Round<'a> {
    /// Binaries of the API server and of etcd.
    pub tools: &'a Tools,
    /// Path of the `kamaji` binary.
    pub kamaji: &'a Path,
    /// Number of tenants in the round.
    pub number: usize,
    /// True for the last round.
    pub is_last: bool,
}

/// Measures a round from the creation of its tenants to rest, then the baseline.
pub async fn measure(round: &Round<'_>, figures: &mut Figures) -> Result<()> {
    let (tools, kamaji, number) = (round.tools, round.kamaji, round.number);
    println!("== {number} tenants");
    let environment = Environment::new(tools, kamaji).await?;
    let (user, dir) = (environment.user().await?, environment.dir.path());
    let account = environment.account(OPERATOR_NAMESPACE).await?;
    let operator = Operator::start(kamaji, &account, dir).await?;
    sleep(QUIET).await;
    figures.set("rss_idle_mib", operator.usage().memory("VmRSS")?);
    let (audit, cpu) = (environment.server.audit(), operator.usage().cpu()?);
    let servers = environment.cpu()?;
    let (mark, begin) = (audit.mark()?, Timestamp::now());
    let profile = Profile::start(operator.pid(), dir);
    baseline::create_tenants(&user, number).await?;
    wait_quiescent(&audit, mark, number).await?;
    let used = environment.cpu()?;
    profile.finish(number, figures).await;
    let seen: Vec<Entry> = audit
        .since(mark)?
        .into_iter()
        .filter(Entry::is_of_the_operator)
        .collect();
    count(&seen, number, begin, figures)?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred tenants")]
    let each = number as f64;
    used.record(&servers, ("converge", each), figures);
    figures.set(
        format!("cpu_s_per_tenant_n{number}"),
        (operator.usage().cpu()? - cpu) / each,
    );
    figures.set(
        format!("rss_peak_mib_n{number}"),
        operator.usage().memory("VmHWM")?,
    );
    figures.set(
        format!("rss_final_mib_n{number}"),
        operator.usage().memory("VmRSS")?,
    );
    let operator = if round.is_last {
        sleep(MEASURED).await;
        wait_unwritten(&audit).await?;
        let mark = audit.mark()?;
        sleep(IDLE).await;
        figures.set("idle_writes_60s", writes(&audit, mark)?);
        operator.stop().await?;
        let start = || Operator::start(kamaji, &account, dir);
        measure_restarts(number, start, &environment, figures).await?
    } else {
        operator
    };
    drop(operator);
    let servers = environment.cpu()?;
    let baseline = baseline::measure(&user, kamaji, number, dir).await?;
    let used = environment.cpu()?;
    used.record(&servers, ("baseline", each), figures);
    compare(number, baseline, figures);
    Ok(())
}

/// Records the baseline, and how much longer the operator took.
fn compare(number: usize, baseline: Duration, figures: &mut Figures) {
    let baseline = baseline.as_secs_f64();
    figures.set(format!("converge_n{number}_baseline_s"), baseline);
    let ours = figures
        .get(&format!("converge_n{number}_s"))
        .unwrap_or_default();
    figures.set(
        format!("converge_n{number}_baseline_ratio"),
        ours / baseline,
    );
}

/// Restarts the operator after one that was stopped, after one that was killed, and after one whose handover is gone.
async fn measure_restarts<F>(
    number: usize,
    start: impl Fn() -> F,
    environment: &Environment,
    figures: &mut Figures,
) -> Result<Operator>
where
    F: Future<Output = Result<Operator>>,
{
    let name = "restart";
    let stopped = Restart { name, number };
    // Dropped, it is killed.
    drop(stopped.measure(start(), environment, figures).await?);
    let name = "restart_killed";
    let killed = Restart { name, number };
    drop(killed.measure(start(), environment, figures).await?);
    let client = environment.server.client().await?;
    let secrets: Api<Secret> = Api::namespaced(client, OPERATOR_NAMESPACE);
    let params = DeleteParams::default();
    let deleted = secrets.delete("kamaji-handover", &params).await;
    deleted.context("delete the handover")?;
    let name = "restart_forgotten";
    let forgotten = Restart { name, number };
    forgotten.measure(start(), environment, figures).await
}

/// A start of the operator over tenants that are all as they should be.
struct Restart {
    /// First part of the names of its figures.
    name: &'static str,
    /// Number of tenants, for the names of figures.
    number: usize,
}

impl Restart {
    /// Starts the operator, and waits until it uses no more CPU.
    async fn measure(
        &self,
        operator: impl Future<Output = Result<Operator>>,
        environment: &Environment,
        figures: &mut Figures,
    ) -> Result<Operator> {
        let (audit, begin) = (environment.server.audit(), Instant::now());
        let mark = audit.mark()?;
        let operator = operator.await?;
        // A correct restart writes nothing, so only the CPU usage shows its end.
        let (mut used, mut busy) = (0.0, Instant::now());
        while busy.elapsed() < QUIET {
            sleep(Duration::from_millis(250)).await;
            let now = operator.usage().cpu()?;
            if now - used > BUSY {
                busy = Instant::now();
            }
            used = now;
        }
        let Self { name, number } = self;
        let mut set = |what: &str, figure: f64| {
            figures.set(format!("{name}{what}"), figure);
        };
        set(&format!("_n{number}_s"), (busy - begin).as_secs_f64());
        set(&format!("_writes_n{number}"), writes(&audit, mark)?);
        set(&format!("_cpu_s_n{number}"), operator.usage().cpu()?);
        let peak = operator.usage().memory("VmHWM")?;
        set(&format!("_rss_peak_mib_n{number}"), peak);
        Ok(operator)
    }
}

/// Waits until every tenant has its Deployment and nothing has been written for [`QUIET`].
async fn wait_quiescent(audit: &Audit, mark: u64, number: usize) -> Result<()> {
    let begin = Instant::now();
    let (mut size, mut since) = (mark, Instant::now());
    loop {
        sleep(Duration::from_millis(200)).await;
        let now = audit.mark()?;
        if now != size {
            (size, since) = (now, Instant::now());
        } else if since.elapsed() >= QUIET {
            let made = audit.since(mark)?;
            let made = made.iter().filter(|entry| {
                entry.object_ref.resource == "deployments" && entry.response_status.code == 201
            });
            let made = made.count();
            if made >= number {
                return Ok(());
            }
            if begin.elapsed() > LIMIT {
                bail!("only {made} of {number} tenants have a Deployment: see the operator's log");
            }
        }
    }
}

/// Waits until the operator has written nothing for [`UNWRITTEN`], for five such times at most.
async fn wait_unwritten(audit: &Audit) -> Result<()> {
    for _ in 0..5 {
        let mark = audit.mark()?;
        sleep(UNWRITTEN).await;
        if writes(audit, mark)? < 1.0 {
            break;
        }
    }
    Ok(())
}

/// Writes of the operator since a mark.
#[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
fn writes(audit: &Audit, mark: u64) -> Result<f64> {
    let seen = audit.since(mark)?;
    let own = seen
        .iter()
        .filter(|entry| entry.is_of_the_operator() && entry.is_write());
    Ok(own.count() as f64)
}

/// Records the figures that the audit log gives.
#[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
fn count(seen: &[Entry], number: usize, begin: Timestamp, figures: &mut Figures) -> Result<()> {
    let each = number as f64;
    let made: Vec<&Entry> = seen
        .iter()
        .filter(|entry| entry.response_status.code == 201)
        .collect();
    let objects: BTreeSet<(&str, &str)> = made
        .iter()
        .filter(|entry| entry.object_ref.namespace == environment::TENANTS)
        .filter(|entry| entry.object_ref.resource != "events")
        .map(|entry| {
            (
                entry.object_ref.resource.as_str(),
                entry.object_ref.name.as_str(),
            )
        })
        .collect();
    let last = made
        .iter()
        .filter(|entry| entry.object_ref.resource != "events");
    let last = last
        .map(|entry| entry.at)
        .max()
        .context("the operator made nothing")?;
    let quiet = seen
        .iter()
        .filter(|entry| entry.is_write())
        .map(|entry| entry.at)
        .max();
    let seconds = |at: Timestamp| (at.as_millisecond() - begin.as_millisecond()) as f64 / 1000.0;
    figures.set(format!("converge_n{number}_s"), seconds(last));
    figures.set(format!("quiet_n{number}_s"), seconds(quiet.unwrap_or(last)));
    figures.set("objects_per_tenant", objects.len() as f64 / each);
    figures.set(
        format!("requests_per_tenant_n{number}"),
        seen.len() as f64 / each,
    );
    let wrote = seen.iter().filter(|entry| entry.is_write()).count();
    figures.set(format!("writes_per_tenant_n{number}"), wrote as f64 / each);
    requests::print(seen, each);
    Ok(())
}
