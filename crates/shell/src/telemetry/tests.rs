use tower::ServiceExt;

use super::*;

fn value(metrics: &Metrics, series: &str) -> Option<String> {
    let text = metrics.text();
    let line = text.lines().find(|line| line.starts_with(series))?;
    line.rsplit(' ').next().map(str::to_owned)
}

#[test]
fn both_numbers_of_tenants_are_zero_before_the_first_tenant() {
    let metrics = Metrics::default();
    for series in [
        "kamaji_tenant_control_planes_current{ready=\"true\"}",
        "kamaji_tenant_control_planes_current{ready=\"false\"}",
    ] {
        assert_eq!(value(&metrics, series).as_deref(), Some("0"), "{series}");
    }
}

#[test]
fn a_failed_reconcile_counts_as_an_error_too() {
    let metrics = Metrics::default();
    metrics.reconciled("datastore", "success", 0.1);
    let errors = "controller_runtime_reconcile_errors_total{controller=\"datastore\"}";
    assert_eq!(value(&metrics, errors).as_deref(), Some("0"));
    metrics.reconciled("datastore", "error", 0.1);
    assert_eq!(value(&metrics, errors).as_deref(), Some("1"));
    let total = "controller_runtime_reconcile_total{controller=\"datastore\",result=\"error\"}";
    assert_eq!(value(&metrics, total).as_deref(), Some("1"));
    let count = "controller_runtime_reconcile_time_seconds_count{controller=\"datastore\"}";
    assert_eq!(value(&metrics, count).as_deref(), Some("2"));
}

#[test]
fn a_queue_has_every_metric_of_upstreams_dashboards() {
    let metrics = Metrics::default();
    let queue = metrics.queue("tenantcontrolplane");
    queue.added();
    queue.depth(3);
    let labels = "{name=\"tenantcontrolplane\",controller=\"tenantcontrolplane\"}";
    for (name, expected) in [
        ("workqueue_depth", "3"),
        ("workqueue_adds_total", "1"),
        ("workqueue_retries_total", "0"),
        ("workqueue_queue_duration_seconds_count", "0"),
        ("workqueue_work_duration_seconds_count", "0"),
        ("workqueue_unfinished_work_seconds", "0.0"),
        ("workqueue_longest_running_processor_seconds", "0.0"),
    ] {
        let series = format!("{name}{labels}");
        assert_eq!(
            value(&metrics, &series).as_deref(),
            Some(expected),
            "{series}"
        );
    }
}

#[test]
fn a_tenant_has_six_numbers_of_certificates_until_it_is_deleted() {
    let metrics = Metrics::default();
    let x509 = Certificates {
        valid: 5,
        expiring: 1,
        invalid: 0,
    };
    let tenant = ObjectKey::new("a", "t");
    metrics.certificates(&tenant, x509, Certificates::default());
    let lines = || {
        let text = metrics.text();
        text.matches("\nkamaji_certificates_current{").count()
    };
    assert_eq!(lines(), 6);
    metrics.forget_certificates(&tenant);
    assert_eq!(lines(), 0);
}

#[test]
fn a_datastore_has_a_one_at_its_present_readiness() {
    let metrics = Metrics::default();
    metrics.store("default", "etcd", false);
    let series = |ready| {
        format!(
            "kamaji_datastores_current{{datastore_name=\"default\",ready=\"{ready}\",driver=\"etcd\"}}"
        )
    };
    assert_eq!(value(&metrics, &series("true")).as_deref(), Some("0"));
    assert_eq!(value(&metrics, &series("false")).as_deref(), Some("1"));
    metrics.forget_store("default");
    assert_eq!(value(&metrics, &series("false")), None);
}

