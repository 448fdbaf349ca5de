//! Passwords with which a tenant's user logs in: the tenant's own, or, while it is fenced, one that only this driver uses.

use sha2::{Digest, Sha256};

use crate::tenancy::{Access, Secret};

/// Password of the user of a tenant with `access`. That of a fenced tenant is made from its own: every pass finds
/// the same one, kine has another, and whoever could make it still has no right to write.
pub(super) fn password(own: &Secret, access: Access) -> Secret {
    match access {
        Access::ReadWrite => own.clone(),
        Access::ReadOnly => {
            let hash = Sha256::new()
                .chain_update(b"fence of kamaji.clastix.io\0")
                .chain_update(own.expose())
                .finalize();
            // Letters of both cases, digits and a sign, as the server's rules for passwords may demand.
            Secret::new(format!("Fence-{hash:x}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fenced_tenant_has_one_password_of_its_own_that_is_not_the_tenants() {
        let own = Secret::new("one");
        let fenced = password(&own, Access::ReadOnly);
        assert_eq!(password(&own, Access::ReadWrite), own);
        assert_ne!(fenced, own);
        assert_eq!(fenced, password(&own, Access::ReadOnly));
        assert_ne!(fenced, password(&Secret::new("two"), Access::ReadOnly));
        assert_eq!(fenced.expose().len(), 70);
    }
}
