//! The room, with a clock, a name and a voice: an admission policy.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project::pin_project;
use tokio::time::Instant;

use super::{
    config::Config,
    lanes::Spread,
    room::{Entry, Glance, Room, Turn},
    snapshot::Snapshot,
    ticket::Ticket,
};
use crate::{
    classify::Outcome,
    deadline::instant::Deadline,
    error::{InvalidConfig, Reason, Rejected},
    guard::{Admission, Admit, Alarm, Flag, No, Now, Policy, Template, Yes},
    sys::{AtomicU64, Ordering},
    telemetry::{Counters, EventKind, Meter, RareCounters, Times, UpDown, Voice, names},
};

/// The policy behind [`Bulkhead`](crate::Bulkhead): so many places. `Q` says whether there is a queue
/// for them, [`Yes`] or [`No`].
#[repr(C)]
pub struct Places<Q = No> {
    /// First, since its first word is best beside the count of references: see there.
    room: Room,
    counts: Counts,
    voice: Voice,
    meters: Meters,
    queues: PhantomData<fn() -> Q>,
}

/// How many were refused, and why.
#[derive(Debug, Default)]
struct Counts {
    rejected: AtomicU64,
    timed_out: AtomicU64,
    expired: AtomicU64,
    would_have_rejected: AtomicU64,
}

#[derive(Debug)]
struct Meters {
    rejected: Counters<2>,
    would_have_rejected: RareCounters<2>,
    in_flight: UpDown,
    limit: Meter,
    queued: Meter,
    wait: Times,
}

const FULL: usize = 0;
const EXPIRED: usize = 1;

impl Meters {
    fn new(policy: &'static str) -> Self {
        Self {
            rejected: Counters::new(policy, &names::BULKHEAD_REJECTED),
            would_have_rejected: RareCounters::new(policy, &names::BULKHEAD_WOULD_HAVE_REJECTED),
            in_flight: UpDown::new(policy, &names::BULKHEAD_IN_FLIGHT),
            limit: Meter::new(policy, &names::BULKHEAD_LIMIT),
            queued: Meter::new(policy, &names::BULKHEAD_QUEUED),
            wait: Times::new(policy, &names::BULKHEAD_WAIT),
        }
    }

    /// For another bulkhead of the same name.
    fn fresh(&self) -> Self {
        Self {
            rejected: self.rejected.fresh(),
            would_have_rejected: self.would_have_rejected.fresh(),
            in_flight: self.in_flight.fresh(),
            limit: self.limit.fresh(),
            queued: self.queued.fresh(),
            wait: self.wait.fresh(),
        }
    }
}

impl<Q> Places<Q> {
    /// One that is not among thousands.
    pub(crate) fn single(config: Config, voice: Voice) -> Self {
        Self::new(config, voice, Spread::WIDE)
    }

    pub(super) fn new(config: Config, voice: Voice, spread: Spread) -> Self {
        let meters = Meters::new(voice.policy());
        Self::with(config, voice, meters, spread)
    }

    fn with(config: Config, voice: Voice, meters: Meters, spread: Spread) -> Self {
        Self {
            room: Room::new(config, spread),
            counts: Counts::default(),
            voice,
            meters,
            queues: PhantomData,
        }
    }

    pub(super) const fn voice(&self) -> &Voice {
        &self.voice
    }

    /// The same settings under another name.
    pub(super) fn fork(&self, name: &str) -> Self {
        Self::single(self.room.config(), self.voice.fork(name))
    }

    #[inline(never)]
    fn reject(&self, reason: Reason) -> Rejected {
        self.counts.rejected.fetch_add(1, Ordering::Relaxed);
        self.meters.rejected.add(match reason {
            Reason::Expired => EXPIRED,
            _ => FULL,
        });
        self.voice.tell(EventKind::Rejected {
            reason,
            retry_after: None,
        });
        Rejected::new(self.voice.policy(), reason)
    }