#[test]
fn a_datastore_has_one_status_and_leaves_no_series_when_it_is_deleted() {
    let metrics = Metrics::default();
    let lines = || {
        let text = metrics.text();
        let lines = text.lines().filter(|line| line.contains("\"pg\""));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let status = "kamaji_datastore_status{datastore_name=\"pg\",status=";
    for (ready, expected) in [(false, "\"False\""), (true, "\"True\"")] {
        metrics.store("pg", "PostgreSQL", ready);
        let found = lines();
        let statuses: Vec<_> = found.iter().filter(|l| l.starts_with(status)).collect();
        assert_eq!(statuses.len(), 1, "{found:?}");
        assert!(statuses[0].contains(expected), "{found:?}");
        let info = "kamaji_datastore_info{datastore_name=\"pg\",driver=\"PostgreSQL\"} 1";
        assert!(found.iter().any(|line| line == info), "{found:?}");
    }
    metrics.forget_store("pg");
    assert_eq!(lines(), Vec::<String>::new());
}

#[test]
fn the_first_expiry_of_each_purpose_is_published_until_its_owner_is_forgotten() {
    use kamaji_core::pki::expiry::{Expiry, Purpose};
    let metrics = Metrics::default();
    let expiry = |hours| {
        let ends = clock::now() + std::time::Duration::from_hours(hours);
        Expiry {
            purpose: Purpose::Ca,
            ends,
            notice: ends,
        }
    };
    let seconds = || {
        let text = metrics.text();
        let mut lines = text.lines();
        let line = lines
            .find(|line| line.starts_with("kamaji_certificate_expiry_seconds{kind=\"ca\"}"))?;
        line.rsplit(' ').next()?.parse::<i64>().ok()
    };
    metrics.expiries.set("a/b", &[expiry(10)]);
    metrics.expiries.set("a/c", &[expiry(2)]);
    assert!(seconds().is_some_and(|seconds| (7_000..=7_200).contains(&seconds)));
    metrics.expiries.forget("a/c");
    assert!(seconds().is_some_and(|seconds| seconds > 35_000));
    metrics.expiries.forget("a/b");
    assert_eq!(seconds(), None);
}

#[test]
fn gauges_of_datastores_and_of_tenants_in_them_come_and_go() {
    let (metrics, tenant) = (Metrics::default(), ObjectKey::new("ns", "t"));
    metrics
        .probes
        .probed("pg", true, Some(std::time::Duration::from_millis(250)));
    metrics.probes.used(&tenant, "pg", (17, Some(4096)));
    metrics.probes.used(&tenant, "pg", (18, None));
    let text = metrics.text();
    for line in [
        r#"kamaji_datastore_up{datastore_name="pg"} 1"#,
        r#"kamaji_datastore_latency_seconds{datastore_name="pg"} 0.25"#,
        r#"kamaji_datastore_tenant_keys{tcp_namespace="ns",tcp_name="t",datastore_name="pg"} 18"#,
        r#"kamaji_datastore_tenant_bytes{tcp_namespace="ns",tcp_name="t",datastore_name="pg"} 4096"#,
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    metrics.probes.forget("pg");
    metrics.probes.unused(&tenant, "pg");
    let text = metrics.text();
    assert!(!text.contains("\"pg\""), "{text}");
}

#[tokio::test]
async fn requests_to_webhooks_are_counted_by_path_and_unknown_paths_share_one_series() {
    let metrics = Metrics::default();
    let router = axum::Router::new()
        .route("/validate", axum::routing::post(|| async { "ok" }))
        .route(
            "/fails",
            axum::routing::post(|| async { (axum::Extension(ReviewFailed(503)), "refused") }),
        );
    let router = metrics.webhooks.wrap(router);
    for path in [
        "/validate",
        "/validate",
        "/fails",
        "/made-up-1",
        "/made-up-2",
    ] {
        let request = http::Request::post(path).body(axum::body::Body::empty());
        let answer = router.clone().oneshot(request.unwrap()).await;
        answer.unwrap();
    }
    let count = |labels: &str| {
        value(
            &metrics,
            &format!("controller_runtime_webhook_requests_total{labels}"),
        )
    };
    let known = count("{webhook=\"/validate\",code=\"200\"}");
    assert_eq!(known.as_deref(), Some("2"));
    let failed = count("{webhook=\"/fails\",code=\"503\"}");
    assert_eq!(failed.as_deref(), Some("1"));
    let unknown = count("{webhook=\"unknown\",code=\"404\"}");
    assert_eq!(unknown.as_deref(), Some("2"));
    assert!(!metrics.text().contains("made-up"));
    let running = value(&metrics, "controller_runtime_webhook_requests_in_flight");
    assert_eq!(running.as_deref(), Some("0"));
}

#[test]
fn the_process_reports_its_own_memory_and_files() {
    let metrics = Metrics::default();
    let number = |series: &str| value(&metrics, series).unwrap().parse::<f64>().unwrap();
    assert!(number("process_resident_memory_bytes") > 1e6);
    assert!(number("process_open_fds") > 2.0);
    assert!(number("process_cpu_seconds_total") >= 0.0);
}
