//! Shares that spread what many tenants do over a period, so that tenants made in one hour are not all
//! reconciled, renewed or retried in one second.

use sha2::{Digest, Sha256};

/// A share of a whole, 0 or more and less than 1: the same for one uid and purpose at all times.
pub fn share(uid: &str, purpose: &str) -> f64 {
    let digest = Sha256::new()
        .chain_update(purpose)
        .chain_update([0])
        .chain_update(uid)
        .finalize();
    let number = digest
        .iter()
        .take(4)
        .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    f64::from(number) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_over_uids_and_deterministic() {
        let mut tenths = [0; 10];
        for number in 0..1000 {
            let uid = format!("11111111-2222-3333-4444-{number:012}");
            let drawn = share(&uid, "drift");
            assert!((0.0..1.0).contains(&drawn));
            assert!((drawn - share(&uid, "drift")).abs() < f64::EPSILON);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "0 to 9"
            )]
            let tenth = (drawn * 10.0) as usize;
            tenths[tenth] += 1;
        }
        assert!(tenths.iter().all(|n| (60..150).contains(n)), "{tenths:?}");
    }

    #[test]
    fn shares_of_one_uid_differ_by_purpose() {
        let difference = share("uid", "drift") - share("uid", "certificates");
        assert!(difference.abs() > f64::EPSILON);
    }
}
