//! The word, with a clock, a name and a voice: an admission policy.

use std::{
    fmt,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    config::Config,
    cost::{Cost, One},
    counts::Counts,
    gcra::{Answer, Gcra, Ticket},
    law::Verdict,
    snapshot::Snapshot,
    turn::Turn,
};
use crate::{
    classify::Outcome,
    error::{InvalidConfig, Reason, Rejected},
    guard::{Admission, Admit, Flag, No, Now, Policy, Template},
    sys::{AtomicU64, Ordering, nanos_between},
    telemetry::{Counters, EventKind, Meter, RareCounters, Times, Voice, names},
};

/// The policy behind [`RateLimit`](crate::RateLimit). `Q` is whether calls may be made to wait, `N`
/// what they cost.
pub struct Limiter<Q = No, N = One> {
    gcra: Gcra,
    /// Times are counted from here.
    origin: Instant,
    cost: N,
    voice: Voice,
    /// When the gauge is due again.
    show_at: AtomicU64,
    meters: Meters,
    counts: Counts,
    queues: PhantomData<fn() -> Q>,
}

/// How often the gauge is told, at most.
const SHOWN_EVERY: u64 = 100_000_000;

#[derive(Debug)]
struct Meters {
    available: Meter,
    rejections: Counters<3>,
    would_have_rejected: RareCounters<3>,
    waits: Times,
}

impl Meters {
    fn new(policy: &'static str) -> Self {
        Self {
            available: Meter::new(policy, &names::RATE_LIMIT_AVAILABLE),
            rejections: Counters::new(policy, &names::RATE_LIMIT_REJECTED),
            would_have_rejected: RareCounters::new(policy, &names::RATE_LIMIT_WOULD_HAVE_REJECTED),
            waits: Times::new(policy, &names::RATE_LIMIT_WAIT),
        }
    }

    /// For another limit of the same name.
    fn fresh(&self) -> Self {
        Self {
            available: self.available.fresh(),
            rejections: self.rejections.fresh(),
            would_have_rejected: self.would_have_rejected.fresh(),
            waits: self.waits.fresh(),
        }
    }
}

impl<Q: Flag, N> Limiter<Q, N> {
    pub(crate) fn new(config: Config, cost: N, voice: Voice) -> Result<Self, InvalidConfig> {
        let meters = Meters::new(voice.policy());
        Self::with(config, cost, voice, meters, false)
    }

    /// A compact one is kept by the thousand.
    fn with(
        config: Config,
        cost: N,
        voice: Voice,
        meters: Meters,
        compact: bool,
    ) -> Result<Self, InvalidConfig> {
        config.validate(voice.policy(), Q::IS)?;
        Ok(Self {
            gcra: Gcra::new(config),
            origin: Now::lazy().get(),
            cost,
            voice,
            show_at: AtomicU64::new(0),
            meters,
            counts: Counts::new(compact),
            queues: PhantomData,
        })
    }

    pub(super) const fn name(&self) -> &'static str {
        self.voice.policy()
    }

    pub(super) const fn voice(&self) -> &Voice {
        &self.voice
    }

    /// The same settings and costs under another name.
    pub(super) fn fork(&self, name: &str) -> Self
    where
        N: Clone,
    {
        let fork = Self::new(self.settings(), self.cost.clone(), self.voice.fork(name));
        fork.expect("settings in force keep the rules")
    }

    /// Takes the cost of a call. What is answered is its ticket, and for how long it has to wait.
    #[inline]
    pub(super) fn take(
        &self,
        cost: u32,
        now: &Now,
        waits: bool,
    ) -> Result<(Ticket, u64), Rejected> {
        let nanos = self.nanos(now);
        // First, since the recorder may panic, and nothing is taken yet.
        if nanos >= self.show_at.load(Ordering::Relaxed) {
            self.show(nanos);
        }
        match self.gcra.take(cost, nanos, waits) {
            Answer::Granted { ticket, wait } => Ok((ticket, wait)),
            Answer::Refused {
                retry_after,
                shadow,
            } => {
                let no = Rejected::new(self.name(), Reason::RateLimited);
                self.turn_away(no.with_retry_nanos(retry_after), shadow)
            }
            Answer::TooDear { shadow } => {
                let no = Rejected::new(self.name(), Reason::CostAboveBurst);
                self.turn_away(no, shadow)
            }
        }
    }

    /// In shadow not even that: the call runs, and is counted.
    #[inline]
    fn turn_away(&self, no: Rejected, shadow: bool) -> Result<(Ticket, u64), Rejected> {
        if !shadow {
            return Err(self.reject(no));
        }
        self.observe(&no);
        Ok((Ticket::OBSERVED, 0))
    }

    /// The call never started.
    pub(super) fn take_back(&self, ticket: Ticket) {
        if ticket == Ticket::OBSERVED {
            self.counts.take_would_have_rejected();
        } else {
            self.gcra.cancel(ticket);
        }
    }

    /// Polls a turn; the ticket is the call's once this is ready.
    pub(super) fn poll_turn(
        &self,
        turn: Pin<&mut Turn>,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Ticket> {
        let ticket = turn.ticket();
        let wait = ready!(turn.poll(now, cx));
        self.counts.add_waited(wait);
        // Should the recorder panic, the turn is still the call's, and given up when that is dropped.
        self.meters.waits.record(wait);
        self.voice.tell(EventKind::Waited { wait });
        Poll::Ready(ticket)
    }

    #[inline]
    fn nanos(&self, now: &Now) -> u64 {
        nanos_between(self.origin, now.get())
    }

    /// Counts a refusal and tells of it.
    #[inline]
    fn reject(&self, rejected: Rejected) -> Rejected {
        self.counts.add_rejected();
        let reason = rejected.reason();
        self.meters.rejections.add(number(reason));
        self.voice.tell(EventKind::Rejected {
            reason,
            retry_after: rejected.retry_after(),
        });
        rejected
    }

    /// Counts a call that would have been refused and tells of it.
    #[inline(never)]
    fn observe(&self, rejected: &Rejected) {
        self.counts.add_would_have_rejected();
        let reason = rejected.reason();
        self.meters.would_have_rejected.add(number(reason));
        self.voice.tell(EventKind::WouldHaveRejected {
            reason,
            retry_after: rejected.retry_after(),
        });
    }

    #[cold]
    #[inline(never)]
    fn show(&self, nanos: u64) {
        let due = self.show_at.load(Ordering::Relaxed);
        let next = nanos.saturating_add(SHOWN_EVERY);
        let relaxed = Ordering::Relaxed;
        let swap = |due| self.show_at.compare_exchange(due, next, relaxed, relaxed);
        // Of several that find it due, one tells it.
        if due <= nanos && swap(due).is_ok() {
            let available = self.gcra.available(nanos);
            self.meters.available.show_whole(available);
        }
    }
}

