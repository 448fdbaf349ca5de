//! Reconciles the kubeconfig of one generator for one tenant.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use kamaji_api::{kubeconfig::KubeconfigGenerator, tenant::TenantControlPlane};
use kamaji_core::{
    kubeconfig_generator::{
        demand::{Demand, Parties},
        identity, ownership,
        plan::{Plan, Snapshot, State, plan},
    },
    object::{Kind, ObjectRef, Version},
    rng::Seed,
    secret_role::SecretRole,
};
use kamaji_shell::{apply::WriteError, clock, queue::Outcome};

use crate::{
    context::Context,
    observe::{self, ReadError},
    results::{Edition, Record},
    work::Pair,
};

/// Time after which a tenant without a kubeconfig is observed again: not everything that is in the way is watched.
const RECHECK: Duration = Duration::from_mins(5);
/// Least time between two reconciles of an unchanged kubeconfig.
const LEAST: Duration = Duration::from_secs(10);

/// Failure of one reconcile, to be tried again.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Failure {
    /// True if another write came first, or another replica leads: the next reconcile has the result.
    fn is_overtaken(&self) -> bool {
        let Self::Write(error) = self else {
            return false;
        };
        matches!(
            error,
            WriteError::AlreadyExists(_)
                | WriteError::Conflict { .. }
                | WriteError::Gone(_)
                | WriteError::NotLeading(_)
        )
    }
}

/// Reconciles one kubeconfig: writes it, deletes it, or finds that nothing is to do.
pub async fn reconcile(context: Arc<Context>, pair: Pair) -> Outcome {
    let Some(tenant) = context.tenants.get(&pair.tenant) else {
        // The garbage collector deletes its Secrets. A tenant that cannot be read keeps them.
        forget(&context, &pair);
        return Outcome::Done {
            requeue_after: None,
        };
    };
    if context.generators.unreadable(&pair.generator).is_some() {
        return Outcome::Done {
            requeue_after: None,
        };
    }
    let generator = context.generators.get(&pair.generator);
    let namespace = context.namespace_labels(&pair.tenant.namespace);
    let parties = Parties {
        name: &pair.generator,
        generator: generator.as_deref(),
        namespace: namespace.as_ref(),
        tenant: &tenant,
    };
    match (parties.demand(), &generator) {
        (Demand::Wanted, Some(generator)) => provide(&context, &pair, generator, &tenant).await,
        (Demand::Nobody, _) => {
            forget(&context, &pair);
            match Box::pin(clean(&context, &pair)).await {
                Ok(()) => Outcome::Done {
                    requeue_after: None,
                },
                Err(failure) => retry(&pair, &failure),
            }
        }
        _ => Outcome::Done {
            requeue_after: None,
        },
    }
}

fn forget(context: &Context, pair: &Pair) {
    if context.results.forget(pair) {
        context.report(&pair.generator);
    }
}

fn retry(pair: &Pair, failure: &Failure) -> Outcome {
    tracing::warn!(generator = %pair.generator, tenant = %pair.tenant, "{failure}");
    Outcome::Retry
}

/// Writes the kubeconfig of a tenant that the generator selects, unless everything is as it was.
async fn provide(
    context: &Context,
    pair: &Pair,
    generator: &KubeconfigGenerator,
    tenant: &TenantControlPlane,
) -> Outcome {
    let inputs = |output| inputs(generator, tenant, output);
    let before = inputs(context.outputs.version(pair));
    if let Some(record) = context.results.get(pair)
        && record.inputs == before
        && record.fresh_until > clock::now()
    {
        let after = clock::until(record.fresh_until).max(LEAST);
        return Outcome::Done {
            requeue_after: Some(after),
        };
    }
    let edition = Edition::of(&generator.metadata);
    match write(context, pair, generator, tenant).await {
        Ok((plan, version)) => {
            let after = next(context, &plan);
            let fresh = plan.state == State::Available;
            let record = Record {
                edition,
                inputs: inputs(version),
                fresh_until: if fresh {
                    clock::now() + after
                } else {
                    clock::now()
                },
                state: plan.state,
            };
            record_result(context, pair, record);
            Outcome::Done {
                requeue_after: Some(after),
            }
        }
        Err(failure) => {
            if !failure.is_overtaken() {
                let record = Record {
                    edition,
                    inputs: before,
                    fresh_until: clock::now(),
                    state: State::Missing(failure.to_string()),
                };
                record_result(context, pair, record);
            }
            retry(pair, &failure)
        }
    }
}

