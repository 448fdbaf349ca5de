//! Tests of events: an event about an object is published once, by the leader.

use k8s_openapi::api::{core::v1::ConfigMap, events::v1::Event};
use kamaji_shell::{
    events::{EventRecord, Events},
    lease::Leadership,
};
use kube::Api;

use crate::support::{config_map, leading_writer, server};

#[tokio::test]
async fn an_event_is_published_by_the_leader_alone_and_cut_if_it_is_too_long() {
    let server = server().await;
    let client = server.client().await.unwrap();
    let written = leading_writer(&client)
        .write(&config_map("t-map", "1"))
        .await
        .unwrap();
    let object: ConfigMap = serde_json::from_value(written.body).unwrap();
    let record = EventRecord {
        warning: true,
        reason: "ServicePending".to_owned(),
        note: "ä".repeat(2000),
    };
    let standby = Events::new(client.clone(), "standby", Leadership::none());
    standby.publish(&object, record.clone()).await;
    let events = Events::new(client.clone(), "leader", Leadership::always());
    events.publish(&object, record).await;

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
    let published: Vec<_> = found.iter().filter(about).collect();
    assert_eq!(published.len(), 1, "a standby publishes nothing");
    assert_eq!(published[0].type_.as_deref(), Some("Warning"));
    assert_eq!(published[0].reason.as_deref(), Some("ServicePending"));
    assert!(published[0].note.as_ref().unwrap().len() <= 1024);
    assert_eq!(published[0].reporting_instance.as_deref(), Some("leader"));
}