    /// A call runs that has no place.
    #[inline(never)]
    fn run_beside(&self) {
        let would_have_rejected = &self.counts.would_have_rejected;
        would_have_rejected.fetch_add(1, Ordering::Relaxed);
        self.meters.would_have_rejected.add(FULL);
        self.voice.tell(EventKind::WouldHaveRejected {
            reason: Reason::Full,
            retry_after: None,
        });
    }

    /// A call that has a place runs. The recorder is the user's code: should it panic, the place is free
    /// again.
    #[inline]
    fn start(&self) {
        let place = Taken(self);
        let first = self.meters.in_flight.up();
        mem::forget(place);
        if first {
            self.show_limit_first();
        }
    }

    #[cold]
    #[inline(never)]
    fn show_limit_first(&self) {
        let running = Running(self);
        self.show_limit();
        mem::forget(running);
    }

    fn show_limit(&self) {
        show(&self.meters.limit, || {
            self.room.config().max_concurrent.into()
        });
    }

    fn show_queued(&self) {
        show(&self.meters.queued, || self.room.queued());
    }

    /// A call that has this turn waits.
    #[cold]
    fn wait(&self, turn: Turn, now: &Now) -> Waiting {
        let queued = Queued(self, turn.number);
        self.show_queued();
        mem::forget(queued);
        let since = now.get();
        Waiting(Some(Box::pin(Wait {
            turn: turn.number,
            since,
            alarm: Alarm::new(Deadline::after_from(since, turn.max_wait)),
        })))
    }

    /// A call's turn has come. Its wait still stands, and would pass the place on if this panicked.
    fn has_waited(&self, since: Instant, now: &Now) {
        let wait = now.get().saturating_duration_since(since);
        self.room.has_waited(wait);
        self.show_queued();
        self.meters.wait.record(wait);
        self.voice.tell(EventKind::Waited { wait });
    }
}

/// Tells a gauge. Of several threads one that was overtaken would leave it at an old level: so who told
/// it looks once more.
fn show(meter: &Meter, level: impl Fn() -> u64) {
    let mut now = level();
    loop {
        meter.show_whole(now);
        let told = mem::replace(&mut now, level());
        if now == told {
            break;
        }
    }
}

/// A place that was taken. Dropped, it is free.
struct Taken<'a, Q>(&'a Places<Q>);

impl<Q> Drop for Taken<'_, Q> {
    #[inline]
    fn drop(&mut self) {
        self.0.room.give();
    }
}

/// A call in its place. Dropped, it has ended.
struct Running<'a, Q>(&'a Places<Q>);

impl<Q> Drop for Running<'_, Q> {
    #[inline]
    fn drop(&mut self) {
        // First out of the gauge, which so never shows more than may run; the place is free also when
        // the recorder panics.
        let _place = Taken(self.0);
        self.0.meters.in_flight.down();
    }
}

/// A turn in the queue. Dropped, it is given up.
struct Queued<'a, Q>(&'a Places<Q>, u64);

impl<Q> Drop for Queued<'_, Q> {
    fn drop(&mut self) {
        self.0.room.leave(self.1);
    }
}

/// What a call keeps while it waits for a place: nothing once the wait is over, whatever its end.
///
/// In a box, since every call of a bulkhead with a queue has room for it in its future, and most of
/// them do not wait: with the timer in place a call that does not is half again as slow.
pub struct Waiting(Option<Pin<Box<Wait>>>);

#[pin_project]
struct Wait {
    turn: u64,
    since: Instant,
    #[pin]
    alarm: Alarm,
}

impl<Q: Flag> Policy for Places<Q> {
    type Ticket = Ticket;
    type Wait = Waiting;
    type Queues = Q;
    type Settles = Yes;
    type Judges = No;

