//! A pipeline around a closure: calls without tower.

use std::future::Future;

use tower::{Layer, Service};

use super::{
    again::ByNumber,
    core::Handle,
    cover::Cover,
    future::ResponseFuture,
    handle::Resilience,
    send::{Own, send},
};
use crate::{
    classify::Classify,
    deadline::NoDeadline,
    error::{CarryRejected, Error},
    replay::{Attempt, Repeat, RepeatFlat},
};

/// The future of [`Resilience::call`](crate::Resilience::call), but for the fallback's part in it.
pub type Call<F, C, Y, D> = ResponseFuture<Repeat<F>, NoDeadline, Attempt, ByNumber, C, Y, D>;

/// The future of [`Resilience::call_flat`](crate::Resilience::call_flat), but for the fallback's part in it.
pub type FlatCall<F, C, Y, D> =
    ResponseFuture<RepeatFlat<F>, NoDeadline, Attempt, ByNumber, C, Y, D>;

/// A call whose attempts need nothing but their number.
#[inline(always)]
fn direct<S, C, Y, D>(
    handle: &Handle<C, Y, D>,
    inner: S,
) -> ResponseFuture<S, NoDeadline, Attempt, ByNumber, C, Y, D>
where
    S: Service<Attempt, Error: CarryRejected> + Clone,
    C: Classify<S::Response, S::Error>,
{
    let own = Own(handle.layer(handle.policy().in_time(inner, NoDeadline)));
    send(handle, &NoDeadline, own, Attempt::FIRST)
}

impl<C, Y, D, B> Resilience<C, Y, D, B> {
    /// Runs one call without tower. The closure makes an attempt each time that it is called, and is told
    /// which. The first one starts here and now, unless it has to wait for its turn.
    ///
    /// The closure is `Clone`, as one is that borrows or shares what it needs: a call that has to wait for
    /// its turn takes a copy along.
    ///
    /// # Errors
    ///
    /// [`Error::Rejected`] when a policy refused or the time ran out, [`Error::Inner`] with the last
    /// attempt's own error.
    ///
    /// # Panics
    ///
    /// The future panics when it has to wait outside a tokio runtime with time enabled.
    ///
    /// # Cancel safety
    ///
    /// The future can be dropped at any point: it gives back all that it holds.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use buttress::Resilience;
    ///
    /// let files = Resilience::standard();
    /// let text = files.call(|_| tokio::fs::read_to_string("Cargo.toml")).await?;
    /// # assert!(text.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call<F, Fut, T, E>(&self, attempts: F) -> B::Future<Call<F, C, Y, D>>
    where
        F: FnMut(Attempt) -> Fut + Clone,
        Fut: Future<Output = Result<T, E>>,
        C: Classify<T, Error<E>>,
        B: Cover<(), T, Error<E>>,
    {
        let handle = self.handle();
        self.cover()
            .cover((), |()| direct(handle, Repeat(attempts)))
    }

    /// The same for a closure whose error can hold a refusal already: it stays as it is.
    ///
    /// # Errors
    ///
    /// The last attempt's own, or the refusal in it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), tower::BoxError> {
    /// use buttress::Resilience;
    ///
    /// let files = Resilience::standard();
    /// let read = |_| async { Ok::<_, tower::BoxError>(tokio::fs::read_to_string("Cargo.toml").await?) };
    /// let text = files.call_flat(read).await?;
    /// # assert!(text.contains("buttress"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn call_flat<F, Fut, T, E>(&self, attempts: F) -> B::Future<FlatCall<F, C, Y, D>>
    where
        F: FnMut(Attempt) -> Fut + Clone,
        Fut: Future<Output = Result<T, E>>,
        E: CarryRejected,
        C: Classify<T, E>,
        B: Cover<(), T, E>,
    {
        let handle = self.handle();
        self.cover()
            .cover((), |()| direct(handle, RepeatFlat(attempts)))
    }
}
