use std::fmt;

/// Which try of a call: 1 for the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt(u32);

impl Attempt {
    /// The first of a call.
    pub const FIRST: Self = Self(1);

    /// Its number, from 1.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether it is the first: no extra one.
    #[must_use]
    pub const fn is_first(self) -> bool {
        self.0 == 1
    }

    /// The one after it.
    #[inline]
    pub(crate) const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Keeps a request, to send it again. See [`replay`](crate::replay).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot make a request of type `{R}` a second time",
    label = "not a replay strategy for this request",
    note = "the default, `Cloned`, needs `{R}: Clone`",
    note = "a server that sends no request twice: `.replay(buttress::replay::Never)`",
    note = "else give `.replay(..)` a closure `|request: &{R}| -> Option<{R}>`, its parameter's type written out, or a `buttress::replay::Rebuild`"
)]
pub trait Replay<R> {
    /// What is kept of a request.
    type Kept;

    /// Called before the first attempt. Nothing when this request cannot be replayed. May write
    /// into the request what the first attempt is to carry.
    fn keep(&self, request: &mut R) -> Option<Self::Kept>;

    /// Called in place of [`keep`](Self::keep) where there will be one attempt: writes into the request what
    /// that would have written. By default that is nothing.
    fn only(&self, request: &mut R) {
        let _ = request;
    }

    /// The request once more, when others may follow. Nothing when that does not work after all.
    fn again(&self, kept: &Self::Kept, attempt: Attempt) -> Option<R>;

    /// The request for the last time.
    fn last(&self, kept: Self::Kept, attempt: Attempt) -> Option<R> {
        self.again(&kept, attempt)
    }
}

/// A request that can be had twice, or not. Everything that is `Clone` can; implement it for a request that
/// sometimes can.
pub trait TryClone: Sized {
    /// The same request, or nothing if it cannot be had, or must not be sent, twice.
    fn try_clone(&self) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<R: Clone> TryClone for R {
    #[inline]
    fn try_clone(&self) -> Option<Self> {
        Some(self.clone())
    }
}

/// Sends nothing twice: what a server does with the requests that it was sent.
///
/// ```
/// use buttress::{Resilience, replay::Never};
///
/// let route: Resilience<_, Never> = Resilience::builder().bulkhead(64).replay(Never).build()?;
/// # let _ = route;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Never;

impl<R> Replay<R> for Never {
    type Kept = std::convert::Infallible;

    #[inline]
    fn keep(&self, _: &mut R) -> Option<Self::Kept> {
        None
    }

    fn again(&self, kept: &Self::Kept, _: Attempt) -> Option<R> {
        match *kept {}
    }
}

/// Clones the request: the default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cloned;

impl<R: TryClone> Replay<R> for Cloned {
    type Kept = R;

    #[inline]
    fn keep(&self, request: &mut R) -> Option<R> {
        request.try_clone()
    }

    fn again(&self, kept: &R, _: Attempt) -> Option<R> {
        kept.try_clone()
    }

    fn last(&self, kept: R, _: Attempt) -> Option<R> {
        Some(kept)
    }
}

#[diagnostic::do_not_recommend]
impl<R, F: Fn(&R) -> Option<R>> Replay<R> for F {
    type Kept = R;

    #[inline]
    fn keep(&self, request: &mut R) -> Option<R> {
        self(request)
    }

    fn again(&self, kept: &R, _: Attempt) -> Option<R> {
        self(kept)
    }

    fn last(&self, kept: R, _: Attempt) -> Option<R> {
        Some(kept)
    }
}

/// Two closures: one takes the parts out of a request that are worth keeping, one makes a request of
/// them. Either may say no.
#[derive(Clone, Copy)]
pub struct Rebuild<K, M> {
    keep: K,
    make: M,
}

impl<K, M> Rebuild<K, M> {
    /// Keeps with the first, makes with the second.
    pub const fn new<R, P>(keep: K, make: M) -> Self
    where
        K: Fn(&R) -> Option<P>,
        M: Fn(&P) -> Option<R>,
    {
        Self { keep, make }
    }
}

impl<K, M> fmt::Debug for Rebuild<K, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rebuild").finish_non_exhaustive()
    }
}

impl<R, P, K, M> Replay<R> for Rebuild<K, M>
where
    K: Fn(&R) -> Option<P>,
    M: Fn(&P) -> Option<R>,
{
    type Kept = P;

    #[inline]
    fn keep(&self, request: &mut R) -> Option<P> {
        (self.keep)(request)
    }

    fn again(&self, kept: &P, _: Attempt) -> Option<R> {
        (self.make)(kept)
    }
}

/// Writes the attempt's number into every request that another strategy replays. Made by a builder's
/// `on_attempt`.
#[derive(Clone, Copy)]
pub struct Numbered<Y, F> {
    replay: Y,
    write: F,
}

impl<Y, F> Numbered<Y, F> {
    pub(crate) const fn new(replay: Y, write: F) -> Self {
        Self { replay, write }
    }
}

impl<Y: fmt::Debug, F> fmt::Debug for Numbered<Y, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Numbered").field(&self.replay).finish()
    }
}

impl<R, Y, F> Replay<R> for Numbered<Y, F>
where
    Y: Replay<R>,
    F: Fn(&mut R, Attempt),
{
    type Kept = Y::Kept;

    #[inline]
    fn keep(&self, request: &mut R) -> Option<Y::Kept> {
        let kept = self.replay.keep(request);
        (self.write)(request, Attempt::FIRST);
        kept
    }

    #[inline]
    fn only(&self, request: &mut R) {
        self.replay.only(request);
        (self.write)(request, Attempt::FIRST);
    }

    fn again(&self, kept: &Y::Kept, attempt: Attempt) -> Option<R> {
        let mut request = self.replay.again(kept, attempt)?;
        (self.write)(&mut request, attempt);
        Some(request)
    }

    fn last(&self, kept: Y::Kept, attempt: Attempt) -> Option<R> {
        let mut request = self.replay.last(kept, attempt)?;
        (self.write)(&mut request, attempt);
        Some(request)
    }
}
