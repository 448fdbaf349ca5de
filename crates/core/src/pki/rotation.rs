//! Rotation of a CA in phases, so that no client is cut off: the state machine, without the Secret it lives in.
//!
//! A rotation has one authority that signs and a bundle of former ones. Both are read from a bundle in which the
//! signer comes first. The phases follow each other, each at least [`RotationPolicy::spread`] long:
//!
//! 1. [`Phase::Steady`]: the signer is the only trusted authority and has signed every leaf. The rotation stays
//!    here until the signer ends within [`RotationPolicy::lead`], or cannot be read any more.
//! 2. [`Phase::Announced`]: [`Stored::ensure_signer`] has put a new authority in front; the one before joins the
//!    former ones. Clients learn of the new authority, while leaves of former ones keep serving
//!    ([`Rotation::may_keep`]).
//! 3. [`Phase::Moved`]: `spread` after the announcement leaves are issued by the new signer. Former authorities
//!    stay trusted for replicas and clients that still use leaves of theirs.
//! 4. [`Rotation::retire`] drops the former authorities `spread` after the last leaf has moved, which leads back
//!    to 1. A former authority that ends is dropped in every phase.
//!
//! A phase is not stored: it follows from the bundle and the leaves, so that a pass that was cut short is
//! repeated. [`Rotation::due`] says when the next step is possible.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use super::{
    authority::Authority,
    certificate::Certificate,
    trust::{TrustBundle, TrustedAuthority},
    validity::BACKDATE,
};

/// Lengths of the phases of a rotation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// An authority that ends within this is followed by a new one.
    pub lead: Duration,
    /// Time that every client and replica may take to learn of a change.
    pub spread: Duration,
}

/// The phase of a rotation, and the time at which it can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// One authority is trusted and signs.
    Steady,
    /// A new authority is trusted beside former ones, and does not have to sign yet.
    Announced {
        /// Time from which leaves are issued by the new authority.
        leaves_move: Timestamp,
    },
    /// Every leaf is signed by the new authority, and former ones are still trusted.
    Moved {
        /// Time at which the former authorities are dropped.
        former_retire: Timestamp,
    },
}

/// The authorities of a bundle as they were read: the signer may be missing or damaged.
#[derive(Clone, Debug)]
pub struct Stored {
    signer: Option<Authority>,
    former: TrustBundle,
}

impl Stored {
    /// Splits a bundle into signer and former authorities. The first certificate is the signer if `key_pem` is
    /// its key and it can sign at `now`; else every certificate is a former authority.
    pub fn read(mut bundle: TrustBundle, key_pem: &[u8], now: Timestamp) -> Self {
        let first = bundle.take_first();
        let signer = first
            .as_ref()
            .and_then(|first| Authority::load(&first.pem, key_pem, now).ok());
        let mut former = TrustBundle::default();
        if let (None, Some(first)) = (&signer, first) {
            former.push(first);
        }
        former.append(bundle);
        Self { signer, former }
    }

    /// Returns a rotation with a signer that does not end within [`RotationPolicy::lead`], and why `issue` was
    /// called for a new one; `None` if the stored signer stays.
    pub fn ensure_signer(
        self,
        policy: RotationPolicy,
        now: Timestamp,
        issue: impl FnOnce() -> Authority,
    ) -> (Rotation, Option<String>) {
        let Self { signer, mut former } = self;
        let (signer, reason) = match signer {
            Some(signer) if signer.certificate().not_after > now + policy.lead => (signer, None),
            Some(old) => {
                let reason = format!("the authority ends at {}", old.certificate().not_after);
                former.push(trusted(&old));
                (issue(), Some(reason))
            }
            None => (issue(), Some("there is no authority".to_owned())),
        };
        let rotation = Rotation {
            policy,
            signer,
            former,
        };
        (rotation, reason)
    }
}

/// A signer with the former authorities that are still trusted beside it.
#[derive(Clone, Debug)]
pub struct Rotation {
    policy: RotationPolicy,
    signer: Authority,
    former: TrustBundle,
}

impl Rotation {
    /// Returns the authority that signs.
    pub fn signer(&self) -> &Authority {
        &self.signer
    }

    /// Returns every trusted authority: the signer, then the former ones.
    pub fn bundle(&self) -> TrustBundle {
        let mut bundle = TrustBundle::default();
        bundle.push(trusted(&self.signer));
        bundle.append(self.former.clone());
        bundle
    }

    /// Returns the phase, given every leaf that is in use; `Announced` if there is none.
    pub fn phase(&self, leaves: &[&Certificate]) -> Phase {
        if self.former.is_empty() {
            return Phase::Steady;
        }
        match self.moved_at(leaves) {
            None => Phase::Announced {
                leaves_move: self.leaves_move(),
            },
            Some(moved) => Phase::Moved {
                former_retire: moved + self.policy.spread,
            },
        }
    }

    /// True if a leaf of a former authority may serve on at `now`, since the signer is not known to every client
    /// yet.
    pub fn may_keep(&self, leaf: &Certificate, now: Timestamp) -> bool {
        now < self.leaves_move() && self.former.trusts(leaf)
    }

    /// Returns the time from which leaves are issued by the signer.
    pub fn leaves_move(&self) -> Timestamp {
        self.signer.certificate().not_before + BACKDATE + self.policy.spread
    }

    /// Drops former authorities that have ended, and all of them once `leaves` moved long enough ago; true if
    /// any was dropped.
    pub fn retire(&mut self, leaves: &[&Certificate], now: Timestamp) -> bool {
        let spread = self.policy.spread;
        let over = self
            .moved_at(leaves)
            .is_some_and(|moved| moved + spread <= now);
        self.former.retain(|former| !over && former.not_after > now)
    }

    /// Returns the time of the next step: a successor for the signer, or the end of the present phase.
    pub fn due(&self, leaves: &[&Certificate]) -> Timestamp {
        let successor = self.signer.certificate().not_after - self.policy.lead;
        match self.phase(leaves) {
            Phase::Steady => successor,
            Phase::Announced { leaves_move } => successor.min(leaves_move),
            Phase::Moved { former_retire } => successor.min(former_retire),
        }
    }

    /// Returns the time at which the last leaf moved to the signer; `None` if one has not, or there is none.
    fn moved_at(&self, leaves: &[&Certificate]) -> Option<Timestamp> {
        let signer = self.signer.certificate();
        if !leaves.iter().all(|leaf| leaf.is_signed_by(signer)) {
            return None;
        }
        leaves.iter().map(|leaf| leaf.not_before + BACKDATE).max()
    }
}

fn trusted(authority: &Authority) -> TrustedAuthority {
    TrustedAuthority {
        certificate: authority.certificate().clone(),
        pem: authority.certificate_pem().to_vec(),
    }
}

#[cfg(test)]
mod tests;
