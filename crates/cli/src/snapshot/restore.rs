//! `kamaji snapshot restore`: writes a snapshot into a datastore, as the same tenant or as a clone.

use std::time::Duration;

use anyhow::{Context, bail};
use kamaji_api::{datastore::Driver, labels, tenant::TenantControlPlane};
use kamaji_core::names::Names;
use kamaji_shell::ObjectKey;
use kamaji_snapshot::{Checked, Keys, SnapshotFile, is_dropped, restore as transfer, root};

use crate::duration::seconds;

use super::{
    cluster::{Cluster, ClusterFlags, require_reconciled, tenant_key},
    keys::{KeyFlags, warn_if_unproven},
    location::Location,
    objects::{self, Desired},
    sleep::asleep,
    tenant::{Located, locate},
    verify::describe,
};

/// Arguments of `kamaji snapshot restore`.
#[derive(clap::Args)]
pub struct Arguments {
    /// File, or object in an object store (s3://BUCKET/NAME)
    location: String,
    #[command(flatten)]
    named: Named,
    /// DataStore of a tenant that is created; by default the one that the snapshot names
    #[arg(long, conflicts_with = "replace")]
    data_store: Option<String>,
    /// Longest wait for the operator
    #[arg(long, default_value = "5m", value_parser = seconds)]
    timeout: Duration,
    #[command(flatten)]
    keys: KeyFlags,
    #[command(flatten)]
    cluster: ClusterFlags,
}

/// Tenant that a person names. A file without proof of its origin may name any.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Named {
    /// Replace the data of the tenant NAMESPACE/NAME, which exists and which the snapshot is of
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = tenant_key)]
    replace: Option<ObjectKey>,
    /// Create the tenant NAMESPACE/NAME again, which is gone and which the snapshot is of, with its own keys
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = tenant_key)]
    create: Option<ObjectKey>,
    /// Create a clone as NAMESPACE/NAME, with keys of its own
    #[arg(long = "as", value_name = "NAMESPACE/NAME", value_parser = tenant_key)]
    clone: Option<ObjectKey>,
}

impl Named {
    /// The tenant that is written; fails if it has to be the one of the snapshot and is another.
    fn key(&self, original: &ObjectKey) -> anyhow::Result<ObjectKey> {
        let original_alone = self.replace.as_ref().or(self.create.as_ref());
        match (&self.clone, original_alone) {
            (Some(clone), _) => Ok(clone.clone()),
            (None, Some(named)) if named == original => Ok(named.clone()),
            (None, Some(named)) => bail!(
                "the snapshot says that it is of the tenant {original}, and {named} was named: nothing is written; check the name of the file, or make a clone by --as NAMESPACE/NAME"
            ),
            (None, None) => bail!("name the tenant by --replace, --create or --as"),
        }
    }
}

/// Restores a snapshot that is whole. Nothing is written before all of it was read and checked.
pub async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (keys, most) = (arguments.keys.keys_to_restore()?, arguments.keys.max_data);
    let file = Location::parse(&arguments.location)?.open(most).await?;
    let keep = keep(arguments.named.clone.is_some());
    let checked = file.check(&keys, most, &keep);
    let checked = checked.with_context(|| arguments.location.clone())?;
    warn_if_unproven(&arguments.location, checked.proof);
    describe(&checked)?;
    let tenant = &checked.header.tenant;
    let original = ObjectKey::new(&tenant.namespace, &tenant.name);
    let key = arguments.named.key(&original)?;
    let cluster = Cluster::connect(&arguments.cluster).await?;
    let target = Target::choose(arguments, key, &checked, &cluster).await?;
    Box::pin(target.prepare(&checked, &cluster)).await?;
    let object = asleep(&cluster, &target.key, arguments.timeout).await?;
    require_mark(&object, &target)?;
    let located = locate(&cluster, &object).await?;
    let floor = target.floor(&checked, &located).await?;
    let source = Source {
        file: &file,
        keys: &keys,
        most,
        keep: &keep,
        floor,
    };
    Box::pin(write(source, checked, located)).await?;
    // The object may have changed meanwhile, in its status for example.
    let object = cluster.tenant(&target.key).await?;
    require_mark(&object, &target)?;
    cluster
        .annotate(&object, &[(labels::RESTORING, None)])
        .await?;
    target.report();
    Ok(())
}