fn record_result(context: &Context, pair: &Pair, record: Record) {
    let why = match &record.state {
        State::Available => None,
        State::Missing(why) => Some(why.clone()),
    };
    if context.results.set(pair, record) {
        if let Some(why) = why {
            tracing::warn!(generator = %pair.generator, tenant = %pair.tenant, "no kubeconfig: {why}");
        }
        context.report(&pair.generator);
    }
}

/// Records that a reconcile was stopped without a result.
pub fn aborted(context: &Context, pair: &Pair, why: &str) {
    let Some(generator) = context.generators.get(&pair.generator) else {
        return;
    };
    let record = Record {
        edition: Edition::of(&generator.metadata),
        inputs: 0,
        fresh_until: clock::now(),
        state: State::Missing(format!(
            "the reconcile was stopped: {why}; it is tried again"
        )),
    };
    record_result(context, pair, record);
}

/// Time until the next reconcile without a change.
fn next(context: &Context, plan: &Plan) -> Duration {
    let resync = context.settings.resync;
    let longest = match plan.state {
        State::Available => clock::jitter(resync.mul_f64(0.9), resync),
        State::Missing(_) => clock::jitter(RECHECK.mul_f64(0.8), RECHECK),
    };
    let due = plan.due.map_or(longest, clock::until);
    due.min(longest).max(LEAST)
}

/// Observes, plans and writes one kubeconfig. Returns the plan, and the version of the Secret after it.
async fn write(
    context: &Context,
    pair: &Pair,
    generator: &KubeconfigGenerator,
    tenant: &TenantControlPlane,
) -> Result<(Plan, Option<Version>), Failure> {
    let snapshot = |secrets: observe::Secrets| Snapshot {
        generator,
        tenant,
        authority: secrets.authority,
        admin: secrets.admin,
        output: secrets.output,
        settings: context.settings.core,
        now: clock::now(),
        seed: Seed::new(clock::seed()),
    };
    let secrets = match ownership::secret_name(&pair.tenant.name, &pair.generator) {
        Ok(name) => observe::secrets(context, pair, &name).await?,
        // The plan says why there can be no Secret.
        Err(_) => observe::Secrets::default(),
    };
    let live = secrets.output.as_ref();
    let version = live.map(|secret| Version::of(&secret.metadata));
    let plan = plan(&snapshot(secrets));
    let Some(object) = &plan.write else {
        return Ok((plan, version));
    };
    let written = context.writer.write(object).await?;
    tracing::info!(generator = %pair.generator, tenant = %pair.tenant, "kubeconfig written");
    Ok((plan, Some(written.version)))
}

/// Deletes the Secret of a kubeconfig that nobody requests any more, if it is the generator's.
async fn clean(context: &Context, pair: &Pair) -> Result<(), Failure> {
    if context.outputs.version(pair).is_none() {
        return Ok(());
    }
    let Ok(name) = ownership::secret_name(&pair.tenant.name, &pair.generator) else {
        return Ok(());
    };
    let Some(secret) = observe::secret(context, pair, &name).await? else {
        return Ok(());
    };
    // What the watches delivered may be late: everything that decides is read again.
    let live = Box::pin(observe::live(context, pair)).await?;
    let Some(tenant) = &live.tenant else {
        return Ok(());
    };
    let namespace = live
        .namespace
        .map(|found| found.metadata.labels.unwrap_or_default());
    let parties = Parties {
        name: &pair.generator,
        generator: live.generator.as_ref(),
        namespace: namespace.as_ref(),
        tenant,
    };
    if let Some(version) = ownership::to_delete(&secret.metadata, &parties) {
        let key = ObjectRef::namespaced(Kind::Secret, &pair.tenant.namespace, &name);
        context.writer.delete(&key, Some(&version)).await?;
        tracing::info!(generator = %pair.generator, tenant = %pair.tenant, "kubeconfig deleted: nobody requests it any more");
    }
    Ok(())
}

/// Digest of what a plan depends on, as far as watches deliver it. The tenant's status has the checksums of the
/// Secrets that are not watched.
fn inputs(
    generator: &KubeconfigGenerator,
    tenant: &TenantControlPlane,
    output: Option<Version>,
) -> u64 {
    let checksum = |role: SecretRole| {
        let recorded = role.recorded(tenant.status.as_ref()?)?;
        recorded.checksum.clone()
    };
    let identity = identity::resolve(&generator.spec, tenant).map_err(|error| error.to_string());
    let mut hasher = DefaultHasher::new();
    (&generator.metadata.uid, generator.metadata.generation).hash(&mut hasher);
    (&tenant.metadata.uid, identity, output).hash(&mut hasher);
    (
        checksum(SecretRole::Ca),
        checksum(SecretRole::AdminKubeconfig),
    )
        .hash(&mut hasher);
    hasher.finish()
}
