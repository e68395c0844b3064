//! The machine, with a clock, a name and a voice: an admission policy.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    change::Change,
    config::Config,
    gate::Gate,
    orders::Order,
    snapshot::{Probes, Snapshot},
    state::Machine,
    ticket::{Entry, Refusal, Role, Ticket},
};
use crate::{
    classify::Outcome,
    error::{InvalidConfig, Rejected},
    guard::{Admission, Admit, Never, No, Now, Policy, Template, Yes},
    sys::{Arc, Ordering, Rng, nanos_between},
    telemetry::{BreakerMeter, Event, EventKind, Listeners, State},
};

/// The policy behind [`CircuitBreaker`](crate::CircuitBreaker).
pub struct Breaker {
    gate: Gate,
    /// Times are counted from here.
    origin: Instant,
    name: &'static str,
    meter: BreakerMeter,
    listeners: Arc<Listeners>,
}

impl Breaker {
    pub(crate) fn new(
        name: &'static str,
        config: Config,
        rng: Rng,
        listeners: Arc<Listeners>,
    ) -> Self {
        Self {
            gate: Gate::new(Machine::new(config, rng), false),
            origin: Now::lazy().get(),
            name,
            meter: BreakerMeter::new(name),
            listeners,
        }
    }

    pub(super) const fn listeners(&self) -> &Arc<Listeners> {
        &self.listeners
    }

    /// Carries out an order: what the orders of [`CircuitBreaker`](crate::CircuitBreaker) do, for a
    /// breaker that is one of many.
    pub fn order(&self, order: Order) {
        let now = self.nanos(&Now::lazy());
        self.gate.order(order, now, |changes| self.tell(changes));
    }

    #[inline]
    fn nanos(&self, now: &Now) -> u64 {
        nanos_between(self.origin, now.get())
    }

    /// Nothing for a time too far away to be told.
    fn instant(&self, nanos: u64) -> Option<Instant> {
        self.origin.checked_add(Duration::from_nanos(nanos))
    }

    fn reject(&self, refusal: Refusal) -> Rejected {
        self.gate.counters.rejected.fetch_add(1, Ordering::Relaxed);
        self.meter.rejected(refusal.reason, || self.register());
        self.rejected_as(refusal)
    }

    /// A call runs that would have been refused.
    fn observe(&self, refusal: Refusal, now: &Now) {
        let Refusal {
            reason,
            retry_after,
        } = refusal;
        let counters = &self.gate.counters;
        counters.would_have_rejected.fetch_add(1, Ordering::Relaxed);
        self.meter.would_have_rejected(reason);
        let kind = EventKind::WouldHaveRejected {
            reason,
            retry_after: retry_after.map(Duration::from_nanos),
        };
        self.listeners.tell(kind, |kind| {
            let (generation, seq) = self.gate.with(Machine::number);
            Event {
                policy: self.name,
                generation,
                seq,
                at: now.get(),
                kind,
            }
        });
    }

    #[inline(never)]
    fn admit_at_the_door(&self, now: &Now) -> Admission<Self> {
        let entry = self
            .gate
            .admit(|| self.nanos(now), |changes| self.tell(changes));
        match entry {
            Entry::Granted(ticket) => Admission::Granted(ticket),
            Entry::Observed(ticket, refusal) => {
                self.observe(refusal, now);
                Admission::Granted(ticket)
            }
            Entry::Refused(refusal) => Admission::Refused(self.reject(refusal)),
        }
    }

    #[inline(never)]
    fn settle_at_the_door(&self, ticket: Ticket, outcome: Outcome, now: &Now) {
        // First, since what is told of the settlement goes to the metrics that this registers.
        self.meter.settled(outcome, || self.register());
        self.gate.settle(
            ticket,
            outcome,
            || self.nanos(now),
            |changes| self.tell(changes),
        );
    }

    /// A generator for another breaker: reproducible if this one's is.
    pub(crate) fn split_rng(&self) -> Rng {
        self.gate.with(Machine::split_rng)
    }

    fn rejected_as(&self, refusal: Refusal) -> Rejected {
        let rejected = Rejected::new(self.name, refusal.reason);
        match refusal.retry_after {
            Some(nanos) => rejected.with_retry_after(Duration::from_nanos(nanos)),
            None => rejected,
        }
    }

    fn register(&self) -> State {
        self.gate.with(Machine::meter)
    }

