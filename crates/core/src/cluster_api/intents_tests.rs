use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{
    fixture::{carry_out, converge, remote, snapshot},
    *,
};
use crate::object::{Intent, Version};

/// A control plane that was observed as version 7 of the object `uid`, with other desired content.
fn changed(mut converged: Snapshot) -> Snapshot {
    let observed = |metadata: &mut ObjectMeta| {
        metadata.uid = Some("uid".to_owned());
        metadata.resource_version = Some("7".to_owned());
    };
    observed(&mut converged.tenant.as_mut().unwrap().metadata);
    for secret in converged.secrets.values_mut() {
        observed(&mut secret.metadata);
        secret.data = None;
    }
    converged.control_plane.spec.replicas = Some(5);
    converged
}

#[test]
fn new_objects_are_written_only_where_there_is_none() {
    let first = plan(&snapshot(json!({})));
    assert_eq!(first.objects[0].intent, Intent::Create);
    let mut observed = snapshot(json!({}));
    carry_out(&mut observed, first, "192.0.2.9:6443");
    let intents = plan(&observed).objects.into_iter().map(|o| o.intent);
    assert_eq!(
        intents.collect::<Vec<_>>(),
        [Intent::Create, Intent::Create]
    );
}

#[test]
fn existing_objects_are_written_only_in_the_observed_version() {
    for is_remote in [false, true] {
        let converged = if is_remote {
            remote()
        } else {
            converge(snapshot(json!({})), "192.0.2.9:6443")
        };
        let objects = plan(&changed(converged)).objects;
        assert_eq!(objects.len(), 3);
        for object in objects {
            let observed = Version {
                uid: "uid".into(),
                revision: 7,
            };
            assert_eq!(object.intent, Intent::Update(observed), "{}", object.key);
        }
    }
}
