//! `kamaji sleep` and `kamaji wake`: no replicas, and as many as before.
//!
//! The operator keeps no former number: `sleep` notes it in an annotation of the tenant, with the change itself.

use anyhow::bail;
use kamaji_api::tenant::{DEFAULT_REPLICAS, TenantControlPlane};
use serde_json::json;

use crate::{
    access::{Access, AccessFlags, TenantName},
    terminal::print,
};

/// Annotation with the number of replicas before `kamaji sleep`.
const FORMER: &str = "kamaji.clastix.io/replicas-before-sleep";
/// Largest number that is believed of the annotation, which whoever may edit the tenant can write.
const MOST: i32 = 100;

/// Arguments of `kamaji sleep`.
#[derive(clap::Args)]
pub struct SleepArguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    #[command(flatten)]
    access: AccessFlags,
}

/// Arguments of `kamaji wake`.
#[derive(clap::Args)]
pub struct WakeArguments {
    /// The tenant, as NAME or NAMESPACE/NAME
    name: TenantName,
    /// Number of replicas; by default that before the sleep, and 2 if it is not known
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=i64::from(MOST)))]
    replicas: Option<i32>,
    #[command(flatten)]
    access: AccessFlags,
}

/// Sets the replicas to 0.
pub async fn sleep(arguments: &SleepArguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let tenant = access.living_tenant(&key).await?;
    let replicas = replicas(&tenant);
    if replicas == 0 {
        return print(&format!("{key} sleeps already\n"));
    }
    let patch = json!({
        "metadata": {"annotations": {FORMER: replicas.to_string()}},
        "spec": {"controlPlane": {"deployment": {"replicas": 0}}},
    });
    access.patch(&tenant, patch).await?;
    print(&format!(
        "{key} goes to sleep, and its data stays: `kamaji wake {key}` starts its {replicas} replicas again\n"
    ))
}

/// Sets the replicas to the former number or the given one.
pub async fn wake(arguments: &WakeArguments) -> anyhow::Result<()> {
    let access = Access::open(&arguments.access).await?;
    let key = access.key(&arguments.name);
    let tenant = access.living_tenant(&key).await?;
    let awake = replicas(&tenant);
    if awake != 0 {
        return print(&format!("{key} is awake, with {awake} replicas\n"));
    }
    let wanted = match arguments.replicas {
        Some(given) => given,
        None => former(&tenant)?,
    };
    let patch = json!({
        "metadata": {"annotations": {FORMER: null}},
        "spec": {"controlPlane": {"deployment": {"replicas": wanted}}},
    });
    access.patch(&tenant, patch).await?;
    print(&format!(
        "{key} wakes with {wanted} replicas: `kamaji wait {key}` shows when it is ready\n"
    ))
}

fn replicas(tenant: &TenantControlPlane) -> i32 {
    let replicas = tenant.spec.control_plane.deployment.replicas;
    replicas.unwrap_or(DEFAULT_REPLICAS)
}

/// Number of replicas before the sleep; the usual one if nothing is noted.
fn former(tenant: &TenantControlPlane) -> anyhow::Result<i32> {
    let annotations = tenant.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|annotations| annotations.get(FORMER)) else {
        return Ok(DEFAULT_REPLICAS);
    };
    match text.parse() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(number),
        _ => bail!(
            "the annotation {FORMER} is no number of replicas from 1 to {MOST}: give --replicas"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(text: Option<&str>) -> anyhow::Result<i32> {
        let mut tenant = TenantControlPlane::default();
        let note = text.map(|text| [(FORMER.to_owned(), text.to_owned())].into());
        tenant.metadata.annotations = note;
        former(&tenant)
    }

    #[test]
    fn the_noted_number_is_believed_within_its_bounds() {
        assert_eq!(noted(None).unwrap(), DEFAULT_REPLICAS);
        assert_eq!(noted(Some("3")).unwrap(), 3);
        for wrong in ["0", "-1", "101", "99999999999", "x", ""] {
            assert!(noted(Some(wrong)).is_err(), "{wrong}");
        }
    }
}