    #[cold]
    fn tell(&self, changes: Vec<Change>) {
        for change in changes {
            if change.metered && change.from != change.to {
                self.meter.moved(change.from, change.to);
            }
            self.listeners.tell(change.kind, |kind| Event {
                policy: self.name,
                generation: change.generation,
                seq: change.seq,
                at: self.instant(change.at).unwrap_or(self.origin),
                kind,
            });
        }
    }
}

/// What it shows and takes; the handle's methods are these.
impl Template for Breaker {
    type Config = Config;
    type Snapshot = Snapshot;

    fn name(&self) -> &'static str {
        self.name
    }

    fn config(&self) -> Config {
        self.gate.with(|machine| machine.config().clone())
    }

    fn reconfigure(&self, config: Config) -> Result<(), InvalidConfig> {
        config.validate(self.name)?;
        let now = self.nanos(&Now::lazy());
        self.gate
            .reconfigure(config, now, |changes| self.tell(changes));
        Ok(())
    }

    fn fresh(&self, config: Config) -> Result<Self, InvalidConfig> {
        config.validate(self.name)?;
        Ok(Self {
            gate: Gate::new(Machine::new(config, self.split_rng()), true),
            origin: Now::lazy().get(),
            name: self.name,
            meter: self.meter.fresh(),
            listeners: Arc::clone(&self.listeners),
        })
    }

    fn snapshot(&self) -> Snapshot {
        let now = self.nanos(&Now::lazy());
        let view = self.gate.view(now, |changes| self.tell(changes));
        let counters = &self.gate.counters;
        Snapshot {
            policy: self.name,
            state: view.shown,
            since: self.instant(view.since).unwrap_or(self.origin),
            generation: view.generation,
            calls: view.counts.calls,
            failed: view.counts.failed,
            slow: view.counts.slow,
            failure_ratio: view.counts.failure_ratio(),
            slow_ratio: view.counts.slow_ratio(),
            probes: view.probes.map(|(running, judged)| Probes {
                running,
                judged: judged.calls as u32,
                failed: judged.failed as u32,
                slow: judged.slow as u32,
            }),
            recovering: view.recovering,
            rejected: counters.rejected.load(Ordering::Relaxed),
            would_have_rejected: counters.would_have_rejected.load(Ordering::Relaxed),
            late_results: counters.late.load(Ordering::Relaxed),
            next_probe_at: view.next_probe.and_then(|at| self.instant(at)),
        }
    }
}

impl Policy for Breaker {
    type Ticket = Ticket;
    type Wait = Never;
    type Queues = No;
    type Settles = Yes;
    type Judges = Yes;

    #[inline]
    fn check(&self, now: &Now) -> Option<Rejected> {
        let refusal = self.gate.check(|| self.nanos(now))?;
        Some(self.rejected_as(refusal))
    }

    fn refuse(&self, rejected: Rejected, now: &Now) -> Rejected {
        let refusal = self.gate.refuse(
            rejected.reason(),
            || self.nanos(now),
            |changes| self.tell(changes),
        );
        self.reject(refusal)
    }

    fn cancel(&self, ticket: Ticket) {
        if ticket.role() == Role::UNJUDGED {
            let counters = &self.gate.counters;
            counters.would_have_rejected.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let now = Now::lazy();
        self.gate
            .cancel(ticket, || self.nanos(&now), |changes| self.tell(changes));
    }

    fn answered(&self, ticket: &Ticket, now: &Now) {
        let now = || self.nanos(now);
        self.gate
            .answered(*ticket, now, |changes| self.tell(changes));
    }

    #[inline]
    fn settle(&self, ticket: Ticket, outcome: Outcome, now: &Now) {
        if self.gate.count(ticket, outcome, || self.nanos(now)) {
            self.meter.settled(Outcome::Success, || self.register());
        } else {
            self.settle_at_the_door(ticket, outcome, now);
        }
    }

    fn idle(&self, now: &Now) -> bool {
        let now = self.nanos(now);
        self.gate.idle(now, |changes| self.tell(changes))
    }
}

impl<R: ?Sized> Admit<R> for Breaker {
    #[inline]
    fn admit(&self, now: &Now, _: &R) -> Admission<Self> {
        match self.gate.pass(|| self.nanos(now)) {
            Some(ticket) => Admission::Granted(ticket),
            None => self.admit_at_the_door(now),
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Never>,
        _: &R,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<Ticket, Rejected>> {
        match *wait {}
    }
}

impl Drop for Breaker {
    fn drop(&mut self) {
        let state = self.gate.with(|machine| machine.metered_as());
        if let Some(state) = state {
            self.meter.gone(state);
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