/// Which of the counters by reason.
fn number(reason: Reason) -> usize {
    match reason {
        Reason::RateLimited => 0,
        Reason::CostAboveBurst => 1,
        _ => 2,
    }
}

impl<Q: Flag, N: Clone> Template for Limiter<Q, N> {
    type Config = Config;
    type Snapshot = Snapshot;

    fn name(&self) -> &'static str {
        self.voice.policy()
    }

    fn config(&self) -> Config {
        self.gcra.config()
    }

    fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        self.change(config)
    }

    fn fresh(&self, config: Config) -> Result<Self, InvalidConfig> {
        let (voice, meters) = (self.voice.alike(), self.meters.fresh());
        Self::with(config, self.cost.clone(), voice, meters, true)
    }

    fn snapshot(&self) -> Snapshot {
        self.look()
    }
}

impl<Q: Flag, N> Limiter<Q, N> {
    pub(super) fn settings(&self) -> Config {
        self.gcra.config()
    }

    pub(super) fn change(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.name(), Q::IS)?;
        let nanos = self.nanos(&Now::lazy());
        self.gcra.reconfigure(config, nanos);
        self.show_at.store(0, Ordering::Relaxed);
        // Before the first call there may not yet be a recorder, and a template has no calls.
        if self.meters.available.is_known() {
            self.show(nanos);
        }
        self.voice.tell(EventKind::Reconfigured {
            window_cleared: false,
        });
        Ok(())
    }

    pub(super) fn look(&self) -> Snapshot {
        let now = Now::lazy();
        let nanos = self.nanos(&now);
        let next_at = match self.gcra.foresee(1, nanos, false) {
            Verdict::Exceeds { retry_after } => {
                now.get().checked_add(Duration::from_nanos(retry_after))
            }
            _ => None,
        };
        let (waits, waited) = self.counts.waited();
        Snapshot {
            policy: self.name(),
            config: self.gcra.config(),
            available: self.gcra.available(nanos) as u32,
            next_at,
            rejected: self.counts.rejected(),
            waits,
            waited,
            would_have_rejected: self.counts.would_have_rejected(),
        }
    }
}

impl<Q: Flag, N> Policy for Limiter<Q, N> {
    type Ticket = Ticket;
    type Wait = Turn;
    type Queues = Q;
    type Settles = No;
    type Judges = No;

    /// What was taken is taken, wherever the call waits next.
    const KEEPS: bool = true;

    /// Never for certain: what a call costs is said by its request, and the rate is paid off all the
    /// time. A service may be held ready for as long as it takes, and its call is not to be refused for
    /// what was true when it became ready. So the clock is read once, and what is told is exact.
    #[inline]
    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }

    fn leave(&self, turn: Pin<&mut Turn>) {
        self.take_back(turn.ticket());
    }

    fn over_at(&self, turn: &Turn) -> Option<Instant> {
        Some(turn.at())
    }

    fn expire(&self, turn: Pin<&mut Turn>, _: &Now) -> Rejected {
        self.take_back(turn.ticket());
        self.reject(Rejected::new(self.name(), Reason::Expired))
    }

    fn cancel(&self, ticket: Ticket) {
        self.take_back(ticket);
    }

    fn settle(&self, _: Ticket, _: Outcome, _: &Now) {}

    fn idle(&self, now: &Now) -> bool {
        self.gcra.is_paid_off(self.nanos(now))
    }
}

impl<R: ?Sized, Q: Flag, N: Cost<R>> Admit<R> for Limiter<Q, N> {
    #[inline]
    fn admit(&self, now: &Now, request: &R) -> Admission<Self> {
        let cost = self.cost.cost(request);
        match self.take(cost, now, Q::IS) {
            Ok((ticket, 0)) => Admission::Granted(ticket),
            Ok((ticket, wait)) => match Q::put(|| Turn::new(ticket, now.get(), wait)) {
                Some(turn) => Admission::Wait(turn),
                None => unreachable!("it was not willing to wait"),
            },
            Err(no) => Admission::Refused(no),
        }
    }

    fn poll_wait(
        &self,
        turn: Pin<&mut Turn>,
        _: &R,
        now: &Now,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Ticket, Rejected>> {
        self.poll_turn(turn, now, cx).map(Ok)
    }
}

impl<Q, N> fmt::Debug for Limiter<Q, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("name", &self.voice.policy())
            .finish_non_exhaustive()
    }
}
