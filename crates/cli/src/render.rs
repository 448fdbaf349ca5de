//! `kamaji render`: prints what the operator plans for the TenantControlPlanes in files, without a cluster.

mod arguments;
mod input;
mod output;
mod placeholder;
mod snapshot;

use anyhow::{Context, bail};
use kamaji_core::{
    endpoint,
    object::Object,
    plan::{self, Plan},
    render::Renderer,
    snapshot::Snapshot,
    tenant::Tenant,
    tenant_cluster::{self, TenantClusterFacts},
};

use input::Documents;

pub use arguments::Arguments;

/// Renders every TenantControlPlane of the given files to standard output, and notes on what stands in for
/// facts of a live cluster to standard error.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let documents = Documents::read(&arguments.files)?;
    if documents.tenants.is_empty() {
        bail!(
            "no TenantControlPlane in {}: give a file that has one",
            arguments.files.join(", ")
        );
    }
    for object in &documents.tenants {
        let mut notes = Vec::new();
        let snapshot = snapshot::of(arguments, &documents, object, &mut notes)?;
        let plan = plan::plan(&snapshot)?;
        notes.extend(
            plan.waits
                .iter()
                .map(|wait| format!("{}: {}", wait.reason, wait.message)),
        );
        let name = object.metadata.name.as_deref().unwrap_or_default();
        for note in notes {
            eprintln!("{name}: {note}");
        }
        let objects = if arguments.tenant_cluster {
            tenant_cluster_objects(&snapshot, &plan)?
        } else {
            plan.objects().cloned().collect()
        };
        output::objects(&objects, arguments.summarise_keys)?;
        if arguments.plan {
            output::rest(&plan)?;
        }
    }
    Ok(())
}

fn tenant_cluster_objects(snapshot: &Snapshot, plan: &Plan) -> anyhow::Result<Vec<Object>> {
    let tenant = Tenant {
        status: plan.status.clone(),
        ..Tenant::parse(&snapshot.object)?
    };
    let endpoint = endpoint::resolve(&tenant, snapshot.service.as_ref())?;
    let store = snapshot.store.as_ref().map_err(Clone::clone)?;
    let ca = plan
        .ca()
        .context("the tenant has no usable CA, so its tenant cluster cannot be rendered")?;
    let facts = TenantClusterFacts {
        renderer: Renderer::recorded(&tenant).ok(),
        tenant: &tenant,
        settings: &snapshot.settings,
        store,
        endpoint: &endpoint,
        ca: &ca,
    };
    Ok(tenant_cluster::plan(&facts)?.objects)
}
