//! Tally of costly work with keys and certificates, by thread: tests hold plans to a number of signatures instead of
//! a time. Other builds count nothing.

/// A kind of work that costs far more than copying its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// A private key is generated.
    KeyGenerated,
    /// A private key is read from its DER, and its public half computed.
    KeyRead,
    /// A message is signed.
    Signature,
    /// A signature is verified.
    Verification,
    /// A certificate is parsed.
    CertificateRead,
}

/// Number of each kind of [`Work`], in the order of the enum.
#[cfg(test)]
pub(crate) type Tally = [usize; 5];

#[cfg(test)]
thread_local! {
    static DONE: std::cell::Cell<Tally> = const { std::cell::Cell::new([0; 5]) };
}

/// Counts one piece of work.
#[cfg(test)]
pub(super) fn count(work: Work) {
    DONE.with(|done| {
        let mut tally = done.get();
        tally[work as usize] += 1;
        done.set(tally);
    });
}

/// Counts nothing outside of tests.
#[cfg(not(test))]
#[inline]
pub(super) fn count(_work: Work) {}

/// Runs `work` and returns its result, with what this thread did meanwhile.
#[cfg(test)]
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, Tally) {
    let before = DONE.with(std::cell::Cell::get);
    let result = work();
    let after = DONE.with(std::cell::Cell::get);
    (
        result,
        std::array::from_fn(|kind| after[kind] - before[kind]),
    )
}
