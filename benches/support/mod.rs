//! What the benches of all patterns compare with, and how they drive a service, time it and count.
#![allow(
    dead_code,
    unreachable_pub,
    unused_macros,
    missing_debug_implementations,
    reason = "each bench uses its part"
)]

use std::{
    collections::HashMap,
    env,
    future::Future,
    hint::black_box,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use buttress::{Error, Rejected};
use criterion::Criterion;
use pin_project::pin_project;
use tokio::runtime::Handle;
use tower::{BoxError, Layer, Service};

/// A service that answers at once: what is left is the cost of the layer around it.
#[derive(Debug, Clone, Copy)]
pub struct Bare {
    pub fails: bool,
}

pub const OK: Bare = Bare { fails: false };
pub const FAILING: Bare = Bare { fails: true };

pub type BareError = Error<()>;

impl Service<u64> for Bare {
    type Response = u64;
    type Error = BareError;
    type Future = std::future::Ready<Result<u64, BareError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BareError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        std::future::ready(if self.fails {
            Err(Error::Inner(()))
        } else {
            Ok(request)
        })
    }
}

/// Answers after this many `Pending`s. Its error is one that tower's timeout takes.
#[derive(Debug, Clone, Copy)]
pub struct After(pub u32);

impl Service<u64> for After {
    type Response = u64;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Answer {
        Answer {
            pendings: self.0,
            request,
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    pendings: u32,
    request: u64,
}

impl Future for Answer {
    type Output = Result<u64, BoxError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        match self.pendings.checked_sub(1) {
            Some(left) => {
                self.pendings = left;
                Poll::Pending
            }
            None => Poll::Ready(Ok(self.request)),
        }
    }
}

/// The floor: the least that a layer with a shared state does. It clones an `Arc`, loads, and adds
/// when the call has ended.
#[derive(Debug, Clone, Default)]
pub struct Floor {
    shared: Arc<FloorState>,
}

#[derive(Debug, Default)]
pub struct FloorState {
    state: AtomicU64,
    calls: AtomicU64,
}

impl<S> Layer<S> for Floor {
    type Service = Floored<S>;

    fn layer(&self, inner: S) -> Floored<S> {
        Floored {
            inner,
            shared: Arc::clone(&self.shared),
        }
    }
}

#[derive(Debug, Clone)]
pub struct Floored<S> {
    inner: S,
    shared: Arc<FloorState>,
}

impl<S> Service<u64> for Floored<S>
where
    S: Service<u64, Error = BareError>,
{
    type Response = S::Response;
    type Error = BareError;
    type Future = FlooredFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BareError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        if self.shared.state.load(Ordering::Acquire) != 0 {
            return FlooredFuture::Refused;
        }
        FlooredFuture::Running {
            future: self.inner.call(request),
            shared: Arc::clone(&self.shared),
        }
    }
}

#[pin_project(project = FlooredProgress)]
pub enum FlooredFuture<F> {
    Running {
        #[pin]
        future: F,
        shared: Arc<FloorState>,
    },
    Refused,
}

impl<T, F: Future<Output = Result<T, BareError>>> Future for FlooredFuture<F> {
    type Output = Result<T, BareError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            FlooredProgress::Running { future, shared } => future.poll(cx).map(|result| {
                shared.calls.fetch_add(1, Ordering::Relaxed);
                result
            }),
            FlooredProgress::Refused => Poll::Ready(Err(Error::Rejected(Rejected::new(
                "floor",
                buttress::Reason::Open,
            )))),
        }
    }
}

/// The least that a layer with a shared handle does: it clones an `Arc` into the future.
#[derive(Debug, Clone, Default)]
pub struct Counted(Arc<()>);

impl<S> Layer<S> for Counted {
    type Service = CountedService<S>;

    fn layer(&self, inner: S) -> CountedService<S> {
        CountedService {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

#[derive(Debug, Clone)]
pub struct CountedService<S> {
    inner: S,
    shared: Arc<()>,
}

impl<S: Service<u64>> Service<u64> for CountedService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = CountedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: u64) -> Self::Future {
        CountedFuture {
            future: self.inner.call(request),
            _shared: Arc::clone(&self.shared),
        }
    }
}

#[pin_project]
pub struct CountedFuture<F> {
    #[pin]
    future: F,
    _shared: Arc<()>,
}

impl<F: Future> Future for CountedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().future.poll(cx)
    }
}

