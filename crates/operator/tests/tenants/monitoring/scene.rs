//! An operator, the Prometheus that scrapes it, and faults of its requests. The alerts wait for seconds here instead of
//! minutes.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use kamaji_e2e::ports::free_port;
use kamaji_operator::settings::Settings;
use kube::{
    Client,
    api::{Patch, PatchParams},
    client::Body,
    core::Status,
};
use serde_json::{Value, json};
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use super::{Prometheus, rules, write_rules};
use crate::{
    admission,
    control_plane::report_deployment_status,
    environment::{Environment, NAMESPACE, Operator, tenant, wait_until},
};

/// Time that every alert waits for here.
const WAIT: &str = "3s";
/// Range of every rate here.
const RANGE: &str = "[10s]";
/// An alert that always fires: its samples are the times at which Prometheus evaluated the alerts.
const PULSE: &str = "Pulse";

/// The alerts with [`WAIT`] and [`RANGE`], and with limits of seconds that a test can wait for.
fn hurried() -> Value {
    let mut all = rules();
    for group in all["groups"].as_array_mut().unwrap() {
        for rule in group["rules"].as_array_mut().unwrap() {
            let name = rule["alert"].as_str().unwrap().to_owned();
            let limits = match name.as_str() {
                "KamajiQueueWaits" => Some(("> 30", "> 1")),
                "KamajiReconcileHangs" => Some(("> 120", "> 2")),
                _ => None,
            };
            let mut expression = rule["expr"].as_str().unwrap().replace("[5m]", RANGE);
            if let Some((limit, short)) = limits {
                assert!(expression.ends_with(limit), "{name}: {expression}");
                expression = expression.replace(limit, short);
            }
            rule["expr"] = expression.into();
            rule["for"] = WAIT.into();
        }
    }
    let pulse = json!({"alert": PULSE, "expr": "vector(1)"});
    let groups = all["groups"].as_array_mut().unwrap();
    groups.push(json!({"name": PULSE, "rules": [pulse]}));
    all
}

/// Fault of the operator's requests to the API server.
#[derive(Clone, Copy, PartialEq)]
pub enum Requests {
    Pass,
    /// Writes of the tenants' Secrets are refused.
    Refused,
    /// Writes of the tenants' Secrets have no answer.
    Hang,
    /// Lists and watches of tenants have no answer.
    Blind,
}

impl Requests {
    /// True for a request that the fault is about.
    fn concern(self, request: &http::Request<Body>) -> bool {
        let path = request.uri().path();
        match self {
            Self::Pass => false,
            Self::Refused | Self::Hang => {
                request.method() != http::Method::GET
                    && path.contains(&format!("/namespaces/{NAMESPACE}/secrets"))
            }
            Self::Blind => path.ends_with("/tenantcontrolplanes"),
        }
    }
}

/// An operator, the Prometheus that scrapes it, and the switch of its requests.
pub struct Scene {
    pub environment: Environment,
    settings: Settings,
    requests: watch::Sender<Requests>,
    pub operator: Option<Operator>,
    /// Task that renews a Lease in the place of an operator.
    pub holder: Option<JoinHandle<()>>,
    prometheus: Prometheus,
}

impl Scene {
    pub async fn start(dir: &Path) -> Self {
        let metrics = format!("127.0.0.1:{}", free_port().unwrap());
        let webhooks = free_port().unwrap();
        let settings = Settings {
            metrics: Some(metrics.parse().unwrap()),
            webhooks: Some(([127, 0, 0, 1], webhooks).into()),
            leader_elect: true,
            concurrency: 1,
            ..Environment::settings()
        };
        let environment = Environment::new().await;
        admission::install_webhooks(&environment, webhooks).await;
        let rules = write_rules(dir, &hurried());
        let mut scene = Self {
            environment,
            settings,
            requests: watch::channel(Requests::Pass).0,
            operator: None,
            holder: None,
            prometheus: Prometheus::start(dir, &metrics, &rules),
        };
        scene.restart();
        wait_until("the webhooks to answer", async || scene.review().await.ok()).await;
        scene
    }

