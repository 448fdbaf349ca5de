//! Is anything still stored in a version that will go? An installation of 0.19 or earlier has v1alpha1 in
//! etcd: everything is rewritten once, and the definition is told so.

use std::time::Duration;

use kamaji_shell::apply::{Address, WriteError};
use kube::{
    Api, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::{Value, json};

use crate::{
    certificate::{DEFINITIONS, kind},
    context::Context,
    definitions::resource,
};

/// The version that is stored.
const STORED: &str = "v1alpha2";
/// Objects that are read at once.
const PAGE: u32 = 100;
/// First wait after a failure; it doubles up to [`LONGEST`].
const AGAIN: Duration = Duration::from_secs(2);
/// Longest wait after a failure.
const LONGEST: Duration = Duration::from_mins(5);

/// Rewrites what is stored in older versions; tries until it has worked, since the conversion may need a
/// moment to be trusted.
pub async fn run(context: &Context) {
    for name in DEFINITIONS {
        let mut wait = AGAIN;
        context.writer.leading().await;
        while let Err(error) = one(context, name).await {
            tracing::warn!(definition = name, %error, "what is stored in older versions could not be rewritten; it is tried again");
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LONGEST);
            context.writer.leading().await;
        }
    }
}

async fn one(context: &Context, name: &str) -> Result<(), WriteError> {
    let address = Address::cluster(kind(), name);
    let Some(definition) = context.writer.find(&address).await? else {
        return Ok(());
    };
    let is_current = definition.data["spec"]["versions"]
        .as_array()
        .is_some_and(|versions| {
            versions
                .iter()
                .any(|v| v["name"] == STORED && v["storage"] == true)
        });
    let stored = &definition.data["status"]["storedVersions"];
    if !is_current || *stored == json!([STORED]) {
        return Ok(());
    }
    let number = rewrite(context, &definition).await?;
    // Only what was there when all of it was rewritten: another may have changed the definition.
    let patch = json!({
        "metadata": {"resourceVersion": definition.metadata.resource_version},
        "status": {"storedVersions": [STORED]},
    });
    context.writer.merge(&address, patch, true).await?;
    tracing::info!(
        definition = name,
        number,
        "everything is stored as {STORED} now"
    );
    Ok(())
}

/// Writes every object as it is: the API server stores it in the present version then.
async fn rewrite(context: &Context, definition: &DynamicObject) -> Result<usize, WriteError> {
    let names = &definition.data["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource: ApiResource = resource(
        (&text(&names["group"]), STORED),
        &text(&names["names"]["kind"]),
        text(&names["names"]["plural"]),
    );
    let api: Api<DynamicObject> = Api::all_with(context.client.clone(), &resource);
    let mut params = ListParams::default().limit(PAGE);
    let mut number = 0;
    loop {
        context.metrics.counters.request("list", &resource.plural);
        let list = api.list(&params).await.map_err(|error| WriteError::Api {
            object: resource.plural.clone(),
            problem: crate::probe::chain(&error),
        })?;
        for object in &list.items {
            let address = Address::from((object, resource.clone()));
            match context.writer.merge(&address, json!({}), false).await {
                Ok(_) => number += 1,
                Err(WriteError::Gone(_)) => {}
                Err(error) => return Err(error),
            }
        }
        match list.metadata.continue_.filter(|more| !more.is_empty()) {
            Some(more) => params = params.continue_token(&more),
            None => return Ok(number),
        }
        tracing::debug!(
            last = list.items.last().map(ResourceExt::name_any),
            "rewriting"
        );
    }
}
