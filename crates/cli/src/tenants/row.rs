//! Row of the table of tenants, from the object as the API server has it.

use k8s_openapi::jiff::Timestamp;
use kamaji_api::{
    condition::{self, ConditionType},
    labels,
    tenant::{TenantControlPlane, VersionPhase},
};
use serde_json::Value;

use crate::terminal::{Cell, Tone};

use super::expiry::Ends;

/// Facts beside the object that a row shows.
pub struct Facts<'a> {
    /// Ends of certificates; `None` if they were not read.
    pub ends: Option<&'a Ends>,
    /// Time at which ages are shown.
    pub now: Timestamp,
}

/// Columns of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Columns {
    /// True for the column NAMESPACE.
    pub namespace: bool,
    /// True for the columns REASON, DRIVER, SCHEMA, REPLICAS and UID.
    pub wide: bool,
}

impl Columns {
    /// Heads of the columns.
    pub fn head(self) -> Vec<&'static str> {
        let mut head = Vec::new();
        if self.namespace {
            head.push("NAMESPACE");
        }
        head.extend([
            "NAME",
            "VERSION",
            "STATUS",
            "ENDPOINT",
            "DATASTORE",
            "AGE",
            "EXPIRES",
            "KEYS",
            "BYTES",
        ]);
        if self.wide {
            head.extend(["REASON", "DRIVER", "SCHEMA", "REPLICAS", "UID"]);
        }
        head
    }

    /// Cells of one object. An object that this build cannot read has a name and a status only.
    pub fn row(self, object: &Value, facts: &Facts) -> Vec<Cell> {
        let mut cells = Vec::new();
        if self.namespace {
            cells.push(text(&object["metadata"]["namespace"]));
        }
        cells.push(text(&object["metadata"]["name"]));
        let Ok(tenant) = serde_json::from_value::<TenantControlPlane>(object.clone()) else {
            cells.push(Cell::new(""));
            cells.push(Cell::new("Unreadable").toned(Tone::Bad));
            return cells;
        };
        cells.extend(usual(&tenant, facts));
        if self.wide {
            cells.extend(wide(&tenant));
        }
        cells
    }
}

fn text(value: &Value) -> Cell {
    Cell::new(value.as_str().unwrap_or_default())
}

fn usual(tenant: &TenantControlPlane, facts: &Facts) -> Vec<Cell> {
    let status = tenant.status.as_ref();
    let endpoint = status.and_then(|status| status.control_plane_endpoint.as_deref());
    let storage = status.and_then(|status| status.storage.as_ref());
    let store = storage.and_then(|storage| storage.data_store_name.as_deref());
    let store = store.or(tenant.spec.data_store.as_deref());
    let usage = storage.and_then(|storage| storage.usage.as_ref());
    let created = tenant.metadata.creation_timestamp.as_ref();
    vec![
        Cell::new(&version(tenant)),
        phase(tenant),
        Cell::new(endpoint.unwrap_or_default()),
        Cell::new(store.unwrap_or_default()),
        Cell::new(&created.map_or_else(String::new, |at| span(facts.now, at.0))),
        expires(tenant, facts),
        Cell::new(&usage.map_or_else(String::new, |usage| usage.keys.to_string())),
        Cell::new(
            &usage
                .and_then(|usage| usage.bytes)
                .map_or_else(String::new, bytes),
        ),
    ]
}

fn wide(tenant: &TenantControlPlane) -> Vec<Cell> {
    let status = tenant.status.as_ref();
    let storage = status.and_then(|status| status.storage.as_ref());
    let setup = storage.and_then(|storage| storage.setup.as_ref());
    let deployment = status.and_then(|s| s.kubernetes_resources.as_ref()?.deployment.as_ref());
    let ready = deployment
        .and_then(|deployment| deployment.ready_replicas)
        .unwrap_or_default();
    let asked = tenant.spec.control_plane.deployment.replicas.unwrap_or(0);
    let driver = storage.and_then(|storage| storage.driver.as_deref());
    let schema = setup.and_then(|setup| setup.schema.as_deref());
    vec![
        Cell::new(reason(tenant)),
        Cell::new(driver.unwrap_or_default()),
        Cell::new(schema.unwrap_or_default()),
        Cell::new(&format!("{ready}/{asked}")),
        Cell::new(tenant.metadata.uid.as_deref().unwrap_or_default()),
    ]
}

/// Installed version, and the one that is being rolled out where it differs.
fn version(tenant: &TenantControlPlane) -> String {
    let desired = &tenant.spec.kubernetes.version;
    let resources = tenant
        .status
        .as_ref()
        .and_then(|status| status.kubernetes_resources.as_ref());
    let installed = resources.and_then(|resources| resources.version.as_ref()?.version.as_ref());
    match installed {
        Some(installed) if installed != desired => format!("{installed} -> {desired}"),
        _ => desired.clone(),
    }
}

fn phase(tenant: &TenantControlPlane) -> Cell {
    if tenant.metadata.deletion_timestamp.is_some() {
        return Cell::new("Deleting").toned(Tone::Passing);
    }
    let resources = tenant
        .status
        .as_ref()
        .and_then(|status| status.kubernetes_resources.as_ref());
    let phase = resources.and_then(|resources| resources.version.as_ref()?.status);
    let phase = phase.unwrap_or_default();
    let tone = match phase {
        VersionPhase::Ready | VersionPhase::WriteLimited => Tone::Good,
        VersionPhase::NotReady => Tone::Bad,
        _ => Tone::Passing,
    };
    if labels::is_paused(&tenant.metadata) {
        return Cell::new(&format!("{phase:?} (paused)")).toned(Tone::Passing);
    }
    Cell::new(&format!("{phase:?}")).toned(tone)
}

fn reason(tenant: &TenantControlPlane) -> &str {
    let conditions = tenant.status.as_ref().map(|status| &status.conditions);
    let ready = conditions.and_then(|all| condition::find(all, ConditionType::Ready.as_str()));
    ready.map_or("", |ready| ready.reason.as_str())
}

fn expires(tenant: &TenantControlPlane, facts: &Facts) -> Cell {
    let Some(ends) = facts.ends else {
        return Cell::new("?");
    };
    let end = tenant.metadata.uid.as_ref().and_then(|uid| ends.get(uid));
    match end {
        None => Cell::new(""),
        Some(end) if *end <= facts.now => {
            Cell::new(&format!("ended {} ago", span(facts.now, *end))).toned(Tone::Bad)
        }
        Some(end) => Cell::new(&span(*end, facts.now)),
    }
}

/// Time from `earlier` to `later` in its largest unit, as `90s`, `15m`, `30h` or `364d`.
fn span(later: Timestamp, earlier: Timestamp) -> String {
    let seconds = (later.as_second() - earlier.as_second()).max(0);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A number of bytes in its largest unit below 1024 of it.
fn bytes(number: i64) -> String {
    let mut rest = number.max(0);
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if rest < 1024 {
            return format!("{rest}{unit}");
        }
        rest /= 1024;
    }
    format!("{rest}TiB")
}

#[cfg(test)]
mod tests;
