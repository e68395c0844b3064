//! What a policy is asked, and what it answers.

use std::{
    fmt, mem,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::time::Instant;

use crate::{
    classify::Outcome,
    error::{Reason, Rejected},
    sys::Now,
};

/// An admission policy: it says whether a call may start, and hears how it ended.
///
/// A policy has no future and no service of its own; the [guard](crate::guard) asks these questions
/// at the right moments. The one question that looks at the request stands in [`Admit`].
pub trait Policy {
    /// The right to run one call: plain data, handed back at its end.
    type Ticket;

    /// What a waiting call keeps while it waits; [`Never`] for a policy that cannot wait.
    type Wait;

    /// Whether a call may have to wait: [`Yes`] or [`No`]. With `No` a guarded call carries neither
    /// the request nor a copy of the service, and the service need not be `Clone`.
    type Queues: Flag;

    /// Whether a ticket needs something at the end: [`Yes`] or [`No`]. With `No` a guarded call
    /// carries nothing at all and no result is judged; in a pair with one that settles, the ticket goes
    /// along and is dropped.
    type Settles: Flag;

    /// Whether it matters how a call ended: [`Yes`] or [`No`]. With `No` no classifier is asked, nor
    /// needed, and a call that was answered is settled as [`Outcome::Ignored`]; a policy that does not
    /// settle says `No`, too.
    type Judges: Flag;

    /// Whether a call may hold its ticket while a later policy of the guard makes it wait. By default the
    /// ticket of a policy that queues is kept, also where the call did not have to: it might have to the
    /// next time. All others go back, and are asked for again: a right that was given for this moment (a
    /// probe, say) must not be held in a queue.
    const KEEPS: bool = <Self::Queues as Flag>::IS;

    /// Would a call be refused for certain? Has no effect. Asked when the service is polled ready,
    /// and of all policies of a guard before any of them is asked to admit.
    fn check(&self, now: &Now) -> Option<Rejected>;

    /// A call is turned away on the strength of [`check`](Self::check), without being admitted.
    /// Counts it, and brings the answer up to date.
    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        let _ = now;
        rejected
    }

    /// The call stopped waiting (it was dropped): give up its turn. The wait is dropped right after,
    /// so a wait that cleans up in its own `Drop` needs nothing here.
    fn leave(&self, wait: Pin<&mut Self::Wait>) {
        let _ = wait;
    }

    /// When this wait will be over, if that is known already. A call whose deadline comes first need not
    /// begin to wait: it is [refused](Self::expire) at once.
    fn over_at(&self, wait: &Self::Wait) -> Option<Instant> {
        let _ = wait;
        None
    }

    /// The deadline of the call passed while it waited, or is sure to: give up its turn, as [`leave`](Self::leave)
    /// does, count it, and say no. Asked only in a guard with a deadline strategy; the policy's wait is
    /// dropped right after.
    fn expire(&self, wait: Pin<&mut Self::Wait>, now: &Now) -> Rejected {
        let _ = now;
        self.leave(wait);
        Rejected::new("deadline", Reason::Expired)
    }

    /// The call never started: take the ticket back as if it had not been given, what was counted when
    /// it was included. (A first of a pair, made to give its ticket back while the second waits, is
    /// asked to admit the same call again.)
    fn cancel(&self, ticket: Self::Ticket);

    /// The dependency has answered, and the call goes on: the body of its response is still to come. So it
    /// does not hang. Asked where an [`Ending`](super::Ending) says so, at most once.
    fn answered(&self, ticket: &Self::Ticket, now: &Now) {
        let _ = (ticket, now);
    }

    /// The call ended. Never asked of a ticket twice.
    fn settle(&self, ticket: Self::Ticket, outcome: Outcome, now: &Now);

    /// Would forgetting all that this policy knows lose nothing?
    fn idle(&self, now: &Now) -> bool;
}

/// The part of a policy that looks at the request. A policy that does not look implements it for
/// every `R`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide about requests of type `{R}`",
    label = "not a policy for this request",
    note = "two policies are one as a pair; `Guard::all((a, b, c))` makes one guard of up to six"
)]
pub trait Admit<R: ?Sized>: Policy {
    /// May this call start? Asked when the call arrives, and again only after a
    /// [`cancel`](Policy::cancel).
    fn admit(&self, now: &Now, request: &R) -> Admission<Self>;

