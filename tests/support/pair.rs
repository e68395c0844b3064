//! A breaker and its naive reference, made to live the same life and compared all along.

use std::time::Duration;

use buttress::{CircuitBreaker, Outcome, breaker::Config, guard::Permit};
use proptest::{prelude::*, test_runner::TestCaseError};
use tokio::time::Instant;

use super::{
    Seen, advance,
    reference::{Answer, Reference, Running},
    steps::{Order, Step, scaled},
};

/// A breaker and its reference, living the same life.
pub(crate) struct Pair {
    breaker: CircuitBreaker,
    reference: Reference,
    origin: Instant,
    scale: u64,
    running: Vec<(Permit<CircuitBreaker>, Running)>,
}

impl Pair {
    pub(crate) fn new(config: Config, scale: u64) -> Self {
        let config = scaled(&config, scale);
        let breaker = CircuitBreaker::builder().config(config.clone()).build();
        Self {
            breaker: breaker.expect("valid"),
            reference: Reference::new(config),
            origin: Instant::now(),
            scale,
            running: Vec::new(),
        }
    }

    /// Drops all that runs.
    pub(crate) fn end_all(&mut self) -> Result<(), TestCaseError> {
        while !self.running.is_empty() {
            self.end(0, None)?;
        }
        Ok(())
    }

    pub(crate) async fn step(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Advance(length) => self.advance(length * self.scale).await,
            Step::AdvanceTo(edge, off) => {
                let edge = self.reference.edge(edge);
                self.advance_to(edge, off).await;
            }
            Step::AdvanceToSlow(at, off) => {
                let slow = self.reference.config.slow_call_duration;
                if let (Some(at), Some(slow)) = (self.number(at), slow) {
                    let edge = self.running[at].1.started + slow.as_nanos() as u64;
                    self.advance_to(Some(edge), off).await;
                }
            }
            Step::Call(outcome) => {
                if self.acquire()? {
                    self.end(self.running.len() - 1, Some(outcome))?;
                }
            }
            Step::Acquire => {
                self.acquire()?;
            }
            Step::End(at, outcome) => {
                if let Some(at) = self.number(at) {
                    self.end(at, Some(outcome))?;
                }
            }
            Step::Drop(at) => {
                if let Some(at) = self.number(at) {
                    self.end(at, None)?;
                }
            }
            Step::Order(order) => self.order(order),
            Step::Reconfigure(config) => self.reconfigure(scaled(&config, self.scale)),
            Step::Retune(config) => {
                let mut config = scaled(&config, self.scale);
                config.window = self.reference.config.window;
                config.min_calls = self.reference.config.min_calls;
                self.reconfigure(config);
            }
            Step::Look => self.look()?,
        }
        Ok(())
    }

    fn number(&self, at: usize) -> Option<usize> {
        at.checked_rem(self.running.len())
    }

    async fn advance(&mut self, nanos: u64) {
        advance(nanos).await;
        self.reference.now += nanos;
    }

    async fn advance_to(&mut self, edge: Option<u64>, off: i64) {
        let at = edge.and_then(|edge| edge.checked_add_signed(off));
        if let Some(left) = at.and_then(|at| at.checked_sub(self.reference.now)) {
            self.advance(left).await;
        }
    }

    /// Both must give the same answer; says whether the call runs.
    fn acquire(&mut self) -> Result<bool, TestCaseError> {
        match (self.breaker.try_acquire(), self.reference.acquire()) {
            (Ok(permit), Answer::Admitted(running)) => {
                self.running.push((permit, running));
                Ok(true)
            }
            (
                Err(rejected),
                Answer::Refused {
                    reason,
                    retry_after,
                },
            ) => {
                prop_assert_eq!(rejected.reason(), reason);
                let retry_after = retry_after.map(Duration::from_nanos);
                prop_assert_eq!(rejected.retry_after(), retry_after);
                prop_assert!(!rejected.started());
                Ok(false)
            }
            (breaker, reference) => Err(TestCaseError::fail(format!(
                "the breaker says {breaker:?}, the reference {reference:?}"
            ))),
        }
    }

    /// It ends so; without an outcome, by being dropped.
    fn end(&mut self, at: usize, outcome: Option<Outcome>) -> Result<(), TestCaseError> {
        let (permit, running) = self.running.remove(at);
        // Whether such a call notices a hung probe is the matter of a test of its own.
        if self.reference.passes_by_probes(running) {
            self.look()?;
        }
        match outcome {
            Some(outcome) => permit.settle(outcome),
            None => drop(permit),
        }
        self.reference
            .end(running, outcome.unwrap_or(Outcome::Abandoned));
        Ok(())
    }

    fn order(&mut self, order: Order) {
        let order = match order {
            Order::ForceOpenFor(length) => Order::ForceOpenFor(length * self.scale),
            other => other,
        };
        match order {
            Order::ForceOpen => self.breaker.force_open(),
            Order::ForceOpenFor(nanos) => self.breaker.force_open_for(Duration::from_nanos(nanos)),
            Order::ForceClosed => self.breaker.force_closed(),
            Order::Disable => self.breaker.disable(),
            Order::Reset => self.breaker.reset(),
        }
        self.reference.order(order);
    }

    fn reconfigure(&mut self, mut config: Config) {
        // Nobody has noted when the calls began that run while no call is slow.
        if self.reference.config.slow_call_duration.is_none() && !self.running.is_empty() {
            config.slow_call_duration = None;
        }
        self.breaker.reconfigure(config.clone()).expect("valid");
        self.reference.reconfigure(config);
    }

    pub(crate) fn look(&mut self) -> Result<(), TestCaseError> {
        let seen = Seen::of(&self.breaker.snapshot(), self.origin);
        prop_assert_eq!(seen, self.reference.seen());
        Ok(())
    }
}