/// Choice of the keys that are restored.
type Keep<'a> = &'a dyn Fn(&[u8]) -> bool;

/// Keys that are restored: all, or those that a clone gets.
fn keep(clone: bool) -> impl Fn(&[u8]) -> bool {
    move |key| !(clone && is_dropped(key))
}

/// File of a restore, and what of it is restored.
struct Source<'a> {
    file: &'a SnapshotFile,
    keys: &'a Keys,
    most: u64,
    keep: Keep<'a>,
    /// Revision that the restored tenant begins above.
    floor: i64,
}

async fn write(source: Source<'_>, checked: Checked, located: Located) -> anyhow::Result<()> {
    let to = root(located.store.driver, located.tenancy.schema.as_str());
    transfer::require_readable(&checked, &to)?;
    let target = transfer::Target {
        writer: located.database.writer(&located.tenancy).await?,
        reader: located.database.reader(&located.tenancy).await?,
        floor: source.floor,
    };
    let source = transfer::Source {
        file: source.file,
        keys: source.keys,
        data: source.most,
        checked,
        keep: source.keep,
    };
    let state = transfer::restore(source, target).await?;
    println!(
        "restored   {} keys into {}, equal by count and hash: {}",
        state.keys(),
        located.store.name,
        state.digest()
    );
    Ok(())
}

/// Way in which a snapshot becomes a tenant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The tenant exists; its data is replaced.
    Replace,
    /// The tenant is created again, with its own keys.
    Again,
    /// Another tenant is created, with keys of its own.
    Clone,
}

/// Tenant that a snapshot is restored as.
struct Target {
    key: ObjectKey,
    way: Way,
    data_store: Option<String>,
    /// Value of the annotation that marks this restore: the beginning of the snapshot's hash.
    mark: String,
    /// The tenant, if it exists: to be replaced, or left by a restore of the same snapshot that was interrupted.
    existing: Option<TenantControlPlane>,
}

impl Target {
    async fn choose(
        arguments: &Arguments,
        key: ObjectKey,
        checked: &Checked,
        cluster: &Cluster,
    ) -> anyhow::Result<Self> {
        let mark = checked.footer.digest.chars().take(16).collect::<String>();
        let existing = cluster.find(&key).await?;
        let uid = &checked.header.tenant.tenant;
        let way = way(&arguments.named, uid, existing.as_ref(), &mark)
            .with_context(|| format!("restoring {key}"))?;
        Ok(Self {
            key,
            way,
            data_store: arguments.data_store.clone(),
            mark,
            existing,
        })
    }

    /// Marks the tenant that exists, or creates it; its control plane does not run from then on.
    async fn prepare(&self, checked: &Checked, cluster: &Cluster) -> anyhow::Result<()> {
        if let Some(existing) = &self.existing {
            require_reconciled(existing, &self.key)?;
            // A tenant that was created by an earlier run may not be set up yet.
            if self.way == Way::Replace {
                let located = locate(cluster, existing).await?;
                let to = root(located.store.driver, located.tenancy.schema.as_str());
                transfer::require_readable(checked, &to)?;
            }
            let mark = [(labels::RESTORING, Some(self.mark.as_str()))];
            cluster.annotate(existing, &mark).await?;
            return Ok(());
        }
        let saved = objects::tenant(&checked.objects)?;
        let desired = objects::desired(
            &saved,
            &Desired {
                key: &self.key,
                data_store: self.data_store.as_deref(),
                clone: self.way == Way::Clone,
                restoring: &self.mark,
            },
        );
        self.require_place(checked, &desired, cluster).await?;
        cluster.create(&desired, true).await?;
        if self.way == Way::Again {
            for secret in objects::authorities(&checked.objects, &self.key)? {
                cluster.create_secret(&secret).await?;
            }
        } else {
            self.require_no_authorities(cluster).await?;
        }
        cluster.create(&desired, false).await
    }

