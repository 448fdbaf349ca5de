//! `kamaji render`: what would the operator make of these objects?

mod input;
mod output;
mod placeholder;

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

/// Options of `kamaji render`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File with TenantControlPlanes, and with the DataStores and Secrets they name, if at hand;
    /// repeatable, - for standard input; other documents are passed over
    #[arg(short, long = "file", required = true)]
    files: Vec<String>,
    /// Print what goes into the tenants instead of what goes into the management cluster
    #[arg(long)]
    tenant_cluster: bool,
    /// Print certificates and keys as decoded summaries
    #[arg(long)]
    summarise_keys: bool,
    /// Make the same keys each time, for repeatable output; such keys are for reading only
    #[arg(long)]
    seed: Option<String>,
    /// DataStore of tenants that name none
    #[arg(long, default_value = "default")]
    datastore: String,
    /// What new keys are: ECDSA-P256 or RSA-2048
    #[arg(long, default_value = "ECDSA-P256")]
    key_algorithm: kamaji_core::pki::key::KeyAlgorithm,
}

/// Renders every tenant in the given files.
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
        let objects = one(arguments, &documents, object, &mut notes)?;
        let name = object.metadata.name.as_deref().unwrap_or_default();
        for note in notes {
            eprintln!("{name}: {note}");
        }
        output::print(&objects, arguments.summarise_keys)?;
    }
    Ok(())
}

fn one(
    arguments: &Arguments,
    documents: &Documents,
    object: &kamaji_api::tenant::TenantControlPlane,
    notes: &mut Vec<String>,
) -> anyhow::Result<Vec<Object>> {
    let snapshot = placeholder::snapshot(arguments, documents, object, notes)?;
    let plan = plan::plan(&snapshot)?;
    notes.extend(
        plan.waits
            .iter()
            .map(|wait| format!("{}: {}", wait.reason, wait.message)),
    );
    if !arguments.tenant_cluster {
        return Ok(plan.objects().cloned().collect());
    }
    tenant_cluster_of(&snapshot, &plan)
}

fn tenant_cluster_of(snapshot: &Snapshot, plan: &Plan) -> anyhow::Result<Vec<Object>> {
    let tenant = Tenant {
        status: plan.status.clone(),
        ..Tenant::parse(&snapshot.object)?
    };
    let endpoint = endpoint::resolve(&tenant, snapshot.service.as_ref())?;
    let store = snapshot.store.as_ref().map_err(Clone::clone)?;
    let ca = plan
        .ca()
        .context("the tenant has no usable CA, so its inside cannot be rendered")?;
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