    /// Has the wait ended? Polled until it answers; an error ends the call.
    ///
    /// A policy that cannot wait writes `match *wait {}`.
    fn poll_wait(
        &self,
        wait: Pin<&mut Self::Wait>,
        request: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Ticket, Rejected>>;
}

/// The answer to "may this call start?".
#[repr(u64)]
pub enum Admission<P: Policy + ?Sized> {
    /// It may.
    Granted(P::Ticket),
    /// It may not.
    Refused(Rejected),
    /// It may, later: poll this. Cannot be made by a policy that does not [queue](Policy::Queues).
    Wait(<P::Queues as Flag>::If<P::Wait>),
}

impl<P: Policy + ?Sized> fmt::Debug for Admission<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Granted(_) => "Granted",
            Self::Refused(_) => "Refused",
            Self::Wait(_) => "Wait",
        })
    }
}

/// No value of this type exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Never {}

/// A yes or no that types can depend on: what a policy does not need takes no room in the future
/// and asks for no bound.
pub trait Flag: sealed::Sealed {
    /// `T` if yes; if no, a type without values.
    type If<T>;

    /// Yes if either is.
    type Or<O: Flag>: Flag;

    /// Whether it is yes.
    const IS: bool;

    /// A value is made only if yes.
    fn put<T>(value: impl FnOnce() -> T) -> Option<Self::If<T>>;

    /// The value: there is one, so it is yes.
    fn get<T>(value: Self::If<T>) -> T;

    /// The value by reference.
    fn by_ref<T>(value: &Self::If<T>) -> &T;

    /// The value in its place.
    fn pin<T>(value: Pin<&mut Self::If<T>>) -> Pin<&mut T>;

    /// Another value in its stead.
    fn map<T, U>(value: Self::If<T>, with: impl FnOnce(T) -> U) -> Self::If<U>;

    /// There is a value for the first of two, so there is one for either.
    fn first<T, O: Flag>(value: Self::If<T>) -> <Self::Or<O> as Flag>::If<T>;

    /// There is a value for the second of two, so there is one for either.
    fn second<T, O: Flag>(value: O::If<T>) -> <Self::Or<O> as Flag>::If<T>;
}

/// The [`Flag`] for "it does".
#[derive(Debug, Clone, Copy)]
pub enum Yes {}

/// The [`Flag`] for "it never does".
#[derive(Debug, Clone, Copy)]
pub enum No {}

impl Flag for Yes {
    type If<T> = T;
    type Or<O: Flag> = Self;
    const IS: bool = true;

    #[inline]
    fn put<T>(value: impl FnOnce() -> T) -> Option<T> {
        Some(value())
    }

    #[inline]
    fn get<T>(value: T) -> T {
        value
    }

    #[inline]
    fn by_ref<T>(value: &T) -> &T {
        value
    }

    fn pin<T>(value: Pin<&mut T>) -> Pin<&mut T> {
        value
    }

    fn map<T, U>(value: T, with: impl FnOnce(T) -> U) -> U {
        with(value)
    }

    fn first<T, O: Flag>(value: T) -> T {
        value
    }

    fn second<T, O: Flag>(value: O::If<T>) -> T {
        O::get(value)
    }
}

impl Flag for No {
    type If<T> = Never;
    type Or<O: Flag> = O;
    const IS: bool = false;

    #[inline]
    fn put<T>(_: impl FnOnce() -> T) -> Option<Never> {
        None
    }

    fn get<T>(value: Never) -> T {
        match value {}
    }

    fn by_ref<T>(value: &Never) -> &T {
        match *value {}
    }

    fn pin<T>(value: Pin<&mut Never>) -> Pin<&mut T> {
        match *value {}
    }

    fn map<T, U>(value: Never, _: impl FnOnce(T) -> U) -> Never {
        value
    }

    fn first<T, O: Flag>(value: Never) -> O::If<T> {
        match value {}
    }

    fn second<T, O: Flag>(value: O::If<T>) -> O::If<T> {
        value
    }
}

/// How a waiting call comes by the service that was made ready: only a guard that queues has to
/// leave a clone in its place.
#[diagnostic::on_unimplemented(
    message = "a policy that queues needs a service that is `Clone`, and `{S}` is not",
    label = "a waiting call takes the ready service along and leaves a clone in its place",
    note = "derive `Clone` for the service, or put `tower::buffer` around it"
)]
pub trait Spare<S>: Flag {
    /// The ready service. There is a wait, so there is a way.
    fn spare<W>(service: &mut S, wait: &Self::If<W>) -> S;
}

#[diagnostic::do_not_recommend]
impl<S: Clone> Spare<S> for Yes {
    fn spare<W>(service: &mut S, _: &W) -> S {
        // The clone has not been polled ready, so the original is the one to take along.
        let spare = service.clone();
        mem::replace(service, spare)
    }
}

impl<S> Spare<S> for No {
    fn spare<W>(_: &mut S, wait: &Never) -> S {
        match *wait {}
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::Yes {}
    impl Sealed for super::No {}
}
