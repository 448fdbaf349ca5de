//! What should there be for one tenant, and in which order is it made?
//!
//! [`plan`] is the one place that knows the order; each step lives in a module of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use k8s_openapi::{api::core::v1::ConfigMap, jiff::Timestamp};
use kamaji_api::{condition::ConditionType, labels, tenant::TenantControlPlaneStatus};

use crate::{
    adoption::Verdict,
    binding::Binding,
    endpoint::{self, Endpoint, Unassigned},
    names::Names,
    network,
    object::{Kind, Object, ObjectRef},
    pki::expiry::Expiry,
    render::{self, Change, Checksums, Facts, Renderer},
    snapshot::Snapshot,
    spread,
    store::Store,
    tenant::{Mended, ParseError, Tenant},
};

use secret::Settled;
use storage::Storage;

mod authorities;
#[cfg(test)]
mod authorities_tests;
mod certificates;
mod deletion;
#[cfg(test)]
pub(crate) mod fixture;
mod foreign;
#[cfg(test)]
mod foreign_tests;
mod inherited;
#[cfg(test)]
mod inherited_tests;
mod issuer;
mod kubeconfigs;
#[cfg(test)]
mod lifecycle_properties;
#[cfg(test)]
mod renewals_tests;
mod replacement;
pub mod rollout;
mod secret;
mod status;
mod storage;
pub mod upgrade;

pub use deletion::{Deletion, deletion};

/// One thing to do, in order.
#[derive(Clone, Debug)]
pub enum Step {
    /// Write an object.
    Write(Object),
    /// See to it that the tenant has its schema, user and grants in the datastore.
    Bind(Box<Store>, Binding),
}

/// A reason why a tenant is not as it should be: it becomes a condition and an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The condition that is not true.
    pub condition: ConditionType,
    /// `CamelCase` reason.
    pub reason: &'static str,
    /// Object, cause and next action.
    pub message: String,
}

impl Wait {
    fn new(condition: ConditionType, reason: &'static str, message: impl ToString) -> Self {
        Self {
            condition,
            reason,
            message: message.to_string(),
        }
    }
}

/// The complete desired state of one tenant.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What to do, in order.
    pub steps: Vec<Step>,
    /// What to remove, last.
    pub prunes: Vec<ObjectRef>,
    /// The finalizers to set first, where they differ from the live ones.
    pub finalizers: Option<Vec<String>>,
    /// True if the annotation `REPLACE_AUTHORITY` has been answered: it is removed once everything is written.
    pub answered: bool,
    /// The next status.
    pub status: TenantControlPlaneStatus,
    /// When to look again although nothing has changed.
    pub requeue_at: Option<Timestamp>,
    /// When certificates end that nobody renews by itself.
    pub expiries: Vec<Expiry>,
    /// What is being waited for.
    pub waits: Vec<Wait>,
}

impl Plan {
    /// The tenant's CA certificate as this plan has it, PEM.
    pub fn ca(&self) -> Option<String> {
        use base64::{Engine, engine::general_purpose::STANDARD};
        let secret = self.objects().find(|object| {
            let component = &object.body["metadata"]["labels"][labels::COMPONENT];
            object.key.kind == Kind::Secret && component == "ca"
        })?;
        let encoded = secret.body["data"]["ca.crt"].as_str()?;
        String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
    }

    /// Every object of the plan, in order.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.steps.iter().filter_map(|step| match step {
            Step::Write(object) => Some(object),
            Step::Bind(..) => None,
        })
    }
}

/// Plans one tenant. Fails only if nothing can be told about a tenant whose own text cannot be read.
pub fn plan(snapshot: &Snapshot) -> Result<Plan, ParseError> {
    let (tenant, endpoint, builder) = match drafted(snapshot, Renewals::Allowed) {
        Ok(drafted) => drafted,
        Err(problem) => {
            return Mended::of(&snapshot.object, problem).map(|mended| renewed(mended, snapshot));
        }
    };
    if builder.complete || !builder.renews {
        return Ok(builder.finish(&tenant, endpoint.as_ref()));
    }
    // A new authority without the leaves and pods that go with it would lock out what runs.
    let missing = builder.waits.first().map(|wait| wait.message.clone());
    let (tenant, endpoint, mut builder) = drafted(snapshot, Renewals::Held)?;
    let why = Wait::new(
        ConditionType::CertificatesValid,
        "RenewalWaits",
        format!(
            "new keys were asked for, and nothing is replaced before the whole tenant can be: {}",
            missing.unwrap_or_default()
        ),
    );
    builder.waits.insert(0, why);
    Ok(builder.finish(&tenant, endpoint.as_ref()))
}

