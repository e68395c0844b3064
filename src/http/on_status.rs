//! What a status says about the dependency.

use std::fmt;

use super::{
    head::ResponseHead,
    on_code::{OnCode, PUSHBACK, code_in, is_grpc},
    retry_after::wait_in,
};
use crate::classify::{Advice, Classify, Outcome, Verdict};

/// Judges responses by their status.
///
/// | | says | another attempt |
/// |---|---|---|
/// | 5xx but 501, 408 | failure | yes |
/// | 429 (Too Many Requests) | success: the server is alive | yes |
/// | all other responses, 501 (Not Implemented) among them | success | no |
/// | a refusal of our own that was made a response further in, by [`respond`](super::respond) | nothing, but for an expired timeout | as the refusal says |
/// | an error | what the error [says](crate::Verdict): failure, but for refusals of our own | yes |
///
/// `Retry-After` in a response after which another attempt may follow is obeyed: it comes no earlier. A
/// response of gRPC is judged by its code, see [`OnCode`].
///
/// This is what the default classifier does where it knows that it is about HTTP: with reqwest's client, with
/// the [`Adapt`](super::Adapt) of this module, and in [`respond`](super::respond). Name it elsewhere, and where
/// the list is to be another one:
///
/// ```
/// use buttress::{CircuitBreaker, http::OnStatus};
///
/// let judge = OnStatus::new().failures([404]).failures(520..=530).no_failures([503]);
/// let breaker = CircuitBreaker::builder().classify(judge).build()?;
/// # let _: CircuitBreaker<OnStatus> = breaker;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OnStatus {
    failures: Statuses,
    /// Whether a failure or not.
    retried: Statuses,
    codes: OnCode,
}

impl OnStatus {
    /// The table above.
    #[must_use]
    pub const fn new() -> Self {
        let failures = Statuses::NONE
            .with(500, 599)
            .without(501, 501)
            .with(408, 408);
        Self {
            failures,
            retried: failures.with(429, 429),
            codes: OnCode::new(),
        }
    }

    /// These are failures as well, after which another attempt may help.
    ///
    /// # Panics
    ///
    /// Here and below, if one is no status: not 100 to 999.
    #[must_use]
    pub fn failures(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        for status in statuses {
            self.failures = self.failures.with(status, status);
            self.retried = self.retried.with(status, status);
        }
        self
    }

    /// These are none, and stand.
    #[must_use]
    pub fn no_failures(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        for status in statuses {
            self.failures = self.failures.without(status, status);
            self.retried = self.retried.without(status, status);
        }
        self
    }

    /// After these another attempt may help, whether they are failures or not.
    #[must_use]
    pub fn retried(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        for status in statuses {
            self.retried = self.retried.with(status, status);
        }
        self
    }

    /// These stand, whether they are failures or not.
    #[must_use]
    pub fn not_retried(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        for status in statuses {
            self.retried = self.retried.without(status, status);
        }
        self
    }

    /// How responses of gRPC are judged.
    #[must_use]
    pub const fn codes(mut self, codes: OnCode) -> Self {
        self.codes = codes;
        self
    }

    /// What this response says.
    pub(crate) fn outcome(&self, response: &impl ResponseHead) -> Outcome {
        if let Some(no) = response.rejected() {
            return no.outcome();
        }
        if let Some(code) = self.code(response) {
            return self.codes.outcome(code);
        }
        match self.failures.has(response.status().as_u16()) {
            true => Outcome::Failure,
            false => Outcome::Success,
        }
    }

    /// Whether another attempt may follow it.
    pub(crate) fn advice(&self, response: &impl ResponseHead) -> Advice {
        if let Some(no) = response.rejected() {
            return match self.code(response) {
                Some(_) => self.codes.after(no),
                None => no.advice(),
            };
        }
        if let Some(code) = self.code(response) {
            return self.codes.advice(code, response.headers().get(PUSHBACK));
        }
        if !self.retried.has(response.status().as_u16()) {
            return Advice::Stop;
        }
        match wait_in(response.headers()) {
            Some(wait) => Advice::RetryAfter(wait),
            None => Advice::Retry,
        }
    }

    /// The code of a gRPC response that says it at its head. (Others say it at their end.)
    fn code(&self, response: &impl ResponseHead) -> Option<u32> {
        let headers = response.headers();
        // Asked first: most responses are not, and their type is found faster.
        is_grpc(headers).then(|| code_in(headers)).flatten()
    }
}

impl Default for OnStatus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OnStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnStatus").finish_non_exhaustive()
    }
}

impl<T: ResponseHead, E: Verdict<T>> Classify<T, E> for OnStatus {
    #[inline]
    fn classify(&self, result: Result<&T, &E>) -> Outcome {
        match result {
            Ok(response) => self.outcome(response),
            error => E::classify(error),
        }
    }

    #[inline]
    fn advise(&self, result: Result<&T, &E>) -> Advice {
        match result {
            Ok(response) => self.advice(response),
            error => E::advise(error),
        }
    }
}

/// A set of statuses: a bit for each below 1024.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Statuses([u64; 16]);

impl Statuses {
    const NONE: Self = Self([0; 16]);

    const fn with(mut self, first: u16, last: u16) -> Self {
        let mut status = check(first);
        while status <= last {
            self.0[status as usize / 64] |= 1 << (status % 64);
            status += 1;
        }
        self
    }

    const fn without(mut self, first: u16, last: u16) -> Self {
        let mut status = check(first);
        while status <= last {
            self.0[status as usize / 64] &= !(1 << (status % 64));
            status += 1;
        }
        self
    }

    #[inline]
    const fn has(&self, status: u16) -> bool {
        self.0[status as usize / 64] & 1 << (status % 64) != 0
    }
}

const fn check(status: u16) -> u16 {
    assert!(
        100 <= status && status <= 999,
        "an HTTP status must be 100 to 999"
    );
    status
}
