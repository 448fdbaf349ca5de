//! Checks of the management cluster itself: version, default StorageClass, and load balancers.

use std::collections::BTreeSet;

use k8s_openapi::api::{core::v1::Service, storage::v1::StorageClass};
use kube::{Api, api::ListParams};

use crate::access::Access;

use super::finding::{Finding, Level};

/// Oldest minor version of Kubernetes that a management cluster may have.
const OLDEST: u32 = 30;
/// Annotation of the default StorageClass.
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// Compares the version of the API server with the oldest supported one.
pub async fn version(access: &Access) -> anyhow::Result<Vec<Finding>> {
    let client = access.client();
    let info = access
        .call("asking for the version", client.apiserver_version())
        .await?;
    Ok(vec![supported(&info.minor, &info.git_version)])
}

fn supported(minor: &str, version: &str) -> Finding {
    // Some providers write 30+.
    let digits = minor.trim_end_matches('+');
    match digits.parse::<u32>() {
        Ok(number) if number >= OLDEST => Finding::new(Level::Ok, "version", version),
        Ok(_) => Finding::new(
            Level::Failed,
            "version",
            &format!("{version} is older than 1.{OLDEST}: upgrade the management cluster"),
        ),
        Err(_) => Finding::new(
            Level::Hint,
            "version",
            &format!("{version} cannot be compared with 1.{OLDEST}"),
        ),
    }
}

/// Looks for a default StorageClass, which an etcd in the cluster needs.
pub async fn storage_class(access: &Access) -> anyhow::Result<Vec<Finding>> {
    let api: Api<StorageClass> = Api::all(access.client());
    let page = ListParams::default().limit(100);
    let classes = access
        .call("listing StorageClasses", api.list(&page))
        .await?;
    let is_default = |class: &&StorageClass| {
        let annotations = class.metadata.annotations.as_ref();
        annotations.is_some_and(|all| all.get(DEFAULT).is_some_and(|value| value == "true"))
    };
    let found = classes.items.iter().find(is_default);
    let finding = match found.and_then(|class| class.metadata.name.as_deref()) {
        Some(name) => Finding::new(
            Level::Ok,
            "storage class",
            &format!("{name} is the default"),
        ),
        None => Finding::new(
            Level::Hint,
            "storage class",
            "no StorageClass is the default: a datastore in this cluster has to name one",
        ),
    };
    Ok(vec![finding])
}

/// Says what the Services of type LoadBalancer in the cluster show about its load balancers.
pub async fn load_balancer(access: &Access) -> anyhow::Result<Vec<Finding>> {
    let api: Api<Service> = Api::all(access.client());
    let page = ListParams::default().limit(500);
    let services = access.call("listing Services", api.list(&page)).await?;
    Ok(vec![addresses(&services.items)])
}

fn addresses(services: &[Service]) -> Finding {
    let specs = services
        .iter()
        .filter_map(|service| Some((service.spec.as_ref()?, service)));
    let balanced: Vec<_> = specs
        .filter(|(spec, _)| spec.type_.as_deref() == Some("LoadBalancer"))
        .collect();
    let has_address = |service: &Service| {
        let status = service
            .status
            .as_ref()
            .and_then(|status| status.load_balancer.as_ref());
        status.is_some_and(|status| status.ingress.as_ref().is_some_and(|all| !all.is_empty()))
    };
    let with = balanced
        .iter()
        .filter(|(_, service)| has_address(service))
        .count();
    let classes: BTreeSet<&str> = balanced
        .iter()
        .filter_map(|(spec, _)| spec.load_balancer_class.as_deref())
        .collect();
    let classes = match classes.len() {
        0 => String::new(),
        _ => format!(
            "; classes in use: {}",
            classes.into_iter().collect::<Vec<_>>().join(", ")
        ),
    };
    let of = format!(
        "{with} of {} Services of type LoadBalancer have an address{classes}",
        balanced.len()
    );
    if with > 0 {
        return Finding::new(Level::Ok, "load balancer", &of);
    }
    let text = match balanced.len() {
        0 => "no Service of type LoadBalancer shows whether this cluster gives addresses: without a controller that does, create tenants with --service-type NodePort or ClusterIP".to_owned(),
        _ => format!("{of}: run a load balancer controller, or create tenants with --service-type NodePort or ClusterIP"),
    };
    Finding::new(Level::Hint, "load balancer", &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_older_than_the_oldest_fail() {
        assert_eq!(supported("36", "v1.36.3").parts().0, Level::Ok);
        assert_eq!(supported("30+", "v1.30.1-eks").parts().0, Level::Ok);
        assert_eq!(supported("29", "v1.29.0").parts().0, Level::Failed);
        assert_eq!(supported("x", "vx").parts().0, Level::Hint);
    }

    #[test]
    fn load_balancers_are_judged_by_the_services_that_have_an_address() {
        let service = |type_: &str, ingress: serde_json::Value| -> Service {
            serde_json::from_value(json!({
                "spec": {"type": type_, "loadBalancerClass": "a/b"},
                "status": {"loadBalancer": {"ingress": ingress}},
            }))
            .unwrap()
        };
        let given = service("LoadBalancer", json!([{"ip": "192.0.2.1"}]));
        let pending = service("LoadBalancer", json!([]));
        let (level, text) = (addresses(&[given, pending.clone()]), "1 of 2");
        assert_eq!(level.parts().0, Level::Ok);
        assert!(level.parts().1.contains(text) && level.parts().1.contains("a/b"));
        assert_eq!(addresses(&[pending]).parts().0, Level::Hint);
        assert_eq!(
            addresses(&[service("ClusterIP", json!([]))]).parts().0,
            Level::Hint
        );
    }
}
