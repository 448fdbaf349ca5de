//! State that the parts of the process share, and the rules by which a change leads to work.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use k8s_openapi::api::core::v1::Namespace;
use kamaji_api::{kubeconfig::KubeconfigGenerator, tenant::TenantControlPlane};
use kamaji_core::kubeconfig_generator::demand::Labels;
use kamaji_shell::{
    ObjectKey, apply::Writer, queue::Queue, telemetry::Metrics, watch::Objects, watchdog::Watchdog,
};
use kube::Client;

use crate::{
    outputs::Outputs,
    results::Results,
    settings::Settings,
    work::{Pair, Work},
};

/// Field manager of everything that this process writes.
pub const MANAGER: &str = "kamaji-kubeconfig-generator";

/// Delay between a result and the status that counts it: results of many tenants share one write.
const STATUS_DELAY: Duration = Duration::from_secs(1);

/// Shared state of one process.
pub struct Context {
    /// Client of the management cluster.
    pub client: Client,
    /// Write door; closed while another replica leads.
    pub writer: Writer,
    /// Options of the command line.
    pub settings: Settings,
    /// Prometheus metrics of the process.
    pub metrics: Metrics,
    /// Kubeconfigs and statuses to reconcile.
    pub queue: Queue<Work>,
    /// Liveness of the process: detects a queue that does not proceed.
    pub watchdog: Watchdog,
    /// KubeconfigGenerators of the cluster by name.
    pub generators: Objects<String, KubeconfigGenerator>,
    /// TenantControlPlanes of all namespaces.
    pub tenants: Objects<ObjectKey, TenantControlPlane>,
    /// All namespaces, for their labels.
    pub namespaces: Objects<String, Namespace>,
    /// Index of the generated Secrets.
    pub outputs: Outputs,
    /// Last result of every kubeconfig.
    pub results: Results,
    /// True once this replica leads and all lists are complete. Changes before that lead to no work, since
    /// everything is enqueued then.
    pub started: AtomicBool,
}

impl Context {
    /// True once the first lists of all watches are complete.
    pub fn is_ready(&self) -> bool {
        self.generators.is_ready()
            && self.tenants.is_ready()
            && self.namespaces.is_ready()
            && self.outputs.is_ready()
    }

    /// Waits for the first complete lists of all watches.
    pub async fn ready(&self) {
        self.generators.ready().await;
        self.tenants.ready().await;
        self.namespaces.ready().await;
        self.outputs.ready().await;
    }

    /// Labels of a namespace; `None` if it is not known.
    pub fn namespace_labels(&self, name: &str) -> Option<Labels> {
        let namespace = self.namespaces.get(&name.to_owned())?;
        Some(namespace.metadata.labels.clone().unwrap_or_default())
    }

    /// Enqueues every kubeconfig and every status.
    pub fn start(&self) {
        self.started.store(true, Ordering::Release);
        for (name, _) in self.generators.all() {
            self.generator_changed(&name);
        }
        self.outputs
            .pairs()
            .into_iter()
            .for_each(|pair| self.enqueue(pair));
    }

    fn has_started(&self) -> bool {
        self.started.load(Ordering::Acquire)
    }

    /// Enqueues the kubeconfig of `pair`, once this replica leads.
    pub fn enqueue(&self, pair: Pair) {
        if self.has_started() {
            self.queue.enqueue(Work::Kubeconfig(pair));
        }
    }

    /// Enqueues the status of a generator.
    pub fn report(&self, generator: &str) {
        if self.has_started() {
            let work = Work::Status(generator.to_owned());
            self.queue.enqueue_after(work, STATUS_DELAY);
        }
    }

    /// Enqueues what a changed or deleted generator concerns: it may select every tenant.
    pub fn generator_changed(&self, name: &str) {
        if !self.has_started() {
            return;
        }
        let mut tenants: BTreeSet<ObjectKey> =
            self.results.of_generator(name).into_iter().collect();
        tenants.extend(self.outputs.of_generator(name));
        if self.generators.get(&name.to_owned()).is_some() {
            tenants.extend(self.tenants.all().into_iter().map(|(tenant, _)| tenant));
        }
        for tenant in tenants {
            self.enqueue(Pair {
                generator: name.to_owned(),
                tenant,
            });
        }
        self.report(name);
    }

    /// Enqueues what a changed or deleted tenant concerns: its kubeconfig of each generator.
    pub fn tenant_changed(&self, tenant: &ObjectKey) {
        if !self.has_started() {
            return;
        }
        let generators = self.generators.all().into_iter().map(|(name, _)| name);
        let mut generators: BTreeSet<String> = generators.collect();
        generators.extend(self.outputs.of_tenant(tenant));
        for generator in generators {
            self.enqueue(Pair {
                generator,
                tenant: tenant.clone(),
            });
        }
    }

    /// Enqueues what a changed namespace concerns: its tenants.
    pub fn namespace_changed(&self, name: &str) {
        if !self.has_started() {
            return;
        }
        let tenants = self.tenants.all().into_iter().map(|(tenant, _)| tenant);
        tenants
            .filter(|tenant| tenant.namespace == name)
            .for_each(|tenant| self.tenant_changed(&tenant));
    }
}
