//! Ownership of live objects that have the name of one of a tenant's objects, and the patch that adopts them.
//!
//! Names and labels can be copied, so the uid in an owner reference decides. A foreign object is unchanged until
//! a user hands it over.

use kamaji_api::labels;
use serde_json::{Value, json};

use crate::{
    managed_fields,
    names::Names,
    object::{Kind, Object, ObjectRef, Version},
};

/// Field manager of the operator. Upstream has the same name, and writes by updates.
pub const MANAGER: &str = "kamaji";

/// A live object under the name of one of a tenant's, as far as ownership goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Uid and observed resource version of the object.
    pub version: Version,
    /// Uid in the owner reference to a TenantControlPlane of the tenant's name.
    pub owner: Option<Box<str>>,
    /// Kind and name of another object that is its controller.
    pub controller: Option<Box<str>>,
    /// Evidence of ownership beside owner references.
    pub marks: Marks,
}

/// Evidence of an object's ownership beside its owner references.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four facts, each by itself")]
pub struct Marks {
    /// True if the annotation hands the object over to the tenant.
    pub handed_over: bool,
    /// True if the object carries the labels of the tenant's objects.
    pub labelled: bool,
    /// True for a Service that selects exactly the tenant's pods.
    pub selects_pods: bool,
    /// True if an update under the operator's field manager wrote a part of it, as upstream does.
    pub updated: bool,
}

/// Decision about a live object that has a planned name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The object is the tenant's.
    Ours,
    /// The object becomes the tenant's: it was restored, handed over or created for the tenant.
    Adopted,
    /// The object belongs to another owner and is not written.
    Foreign,
}

impl Child {
    /// Reads ownership from the `body` of an object, for the tenant of that name.
    pub fn of(body: &Value, kind: Kind, tenant: &str) -> Self {
        let metadata = &body["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let owners = metadata["ownerReferences"].as_array();
        let owners = owners.map(Vec::as_slice).unwrap_or_default();
        let owner = owners.iter().filter(|owner| is_tenant(owner, tenant));
        // After a restore an object may have a former and the present owner: the controller counts.
        let owner = owner.max_by_key(|owner| owner["controller"] == true);
        let controller = owners
            .iter()
            .find(|owner| owner["controller"] == true && !is_tenant(owner, tenant))
            .map(|owner| format!("{} {}", text(&owner["kind"]), text(&owner["name"])));
        let label = |key: &str| metadata["labels"][key].as_str();
        Self {
            version: Version {
                uid: metadata["uid"].as_str().unwrap_or_default().into(),
                revision: text(&metadata["resourceVersion"]).parse().unwrap_or(0),
            },
            owner: owner.map(|owner| text(&owner["uid"]).into()),
            controller: controller.map(Into::into),
            marks: Marks {
                handed_over: metadata["annotations"][labels::ADOPT] == tenant,
                labelled: label(labels::PROJECT) == Some("kamaji")
                    && label(labels::NAME) == Some(tenant),
                selects_pods: kind == Kind::Service
                    && body["spec"]["selector"] == json!({labels::NAME: tenant}),
                updated: managed_fields::written_by_update(body, MANAGER),
            },
        }
    }

    /// Decides on the object, if the tenant of that name has this uid.
    pub fn verdict(&self, key: &ObjectRef, (name, uid): (&str, &str)) -> Verdict {
        match &self.owner {
            Some(owner) if **owner == *uid => return Verdict::Ours,
            // Names are unique, so the owner of another uid does not exist any more.
            Some(_) => return Verdict::Adopted,
            None => {}
        }
        let provided =
            key.kind == Kind::Secret && Names::of(name).authorities().contains(&key.name);
        // Upstream made one of its Secrets without an owner.
        let ownerless =
            key.kind == Kind::Secret && self.marks.labelled && self.controller.is_none();
        if self.marks.handed_over || self.marks.selects_pods || provided || ownerless {
            Verdict::Adopted
        } else {
            Verdict::Foreign
        }
    }

    /// Message that explains why the object stays as it is, and the next action.
    pub fn refusal(&self, key: &ObjectRef, tenant: &str) -> String {
        let owner = match &self.controller {
            Some(controller) => format!("it belongs to the {controller}"),
            None => "it names no owner".to_owned(),
        };
        format!(
            "the {key} exists already and is not of this TenantControlPlane: {owner}. It is left as it is. Rename or delete it, give the TenantControlPlane another name, or hand the object over, for good and with all that it says, by the annotation {}={tenant} on it; it is looked at again every minute",
            labels::ADOPT
        )
    }
}

fn is_tenant(owner: &Value, name: &str) -> bool {
    let group = owner["apiVersion"].as_str().unwrap_or_default();
    owner["kind"] == "TenantControlPlane"
        && owner["name"] == name
        && group.starts_with("kamaji.clastix.io/")
}

/// The merge patch by which `live` becomes ours before `planned` is applied to it, so that what is no
/// longer planned goes; `None` if nothing of it is in the way.
pub fn patch(live: &Value, planned: &Object) -> Option<Value> {
    let owner = &planned.body["metadata"]["ownerReferences"][0];
    let owners = live["metadata"]["ownerReferences"].as_array();
    let owners = owners.map(Vec::as_slice).unwrap_or_default();
    let owned = owners.iter().any(|have| have["uid"] == owner["uid"]);
    let name = owner["name"].as_str().unwrap_or_default();
    let remaining: Vec<_> = owners
        .iter()
        .filter(|have| have["uid"] == owner["uid"] || !is_tenant(have, name))
        .collect();
    // Foreign keys of a Secret stay the user's, and so do all foreign fields of objects in a tenant cluster.
    let all = !owner.is_null() && !owned && planned.key.kind != Kind::Secret;
    let fields = managed_fields::taken_over(live, MANAGER, |entry| {
        if entry["manager"] == MANAGER {
            std::mem::replace(&mut entry["fieldsV1"], json!({}))
        } else if all {
            content(&mut entry["fieldsV1"], planned)
        } else {
            json!({})
        }
    });
    let mut metadata = json!({});
    if let Some(fields) = fields {
        metadata["managedFields"] = fields;
    }
    if remaining.len() < owners.len() {
        metadata["ownerReferences"] = json!(remaining);
    }
    (metadata != json!({})).then(|| json!({"metadata": metadata}))
}

/// Fields of an object beside metadata and status, with those labels and annotations that are planned.
fn content(fields: &mut Value, planned: &Object) -> Value {
    let mut taken = json!({});
    let tops = fields.as_object().into_iter().flatten();
    let tops: Vec<String> = tops.map(|(name, _)| name.clone()).collect();
    for top in tops {
        if !matches!(top.as_str(), "f:metadata" | "f:status") {
            move_field(fields, &mut taken, &[&top]);
        }
    }
    for map in ["labels", "annotations"] {
        let keys = planned.body["metadata"][map].as_object();
        for key in keys.into_iter().flatten().map(|(key, _)| key) {
            let path = ["f:metadata", &format!("f:{map}"), &format!("f:{key}")];
            move_field(fields, &mut taken, &path);
        }
    }
    taken
}

fn move_field(from: &mut Value, to: &mut Value, path: &[&str]) {
    if let Some(fields) = managed_fields::take(from, path) {
        managed_fields::put(to, path, fields);
    }
}

#[cfg(test)]
mod tests;
