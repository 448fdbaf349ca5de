//! `kamaji render`: prints what the operator plans for the TenantControlPlanes in files, without a cluster.

mod arguments;
mod input;
mod output;
mod placeholder;
mod snapshot;

use anyhow::bail;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{
    object::Object,
    plan::{self, Plan},
    snapshot::Snapshot,
    tenant_cluster,
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

/// The objects of the tenant cluster once `plan` has been applied.
fn tenant_cluster_objects(snapshot: &Snapshot, plan: &Plan) -> anyhow::Result<Vec<Object>> {
    let object = TenantControlPlane {
        status: Some(plan.status.clone()),
        ..snapshot.object.clone()
    };
    let snapshot = snapshot::of_tenant_cluster(&object, snapshot, plan)?;
    let desired = tenant_cluster::plan(&snapshot).desired?;
    Ok(desired.objects().cloned().collect())
}
