//! Does a person who describes an object hear what happened to it?

use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use kamaji_shell::{
    events::{EventRecord, Events},
    lease::Leadership,
};
use kube::Api;

use crate::support::{door, map, server};

#[tokio::test]
async fn a_happening_is_told_once_and_cut_where_it_is_too_long() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let written = door(&client).write(&map("t-map", "1")).await.unwrap();
    let object: ConfigMap = serde_json::from_value(written.body).unwrap();
    let happening = EventRecord {
        warning: true,
        reason: "ServicePending".to_owned(),
        note: "ä".repeat(2000),
    };
    let standby = Events::new(client.clone(), "standby", Leadership::none());
    standby.publish(&object, happening.clone()).await;
    let events = Events::new(client.clone(), "leader", Leadership::always());
    events.publish(&object, happening).await;

    let api: Api<Event> = Api::namespaced(client, "default");
    let found: Vec<_> = api
        .list(&kube::api::ListParams::default())
        .await
        .unwrap()
        .items;
    let about = |event: &&Event| {
        let regarding = event.regarding.as_ref();
        regarding.is_some_and(|object| object.uid.as_deref() == Some(&*written.version.uid))
    };
    let ours: Vec<_> = found.iter().filter(about).collect();
    assert_eq!(ours.len(), 1, "a standby tells nothing");
    assert_eq!(ours[0].type_.as_deref(), Some("Warning"));
    assert_eq!(ours[0].reason.as_deref(), Some("ServicePending"));
    assert!(ours[0].note.as_ref().unwrap().len() <= 1024);
    assert_eq!(ours[0].reporting_instance.as_deref(), Some("leader"));
}