    /// Refuses a clone that the operator would give authorities which exist already.
    async fn require_no_authorities(&self, cluster: &Cluster) -> anyhow::Result<()> {
        let namespace = &self.key.namespace;
        for name in Names::of(&self.key.name).authorities() {
            if cluster.secret(namespace, &name).await?.is_some() {
                bail!(
                    "the Secret {namespace}/{name} exists, and the clone would get its keys: delete it, or give another name by --as"
                );
            }
        }
        Ok(())
    }

    /// Refuses a DataStore that cannot take the snapshot, before anything is created.
    async fn require_place(
        &self,
        checked: &Checked,
        desired: &TenantControlPlane,
        cluster: &Cluster,
    ) -> anyhow::Result<()> {
        let name = desired.spec.data_store.as_deref().unwrap_or_default();
        let store = cluster
            .store(name)
            .await
            .context("give another one by --data-store")?;
        // Without a schema in the spec it is the uid, which no other tenant has.
        let schema = desired.spec.data_store_schema.as_deref().unwrap_or("UID");
        transfer::require_readable(checked, &root(store.driver, schema))?;
        Ok(())
    }

    /// Revision that the tenant's next write has to exceed, so that no client is shown an older state as a newer one.
    async fn floor(&self, checked: &Checked, located: &Located) -> anyhow::Result<i64> {
        let saved = checked.footer.revision;
        Ok(match (self.way, located.store.driver) {
            // Nobody has seen a revision of a clone, and the keys of an etcd get new ones.
            (Way::Clone, Driver::Etcd) => 0,
            (Way::Replace, _) => {
                let mut reader = located.database.reader(&located.tenancy).await?;
                saved.max(reader.revision().await?)
            }
            (Way::Clone | Way::Again, _) => saved,
        })
    }

    fn report(&self) {
        let key = &self.key;
        match self.way {
            Way::Clone => println!(
                "{key} starts fenced: its API server runs without admission webhooks, scheduler and controller manager do not \
                 run. Look at it, then let it go by `kamaji snapshot release {key}`"
            ),
            Way::Replace | Way::Again => println!("{key} starts"),
        }
    }
}

/// Decides how a snapshot of the tenant with the uid `uid` is restored.
fn way(
    named: &Named,
    uid: &str,
    existing: Option<&TenantControlPlane>,
    mark: &str,
) -> anyhow::Result<Way> {
    let created = if named.clone.is_some() {
        Way::Clone
    } else {
        Way::Again
    };
    let Some(existing) = existing else {
        if named.replace.is_some() {
            bail!(
                "--replace is given, and there is no such TenantControlPlane: --create creates it again"
            );
        }
        return Ok(created);
    };
    let is_original = existing.metadata.uid.as_deref() == Some(uid);
    let annotations = existing.metadata.annotations.as_ref();
    let marked = annotations.and_then(|all| all.get(labels::RESTORING));
    if !is_original && marked.map(String::as_str) == Some(mark) {
        return Ok(created);
    }
    if !is_original || named.clone.is_some() {
        bail!(
            "a TenantControlPlane of this name exists, and it is not the one of the snapshot (uid {uid}): give another name by --as"
        );
    }
    if named.replace.is_none() {
        bail!(
            "the tenant exists: --replace replaces all of its data by that of the snapshot; --as NAMESPACE/NAME makes a clone"
        );
    }
    Ok(Way::Replace)
}

/// Refuses to write unless the tenant is marked as restored from this snapshot, so that no pod of it runs.
fn require_mark(object: &TenantControlPlane, target: &Target) -> anyhow::Result<()> {
    let annotations = object.metadata.annotations.as_ref();
    let marked = annotations.and_then(|all| all.get(labels::RESTORING));
    if marked == Some(&target.mark) {
        return Ok(());
    }
    bail!(
        "the annotation {} of {} was changed while it was restored: its data is not to be used; run the command again",
        labels::RESTORING,
        target.key
    )
}

#[cfg(test)]
mod tests;
