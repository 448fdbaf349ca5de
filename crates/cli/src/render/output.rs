//! How is a plan printed?

use kamaji_core::{
    object::{Kind, Object},
    pki::summary,
};
use serde_json::Value;

/// Prints `objects` as one YAML stream, Secrets with decoded summaries where asked for.
pub fn print(objects: &[Object], summarise: bool) -> anyhow::Result<()> {
    for object in objects {
        let mut body = object.body.clone();
        if summarise && object.key.kind == Kind::Secret {
            summarised(&mut body)?;
        }
        println!("---\n{}", serde_saphyr::to_string(&body)?);
    }
    Ok(())
}

fn summarised(body: &mut Value) -> anyhow::Result<()> {
    let secret: k8s_openapi::api::core::v1::Secret = serde_json::from_value(body.clone())?;
    let data = secret.data.unwrap_or_default();
    let decoded: serde_json::Map<String, Value> = data
        .iter()
        .map(|(key, bytes)| (key.clone(), summary::value(key, &bytes.0)))
        .collect();
    if let Some(map) = body.as_object_mut() {
        map.remove("data");
        map.insert("data_decoded".to_owned(), decoded.into());
    }
    Ok(())
}