/// The steps of one tenant, in order.
fn drafted(
    snapshot: &Snapshot,
    renewals: Renewals,
) -> Result<(Tenant, Option<Endpoint>, PlanBuilder<'_>), ParseError> {
    let mut tenant = Tenant::parse(&snapshot.object)?;
    let mut builder = PlanBuilder::new(snapshot, renewals);
    rollout::evaluate(&tenant, &mut builder);
    upgrade::gate(&mut tenant, &mut builder);
    match Renderer::choose(&tenant, snapshot) {
        Ok(renderer) => builder.renderer = Some(renderer),
        Err(unknown) => builder.wait(Wait::new(
            ConditionType::Reconciled,
            "RendererUnknown",
            unknown,
        )),
    }
    let service = snapshot.service.as_ref();
    let endpoint = match endpoint::resolve(&tenant, service) {
        // The certificate names every address of the Service, so it waits for it.
        Ok(_) if service.is_none() && builder.renderer_or_newest().has(Change::ServiceSans) => {
            builder.pending(&tenant);
            None
        }
        Ok(endpoint) => Some(endpoint),
        Err(wait) => {
            builder.wait(Wait::new(
                ConditionType::EndpointAssigned,
                wait.reason(),
                wait,
            ));
            None
        }
    };
    let assigned = endpoint.as_ref().map(|e| e.assigned);
    if let Some(endpoint) = &endpoint {
        let told = network::family(&tenant, "the announced address", endpoint.advertised);
        if let Some(problem) = told {
            let message = format!("{} {}", problem.field, problem.problem);
            let wait = Wait::new(ConditionType::EndpointAssigned, "FamiliesDiffer", message);
            builder.wait(wait);
        }
    }
    if !builder.write(Object::of(&render::service::service(&tenant, assigned))) {
        builder.unserved(&tenant);
    }
    if inherited::refuse(&tenant, &mut builder) {
        return Ok((tenant, endpoint, builder));
    }
    let authorities = authorities::authorities(&tenant, &mut builder);
    if let (Some(authorities), Some(endpoint)) = (&authorities, &endpoint) {
        certificates::leaves(&tenant, authorities, endpoint, &mut builder);
        kubeconfigs::settle(&tenant, authorities, endpoint, &mut builder);
    }
    // A datastore that is down or refuses the tenant holds up nothing of the above.
    let storage = storage::settle(&tenant, &mut builder);
    if let (Some(_), Some(endpoint), Some(storage)) = (&authorities, &endpoint, &storage) {
        workload(&tenant, storage, endpoint, &mut builder);
    }
    Ok((tenant, endpoint, builder))
}

/// What a tenant that runs needs although its text can no longer be read: the Secrets that it has are
/// renewed. Everything else, its pods above all, stays as it is.
fn renewed(mended: Mended, snapshot: &Snapshot) -> Plan {
    let mut builder = PlanBuilder::new(snapshot, Renewals::Held);
    let Mended {
        tenant,
        problem,
        addressed,
    } = mended;
    builder.wait(Wait::new(
        ConditionType::Reconciled,
        "SpecInvalid",
        format!(
            "{problem}. Until then nothing of this tenant is changed but certificates and kubeconfigs that are due"
        ),
    ));
    let service = snapshot.service.as_ref();
    let endpoint = endpoint::resolve(&tenant, service).ok();
    let endpoint = endpoint.filter(|_| addressed);
    if !snapshot.secrets.is_empty() {
        let authorities = authorities::authorities(&tenant, &mut builder);
        storage::settle(&tenant, &mut builder);
        if let (Some(authorities), Some(endpoint)) = (&authorities, &endpoint) {
            certificates::leaves(&tenant, authorities, endpoint, &mut builder);
            kubeconfigs::settle(&tenant, authorities, endpoint, &mut builder);
        }
    }
    let there = |name: &String| snapshot.secrets.contains_key(name);
    builder.settled.retain(|name, _| there(name));
    builder.steps.retain(|step| match step {
        Step::Write(object) => object.key.kind == Kind::Secret && there(&object.key.name),
        Step::Bind(..) => false,
    });
    let plan = builder.finish(&tenant, endpoint.as_ref());
    Plan {
        finalizers: None,
        ..plan
    }
}

