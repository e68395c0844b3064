//! The tower contract of the timeout, what a call holds and when it is gone, what it weighs, and what
//! it leaves in the metrics.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[cfg(feature = "metrics")]
#[path = "support/ledger.rs"]
mod ledger;
#[path = "support/strict.rs"]
mod strict;

use std::{
    cell::Cell,
    future::{Future, pending, ready},
    mem::size_of_val,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use buttress::{
    Deadline, Reason, Refusal, Rejected, Timeout,
    deadline::NoDeadline,
    timeout::{Builder, Config, Fixed, Snapshot, Timed},
};
use strict::{Ask, Failed, Strict, make_ready, panic_of, poll_ready, send};
use tokio::time::{Instant, Sleep, advance};
use tokio_test::{assert_pending, assert_ready, assert_ready_ok, task::spawn};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

fn timeout() -> Timeout {
    Timeout::builder(SECOND).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_instance_that_was_made_ready_is_the_one_that_is_called() {
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = timeout().layer(strict);
    make_ready(&mut service);
    let readied = service.get_ref().number();
    assert_eq!(service.call(Ask::answer().after(2)).await.unwrap(), readied);
    // A clone owns no readiness.
    make_ready(&mut service);
    let mut clone = service.clone();
    assert!(panic_of(|| drop(clone.call(Ask::answer()))).contains("polled ready"));
    assert_eq!(watch.calls(), 1);
    assert_eq!(service.into_inner().number(), readied);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_the_inner_services() {
    let (strict, watch) = Strict::<BoxError>::new();
    let mut service = timeout().layer(strict);
    watch.hold_back();
    assert_pending!(poll_ready(&mut service));
    advance(10 * SECOND).await;
    assert_pending!(poll_ready(&mut service));
    watch.let_go();
    make_ready(&mut service);
    watch.break_down();
    assert!(assert_ready!(poll_ready(&mut service)).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_started_does_not_reach_the_inner_and_its_readiness_is_taken_anew() {
    let (strict, watch) = Strict::<BoxError>::new();
    let late = Cell::new(true);
    let strategy = |_: &Ask| late.get().then(|| Deadline::at(Instant::now()));
    let timeout = Timeout::builder(SECOND).deadline(strategy).build().unwrap();
    let mut service = timeout.layer(strict);
    let error = send(&mut service, Ask::answer()).await.unwrap_err();
    assert_eq!(error.rejected().unwrap().reason(), Reason::Expired);
    assert_eq!(watch.calls(), 0);
    late.set(false);
    send(&mut service, Ask::answer()).await.unwrap();
    assert_eq!((watch.calls(), watch.ready_polls()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_the_inner_call_goes_with_it() {
    for polls in 0..=3 {
        let (strict, watch) = Strict::<BoxError>::new();
        let mut service = timeout().layer(strict);
        let mut call = spawn(send(&mut service, Ask::answer().after(5)));
        (0..polls).for_each(|_| assert_pending!(call.poll()));
        assert_eq!((watch.polls(), watch.dropped()), (polls, 0));
        drop(call);
        assert_eq!(watch.dropped(), 1);
        // Its timer is gone, too: nothing is left for the clock to run to. A paused clock runs on by
        // itself when the runtime has nothing to do, so it has to be idle for a moment of real time.
        let before = Instant::now();
        let (tell, told) = tokio::sync::oneshot::channel();
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_millis(2));
            tell.send(())
        });
        told.await.unwrap();
        assert_eq!(Instant::now(), before);
    }
}

thread_local! {
    static GONE: Cell<bool> = const { Cell::new(false) };
    static GONE_WHEN_TOLD: Cell<bool> = const { Cell::new(false) };
    static GONE_WHEN_MADE: Cell<bool> = const { Cell::new(false) };
}

/// Pending for ever; says when it is dropped.
struct Holds;

impl Future for Holds {
    type Output = Result<(), Looks>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Pending
    }
}

impl Drop for Holds {
    fn drop(&mut self) {
        GONE.set(true);
    }
}

/// An error that looks, when it is made, whether the call is still there.
#[derive(Debug)]
struct Looks;

impl From<Rejected> for Looks {
    fn from(_: Rejected) -> Self {
        GONE_WHEN_MADE.set(GONE.get());
        Self
    }
}

#[tokio::test(start_paused = true)]
async fn the_inner_call_is_gone_before_its_end_is_told_and_the_error_made() {
    let timeout = timeout();
    let _heard = timeout.subscribe(|_| GONE_WHEN_TOLD.set(GONE.get()));
    let mut call = spawn(timeout.call_flat(|| Holds));
    assert_pending!(call.poll());
    advance(SECOND).await;
    assert!(!GONE.get());
    assert!(assert_ready!(call.poll()).is_err());
    assert!(GONE_WHEN_TOLD.get() && GONE_WHEN_MADE.get());
    assert!(panic_of(|| call.poll()).contains("polled after it answered"));
}

#[tokio::test(start_paused = true)]
async fn a_panic_travels_on_and_takes_the_call_with_it() {
    for after in [0, 1, 2] {
        let (strict, watch) = Strict::<BoxError>::new();
        let mut service = timeout().layer(strict);
        let mut call = spawn(send(&mut service, Ask::panic_in_poll().after(after)));
        (0..after).for_each(|_| assert_pending!(call.poll()));
        assert!(panic_of(|| call.poll()).contains("the mock panics"));
        drop(call);
        assert_eq!(watch.dropped(), 1);
        let panics = Ask::panic_in_call();
        assert!(panic_of(|| drop(send(&mut service, panics))).contains("the mock panics"));
        // It works as before.
        send(&mut service, Ask::answer().after(1)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_inner_service_is_passed_on_as_it_is() {
    let mut service = timeout().layer(Strict::<BoxError>::new().0);
    let error = send(&mut service, Ask::fail().after(1)).await.unwrap_err();
    assert!(error.downcast_ref::<Failed>().is_some());
}

#[tokio::test(start_paused = true)]
async fn clones_and_applications_are_one_timeout() {
    let timeout = timeout();
    let make = || service_fn(|()| pending::<Result<(), BoxError>>());
    let services = [timeout.layer(make()), timeout.clone().layer(make())];
    for service in services {
        service.clone().oneshot(()).await.unwrap_err();
        assert_eq!(service.timeout().name(), "timeout");
    }
    assert_eq!(timeout.snapshot().ran_into_limit, 2);
}

/// The service and every handle are gone while the call runs, and nobody listened.
#[tokio::test(start_paused = true)]
async fn a_call_may_outlive_its_timeout() {
    let service = timeout().layer(service_fn(|()| pending::<Result<(), BoxError>>()));
    let mut call = spawn(service.oneshot(()));
    assert_pending!(call.poll());
    advance(SECOND).await;
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(error.rejected().unwrap().policy(), "timeout");
}

#[cfg(feature = "metrics")]
#[test]
fn what_runs_out_is_counted_even_when_the_timeout_is_gone() {
    const NAME: &str = "buttress_timeout_total";
    ledger::recorded(async |ledger| {
        let builder = Timeout::builder(SECOND).name("shop");
        let by = |request: &Option<Deadline>| *request;
        let timeout = builder.deadline(by).build().unwrap();
        let make = || service_fn(|_| pending::<Result<(), BoxError>>());
        let mut service = timeout.layer(make());
        let now = Deadline::at(Instant::now());
        assert!(ledger.is_empty());
        service.call(Some(now)).await.unwrap_err();
        service.call(None).await.unwrap_err();
        service.call(None).await.unwrap_err();
        let soon = Some(Deadline::after(SECOND / 2));
        service.call(soon).await.unwrap_err();
        let count = |kind: &str| ledger.value(NAME, &format!("kind={kind},policy=shop"));
        assert_eq!(["limit", "deadline", "expired"].map(count), [2.0, 1.0, 1.0]);
        let call = service.call(None);
        drop((service, timeout));
        call.await.unwrap_err();
        assert_eq!(ledger.value(NAME, "kind=limit,policy=shop"), 3.0);
    });
}

/// Ready at once, and this big.
struct Bytes<const N: usize>([u8; N]);

impl<const N: usize> Future for Bytes<N> {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_timed_future_is_the_inner_one_a_timer_and_little_more() {
    fn weight<const N: usize>() -> usize {
        let mut service = timeout().layer(service_fn(|()| Bytes([0; N])));
        size_of_val(&service.call(()))
    }
    let timer = size_of::<Sleep>();
    for (inner, timed) in [
        (0, weight::<0>()),
        (8, weight::<8>()),
        (1000, weight::<1000>()),
    ] {
        // The limit, the deadline, the policy's name and number, and who listens.
        assert!(
            timed <= inner + timer + 8 + 16 + 32,
            "{timed} over {inner} and {timer}"
        );
    }
    assert_eq!(size_of::<Timeout>(), size_of::<usize>());
    assert_eq!(
        size_of::<Timed<(), NoDeadline, Fixed>>(),
        size_of::<usize>()
    );
}

/// The type has a name, for a struct's field; a function pointer is a strategy with one.
#[tokio::test(start_paused = true)]
async fn the_type_fits_into_a_field() {
    type By = fn(&u32) -> Option<Deadline>;
    type Each = fn(&u32) -> Option<Duration>;
    type Inner = tower::util::BoxCloneService<u32, u32, BoxError>;

    struct Shop {
        plain: Timed<Inner>,
        full: Timed<Inner, By, Each>,
        handle: Timeout<By, Each>,
    }

    let by: By = |_| None;
    let each: Each = |seconds| Some(*seconds * SECOND);
    let handle = Timeout::builder(SECOND).deadline(by).by_request(each);
    let handle = handle.build().unwrap();
    let inner = || Inner::new(service_fn(|n| ready(Ok::<_, BoxError>(n))));
    let mut shop = Shop {
        plain: timeout().layer(inner()),
        full: handle.layer(inner()),
        handle,
    };
    assert_eq!(shop.plain.ready().await.unwrap().call(1).await.unwrap(), 1);
    assert_eq!(shop.full.ready().await.unwrap().call(2).await.unwrap(), 2);
    assert_eq!(shop.handle.snapshot().limit, SECOND);
}

#[test]
fn values_go_anywhere_and_futures_go_where_the_inner_ones_do() {
    fn anywhere<T: Clone + Send + Sync + 'static>() {}
    fn goes<T: Send + Sync + 'static>(_: &T) {}
    anywhere::<Timeout>();
    anywhere::<Timeout<fn(&()) -> Option<Deadline>, fn(&()) -> Option<Duration>>>();
    anywhere::<Config>();
    anywhere::<Snapshot>();
    anywhere::<Timed<()>>();
    let timeout = timeout();
    goes(&Builder::<NoDeadline, Fixed>::config(
        Timeout::builder(SECOND),
        timeout.config(),
    ));
    goes(&timeout.call(|| ready(Ok::<_, ()>(()))));
    goes(
        &timeout
            .layer(service_fn(|()| ready(Ok::<_, BoxError>(()))))
            .oneshot(()),
    );

    // Neither `Send` nor `'static` is asked for.
    let (note, text) = (Rc::new(Cell::new(0)), String::from("borrowed"));
    let call = timeout.call(|| async {
        note.set(note.get() + 1);
        Ok::<_, ()>(text.as_str())
    });
    assert_eq!(assert_ready_ok!(spawn(call).poll()), "borrowed");
    assert_eq!(note.get(), 1);
}

/// Constructors ask for nothing: what is wrong is said where it is called.
#[test]
fn nothing_is_asked_of_what_is_not_called() {
    struct NotAService;
    let timed = timeout().layer(NotAService);
    let NotAService = timed.into_inner();
    assert!(format!("{:?}", timeout()).contains("timeout"));
}
