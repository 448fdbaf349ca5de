use kamaji_api::{condition, tenant::VersionPhase};
use serde_json::json;

use crate::{
    object::Kind,
    plan::{
        fixture::{after, condition_of, planned, pods, settled, version_of},
        plan,
    },
    snapshot::{DeploymentView, Snapshot, TenantClusterReport},
};

#[test]
fn write_limited_phase_is_reported_only_while_the_limit_exists_in_the_tenant_cluster() {
    let mut fixture = settled(json!({"spec": {"writePermissions": {"blockUpdate": true}}}));
    let made = plan(&fixture).unwrap();
    fixture.deployment = pods(&made, |replicas| replicas);
    let phase = |fixture: &Snapshot| {
        let status = plan(fixture).unwrap().status;
        status.kubernetes_resources.unwrap().version.unwrap().status
    };
    assert_eq!(
        phase(&fixture),
        Some(VersionPhase::Ready),
        "nothing is known yet"
    );
    let report = |write_limited| TenantClusterReport {
        ready: condition::find(&made.status.conditions, "TenantClusterConfigured")
            .unwrap()
            .clone(),
        addons: None,
        kubeadm_phase: None,
        write_limited,
    };
    fixture.tenant_cluster = Some(report(Some(true)));
    assert_eq!(phase(&fixture), Some(VersionPhase::WriteLimited));
    let limited = plan(&fixture).unwrap();
    let mut restarted = after(fixture, &limited);
    for unknown in [None, Some(report(None))] {
        restarted.tenant_cluster = unknown;
        assert_eq!(phase(&restarted), Some(VersionPhase::WriteLimited));
    }
    restarted.tenant_cluster = Some(report(Some(false)));
    assert_eq!(phase(&restarted), Some(VersionPhase::Ready));
}

#[test]
fn a_tenant_whose_data_is_being_restored_says_so_and_a_fenced_one_is_available() {
    let marked = |annotation: &str| {
        let mut fixture = settled(json!({}));
        let annotations = fixture.object.metadata.annotations.get_or_insert_default();
        annotations.insert(annotation.to_owned(), "x".to_owned());
        let made = plan(&fixture).unwrap();
        fixture.deployment = pods(&made, |replicas| replicas);
        plan(&fixture).unwrap()
    };
    let restoring = marked(kamaji_api::labels::RESTORING);
    let available = condition_of(&restoring, "ControlPlaneAvailable");
    assert_eq!((available.0, available.1), ("False", "Restoring"));
    let fenced = marked(kamaji_api::labels::FENCED);
    assert_eq!(condition_of(&fenced, "ControlPlaneAvailable").0, "True");
}

#[test]
fn refused_upgrade_keeps_the_installed_version_and_plans_the_rest() {
    let mut fixture = settled(json!({"spec": {"kubernetes": {"version": "v1.34.0"}}}));
    let resources = fixture
        .object
        .status
        .as_mut()
        .unwrap()
        .kubernetes_resources
        .as_mut()
        .unwrap();
    resources.version.as_mut().unwrap().version = Some("v1.34.0".to_owned());
    fixture.object.spec.kubernetes.version = "v1.36.3".to_owned();
    let plan = plan(&fixture).unwrap();
    let image = &planned(&plan, "full").body["spec"]["template"]["spec"]["containers"][0]["image"];
    let deployment = plan
        .objects()
        .find(|o| o.key.kind == Kind::Deployment)
        .unwrap();
    assert!(
        deployment
            .body
            .to_string()
            .contains("kube-apiserver:v1.34.0"),
        "{image}"
    );
    assert_eq!(condition_of(&plan, "UpgradeAllowed").1, "MinorSkipped");
}

fn running(fixture: &mut Snapshot, ready: i32) {
    fixture.deployment = pods(&plan(fixture).unwrap(), |_| ready);
    assert!(fixture.deployment.is_some());
}

#[test]
fn version_phase_follows_the_deployment() {
    let phase = |fixture: &Snapshot| {
        let status = plan(fixture).unwrap().status;
        let version = status.kubernetes_resources.unwrap().version.unwrap();
        (version.status.unwrap(), version.version)
    };
    let mut fixture = settled(json!({}));
    running(&mut fixture, 0);
    assert_eq!(phase(&fixture), (VersionPhase::NotReady, None));
    running(&mut fixture, 1);
    assert_eq!(phase(&fixture), (VersionPhase::Provisioning, None));
    running(&mut fixture, 2);
    assert_eq!(
        phase(&fixture),
        (VersionPhase::Ready, Some("v1.36.3".to_owned()))
    );
    // A backup brings the status back, and no Deployment.
    fixture.object.status = Some(plan(&fixture).unwrap().status);
    fixture.deployment = None;
    assert_eq!(
        phase(&fixture),
        (VersionPhase::NotReady, Some("v1.36.3".to_owned()))
    );
}

#[test]
fn version_is_recorded_as_installed_once_its_pods_run() {
    let mut fixture = settled(json!({}));
    running(&mut fixture, 2);
    fixture.object.status = Some(plan(&fixture).unwrap().status);
    fixture.object.spec.kubernetes.version = "v1.36.4".to_owned();
    let upgraded = plan(&fixture).unwrap();
    let version = version_of(&upgraded);
    assert_eq!(version.status, Some(VersionPhase::Upgrading));
    assert_eq!(version.version.as_deref(), Some("v1.36.3"));
}

#[test]
fn zero_replicas_report_sleeping_and_how_to_wake() {
    let mut fixture = settled(json!({"spec": {"controlPlane": {"deployment": {"replicas": 0}}}}));
    fixture.deployment = Some(DeploymentView::default());
    let plan = plan(&fixture).unwrap();
    assert_eq!(version_of(&plan).status, Some(VersionPhase::Sleeping));
    assert!(condition_of(&plan, "Ready").2.contains("replicas"));
}
