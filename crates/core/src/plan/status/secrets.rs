//! Status entries of Secrets and of the kubeadm `ConfigMap`.

use kamaji_api::tenant::{KubeadmConfigStatus, SecretStatus, TenantControlPlaneStatus};

use crate::{checksum, plan::builder::PlanBuilder, secret_role::SecretRole};

/// Sets `status.certificates` and `status.kubeconfig`.
pub(super) fn secrets(status: &mut TenantControlPlaneStatus, builder: &PlanBuilder) {
    for role in SecretRole::ALL {
        if let Some(entry) = role.entry(status) {
            let next = secret_status(role, entry.as_ref(), builder);
            *entry = next.or_else(|| damaged_status(role, builder));
        }
    }
}

/// Entry of an authority that cannot be parsed and was never recorded, so that a later loss is known as one.
/// Authorities of a former tenant of the name are not recorded.
fn damaged_status(role: SecretRole, builder: &PlanBuilder) -> Option<SecretStatus> {
    let live = builder.live_data(role);
    let data = live.filter(|_| builder.damaged.contains(&role))?;
    Some(SecretStatus {
        checksum: Some(checksum::map(&data)),
        last_update: Some(builder.time()),
        secret_name: Some(builder.tenant.names.secret(role)),
    })
}

/// Entry of a planned Secret, or `old` if none is planned. The time is carried over unless the checksum changed.
pub(super) fn secret_status(
    role: SecretRole,
    old: Option<&SecretStatus>,
    builder: &PlanBuilder,
) -> Option<SecretStatus> {
    let Some(written) = builder.secrets.get(&role) else {
        return old.cloned();
    };
    let name = builder.tenant.names.secret(role);
    let same = old.filter(|old| {
        old.checksum.as_ref() == Some(&written.annotated) && old.secret_name.as_ref() == Some(&name)
    });
    Some(SecretStatus {
        checksum: Some(written.annotated.clone()),
        last_update: same.map_or_else(|| Some(builder.time()), |old| old.last_update.clone()),
        secret_name: Some(name),
    })
}

/// Sets `status.kubeadmconfig`, if this plan writes the `ConfigMap`.
pub(super) fn kubeadm_config(status: &mut TenantControlPlaneStatus, builder: &PlanBuilder) {
    let name = builder.tenant.names.kubeadm_config();
    let Some(annotated) = builder.config_maps.get(&name) else {
        return;
    };
    let old = status.kubeadmconfig.take().unwrap_or_default();
    let same = old.checksum.as_ref() == Some(annotated);
    status.kubeadmconfig = Some(KubeadmConfigStatus {
        checksum: Some(annotated.clone()),
        configmap_name: Some(name),
        last_update: if same {
            old.last_update
        } else {
            Some(builder.time())
        },
    });
}
