//! Names and addresses of the bundled etcd's objects and members.

use crate::error::Error;

/// Most members that a store may have; certificates name all of them, so that growth needs no new ones.
pub const MOST_MEMBERS: u32 = 5;

/// Name and addresses of one etcd cluster of the chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Name of the StatefulSet and of its headless Service; pods are `NAME-0` and so on.
    pub name: String,
    /// Namespace of all objects.
    pub namespace: String,
    /// DNS domain of the management cluster, for example `cluster.local`.
    pub cluster_domain: String,
    /// Port of clients, usually 2379.
    pub client_port: u16,
    /// Port of the other members, usually 2380.
    pub peer_port: u16,
}

impl Store {
    /// Name of the pod, and of the member, with this ordinal.
    pub fn pod(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.name)
    }

    /// Ordinal of a pod of this store, from the pod's name.
    pub fn ordinal(&self, pod: &str) -> Result<u32, Error> {
        let rest = pod.strip_prefix(&self.name);
        let number = rest.and_then(|rest| rest.strip_prefix('-')?.parse().ok());
        let fits = number.filter(|ordinal| *ordinal < MOST_MEMBERS && self.pod(*ordinal) == pod);
        fits.ok_or_else(|| Error::Setting {
            setting: "--pod-name".to_owned(),
            cause: format!(
                "{pod:?} is none of the pods {} to {}: run this as an init container of the StatefulSet {}, with at \
                 most {MOST_MEMBERS} replicas",
                self.pod(0),
                self.pod(MOST_MEMBERS - 1),
                self.name
            ),
        })
    }

    /// Full DNS name of a pod.
    pub fn host(&self, ordinal: u32) -> String {
        format!("{}.{}", self.pod(ordinal), self.service(&self.name))
    }

    /// Full DNS name of a Service.
    fn service(&self, name: &str) -> String {
        let Self {
            namespace,
            cluster_domain,
            ..
        } = self;
        format!("{name}.{namespace}.svc.{cluster_domain}")
    }

    /// URL under which a member is known to the others.
    pub fn peer_url(&self, ordinal: u32) -> String {
        format!("https://{}:{}", self.host(ordinal), self.peer_port)
    }

    /// URL under which clients reach a member.
    pub fn client_url(&self, ordinal: u32) -> String {
        format!("https://{}:{}", self.host(ordinal), self.client_port)
    }

    /// DNS names of the serving certificate: both Services and each pod, short and long, and localhost.
    pub fn server_names(&self) -> Vec<String> {
        let pods = (0..MOST_MEMBERS).map(|ordinal| format!("{}.{}", self.pod(ordinal), self.name));
        let services = [self.name.clone(), format!("{}-client", self.name)];
        let names = services.into_iter().chain(pods).flat_map(|name| {
            let namespaced = format!("{name}.{}", self.namespace);
            let long = self.service(&name);
            [name, namespaced.clone(), format!("{namespaced}.svc"), long]
        });
        names.chain(["localhost".to_owned()]).collect()
    }

    /// DNS names of the certificate by which members know each other. etcd resolves each of them until one is the
    /// address that calls, so that there are no others.
    pub fn peer_names(&self) -> Vec<String> {
        (0..MOST_MEMBERS)
            .map(|ordinal| self.host(ordinal))
            .collect()
    }

    /// Secret with the CA and the certificates of the members.
    pub fn certificates_secret(&self) -> String {
        format!("{}-certs", self.name)
    }

    /// Secret with the client certificate of the user root.
    pub fn root_secret(&self) -> String {
        format!("{}-root-client-certs", self.name)
    }

    /// `ConfigMap` that records the formation of the cluster.
    pub fn state_config_map(&self) -> String {
        format!("{}-cluster", self.name)
    }

    /// Claim of a member's volume.
    pub fn claim(&self, ordinal: u32) -> String {
        format!("data-{}", self.pod(ordinal))
    }
}

#[cfg(test)]
pub(crate) fn example() -> Store {
    Store {
        name: "kamaji-etcd".to_owned(),
        namespace: "kamaji-system".to_owned(),
        cluster_domain: "cluster.local".to_owned(),
        client_port: 2379,
        peer_port: 2380,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_of_another_set_or_beyond_the_limit_has_no_ordinal() {
        let store = example();
        assert_eq!(store.ordinal("kamaji-etcd-4").unwrap(), 4);
        for pod in [
            "kamaji-etcd-5",
            "kamaji-etcd-00",
            "kamaji-etcd",
            "other-0",
            "kamaji-etcd-x",
        ] {
            let said = store.ordinal(pod).unwrap_err().to_string();
            assert!(said.contains("none of the pods kamaji-etcd-0 to"), "{said}");
        }
    }

    #[test]
    fn the_serving_certificate_names_pods_and_both_services() {
        let names = example().server_names();
        for name in [
            "kamaji-etcd-2.kamaji-etcd.kamaji-system.svc.cluster.local",
            "kamaji-etcd-client.kamaji-system.svc",
            "kamaji-etcd-client.kamaji-system.svc.cluster.local",
            "localhost",
        ] {
            assert!(names.iter().any(|have| have == name), "{name}: {names:?}");
        }
        assert!(names.iter().all(|name| !name.contains('*')), "{names:?}");
    }
}
