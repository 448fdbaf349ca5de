//! The management cluster as admission rules see it, from the watches of this replica.

use std::sync::Arc;

use kamaji_api::tenant::TenantControlPlane;
use kamaji_core::{
    admission::{Claim, Facts},
    settings::Settings,
};

use super::Knowledge;
use crate::context::Context;

/// Facts for rules, from the watches of this replica.
pub struct WatchedKnowledge(pub Arc<Context>);

impl Knowledge for WatchedKnowledge {
    fn facts(&self) -> Result<Facts, String> {
        let context = &self.0;
        if !context.tenants.is_ready() || !context.data_stores.is_ready() {
            return Err("the operator has not read the management cluster yet".to_owned());
        }
        let default = context.settings.core.default_data_store.as_deref();
        let claim = |(_, tenant): &(_, Arc<TenantControlPlane>)| Claim::of(tenant, default);
        Ok(Facts {
            data_stores: context
                .data_stores
                .all()
                .into_iter()
                .map(|(name, store)| (name, store.spec.driver))
                .collect(),
            default_data_store: default.map(str::to_owned),
            tls_routes: context.gateway_api(),
            claims: context.tenants.all().iter().filter_map(claim).collect(),
        })
    }

    fn settings(&self) -> &Settings {
        &self.0.settings.core
    }
}
