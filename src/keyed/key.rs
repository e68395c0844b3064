//! Where a request says whose it is.

use std::{borrow::Borrow, fmt, hash::Hash, marker::PhantomData};

/// Where a request says whose it is.
///
/// A closure that makes the key is one ([`Guard::keyed`](crate::guard::Guard::keyed)), and so is
/// [`Borrowed`]; those of HTTP stand in `http::keys`. One that is a type of yours implements [`Finds`] as well.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say which `{K}` the request `{R}` belongs to",
    label = "finds no key in this request",
    note = "a closure `|request: &{R}| -> {K}`, its parameter's type written out, can",
    note = "without a request, as in `call` and `acquire`, and with `per_key`, say whose call it is: `.for_key(&key).call(..)`"
)]
pub trait KeyOf<R: ?Sized, K> {
    /// The key as it is found in a request. It hashes as the key does that is made of it.
    type Found<'r>: Hash
    where
        R: 'r;

    /// Finds it.
    fn find<'r>(&self, request: &'r R) -> Self::Found<'r>;

    /// Whether it is this key.
    fn is(found: &Self::Found<'_>, key: &K) -> bool;

    /// The key to keep: asked for a key that has no policy yet.
    fn keep(found: Self::Found<'_>) -> K;
}

#[diagnostic::do_not_recommend]
impl<R: ?Sized, K: Hash + Eq, F: Fn(&R) -> K> KeyOf<R, K> for F {
    type Found<'r>
        = K
    where
        R: 'r;

    #[inline]
    fn find(&self, request: &R) -> K {
        self(request)
    }

    #[inline]
    fn is(found: &K, key: &K) -> bool {
        found == key
    }

    fn keep(found: K) -> K {
        found
    }
}

/// What is a type of its own and finds keys says what keys those are: then
/// [`keyed_by`](crate::guard::Guard::keyed_by) takes it as it is.
///
/// ```
/// use buttress::{CircuitBreaker, keyed::{Finds, KeyOf}};
///
/// struct Request {
///     tenant: u64,
/// }
///
/// #[derive(Clone, Copy)]
/// struct Tenant;
///
/// impl Finds for Tenant {
///     type Key = u64;
/// }
///
/// impl KeyOf<Request, u64> for Tenant {
///     type Found<'r> = u64;
///
///     fn find(&self, request: &Request) -> u64 {
///         request.tenant
///     }
///     fn is(found: &u64, key: &u64) -> bool {
///         found == key
///     }
///     fn keep(found: u64) -> u64 {
///         found
///     }
/// }
///
/// let per_tenant = CircuitBreaker::builder().build()?.keyed_by(Tenant).build()?;
/// # let _: buttress::keyed::PerKey<buttress::breaker::Breaker, u64, Tenant> = per_tenant;
/// # Ok::<(), buttress::InvalidConfig>(())
/// ```
pub trait Finds {
    /// What is kept of each.
    type Key;
}

/// A key that is looked up as the request has it, a `&str` say, and owned only when it is new.
pub struct Borrowed<F, Q: ?Sized> {
    by: F,
    of: PhantomData<fn(&Q)>,
}

impl<F, Q: ?Sized> Borrowed<F, Q> {
    pub(super) const fn new(by: F) -> Self {
        let of = PhantomData;
        Self { by, of }
    }
}

impl<R, K, F, Q> KeyOf<R, K> for Borrowed<F, Q>
where
    R: ?Sized,
    K: Borrow<Q>,
    F: Fn(&R) -> &Q,
    Q: Hash + Eq + ToOwned<Owned: Into<K>> + ?Sized + 'static,
{
    type Found<'r>
        = &'r Q
    where
        R: 'r;

    #[inline]
    fn find<'r>(&self, request: &'r R) -> &'r Q {
        (self.by)(request)
    }

    #[inline]
    fn is(found: &&Q, key: &K) -> bool {
        *found == key.borrow()
    }

    fn keep(found: &Q) -> K {
        found.to_owned().into()
    }
}

impl<F, Q: ?Sized> fmt::Debug for Borrowed<F, Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Borrowed").finish_non_exhaustive()
    }
}

/// No request says whose it is: whoever makes a call does. See
/// [`for_key`](crate::guard::Guard::for_key).
#[derive(Debug, Clone, Copy, Default)]
pub struct ByCaller;