    /// Starts the operator, instead of the one that runs.
    pub fn restart(&mut self) {
        self.operator = None;
        let requests = self.requests.subscribe();
        let wrap = move |request: http::Request<Body>, client: Client| {
            let mut requests = requests.clone();
            async move {
                let fault = *requests.borrow();
                if fault.concern(&request) {
                    if fault == Requests::Refused {
                        let status = Status::failure("the disk is full", "InternalError");
                        return Err(kube::Error::Api(Box::new(status.with_code(500))));
                    }
                    let _ = requests.wait_for(|now| *now == Requests::Pass).await;
                }
                client.send(request).await
            }
        };
        let settings = self.settings.clone();
        self.operator = Some(self.environment.run_through(settings, wrap));
    }

    /// Makes the operator's requests have this fault.
    pub fn make(&self, fault: Requests) {
        self.requests.send_replace(fault);
    }

    /// Asks the webhooks about a tenant that is not made.
    async fn review(&self) -> Result<(), String> {
        let dry_run = tenant("dry-run", &json!({}));
        let answer = admission::create(&self.environment, &dry_run, true).await;
        answer.map(drop)
    }

    pub async fn ready(&self, name: &str, ready: bool) {
        let status = if ready { "True" } else { "False" };
        let available = json!([{"type": "Available", "status": status}]);
        report_deployment_status(&self.environment, name, ready.into(), available).await;
    }

    /// Replaces a certificate of a tenant by one that cannot be read.
    pub async fn spoil(&self, tenant: &str) {
        let spoilt = json!({"stringData": {"apiserver.crt": "spoilt"}});
        let (secrets, name) = (
            self.environment.secrets(),
            format!("{tenant}-api-server-certificate"),
        );
        let params = PatchParams::default();
        let patched = secrets.patch(&name, &params, &Patch::Merge(spoilt)).await;
        patched.unwrap();
    }

    /// Gives a tenant's Service another type.
    pub async fn expose(&self, tenant: &str, type_: &str) {
        let patch = json!({"spec": {"controlPlane": {"service": {"serviceType": type_}}}});
        let (api, params) = (self.environment.untyped(), PatchParams::default());
        wait_until("the type to be served", async || {
            api.patch(tenant, &params, &Patch::Merge(&patch)).await.ok()
        })
        .await;
    }

    /// Makes a fault, waits until the alert fires for it, cures the fault, and waits until the alert is gone. Fails unless
    /// it fired once, without a pause.
    pub async fn expect(
        &mut self,
        alert: &str,
        make: impl AsyncFnOnce(&mut Self),
        cure: impl AsyncFnOnce(&mut Self),
    ) {
        let (name, labels) = alert.split_once('{').unwrap_or((alert, "}"));
        let firing = format!("ALERTS{{alertname=\"{name}\",alertstate=\"firing\",{labels}");
        self.wait_for_series(&firing, 0, "does not fire before its fault")
            .await;
        let begin = Instant::now();
        make(self).await;
        self.wait_for_series(&firing, 1, "fires").await;
        let fired = begin.elapsed();
        cure(self).await;
        self.wait_for_series(&firing, 0, "clears").await;
        println!(
            "{alert} fired after {fired:.1?}, cleared after {:.1?}",
            begin.elapsed()
        );
        let seconds = begin.elapsed().as_secs() + 1;
        let samples = async |selector: &str| {
            let found = self.prometheus.samples(selector, seconds).await.unwrap();
            let [times] = found.try_into().unwrap_or_else(|found| {
                panic!("{alert}: {selector} has not one series: {found:?}")
            });
            times
        };
        let (fired, pulse) = (
            samples(&firing).await,
            samples(&format!("ALERTS{{alertname=\"{PULSE}\"}}")).await,
        );
        // A busy machine evaluates late; a pause is one in which Prometheus evaluated, and more than once.
        let paused = fired.windows(2).any(|pair| {
            let within = pulse.iter().filter(|at| pair[0] < **at && **at < pair[1]);
            within.count() > 1
        });
        assert!(!paused, "{alert} fired more than once: {fired:?}");
    }

    async fn wait_for_series(&self, selector: &str, number: usize, what: &str) {
        wait_until(&format!("{selector}, which {what}"), async || {
            let found = self.prometheus.query(selector).await.ok()?;
            // Rates need reviews. The client would repeat one that fails, with longer and longer pauses.
            let _ = timeout(Duration::from_millis(500), self.review()).await;
            (found.len() == number).then_some(())
        })
        .await;
    }
}