/// Things to time, by name. Each answers how long so many calls took.
pub type Case = (&'static str, Box<dyn FnMut(u64) -> Duration>);

/// A case of one service that answers at once, called from `threads` threads.
pub fn case<S>(threads: usize, name: &'static str, service: S) -> Case
where
    S: Service<u64> + Clone + Send + Sync + 'static,
{
    driven(threads, name, service, drive)
}

/// A case of one service, with the driver that makes a call of it.
pub fn driven<S, D>(threads: usize, name: &'static str, service: S, drive: D) -> Case
where
    S: Service<u64> + Clone + Send + Sync + 'static,
    D: Fn(&mut S, u64) -> bool + Copy + Send + Sync + 'static,
{
    let run = move |calls| {
        contended(threads, calls, || {
            let mut service = service.clone();
            move || {
                black_box(drive(&mut service, black_box(1)));
            }
        })
    };
    (name, Box::new(run))
}

/// A case of anything else that can be called.
pub fn called<T: 'static>(
    threads: usize,
    name: &'static str,
    call: impl Fn() -> T + Sync + 'static,
) -> Case {
    let run = move |calls| {
        contended(threads, calls, || {
            || {
                black_box(call());
            }
        })
    };
    (name, Box::new(run))
}

/// What a layer that reads the clock cannot do without.
pub fn clock_alone(threads: usize) -> Case {
    called(threads, "the clock alone", tokio::time::Instant::now)
}

/// A bench of times.
pub struct Times {
    /// For so many threads.
    pub cases: fn(usize) -> Vec<Case>,
    /// Of each case, per round.
    pub calls: u64,
    /// The case that the others are printed next to.
    pub floor: Option<&'static str>,
    /// Prints which bars are met: given the threads, and the nanoseconds of each case.
    pub judge: fn(usize, &HashMap<&str, f64>),
}

/// Has criterion time the cases, unless `RATIOS_ONLY` is set; then prints the medians.
pub fn time(times: &Times) {
    if env::var_os("RATIOS_ONLY").is_none() {
        let mut criterion = Criterion::default()
            .measurement_time(Duration::from_secs(1))
            .warm_up_time(Duration::from_millis(300))
            .sample_size(20)
            .without_plots()
            .configure_from_args();
        for threads in [1, 2] {
            let mut group = criterion.benchmark_group(format!("{threads} thread(s)"));
            for (name, mut run) in (times.cases)(threads) {
                group.bench_function(name, |b| b.iter_custom(&mut run));
            }
            group.finish();
        }
        criterion.final_summary();
    }
    if is_bench() {
        for threads in [1, 2] {
            (times.judge)(threads, &medians(threads, times));
        }
    }
}

/// Nanoseconds per call, medians over rounds in which every case has its turn, so that a noisy
/// machine hurts all alike.
fn medians(threads: usize, times: &Times) -> HashMap<&'static str, f64> {
    const ROUNDS: usize = 60;

    let mut cases = (times.cases)(threads);
    let mut took = vec![Vec::with_capacity(ROUNDS); cases.len()];
    for _ in 0..ROUNDS {
        for ((_, run), of_case) in cases.iter_mut().zip(&mut took) {
            of_case.push(run(times.calls).as_secs_f64() * 1e9 / times.calls as f64);
        }
    }
    let names = cases.iter().map(|&(name, _)| name);
    let medians: HashMap<_, _> = names
        .clone()
        .zip(&mut took)
        .map(|(name, of_case)| {
            of_case.sort_by(f64::total_cmp);
            (name, of_case[ROUNDS / 2])
        })
        .collect();
    println!("\n{threads} thread(s), medians of {ROUNDS} rounds");
    for name in names {
        let ns = medians[name];
        match times.floor {
            Some(floor) => {
                let ratio = ns / medians[floor];
                println!("  {name:<34} {ns:7.1} ns  {ratio:5.2} x the floor");
            }
            None => println!("  {name:<34} {ns:7.1} ns"),
        }
    }
    medians
}

/// Whether a bar is met.
pub fn bar(what: &str, ns: f64, allowed: f64) {
    let verdict = if ns <= allowed { "met" } else { "MISSED" };
    println!("  bar: {what} {ns:.1} ns, allowed {allowed:.1}: {verdict}");
}

/// Whether this is `cargo bench`; `cargo test --benches` only asks whether it runs.
pub fn is_bench() -> bool {
    env::args().any(|argument| argument == "--bench")
}

/// One call, from readiness to answer. Not inlined into the loop around it, so that all layers are
/// compiled alike, however small.
#[inline(never)]
pub fn drive<S: Service<u64>>(service: &mut S, request: u64) -> bool {
    let cx = &mut Context::from_waker(Waker::noop());
    match service.poll_ready(cx) {
        Poll::Ready(Ok(())) => finish(service.call(request)).is_ok(),
        Poll::Ready(Err(_)) => false,
        Poll::Pending => unreachable!("the bare service is always ready"),
    }
}

/// The same of a service that may be pending: polled until it answers.
#[inline(never)]
pub fn drive_pending<S: Service<u64>>(service: &mut S, request: u64) -> bool {
    let cx = &mut Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(())) = service.poll_ready(cx) else {
        unreachable!("it is always ready")
    };
    let mut call = pin!(service.call(request));
    loop {
        if let Poll::Ready(result) = call.as_mut().poll(cx) {
            return result.is_ok();
        }
    }
}

