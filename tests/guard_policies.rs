//! Throw-away policies that look at the request, and tickets that own an `Arc`. Those that wait stand
//! in `guard_queue.rs`, several at once in `guard_pairs.rs`, what they cost in `guard_costs.rs`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    collections::HashMap,
    future::{Ready, ready},
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use buttress::{
    CircuitBreaker, Outcome, Reason, Refusal, Rejected,
    guard::{Admission, Admit, Guard, Never, No, Now, Policy, Yes},
};
use tokio_test::{assert_pending, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, service_fn};

/// A request that says whose it is and what it costs. Not `Clone`.
struct Visit {
    key: &'static str,
    cost: u32,
}

const fn visit(key: &'static str, cost: u32) -> Visit {
    Visit { key, cost }
}

/// One call at a time for each key.
#[derive(Default)]
struct PerKey {
    entries: Mutex<HashMap<&'static str, Arc<Entry>>>,
}

#[derive(Default)]
struct Entry {
    busy: AtomicBool,
    outcomes: Mutex<Vec<Outcome>>,
}

impl PerKey {
    fn entry(&self, key: &'static str) -> Arc<Entry> {
        Arc::clone(self.entries.lock().unwrap().entry(key).or_default())
    }
}

impl Policy for PerKey {
    /// The way back to the entry is the ticket's own.
    type Ticket = Arc<Entry>;
    type Wait = Never;
    type Queues = No;
    type Settles = Yes;
    type Judges = Yes;

    fn check(&self, _: &Now) -> Option<Rejected> {
        None
    }

    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        rejected
    }

    fn cancel(&self, entry: Arc<Entry>) {
        entry.busy.store(false, SeqCst);
    }

    fn settle(&self, entry: Arc<Entry>, outcome: Outcome, _: &Now) {
        entry.busy.store(false, SeqCst);
        entry.outcomes.lock().unwrap().push(outcome);
    }

    fn idle(&self, _: &Now) -> bool {
        self.entries.lock().unwrap().is_empty()
    }
}

impl Admit<Visit> for PerKey {
    fn admit(&self, _: &Now, visit: &Visit) -> Admission<Self> {
        let entry = self.entry(visit.key);
        if entry.busy.swap(true, SeqCst) {
            return Admission::Refused(Rejected::new(visit.key, Reason::Full));
        }
        Admission::Granted(entry)
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Never>,
        _: &Visit,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<Arc<Entry>, Rejected>> {
        match *wait {}
    }
}

/// So much may be spent, and what is spent is gone.
struct Purse(AtomicU32);

impl Policy for Purse {
    /// The price.
    type Ticket = u32;
    type Wait = Never;
    type Queues = No;
    type Settles = No;
    type Judges = No;

    fn check(&self, _: &Now) -> Option<Rejected> {
        (self.0.load(SeqCst) == 0).then(|| Rejected::new("purse", Reason::RateLimited))
    }

    fn refuse(&self, rejected: Rejected, _: &Now) -> Rejected {
        rejected
    }

    fn cancel(&self, cost: u32) {
        self.0.fetch_add(cost, SeqCst);
    }

    /// Asked only beside a policy that settles.
    fn settle(&self, _: u32, _: Outcome, _: &Now) {}

    fn idle(&self, _: &Now) -> bool {
        false
    }
}

impl Admit<Visit> for Purse {
    fn admit(&self, _: &Now, visit: &Visit) -> Admission<Self> {
        let left = self.0.load(SeqCst);
        match left.checked_sub(visit.cost) {
            Some(rest) => {
                self.0.store(rest, SeqCst);
                Admission::Granted(visit.cost)
            }
            None => Admission::Refused(Rejected::new("purse", Reason::RateLimited)),
        }
    }

    fn poll_wait(
        &self,
        wait: Pin<&mut Never>,
        _: &Visit,
        _: &Now,
        _: &mut Context<'_>,
    ) -> Poll<Result<u32, Rejected>> {
        match *wait {}
    }
}

async fn host(visit: Visit) -> Result<&'static str, BoxError> {
    tokio::task::yield_now().await;
    Ok(visit.key)
}

fn policy_of<T: std::fmt::Debug>(result: Result<T, BoxError>) -> &'static str {
    result.unwrap_err().rejected().expect("refused").policy()
}

#[tokio::test(start_paused = true)]
async fn a_policy_per_key_looks_at_the_request_and_its_ticket_leads_back_to_the_entry() {
    let guard = Guard::new(PerKey::default());
    let mut service = guard.layer(service_fn(host));
    let mut ann = spawn(service.call(visit("ann", 0)));
    let mut bob = spawn(service.call(visit("bob", 0)));
    assert_pending!(ann.poll());
    assert_pending!(bob.poll());
    assert_eq!(policy_of(service.call(visit("ann", 0)).await), "ann");
    assert_eq!(assert_ready_ok!(bob.poll()), "bob");
    service.call(visit("bob", 0)).await.unwrap();

    // Forgotten while a call runs: that call ends in its own entry and not in the new one.
    let old = guard.policy().entry("ann");
    guard.policy().entries.lock().unwrap().clear();
    let second = service.call(visit("ann", 0));
    assert_ready_ok!(ann.poll());
    assert_eq!(*old.outcomes.lock().unwrap(), [Outcome::Success]);
    let new = guard.policy().entry("ann");
    assert!(new.busy.load(SeqCst));
    drop(second);
    assert_eq!(*new.outcomes.lock().unwrap(), [Outcome::Abandoned]);
    // Here, in the map; no ticket is left behind.
    assert_eq!(Arc::strong_count(&new), 2);
    assert_eq!(Arc::strong_count(&old), 1);
}

#[tokio::test(start_paused = true)]
async fn a_policy_refuses_by_what_the_request_costs() {
    let guard = Guard::new(Purse(AtomicU32::new(10)));
    let mut service = guard.layer(service_fn(host));
    service.call(visit("ann", 6)).await.unwrap();
    assert_eq!(policy_of(service.call(visit("ann", 5)).await), "purse");
    service.call(visit("ann", 4)).await.unwrap();
    assert!(guard.check(&Now::lazy()).is_some());
}

#[tokio::test(start_paused = true)]
async fn policies_that_look_and_policies_that_do_not_share_a_guard() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let guard = Guard::new((
        Purse(AtomicU32::new(10)),
        (breaker.clone(), PerKey::default()),
    ));
    let mut service = guard.layer(service_fn(host));
    let running = service.call(visit("ann", 4));
    let (purse, (_, keys)) = guard.policy();
    assert_eq!(purse.0.load(SeqCst), 6);
    // The last one refuses; what the first has given goes back.
    assert_eq!(policy_of(service.call(visit("ann", 4)).await), "ann");
    assert_eq!(purse.0.load(SeqCst), 6);
    running.await.unwrap();
    assert_eq!(breaker.snapshot().calls, 1);
    assert!(!keys.entry("ann").busy.load(SeqCst));
}

/// Neither the service nor its request can be cloned.
struct Unique;

impl Service<Visit> for Unique {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Ready<Result<&'static str, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, visit: Visit) -> Self::Future {
        ready(Ok(visit.key))
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_never_waits_asks_for_no_copies() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let guard = Guard::new((breaker, (PerKey::default(), Purse(AtomicU32::new(1)))));
    let mut service = guard.layer(Unique);
    assert_eq!(service.call(visit("ann", 1)).await.unwrap(), "ann");
}