    #[inline]
    fn check(&self, _: &Now) -> Option<Rejected> {
        let full = self.room.glance() == Glance::Full;
        full.then(|| Rejected::new(self.voice.policy(), Reason::Full))
    }

    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        self.reject(rejected.reason())
    }

    fn leave(&self, wait: Pin<&mut Waiting>) {
        if let Some(wait) = wait.get_mut().0.take() {
            self.room.leave(wait.turn);
            self.show_queued();
        }
    }

    fn expire(&self, wait: Pin<&mut Waiting>, _: &Now) -> Rejected {
        self.leave(wait);
        self.counts.expired.fetch_add(1, Ordering::Relaxed);
        self.reject(Reason::Expired)
    }

    fn cancel(&self, ticket: Ticket) {
        if ticket.has_place {
            drop(Running(self));
        } else {
            let would_have_rejected = &self.counts.would_have_rejected;
            would_have_rejected.fetch_sub(1, Ordering::Relaxed);
        }
    }

    #[inline]
    fn settle(&self, ticket: Ticket, _: Outcome, _: &Now) {
        if ticket.has_place {
            drop(Running(self));
        }
    }

    /// Nobody has a place, and nobody waits. (Who runs beside them is nothing that it knows of.)
    fn idle(&self, _: &Now) -> bool {
        self.room.is_empty()
    }
}

impl<Q: Flag, R: ?Sized> Admit<R> for Places<Q> {
    #[inline]
    fn admit(&self, now: &Now, _: &R) -> Admission<Self> {
        match self.room.enter() {
            Entry::Granted => {
                self.start();
                Admission::Granted(Ticket::PLACED)
            }
            Entry::Beside => {
                self.run_beside();
                Admission::Granted(Ticket::BESIDE)
            }
            Entry::Full => Admission::Refused(self.reject(Reason::Full)),
            Entry::Wait(turn) => match Q::put(|| self.wait(turn, now)) {
                Some(wait) => Admission::Wait(wait),
                None => unreachable!("where no call can wait, the queue has no room"),
            },
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Waiting>,
        _: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Ticket, Rejected>> {
        let over = &mut wait.get_mut().0;
        let wait = over.as_mut().expect("polled after it answered");
        let mut wait = wait.as_mut().project();
        let (turn, since) = (*wait.turn, *wait.since);
        if !self.room.has_come(turn, cx.waker()) {
            let in_time = !wait.alarm.is_over(now);
            if in_time && wait.alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // Not if its turn has come this very moment.
            if self.room.give_up(turn) {
                *over = None;
                self.show_queued();
                self.counts.timed_out.fetch_add(1, Ordering::Relaxed);
                return Poll::Ready(Err(self.reject(Reason::Full)));
            }
        }
        self.has_waited(since, now);
        *over = None;
        self.start();
        Poll::Ready(Ok(Ticket::PLACED))
    }
}

impl<Q: Flag> Template for Places<Q> {
    type Config = Config;
    type Snapshot = Snapshot;

    fn name(&self) -> &'static str {
        self.voice.policy()
    }

    fn config(&self) -> Config {
        self.room.config()
    }

    fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.voice.policy(), Q::IS)?;
        self.room.reconfigure(config);
        // Before the first call there may not yet be a recorder. (That call looks at the limit after it
        // has registered this gauge, and both look under the room's lock.)
        if self.meters.in_flight.is_known() {
            self.show_limit();
        }
        self.voice.tell(EventKind::Reconfigured {
            window_cleared: false,
        });
        Ok(())
    }

    fn fresh(&self, config: Config) -> Result<Self, InvalidConfig> {
        config.validate(self.voice.policy(), Q::IS)?;
        let (voice, meters) = (self.voice.alike(), self.meters.fresh());
        Ok(Self::with(config, voice, meters, Spread::NONE))
    }

    fn snapshot(&self) -> Snapshot {
        let seen = self.room.look();
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        Snapshot {
            policy: self.voice.policy(),
            limit: seen.limit,
            in_flight: seen.in_flight,
            queued: seen.queued,
            waits: seen.waits,
            waited: seen.waited,
            rejected: count(&self.counts.rejected),
            timed_out: count(&self.counts.timed_out),
            expired: count(&self.counts.expired),
            would_have_rejected: count(&self.counts.would_have_rejected),
        }
    }
}

impl<Q> fmt::Debug for Places<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places")
            .field("name", &self.voice.policy())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