/// Polls a future that answers at once.
#[inline]
pub fn finish<F: Future>(future: F) -> F::Output {
    let cx = &mut Context::from_waker(Waker::noop());
    match pin!(future).poll(cx) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the bare service answers at once"),
    }
}

/// The time that `threads` threads take for `iterations` calls each, from a common start. They are
/// within the caller's runtime, if it is within one: a timer belongs to a runtime.
pub fn contended<W: FnMut() + Send>(
    threads: usize,
    iterations: u64,
    worker: impl Fn() -> W + Sync,
) -> Duration {
    // Waits awake: a thread that slept may be woken where the other runs, and start after its end.
    let missing = AtomicU64::new(threads as u64);
    let runtime = Handle::try_current().ok();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let _within = runtime.as_ref().map(Handle::enter);
                    let mut call = worker();
                    missing.fetch_sub(1, Ordering::AcqRel);
                    while missing.load(Ordering::Acquire) > 0 {
                        std::hint::spin_loop();
                    }
                    let begun = Instant::now();
                    for _ in 0..iterations {
                        call();
                    }
                    begun.elapsed()
                })
            })
            .collect();
        let times = workers.into_iter().map(|worker| worker.join().unwrap());
        times.max().unwrap()
    })
}

/// What is counted: so many calls of a service that answers at once.
pub fn through_tower<S: Service<u64>>(service: &mut S, calls: u64) {
    repeat(calls, || drive(service, black_box(1)));
}

/// Not inlined, so that nothing around the calls mixes with them.
#[inline(never)]
pub fn repeat<T>(calls: u64, mut call: impl FnMut() -> T) {
    for _ in 0..calls {
        black_box(call());
    }
}

/// The first call registers the metrics; it is not counted.
pub fn warm<S: Service<u64>>(mut service: S) -> S {
    through_tower(&mut service, 1);
    service
}

/// The `main` of a bench that counts instructions: `$group` for gungraun, or `$run(case, calls)` without
/// the runner. `$one` is the case that `cargo test --benches` runs.
macro_rules! count {
    ($group:ident, $run:ident, $one:literal) => {
        // gungraun's macro makes a `main` of its own.
        mod counted {
            use super::$group;

            gungraun::main!(library_benchmark_groups = $group);

            pub(super) fn by_the_runner() {
                main();
            }
        }

        fn main() {
            support::count(counted::by_the_runner, $run, $one);
        }
    };
}

/// What `count!` does at run time.
pub fn count(by_the_runner: fn(), run: fn(&str, u64), one: &str) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // From `cargo bench`, and from the runner that it starts.
        ["--gungraun-run", ..] => by_the_runner(),
        _ if is_bench() => by_the_runner(),
        [case, calls] => run(case, calls.parse().expect("a number of calls")),
        // `cargo test --benches` only asks whether it runs, and needs no valgrind for that.
        _ => run(one, 1),
    }
}
