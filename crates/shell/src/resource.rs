//! [`resource`]: the API resource of a kind of the tenants' objects.

use kamaji_core::object::Kind;
use kube::api::ApiResource;

/// Group, version, kind and plural of `kind`, for requests about dynamic objects.
pub fn resource(kind: Kind) -> ApiResource {
    let (group, version, name, plural) = kind.names();
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: kind.api_version(),
        kind: name.to_owned(),
        plural: plural.to_owned(),
    }
}
