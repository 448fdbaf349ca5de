//! Demand of a KubeconfigGenerator for a kubeconfig of a TenantControlPlane, by selectors and annotations.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kamaji_api::{
    kubeconfig::{KubeconfigGenerator, KubeconfigGeneratorSpec},
    labels,
    tenant::TenantControlPlane,
};
use kube::core::{Selector, SelectorExt};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Selectors of a generator, parsed.
#[derive(Clone, Debug)]
pub struct Selection {
    namespaces: Selector,
    tenants: Selector,
}

/// Selector that cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "spec.{field} of the KubeconfigGenerator cannot be evaluated: {problem}; correct it, nothing is written or deleted until then"
)]
pub struct SelectionError {
    /// Field of the spec.
    field: &'static str,
    /// Key and operator of the requirement, and what is wrong with it.
    problem: String,
}

/// Relation of a tenant to the selectors of a generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// The selectors of namespace and tenant match.
    Selected,
    /// The selector of the namespace or of the tenant does not match.
    Other,
    /// The labels of the namespace are not known, and they decide.
    Unknown,
}

impl Selection {
    /// Parses the selectors of `spec`. An absent one matches everything.
    pub fn parse(spec: &KubeconfigGeneratorSpec) -> Result<Self, SelectionError> {
        Ok(Self {
            namespaces: parse(spec.namespace_selector.as_ref(), "namespaceSelector")?,
            tenants: parse(
                spec.tenant_control_plane_selector.as_ref(),
                "tenantControlPlaneSelector",
            )?,
        })
    }

    /// Compares the selectors with the labels of a tenant and of its namespace, which may be unknown.
    pub fn membership(&self, namespace: Option<&Labels>, tenant: &Labels) -> Membership {
        if !self.tenants.matches(tenant) {
            return Membership::Other;
        }
        match namespace {
            _ if self.namespaces.selects_all() => Membership::Selected,
            None => Membership::Unknown,
            Some(labels) if self.namespaces.matches(labels) => Membership::Selected,
            Some(_) => Membership::Other,
        }
    }
}

/// Parses one selector by the rules of the API server, which the definition does not check.
fn parse(
    selector: Option<&LabelSelector>,
    field: &'static str,
) -> Result<Selector, SelectionError> {
    let selector = selector.cloned().unwrap_or_default();
    for requirement in selector.match_expressions.iter().flatten() {
        let some = requirement
            .values
            .as_ref()
            .is_some_and(|values| !values.is_empty());
        let (key, operator) = (&requirement.key, requirement.operator.as_str());
        let problem = match operator {
            "In" | "NotIn" if !some => "needs values",
            "Exists" | "DoesNotExist" if some => "takes no values",
            "In" | "NotIn" | "Exists" | "DoesNotExist" => continue,
            _ => "is none of In, NotIn, Exists and DoesNotExist",
        };
        return Err(SelectionError {
            field,
            problem: format!("the operator {operator:?} for the label {key:?} {problem}"),
        });
    }
    Selector::try_from(selector).map_err(|error| SelectionError {
        field,
        problem: error.to_string(),
    })
}

/// Generator and tenant of one kubeconfig, as they were observed.
#[derive(Clone, Copy, Debug)]
pub struct Parties<'a> {
    /// Name of the generator, which may not exist.
    pub name: &'a str,
    /// The generator; `None` if there is none of that name.
    pub generator: Option<&'a KubeconfigGenerator>,
    /// Labels of the tenant's namespace; `None` if they are not known.
    pub namespace: Option<&'a Labels>,
    /// TenantControlPlane that the kubeconfig is for.
    pub tenant: &'a TenantControlPlane,
}

/// Decision on whether a kubeconfig is requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
    /// The generator requests a kubeconfig for the tenant.
    Wanted,
    /// The generator does not exist, is being deleted, or does not select the tenant.
    Nobody,
    /// The generator is paused, the tenant is being deleted, or a selector cannot be evaluated: everything stays
    /// as it is.
    Undecided,
}

impl Parties<'_> {
    /// Decides whether the generator requests a kubeconfig for the tenant.
    pub fn demand(&self) -> Demand {
        // The garbage collector deletes what belongs to a deleted tenant.
        if self.tenant.metadata.deletion_timestamp.is_some() {
            return Demand::Undecided;
        }
        let Some(generator) = self.generator else {
            return Demand::Nobody;
        };
        if labels::is_paused(&generator.metadata) {
            return Demand::Undecided;
        }
        if generator.metadata.deletion_timestamp.is_some() {
            return Demand::Nobody;
        }
        let Ok(selection) = Selection::parse(&generator.spec) else {
            return Demand::Undecided;
        };
        let none = Labels::new();
        let tenant = self.tenant.metadata.labels.as_ref().unwrap_or(&none);
        match selection.membership(self.namespace, tenant) {
            Membership::Selected => Demand::Wanted,
            Membership::Other => Demand::Nobody,
            Membership::Unknown => Demand::Undecided,
        }
    }
}

#[cfg(test)]
mod tests;
