//! Keys of single resources, as kube-apiserver has them below its root.
//!
//! kube-apiserver honours an override for the resources that it serves from its own storage factory, and the prefix of
//! their keys is the resource's name without its group, but for a few older names. The list here is closed: a resource
//! that is not in it has keys which are not known for certain, and does not move. CRDs, their instances and APIServices
//! are not in it, since their API servers know no overrides.

/// Resources by group, each with the prefix of its keys where that is not its name.
const GROUPS: [(&str, &[(&str, &str)]); 16] = [
    (
        "",
        &[
            ("configmaps", ""),
            ("endpoints", "services/endpoints/"),
            ("events", ""),
            ("limitranges", ""),
            ("namespaces", ""),
            ("nodes", "minions/"),
            ("persistentvolumeclaims", ""),
            ("persistentvolumes", ""),
            ("pods", ""),
            ("podtemplates", ""),
            ("replicationcontrollers", "controllers/"),
            ("resourcequotas", ""),
            ("secrets", ""),
            ("serviceaccounts", ""),
        ],
    ),
    (
        "admissionregistration.k8s.io",
        &[
            ("mutatingwebhookconfigurations", ""),
            ("validatingadmissionpolicies", ""),
            ("validatingadmissionpolicybindings", ""),
            ("validatingwebhookconfigurations", ""),
        ],
    ),
    (
        "apps",
        &[
            ("controllerrevisions", ""),
            ("daemonsets", ""),
            ("deployments", ""),
            ("replicasets", ""),
            ("statefulsets", ""),
        ],
    ),
    ("autoscaling", &[("horizontalpodautoscalers", "")]),
    ("batch", &[("cronjobs", ""), ("jobs", "")]),
    ("certificates.k8s.io", &[("certificatesigningrequests", "")]),
    ("coordination.k8s.io", &[("leases", "")]),
    ("discovery.k8s.io", &[("endpointslices", "")]),
    (
        "flowcontrol.apiserver.k8s.io",
        &[("flowschemas", ""), ("prioritylevelconfigurations", "")],
    ),
    (
        "networking.k8s.io",
        &[
            ("ingressclasses", ""),
            ("ingresses", "ingress/"),
            ("ipaddresses", ""),
            ("networkpolicies", ""),
            ("servicecidrs", ""),
        ],
    ),
    ("node.k8s.io", &[("runtimeclasses", "")]),
    ("policy", &[("poddisruptionbudgets", "")]),
    (
        "rbac.authorization.k8s.io",
        &[
            ("clusterrolebindings", ""),
            ("clusterroles", ""),
            ("rolebindings", ""),
            ("roles", ""),
        ],
    ),
    (
        "resource.k8s.io",
        &[
            ("deviceclasses", ""),
            ("resourceclaims", ""),
            ("resourceclaimtemplates", ""),
            ("resourceslices", ""),
        ],
    ),
    ("scheduling.k8s.io", &[("priorityclasses", "")]),
    (
        "storage.k8s.io",
        &[
            ("csidrivers", ""),
            ("csinodes", ""),
            ("csistoragecapacities", ""),
            ("storageclasses", ""),
            ("volumeattachments", ""),
        ],
    ),
];

/// Reason for which the keys of a resource are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// The text is not of the form that kube-apiserver reads.
    #[error("it is not of the form /RESOURCE or GROUP/RESOURCE")]
    Form,
    /// Events of the newer group.
    #[error("kube-apiserver keeps these with the events of the core group: write /events")]
    Events,
    /// The allocators of addresses and ports are kept with the Services.
    #[error(
        "kube-apiserver keeps the allocation of cluster addresses and node ports together with them, under other keys"
    )]
    Services,
    /// The resource is not in the list.
    #[error(
        "it is no resource whose keys are known for certain: kube-apiserver has no override for CRDs and their instances, and docs/guides/overrides.md has the list"
    )]
    Other,
}

/// Prefix of the keys of `resource`, which is written as in the spec, below the root of the API server; for example
/// `events/`.
pub fn prefix(resource: &str) -> Result<String, Unknown> {
    let (group, name) = resource.split_once('/').ok_or(Unknown::Form)?;
    match (group, name) {
        (_, "") => return Err(Unknown::Form),
        ("", "services") => return Err(Unknown::Services),
        ("events.k8s.io", "events") => return Err(Unknown::Events),
        _ => {}
    }
    let mut groups = GROUPS.iter();
    let resources = groups.find(|(known, _)| *known == group);
    let mut resources = resources.map_or(&[][..], |(_, resources)| resources).iter();
    match resources.find(|(known, _)| *known == name) {
        Some((name, "")) => Ok(format!("{name}/")),
        Some((_, prefix)) => Ok((*prefix).to_owned()),
        None => Err(Unknown::Other),
    }
}

/// Every resource whose keys are known, written as in the spec.
pub fn all() -> impl Iterator<Item = String> {
    GROUPS.iter().flat_map(|(group, resources)| {
        let names = resources.iter();
        names.map(move |(name, _)| format!("{group}/{name}"))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn keys_of_resources_are_those_of_kube_apiserver() {
        for (resource, expected) in [
            ("/events", "events/"),
            ("/nodes", "minions/"),
            ("/endpoints", "services/endpoints/"),
            ("/replicationcontrollers", "controllers/"),
            ("coordination.k8s.io/leases", "leases/"),
            ("networking.k8s.io/ingresses", "ingress/"),
            ("apps/deployments", "deployments/"),
        ] {
            assert_eq!(prefix(resource).as_deref(), Ok(expected), "{resource}");
        }
    }

    #[test]
    fn keys_of_no_resource_are_among_those_of_another() {
        let all: Vec<String> = all().map(|name| prefix(&name).unwrap()).collect();
        let distinct: BTreeSet<&String> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        for one in &all {
            let mut others = all.iter().filter(|other| *other != one);
            assert!(!others.any(|other| other.starts_with(one)), "{one}");
        }
    }

    #[test]
    fn a_resource_whose_keys_are_not_known_for_certain_has_no_prefix() {
        let long = format!("/{}", "e".repeat(300));
        for (resource, why) in [
            ("events", Unknown::Form),
            ("/", Unknown::Form),
            ("", Unknown::Form),
            ("apps/", Unknown::Form),
            ("events.k8s.io/events", Unknown::Events),
            ("/services", Unknown::Services),
            ("example.com/widgets", Unknown::Other),
            (
                "apiextensions.k8s.io/customresourcedefinitions",
                Unknown::Other,
            ),
            ("apiregistration.k8s.io/apiservices", Unknown::Other),
            ("/Events", Unknown::Other),
            ("//events", Unknown::Other),
            ("/events/", Unknown::Other),
            ("/../events", Unknown::Other),
            ("/deployments", Unknown::Other),
            ("/*", Unknown::Other),
            (long.as_str(), Unknown::Other),
        ] {
            assert_eq!(prefix(resource), Err(why), "{resource}");
        }
    }
}
