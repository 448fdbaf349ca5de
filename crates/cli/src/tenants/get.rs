//! `kamaji get`: prints tenants as a table, as objects, or by name.

use anyhow::Context;
use k8s_openapi::jiff::Timestamp;
use kamaji_api::tenant::TenantControlPlane;
use kamaji_shell::ObjectKey;
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::{Value, json};

use crate::{
    access::{Access, AccessFlags, TenantName},
    terminal::{has_colours, note, print, table},
};

use super::{
    expiry,
    manifest::{as_json, as_yaml},
    row::{Columns, Facts},
};

/// Objects in one page: one has up to 1.5 MiB, and an answer of the API server is read up to 64 MiB.
const PAGE: u32 = 40;
/// Tenants up to which the usual table reads the Secrets with their certificates.
const WITH_ENDS: usize = 200;

/// Arguments of `kamaji get`.
#[derive(clap::Args)]
pub struct Arguments {
    /// The tenant, as NAME or NAMESPACE/NAME; without it, all of the namespace
    name: Option<TenantName>,
    /// Print the tenants of all namespaces
    #[arg(long, short = 'A', conflicts_with = "name")]
    all_namespaces: bool,
    /// Form of the output
    #[arg(long, short, default_value = "table")]
    output: Output,
    /// Label selector, for example team=blue
    #[arg(long, short = 'l', conflicts_with = "name")]
    selector: Option<String>,
    /// Largest number of tenants that is read
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    most: u32,
    #[command(flatten)]
    access: AccessFlags,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A table; EXPIRES for up to 200 tenants.
    Table,
    /// The table with more columns, and EXPIRES for every tenant.
    Wide,
    /// The objects as JSON, without managed fields.
    Json,
    /// The objects as YAML, without managed fields.
    Yaml,
    /// Resource and name, one a line.
    Name,
}

/// Prints the tenants that the arguments name.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = arguments.name.as_ref().map(|name| access.key(name));
    let objects = match &key {
        Some(key) => vec![one(&access, key).await?],
        None => list(&access, arguments).await?,
    };
    let single = key.is_some();
    match arguments.output {
        Output::Json => print(&as_json(&whole(objects, single))?),
        Output::Yaml => print(&as_yaml(&whole(objects, single))?),
        Output::Name => print(&names(&objects)),
        Output::Table | Output::Wide => show(&access, arguments, &objects).await,
    }
}

async fn one(access: &Access, key: &ObjectKey) -> anyhow::Result<Value> {
    let api = api(access, Some(&key.namespace));
    let what = format!("reading the TenantControlPlane {key}");
    let found = access.find(&what, api.get(&key.name)).await?;
    let found = found.with_context(|| {
        format!("there is no TenantControlPlane {key}: `kamaji get -A` lists those that exist")
    })?;
    bare(found)
}

fn api(access: &Access, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = ApiResource::erase::<TenantControlPlane>(&());
    match namespace {
        Some(namespace) => Api::namespaced_with(access.client(), namespace, &resource),
        None => Api::all_with(access.client(), &resource),
    }
}

/// Objects of the namespace or of all, page by page, up to the number of the arguments.
async fn list(access: &Access, arguments: &Arguments) -> anyhow::Result<Vec<Value>> {
    let namespace = (!arguments.all_namespaces).then(|| access.namespace());
    let api = api(access, namespace);
    let mut page = ListParams::default().limit(PAGE);
    if let Some(selector) = &arguments.selector {
        page = page.labels(selector);
    }
    let most = arguments.most as usize;
    let mut objects = Vec::new();
    loop {
        let listed = access
            .call("listing TenantControlPlanes", api.list(&page))
            .await?;
        for object in listed.items {
            objects.push(bare(object)?);
        }
        let next = listed.metadata.continue_.filter(|next| !next.is_empty());
        if objects.len() > most || objects.len() == most && next.is_some() {
            objects.truncate(most);
            note(&format!(
                "only the first {most} tenants are shown: raise --most, or choose by --namespace or --selector"
            ));
            return Ok(objects);
        }
        match next {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(objects),
        }
    }
}

/// The object without the fields by which an API server tracks its writers.
fn bare(mut object: DynamicObject) -> anyhow::Result<Value> {
    object.metadata.managed_fields = None;
    Ok(serde_json::to_value(object)?)
}

fn whole(mut objects: Vec<Value>, single: bool) -> Value {
    match objects.pop() {
        Some(object) if single => object,
        last => {
            objects.extend(last);
            json!({"apiVersion": "v1", "kind": "List", "items": objects})
        }
    }
}

fn names(objects: &[Value]) -> String {
    let name = |object: &Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        format!("tenantcontrolplane.kamaji.clastix.io/{name}\n")
    };
    objects.iter().map(name).collect()
}

async fn show(access: &Access, arguments: &Arguments, objects: &[Value]) -> anyhow::Result<()> {
    if objects.is_empty() {
        note("no tenants were found");
        return Ok(());
    }
    let columns = Columns {
        namespace: arguments.all_namespaces,
        wide: arguments.output == Output::Wide,
    };
    let few = objects.len() <= WITH_ENDS || columns.wide;
    let ends = if few {
        ends(access, arguments).await
    } else {
        None
    };
    if !few {
        note("EXPIRES is left out for this many tenants: -o wide reads all certificates");
    }
    let facts = Facts {
        ends: ends.as_ref(),
        now: Timestamp::now(),
    };
    let rows: Vec<_> = objects
        .iter()
        .map(|object| columns.row(object, &facts))
        .collect();
    print(&table(&columns.head(), &rows, has_colours()))
}

/// Ends of certificates; `None` with a note if they cannot be read.
async fn ends(access: &Access, arguments: &Arguments) -> Option<expiry::Ends> {
    let key = arguments.name.as_ref().map(|name| access.key(name));
    let namespace = match &key {
        Some(key) => Some(key.namespace.as_str()),
        None if arguments.all_namespaces => None,
        None => Some(access.namespace()),
    };
    match expiry::read(access, namespace, key.as_ref()).await {
        Ok(ends) => Some(ends),
        Err(error) => {
            note(&format!("EXPIRES is not known: {error:#}"));
            None
        }
    }
}
