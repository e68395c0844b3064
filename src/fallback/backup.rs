//! What takes the place of a failed call.

use std::{
    fmt,
    future::{Future, Ready, ready},
};

/// Takes the place of a failed call: a strategy. See the [module](crate::fallback) for those that are
/// ready-made.
///
/// `R` is the request, `T` and `E` are the response and the error of the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot take the place of a call with the request `{R}` that answers `Result<{T}, {E}>`",
    label = "not a backup for this service",
    note = "a value must be of the response's type, `{T}`, and `Clone`",
    note = "a function must take `Result<{T}, {E}>` and return one, its parameter's type written out",
    note = "a service must be `Clone`, take the request, answer with `{T}`, and its error must turn `Into<{E}>`; its request must be kept (`{R}: Clone`, or give `.replay(..)` another strategy)"
)]
pub trait Backup<R, T, E> {
    /// What is kept of the request while the call itself runs.
    type Kept;

    /// The backup's answer.
    type Future: Future<Output = Result<T, E>>;

    /// Whether the future answers on its first poll, whatever happens. Then it needs no place.
    const AT_ONCE: bool = false;

    /// Keeps what the backup will need. Called before the call itself, so with every call: let it be
    /// cheap. Nothing when there is no backup for this request; a failure is then returned as it is.
    fn keep(&self, request: &mut R) -> Option<Self::Kept>;

    /// The call failed like this: the backup.
    ///
    /// # Errors
    ///
    /// The failed call's own result, when there is no backup after all: it is returned as it is.
    fn answer(&self, kept: Self::Kept, failed: Result<T, E>) -> Result<Self::Future, Result<T, E>>;
}

/// A value, cloned for each answer. Made by [`Fallback::value`](crate::Fallback::value).
#[derive(Debug, Clone, Copy)]
pub struct Value<T>(pub(super) T);

impl<R, T: Clone, E> Backup<R, T, E> for Value<T> {
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    const AT_ONCE: bool = true;

    #[inline]
    fn keep(&self, _: &mut R) -> Option<()> {
        Some(())
    }

    fn answer(&self, (): (), _: Result<T, E>) -> Result<Self::Future, Result<T, E>> {
        Ok(ready(Ok(self.0.clone())))
    }
}

/// A function of the failure. Made by [`Fallback::function`](crate::Fallback::function).
#[derive(Clone, Copy)]
pub struct Function<F>(pub(super) F);

impl<R, T, E, F> Backup<R, T, E> for Function<F>
where
    F: Fn(Result<T, E>) -> Result<T, E>,
{
    type Kept = ();
    type Future = Ready<Result<T, E>>;

    const AT_ONCE: bool = true;

    #[inline]
    fn keep(&self, _: &mut R) -> Option<()> {
        Some(())
    }

    fn answer(&self, (): (), failed: Result<T, E>) -> Result<Self::Future, Result<T, E>> {
        Ok(ready((self.0)(failed)))
    }
}

/// A function of what is kept of the request, and of the failure. Made by
/// [`Fallback::function_of`](crate::Fallback::function_of).
#[derive(Clone, Copy)]
pub struct FunctionOf<K, F> {
    pub(super) keep: K,
    pub(super) function: F,
}

impl<R, T, E, P, K, F> Backup<R, T, E> for FunctionOf<K, F>
where
    K: Fn(&R) -> P,
    F: Fn(P, Result<T, E>) -> Result<T, E>,
{
    type Kept = P;
    type Future = Ready<Result<T, E>>;

    const AT_ONCE: bool = true;

    #[inline]
    fn keep(&self, request: &mut R) -> Option<P> {
        Some((self.keep)(request))
    }

    fn answer(&self, kept: P, failed: Result<T, E>) -> Result<Self::Future, Result<T, E>> {
        Ok(ready((self.function)(kept, failed)))
    }
}

/// An async function of the failure. Made by
/// [`Fallback::async_function`](crate::Fallback::async_function).
#[derive(Clone, Copy)]
pub struct AsyncFunction<F>(pub(super) F);

impl<R, T, E, F, Fut> Backup<R, T, E> for AsyncFunction<F>
where
    F: Fn(Result<T, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Kept = ();
    type Future = Fut;

    #[inline]
    fn keep(&self, _: &mut R) -> Option<()> {
        Some(())
    }

    fn answer(&self, (): (), failed: Result<T, E>) -> Result<Fut, Result<T, E>> {
        Ok((self.0)(failed))
    }
}

/// An async function of what is kept of the request, and of the failure. Made by
/// [`Fallback::async_function_of`](crate::Fallback::async_function_of).
#[derive(Clone, Copy)]
pub struct AsyncFunctionOf<K, F> {
    pub(super) keep: K,
    pub(super) function: F,
}

impl<R, T, E, P, K, F, Fut> Backup<R, T, E> for AsyncFunctionOf<K, F>
where
    K: Fn(&R) -> P,
    F: Fn(P, Result<T, E>) -> Fut,
    Fut: Future<Output = Result<T, E>>,
{
    type Kept = P;
    type Future = Fut;

    #[inline]
    fn keep(&self, request: &mut R) -> Option<P> {
        Some((self.keep)(request))
    }

    fn answer(&self, kept: P, failed: Result<T, E>) -> Result<Fut, Result<T, E>> {
        Ok((self.function)(kept, failed))
    }
}

impl<F> fmt::Debug for Function<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Function").finish_non_exhaustive()
    }
}

impl<K, F> fmt::Debug for FunctionOf<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FunctionOf").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for AsyncFunction<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFunction").finish_non_exhaustive()
    }
}

impl<K, F> fmt::Debug for AsyncFunctionOf<K, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncFunctionOf").finish_non_exhaustive()
    }
}
