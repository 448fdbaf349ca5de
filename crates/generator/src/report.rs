//! Writes the status of one generator, once every tenant that it selects has a result.

use std::sync::Arc;

use kamaji_api::{
    kubeconfig::{KubeconfigGenerator, KubeconfigGeneratorStatus},
    labels,
};
use kamaji_core::kubeconfig_generator::{
    demand::{Demand, Parties, Selection},
    status::{self, Entry, Subject},
};
use kamaji_shell::queue::Outcome;

use crate::{context::Context, results::Edition};

/// Writes the status of the generator of that name, if it differs from the live one.
pub async fn reconcile(context: Arc<Context>, name: String) -> Outcome {
    let done = Outcome::Done {
        requeue_after: None,
    };
    let Some(generator) = context.generators.get(&name) else {
        return done;
    };
    if labels::is_paused(&generator.metadata) || generator.metadata.deletion_timestamp.is_some() {
        return done;
    }
    let subject = Subject {
        name: &name,
        generation: generator.metadata.generation,
    };
    let status = match Selection::parse(&generator.spec) {
        Err(why) => Some(status::unselected(subject, &why)),
        Ok(_) => summed_up(&context, &generator, subject),
    };
    // The last result that is missing leads to the next reconcile.
    let Some(status) = status.filter(|status| generator.status.as_ref() != Some(status)) else {
        return done;
    };
    match context
        .writer
        .patch_status(generator.as_ref(), &status)
        .await
    {
        Ok(written) => {
            context.generators.replace(name, Arc::new(written));
            done
        }
        Err(error) => {
            tracing::warn!(generator = name, "the status is not written: {error}");
            Outcome::Retry
        }
    }
}

/// The status by the results of all selected tenants; `None` while one is missing.
fn summed_up(
    context: &Context,
    generator: &KubeconfigGenerator,
    subject: Subject,
) -> Option<KubeconfigGeneratorStatus> {
    let edition = Edition::of(&generator.metadata);
    let mut states = context.results.states(subject.name, &edition);
    let mut entries = Vec::new();
    for (key, tenant) in context.tenants.all() {
        let namespace = context.namespace_labels(&key.namespace);
        let parties = Parties {
            name: subject.name,
            generator: Some(generator),
            namespace: namespace.as_ref(),
            tenant: &tenant,
        };
        if parties.demand() == Demand::Wanted {
            entries.push(Entry {
                tenant: key.to_string(),
                state: states.remove(&key)?,
            });
        }
    }
    Some(status::status(subject, entries))
}
