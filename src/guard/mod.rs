//! The one async shell for admission policies.
//!
//! An admission policy answers "may this call start?" and hears how it ended. What all of them need
//! around that stands here once: the layer, the service, the future, the settlement that survives
//! drops and panics, and the same without tower.
//!
//! ```text
//!   poll_ready    check: refused for certain?  -> ready without the inner service, call refuses
//!                 else                         -> the inner service's readiness
//!   call          admit: granted  -> the inner service is called
//!                        refused  -> the error
//!                        wait     -> the ready service and the request wait with the call
//!   the end       settle: success, failure, ignored; abandoned when the future is dropped
//! ```
//!
//! # A deadline for the wait
//!
//! A call that waits longer than its caller does waits for nobody. Give a guard a deadline strategy
//! ([`Guard::deadline`], see [`deadline`](crate::deadline)), and a request's deadline ends its wait: the
//! turn is given up, and the call is refused with [`Reason::Expired`](crate::Reason::Expired), not
//! started. A deadline that has passed when the call would have to wait, or will have when its turn is
//! known to come (a rate limit's is), refuses it at once; and a turn that comes when the deadline has
//! passed is passed on. Calls that need not wait are let in as they are, without a look at deadline or
//! clock, and a policy that cannot wait costs nothing.
//!
//! # Several policies
//!
//! A pair of policies is a policy, and more than two nest to the right, which [`Guard::all`] does:
//! `Guard::all((limiter, breaker, bulkhead))`. All are checked before any is asked, so an open
//! breaker answers before any queue; a later refusal cancels what an earlier policy granted. When the
//! second makes the call wait, the first keeps its ticket if that is one to keep ([`Policy::KEEPS`]: that
//! of a policy with a queue, a call counted against a rate), and else gives it back and is asked
//! again: a probe is never held in a queue. (Nested to the left, the first
//! of a pair would be a pair, which keeps all or nothing.)
//!
//! The order that serves most is rate limit, circuit breaker, bulkhead: what the rate does not allow
//! takes no probe, and what the breaker refuses no place. A guard judges with *its own* classifier; those
//! of guards that are its members are not asked:
//!
//! ```
//! use buttress::{CircuitBreaker, OnError, Outcome, guard::Guard};
//! use tower::BoxError;
//!
//! let judge = OnError.except(|result: Result<&u16, &BoxError>| match result {
//!     Ok(500..) => Some(Outcome::Failure),
//!     _ => None,
//! });
//! let host = CircuitBreaker::builder().name("host").build()?;
//! let route = CircuitBreaker::builder().name("route").build()?;
//! let both = Guard::judged((route, host), judge);
//! # let _ = both;
//! # Ok::<(), buttress::InvalidConfig>(())
//! ```
//!
//! # A policy of your own
//!
//! Implement [`Policy`] and [`Admit`] and put the value into a [`Guard`]. The types say what it
//! costs: a policy that never waits ([`Policy::Queues`]) makes no call carry its request, one with
//! nothing to hear at the end ([`Policy::Settles`]) makes no call carry anything.
//!
//! ```
//! use buttress::guard::{Admission, Admit, Guard, Never, No, Now, Policy};
//! use buttress::{Outcome, Reason, Rejected};
//! use std::pin::Pin;
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use std::task::{Context, Poll};
//!
//! /// Refuses everything while the doors are shut.
//! #[derive(Default)]
//! struct Doors {
//!     shut: AtomicBool,
//! }
//!
//! impl Policy for Doors {
//!     type Ticket = ();
//!     type Wait = Never;
//!     type Queues = No;
//!     type Settles = No;
//!     type Judges = No;
//!
//!     fn check(&self, _: &Now) -> Option<Rejected> {
//!         self.shut
//!             .load(Ordering::Relaxed)
//!             .then(|| Rejected::new("doors", Reason::ForcedOpen))
//!     }
//!     fn cancel(&self, (): ()) {}
//!     fn settle(&self, (): (), _: Outcome, _: &Now) {}
//!     fn idle(&self, _: &Now) -> bool {
//!         !self.shut.load(Ordering::Relaxed)
//!     }
//! }
//!
//! impl<R: ?Sized> Admit<R> for Doors {
//!     fn admit(&self, now: &Now, _: &R) -> Admission<Self> {
//!         match self.check(now) {
//!             Some(no) => Admission::Refused(no),
//!             None => Admission::Granted(()),
//!         }
//!     }
//!     fn poll_wait(
//!         &self,
//!         wait: Pin<&mut Never>,
//!         _: &R,
//!         _: &Now,
//!         _: &mut Context<'_>,
//!     ) -> Poll<Result<(), Rejected>> {
//!         match *wait {}
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let doors = Guard::new(Doors::default());
//! assert!(doors.call(|| async { Ok::<_, std::io::Error>(1) }).await.is_ok());
//! doors.policy().shut.store(true, Ordering::Relaxed);
//! assert!(doors.call(|| async { Ok::<_, std::io::Error>(1) }).await.is_err());
//! # }
//! ```

mod ending;
#[cfg(feature = "reload")]
pub(crate) mod far;
mod once;
mod pair;
mod patient;
mod policy;
mod service;
mod settle;
mod several;
mod template;
mod until;
mod value;

pub use crate::sys::Now;
pub use ending::{EndWith, WithEnding, with_ending};
pub use once::{Acquire, Call, FlatCall, Once, OnceFlat, Start};
pub use pair::PairWait;
pub use policy::{Admission, Admit, Flag, Never, No, Policy, Spare, Yes};
pub use service::{Guarded, ResponseFuture};
pub use settle::{AsPermit, AtResponse, Ending, Judge, Permit, Settlement};
pub use several::Several;
pub use template::Template;
pub(crate) use until::Alarm;
pub use until::{Bounded, Patience, Until};
pub use value::Guard;
