//! [`list`]: reads lists up to a size, for objects that tenants may create at will.

use http_body_util::{BodyExt, LengthLimitError, Limited};
use kube::{
    Client, Resource,
    api::{ListParams, ObjectList, Request},
    core::Status,
};
use serde::de::DeserializeOwned;

/// Lists the objects of `namespace` that `params` selects; `None` if the answer is longer than `limit` bytes. No more
/// bytes than that are read.
pub async fn list<K>(
    client: &Client,
    namespace: &str,
    params: &ListParams,
    limit: usize,
) -> Result<Option<Vec<K>>, kube::Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned,
{
    let request = Request::new(K::url_path(&(), Some(namespace)));
    let request = request.list(params).map_err(kube::Error::BuildRequest)?;
    let response = client.send(request.map(Into::into)).await?;
    let status = response.status();
    let body = match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => return Ok(None),
        Err(error) => return Err(kube::Error::Service(error)),
    };
    if !status.is_success() {
        let text = String::from_utf8_lossy(&body);
        let failure = serde_json::from_slice(&body);
        let failure =
            failure.unwrap_or_else(|_| Status::failure(&text, "").with_code(status.as_u16()));
        return Err(kube::Error::Api(Box::new(failure)));
    }
    let list: ObjectList<K> = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
    Ok(Some(list.items))
}