/// Pods and the ways to them, once everything that they mount is settled.
fn workload(tenant: &Tenant, storage: &Storage, endpoint: &Endpoint, builder: &mut PlanBuilder) {
    let renderer = builder.renderer;
    let issuer = builder.issuer(tenant);
    let facts = Facts {
        renderer: builder.renderer_or_newest(),
        issuer: &issuer,
        tenant,
        settings: &builder.snapshot.settings,
        store: &storage.store,
        overrides: &storage.overrides,
        binding: &storage.binding,
        endpoint,
        kine_image: builder
            .snapshot
            .deployment
            .as_ref()
            .and_then(|d| d.kine_image.as_deref()),
    };
    builder.config_map(&render::kubeadm_config::config_map(&facts));
    if renderer.is_some() && tenant.spec.addons.konnectivity.is_some() {
        builder.config_map(&render::egress::config_map(tenant));
    }
    if builder.foreign_mount {
        return;
    }
    // Pods of a renderer that is not known here are left as they are.
    if renderer.is_some() {
        let checksums = builder.checksums(tenant);
        let deployment = render::deployment::deployment(&facts, &checksums);
        builder.write(Object::of(&deployment));
    }
    if let Some(ingress) = render::ingress::ingress(tenant) {
        builder.write(Object::of(&ingress));
    }
    if tenant.spec.control_plane.gateway.is_some() && !builder.snapshot.gateway_api {
        builder.wait(Wait::new(
            ConditionType::Reconciled,
            "GatewayApiMissing",
            "spec.controlPlane.gateway asks for routes, and the API server serves no TLSRoute of gateway.networking.k8s.io/v1: install the Gateway API (the routes follow by themselves), or remove spec.controlPlane.gateway",
        ));
    }
    if builder.snapshot.gateway_api {
        for route in render::gateway::routes(tenant) {
            builder.write(Object::of_json(&route));
        }
    }
    builder.complete = renderer.is_some();
}

/// Whether authorities are made anew where a person asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewals {
    /// They are.
    Allowed,
    /// They stay: the rest of the plan is not complete.
    Held,
}

/// A plan in the making.
struct PlanBuilder<'a> {
    snapshot: &'a Snapshot,
    renewals: Renewals,
    steps: Vec<Step>,
    waits: Vec<Wait>,
    /// What a person should know although nothing waits for it.
    warnings: Vec<Wait>,
    expiries: Vec<Expiry>,
    settled: BTreeMap<String, Settled>,
    due: Option<Timestamp>,
    ca_rotating: bool,
    /// What renders the pods; `None` if this build does not have it.
    renderer: Option<Renderer>,
    /// True if a person asked for a new authority.
    renews: bool,
    answered: bool,
    /// Authorities of the tenant's own that are there and cannot be read.
    damaged: BTreeSet<String>,
    /// True if something that pods would mount is somebody else's.
    foreign_mount: bool,
    /// True once everything is planned: only then is anything removed.
    complete: bool,
}

impl<'a> PlanBuilder<'a> {
    fn new(snapshot: &'a Snapshot, renewals: Renewals) -> Self {
        Self {
            snapshot,
            renewals,
            steps: Vec::new(),
            waits: Vec::new(),
            warnings: Vec::new(),
            expiries: Vec::new(),
            settled: BTreeMap::new(),
            due: None,
            ca_rotating: false,
            renderer: None,
            renews: false,
            answered: false,
            damaged: BTreeSet::new(),
            foreign_mount: false,
            complete: false,
        }
    }

    /// The renderer for whatever is written even if the pods' is not known.
    fn renderer_or_newest(&self) -> Renderer {
        self.renderer.unwrap_or(Renderer::NEWEST)
    }

    /// The Service is about to be made, and says more then.
    fn pending(&mut self, tenant: &Tenant) {
        let name = format!("{}/{}", tenant.namespace, tenant.names.control_plane());
        let why = Unassigned::NoService(name);
        self.wait(Wait::new(
            ConditionType::EndpointAssigned,
            why.reason(),
            why,
        ));
    }

    fn wait(&mut self, wait: Wait) {
        self.waits.push(wait);
    }

    /// Remembers when a certificate ends that nobody renews by itself, and warns of it in time.
    fn lasts(&mut self, expiry: Expiry, secret: &str) {
        self.expiries.push(expiry);
        self.due(expiry.notice);
        if expiry.is_near(self.snapshot.now) {
            self.warn(Wait::new(
                ConditionType::CertificatesValid,
                "AuthorityExpiring",
                format!(
                    "the authority in the Secret {secret} ends at {}, and every certificate that it signed with it: before that, have a new one made by setting the Secret's annotation {} to an empty value, and give the new one to workers and kubeconfigs",
                    expiry.ends,
                    labels::ROTATE
                ),
            ));
        }
    }

    fn warn(&mut self, warning: Wait) {
        self.warnings.push(warning);
    }

    /// Something must be looked at by `at`. What a look cannot better, because an authority itself is
    /// about to end, is no reason for one.
    fn due(&mut self, at: Timestamp) {
        if at <= self.snapshot.now {
            return;
        }
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }

    /// How long before its end a certificate of this tenant is renewed: between the whole and a half of
    /// the operator's deadline, so that tenants made in one hour do not all roll in one hour.
    fn threshold(&self) -> Duration {
        let uid = self.snapshot.object.metadata.uid.as_deref();
        let share = spread::share(uid.unwrap_or_default(), "certificates");
        let deadline = self.snapshot.settings.expiration_deadline;
        deadline.mul_f64(1.0 - share / 2.0)
    }

    /// Plans a `ConfigMap` and remembers its checksum annotation.
    fn config_map(&mut self, config: &ConfigMap) {
        let name = config.metadata.name.clone().unwrap_or_default();
        let annotated = config
            .metadata
            .annotations
            .as_ref()
            .and_then(|a| a.get(labels::CHECKSUM).cloned())
            .unwrap_or_default();
        if self.write(Object::of(config)) {
            let data = annotated.clone();
            self.settled.insert(name, Settled { annotated, data });
        }
    }

    /// What pod templates carry (section 6.3).
    fn checksums(&self, tenant: &Tenant) -> Checksums {
        let settled = |name: String| self.settled.get(&name).cloned().unwrap_or_default();
        let names = &tenant.names;
        Checksums {
            api_server: settled(names.api_server()).data,
            kubelet_client: settled(names.kubelet_client()).data,
            ca: settled(names.ca()).data,
            controller_manager_kubeconfig: settled(names.controller_manager_kubeconfig()).data,
            front_proxy_ca: settled(names.front_proxy_ca()).data,
            front_proxy_client: settled(names.front_proxy_client()).data,
            service_account: settled(names.service_account()).data,
            scheduler_kubeconfig: settled(names.scheduler_kubeconfig()).data,
            konnectivity_certificate: settled(names.konnectivity_certificate()).data,
            konnectivity_kubeconfig: settled(names.konnectivity_kubeconfig()).data,
            storage_config: settled(names.datastore_config()).annotated,
            storage_certificate: settled(names.datastore_certificate()).annotated,
        }
    }

    fn finish(self, tenant: &Tenant, endpoint: Option<&Endpoint>) -> Plan {
        let status = status::next(tenant, endpoint, &self);
        Plan {
            prunes: if self.complete {
                self.prunes()
            } else {
                Vec::new()
            },
            finalizers: self.finalizers(),
            answered: self.answered,
            status,
            requeue_at: self.due,
            expiries: self.expiries,
            waits: self.waits,
            steps: self.steps,
        }
    }

    /// Children of kinds that settings switch on and off, which are no longer wanted.
    fn prunes(&self) -> Vec<ObjectRef> {
        let planned: BTreeSet<_> = self
            .steps
            .iter()
            .filter_map(|step| match step {
                Step::Write(object) => Some(&object.key),
                Step::Bind(..) => None,
            })
            .collect();
        let name = self
            .snapshot
            .object
            .metadata
            .name
            .as_deref()
            .unwrap_or_default();
        let uid = self.snapshot.object.metadata.uid.as_deref();
        let uid = uid.unwrap_or_default();
        let names = Names::of(name);
        let namespace = self
            .snapshot
            .object
            .metadata
            .namespace
            .as_deref()
            .unwrap_or_default();
        [
            (Kind::Ingress, names.control_plane()),
            (Kind::TlsRoute, names.control_plane()),
            (Kind::TlsRoute, names.konnectivity_route()),
            (Kind::ConfigMap, names.konnectivity_egress()),
            (Kind::Secret, names.konnectivity_certificate()),
            (Kind::Secret, names.konnectivity_kubeconfig()),
        ]
        .into_iter()
        .map(|(kind, name)| ObjectRef::namespaced(kind, namespace, &name))
        .filter(|key| !planned.contains(key))
        .filter(|key| {
            let child = self.snapshot.child(key);
            child.is_some_and(|child| child.verdict(key, (name, uid)) == Verdict::Ours)
        })
        .collect()
    }

    /// Our finalizer must be there before anything is in the datastore, and not before that: a tenant
    /// that never had a place there is deleted without one.
    fn finalizers(&self) -> Option<Vec<String>> {
        let mut finalizers = self
            .snapshot
            .object
            .metadata
            .finalizers
            .clone()
            .unwrap_or_default();
        let binds = self.steps.iter().any(|s| matches!(s, Step::Bind(..)));
        if !binds || finalizers.iter().any(|f| f == labels::FINALIZER) {
            return None;
        }
        finalizers.push(labels::FINALIZER.to_owned());
        Some(finalizers)
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
