//! Settings that are followed: what becomes of a document, of one that does not do, and of a source that
//! fails.
#![cfg(feature = "reload")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/channel.rs"]
mod channel;

use std::{
    error::Error,
    future::Future,
    mem,
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{
    Fallback, Resilience,
    deadline::ReadWrite,
    pipeline::Config,
    reload::{Builder, LoadError, Polling, Reload, Source, SourceError, Text},
    telemetry::{Event, EventKind},
};
use channel::{Answer, Channel, channel};
use tokio::{
    sync::mpsc::UnboundedSender,
    task::{JoinHandle, yield_now},
    time::{Instant, advance, sleep},
};
use tokio_test::task::spawn;

const MS: Duration = Duration::from_millis(1);

/// Two policies; both numbers can be told from afar.
fn document(members: u32, payments: u32) -> String {
    format!(
        "policies:
           members: {{ bulkhead: {{ max_concurrent: {members} }} }}
           payments: {{ bulkhead: {{ max_concurrent: {payments} }} }}"
    )
}

fn named(name: &str) -> Resilience {
    Resilience::builder().name(name).build().unwrap()
}

/// How many may run, of a pipeline that has a bulkhead.
fn limit<C, Y, D: Clone, F>(pipeline: &Resilience<C, Y, D, F>) -> Option<u32> {
    Some(pipeline.config().bulkhead?.max_concurrent)
}

/// What was told, as it came.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Event>>>);

impl Told {
    fn listen<S: Source>(builder: Builder<S>) -> (Self, Builder<S>) {
        let told = Self::default();
        let events = Arc::clone(&told.0);
        let builder = builder.on_event(move |event| events.lock().unwrap().push(event.clone()));
        (told, builder)
    }

    fn take(&self) -> Vec<EventKind> {
        let events = mem::take(&mut *self.0.lock().unwrap());
        events.into_iter().map(|event| event.kind).collect()
    }

    /// The one event since the last time, in words.
    fn line(&self) -> String {
        let events = self.take();
        assert_eq!(events.len(), 1, "{events:?}");
        match &events[0] {
            EventKind::ConfigApplied {
                changes,
                unregistered,
                ..
            } => {
                let changes: Vec<_> = changes.iter().map(ToString::to_string).collect();
                format!("applied [{}] {unregistered:?}", changes.join("; "))
            }
            EventKind::ConfigRejected { faults, .. } => format!("rejected {faults:?}"),
            EventKind::SourceFailed {
                error, retry_in, ..
            } => format!("failed {error}, again: {}", retry_in.is_some()),
            EventKind::WatchFailed {
                error,
                polled_every,
                ..
            } => format!("polled every {polled_every:?}: {error}"),
            other => panic!("{other:?}"),
        }
    }
}

/// A reloader of two pipelines that runs on documents by hand.
struct Stage {
    members: Resilience,
    payments: Resilience,
    answers: UnboundedSender<Answer>,
    handle: buttress::reload::Handle,
    told: Told,
    run: JoinHandle<()>,
}

impl Stage {
    /// Loaded with 1 and 1.
    async fn set() -> Self {
        let (members, payments) = (named("members"), named("payments"));
        let (answers, source) = channel();
        let builder = Reload::builder(source).policy(&members).policy(&payments);
        let (told, builder) = Told::listen(builder.seed(7));
        answers.send(Ok(document(1, 1))).unwrap();
        let reload = builder.load().await.unwrap();
        told.take();
        Self {
            members,
            payments,
            answers,
            handle: reload.handle(),
            told,
            run: tokio::spawn(reload.run()),
        }
    }

    /// The source answers, and it is heard.
    async fn answer(&self, answer: Result<&str, &'static str>) {
        self.answers.send(answer.map(str::to_owned)).unwrap();
        for _ in 0..8 {
            yield_now().await;
        }
    }

    fn limits(&self) -> (u32, u32) {
        let limit = |pipeline| limit(pipeline).unwrap();
        (limit(&self.members), limit(&self.payments))
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_document_is_applied_by_load() {
    let members = named("members");
    let (answers, source) = channel();
    answers.send(Ok(document(20, 30))).unwrap();
    let (told, builder) = Told::listen(Reload::builder(source).policy(&members));
    let reload = builder.name("settings").load().await.unwrap();
    assert_eq!(limit(&members), Some(20));
    assert_eq!(reload.name(), "settings");
    let events = told.0.lock().unwrap().clone();
    assert_eq!((events[0].policy, events[0].seq), ("settings", 1));
    let line = told.line();
    assert!(line.starts_with("applied [members."), "{line}");
    assert!(line.ends_with(" [\"payments\"]"), "{line}");
    let seen = reload.handle().snapshot();
    assert_eq!((seen.policy, seen.applied), ("settings", 1));
    assert_eq!(seen.last_applied, Some(Instant::now()));
    assert!(seen.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_first_document_that_does_not_do_is_an_error_and_changes_nothing() {
    for (text, told) in [
        (
            "policies: { members: { breaker: { failure_ratio: 2 } } }",
            "policies.members.breaker.failure_ratio",
        ),
        ("policies: { member: {} }", "policies.members: "),
        ("policies: [", ""),
    ] {
        let members = named("members");
        let (answers, source) = channel();
        answers.send(Ok(text.into())).unwrap();
        let error = Reload::builder(source).policy(&members).load().await;
        let error = error.unwrap_err();
        assert!(matches!(error, LoadError::Rejected(_)));
        assert!(error.source().is_some());
        assert!(error.to_string().contains(told), "{error}");
        assert_eq!(members.config(), Config::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_at_first_is_an_error() {
    let (answers, source) = channel();
    answers.send(Err("no route to host")).unwrap();
    let error = Reload::builder(source)
        .policy(&named("members"))
        .load()
        .await;
    let error = error.unwrap_err();
    assert!(matches!(error, LoadError::Source(_)));
    assert_eq!(error.to_string(), "no settings to be had: no route to host");
}

#[tokio::test(start_paused = true)]
async fn what_comes_later_is_applied_and_told_setting_by_setting() {
    let stage = Stage::set().await;
    stage.answer(Ok(&document(1, 30))).await;
    assert_eq!(stage.limits(), (1, 30));
    let told = "applied [payments.bulkhead.max_concurrent: 1 -> 30] []";
    assert_eq!(stage.told.line(), told);

    let text = document(1, 30) + "\n           audit: {}\n           search: {}";
    let text = text.replace(
        "max_concurrent: 30 }",
        "max_concurrent: 30 }, attempt_timeout: 250ms",
    );
    stage.answer(Ok(&text)).await;
    let told = "applied [payments.attempt_timeout: none -> 250ms] [\"audit\", \"search\"]";
    assert_eq!(stage.told.line(), told);
    let expected = Some(250 * MS);
    assert_eq!(stage.payments.config().attempt_timeout, expected);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_do_is_rejected_as_a_whole() {
    let stage = Stage::set().await;
    for (bad, told) in [
        (document(5, 0), "policies.payments.bulkhead.max_concurrent"),
        (document(0, 5), "policies.members.bulkhead.max_concurrent"),
        (
            document(5, 5).replace("payments", "payment"),
            "policies.payments: is not in the document, which has to have it; it has `members`, `payment`",
        ),
        (
            document(5, 5) + "\n           other: { breaker: { probes: 0 } }",
            "policies.other.breaker.probes",
        ),
        (document(5, 5) + "\n  nonsense", ""),
        (String::new(), ""),
    ] {
        let before = stage.handle.snapshot();
        stage.answer(Ok(&bad)).await;
        assert_eq!(stage.limits(), (1, 1), "{bad}");
        let line = stage.told.line();
        assert!(line.starts_with("rejected "), "{line}");
        assert!(line.contains(told), "{line}");
        let seen = stage.handle.snapshot();
        assert_eq!(seen.rejected, before.rejected + 1);
        let rejection = seen.rejection.clone().unwrap();
        assert!(rejection.error.contains(told), "{}", rejection.error);
        assert!(!seen.is_current());
    }
    stage.answer(Ok(&document(5, 5))).await;
    assert_eq!(stage.limits(), (5, 5));
    assert!(stage.handle.snapshot().is_current());
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_the_same_is_not_read_again() {
    let stage = Stage::set().await;
    stage.answer(Ok(&document(1, 1))).await;
    stage.answer(Ok("policies: {}")).await;
    assert!(stage.told.line().starts_with("rejected "));
    // Neither is one that was rejected told of twice, nor is it forgotten.
    stage.answer(Ok("policies: {}")).await;
    assert_eq!(stage.told.take(), []);
    let seen = stage.handle.snapshot();
    assert_eq!((seen.applied, seen.unchanged, seen.rejected), (1, 2, 1));
    assert!(seen.rejection.is_some());
}

#[tokio::test(start_paused = true)]
async fn another_text_of_the_same_settings_changes_nothing() {
    let stage = Stage::set().await;
    let told = Told::default();
    let events = Arc::clone(&told.0);
    let _told = stage
        .members
        .subscribe(move |event| events.lock().unwrap().push(event.clone()));
    stage
        .answer(Ok(&format!("# A word.\n{}", document(1, 1))))
        .await;
    assert_eq!((told.take(), stage.told.take()), (vec![], vec![]));
    let seen = stage.handle.snapshot();
    assert_eq!((seen.applied, seen.unchanged), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_edit_that_is_taken_back_is_told() {
    let stage = Stage::set().await;
    stage.answer(Ok(&document(0, 0))).await;
    assert!(stage.told.line().starts_with("rejected "));
    stage.answer(Ok(&document(1, 1))).await;
    assert_eq!(stage.told.line(), "applied [] []");
    let seen = stage.handle.snapshot();
    assert!(seen.is_current());
    assert_eq!((seen.applied, seen.rejected), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_by_hand_is_what_the_next_change_is_told_from() {
    let stage = Stage::set().await;
    let mut config = stage.members.config();
    config.bulkhead.as_mut().unwrap().max_concurrent = 99;
    stage.members.reconfigure(config).unwrap();
    // The source says what it has said: it does not undo what an operator does.
    stage.answer(Ok(&document(1, 1))).await;
    assert_eq!(stage.limits(), (99, 1));
    stage.answer(Ok(&document(2, 1))).await;
    let told = "applied [members.bulkhead.max_concurrent: 99 -> 2] []";
    assert_eq!(stage.told.line(), told);
}

#[tokio::test(start_paused = true)]
async fn a_pattern_that_comes_or_goes_is_one_change() {
    let stage = Stage::set().await;
    let text = document(1, 1).replace(
        "members: {",
        "members: { rate_limit: { calls: 5, period: 1s },",
    );
    stage.answer(Ok(&text)).await;
    let line = stage.told.line();
    assert!(
        line.starts_with("applied [members.rate_limit: none -> {"),
        "{line}"
    );
    assert!(line.contains("\"calls\":5"), "{line}");
    stage.answer(Ok(&document(1, 1))).await;
    let line = stage.told.line();
    assert!(line.starts_with("applied [members.rate_limit: {"), "{line}");
    assert!(line.ends_with("} -> none] []"), "{line}");
    assert!(stage.members.config().rate_limit.is_none());
}

/// When the source was asked.
struct Failing {
    asked: Arc<Mutex<Vec<Instant>>>,
    works_at: usize,
}

impl Source for Failing {
    async fn next(&mut self) -> Result<Text, SourceError> {
        let n = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(Instant::now());
            asked.len()
        };
        if n == self.works_at {
            return Ok(Text::new(document(7, 7), buttress::document::Format::Yaml));
        }
        Err(SourceError::new("no route to host"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_fails_is_asked_again_ever_more_slowly_and_keeps_what_was_there() {
    let members = named("members");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let source = Failing {
        asked: Arc::clone(&asked),
        works_at: 14,
    };
    let builder = Reload::builder(source).policy(&members);
    let (told, builder) = Told::listen(builder.seed(3));
    // Without a first reading: it keeps what it was built with until there is one.
    let reload = builder.build();
    let handle = reload.handle();
    let run = tokio::spawn(reload.run());
    while asked.lock().unwrap().len() < 13 {
        assert_eq!(members.config(), Config::default());
        sleep(MS).await;
    }
    let seen = handle.snapshot();
    assert_eq!((seen.failed, seen.applied), (13, 0));
    assert_eq!(&*seen.failure.unwrap().error, "no route to host");
    let waits: Vec<Duration> = told
        .take()
        .iter()
        .map(|event| match event {
            EventKind::SourceFailed { retry_in, .. } => retry_in.unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    for (n, wait) in waits.iter().enumerate() {
        let planned = (100 * MS * 2_u32.pow(n as u32)).min(30_000 * MS);
        assert!(planned / 2 <= *wait && *wait < planned, "{n}: {wait:?}");
    }
    let jittered = waits[9..].windows(2).any(|two| two[0] != two[1]);
    assert!(jittered, "{waits:?}");
    {
        let asked = asked.lock().unwrap();
        for (n, two) in asked.windows(2).enumerate() {
            let waited = two[1] - two[0];
            // tokio's timer rounds up to a millisecond.
            assert!(waits[n] <= waited && waited <= waits[n] + 2 * MS);
        }
    }
    // It answers once, and fails again: the first wait is a short one.
    sleep(30_000 * MS).await;
    assert_eq!(limit(&members), Some(7));
    let waits: Vec<_> = told
        .take()
        .into_iter()
        .filter_map(|event| match event {
            EventKind::SourceFailed { retry_in, .. } => retry_in,
            _ => None,
        })
        .collect();
    assert!(waits[0] < 100 * MS, "{waits:?}");
    assert_eq!(limit(&members), Some(7));
    assert!(!handle.snapshot().is_current());
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn a_source_that_is_over_ends_the_run_and_settings_stay() {
    let stage = Stage::set().await;
    stage.answer(Ok(&document(4, 4))).await;
    stage.told.take();
    drop(stage.answers);
    stage.run.await.unwrap();
    assert_eq!(
        stage.told.line(),
        "failed nobody is left to tell, again: false"
    );
    assert_eq!(limit(&stage.members), Some(4));
    assert!(stage.handle.snapshot().failure.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_over_with_the_next_answer() {
    let stage = Stage::set().await;
    stage.answer(Err("gone")).await;
    assert_eq!(stage.told.line(), "failed gone, again: true");
    assert!(!stage.handle.snapshot().is_current());
    advance(100 * MS).await;
    stage.answer(Ok(&document(1, 1))).await;
    let seen = stage.handle.snapshot();
    assert!(seen.is_current());
    assert_eq!((seen.failed, seen.unchanged), (1, 1));
}

/// Dropped after each number of polls, it leaves one document or another, whole, and holds on to nothing.
#[test]
fn dropped_at_any_point_it_leaves_a_whole_document() {
    let mut seen = std::collections::BTreeSet::new();
    for polls in 0..24 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let (members, payments) = (named("members"), named("payments"));
            let (answers, source) = channel();
            let builder = Reload::builder(source).policy(&members).policy(&payments);
            for n in 1..=9 {
                answers.send(Ok(document(n, n))).unwrap();
                answers.send(Ok(document(n, 0))).unwrap();
                answers.send(Err("gone")).unwrap();
            }
            let whole = builder.build();
            let mut run = spawn(async {
                let reload = whole;
                reload.run().await;
            });
            for _ in 0..polls {
                let _ = run.poll();
                advance(60_000 * MS).await;
            }
            drop(run);
            assert!(answers.is_closed(), "the source is gone with it");
            assert_eq!(limit(&members), limit(&payments));
            seen.insert(limit(&members));
        });
    }
    assert!(seen.len() > 5, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn load_can_be_dropped_while_it_waits() {
    let members = named("members");
    let (answers, source) = channel();
    let mut load = spawn(Reload::builder(source).policy(&members).load());
    assert!(load.poll().is_pending());
    drop(load);
    assert!(answers.is_closed());
    assert_eq!(members.config(), Config::default());
}

#[tokio::test(start_paused = true)]
async fn a_pipeline_that_is_gone_is_not_asked_for() {
    let Stage {
        members,
        payments,
        answers,
        handle,
        told,
        run,
    } = Stage::set().await;
    drop(payments);
    let only = "policies: { members: { bulkhead: { max_concurrent: 3 } } }";
    answers.send(Ok(only.into())).unwrap();
    sleep(MS).await;
    assert_eq!(limit(&members), Some(3));
    let line = told.line();
    assert_eq!(line, "applied [members.bulkhead.max_concurrent: 1 -> 3] []");
    assert!(handle.snapshot().is_current());
    run.abort();
}

#[tokio::test(start_paused = true)]
async fn a_service_keeps_its_pipeline_followed() {
    use tower::{Layer, service_fn};
    let members = named("members");
    let service = members.layer(service_fn(|(): ()| async { Ok::<_, tower::BoxError>(()) }));
    let (answers, source) = channel();
    let builder = Reload::builder(source).policy(&members);
    drop(members);
    answers.send(Ok(document(3, 3))).unwrap();
    let _reload = builder.load().await.unwrap();
    assert_eq!(limit(service.resilience()), Some(3));
}

#[tokio::test(start_paused = true)]
async fn pipelines_of_any_types_are_followed_and_several_of_one_name() {
    let carried = ReadWrite::new(|(): &()| None, |(): &mut (), _| ());
    let held = Arc::new(());
    let backup = Arc::clone(&held);
    let odd = Resilience::builder()
        .name("members")
        .deadline_in(carried)
        .classify(|_: &Result<u32, tower::BoxError>| buttress::Outcome::Ignored)
        .fallback(Fallback::async_function(
            move |_: Result<u32, tower::BoxError>| {
                let _ = &backup;
                async { Ok(1) }
            },
        ))
        .build()
        .unwrap();
    let plain = named("members");
    let (answers, source) = channel();
    let builder = Reload::builder(source).policy(&odd).policy(&plain);
    let text = "policies: { members: { bulkhead: { max_concurrent: 4 }, fallback: { max_concurrent: 5 } } }";
    answers.send(Ok(text.into())).unwrap();
    let reload = builder.load().await.unwrap();
    assert_eq!((limit(&odd), limit(&plain)), (Some(4), Some(4)));
    assert_eq!(odd.config().fallback.max_concurrent, 5);
    // What the pipeline held goes with it, whoever reloads.
    drop(odd);
    assert_eq!(Arc::strong_count(&held), 1);
    drop(reload);
}

#[tokio::test(start_paused = true)]
async fn a_listener_may_panic_or_change_settings_itself() {
    let members = named("members");
    let (answers, source) = channel();
    let other = members.clone();
    let builder = Reload::builder(source).policy(&members);
    let builder = builder.on_event(|_| panic!("a listener of a test"));
    let builder = builder.on_event(move |_| {
        let mut config = other.config();
        config.attempt_timeout = Some(MS);
        other.reconfigure(config).unwrap();
    });
    let run = tokio::spawn(builder.build().run());
    for n in [5, 6] {
        answers.send(Ok(document(n, n))).unwrap();
        sleep(MS).await;
        assert_eq!(limit(&members), Some(n));
        assert_eq!(members.config().attempt_timeout, Some(MS));
    }
    run.abort();
}

/// Watches, and then cannot any more.
struct Tired(Channel, u32);

impl Source for Tired {
    async fn next(&mut self) -> Result<Text, SourceError> {
        self.1 += 1;
        self.0.next().await
    }

    fn polls(&self) -> Option<Polling> {
        (self.1 > 1).then(|| Polling::new("too many watches", 5 * MS))
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_watch_any_more_is_told_of_once() {
    let members = named("members");
    let (answers, source) = channel();
    let builder = Reload::builder(Tired(source, 0)).policy(&members);
    let (told, builder) = Told::listen(builder);
    answers.send(Ok(document(1, 1))).unwrap();
    let reload = builder.load().await.unwrap();
    told.take();
    let handle = reload.handle();
    assert_eq!(handle.snapshot().polls, None);
    let run = tokio::spawn(reload.run());
    for _ in 0..3 {
        answers.send(Ok(document(1, 1))).unwrap();
        sleep(MS).await;
    }
    assert_eq!(told.line(), "polled every 5ms: too many watches");
    assert_eq!(&*handle.snapshot().polls.unwrap().error, "too many watches");
    run.abort();
}

/// A source that never has to wait.
struct Restless;

impl Source for Restless {
    async fn next(&mut self) -> Result<Text, SourceError> {
        Ok(Text::new(document(1, 1), buttress::document::Format::Yaml))
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_never_waits_can_be_stopped() {
    let run = tokio::spawn(Reload::builder(Restless).build().run());
    yield_now().await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_hears_until_it_is_dropped() {
    let stage = Stage::set().await;
    let heard = Arc::new(Mutex::new(0));
    let counts = Arc::clone(&heard);
    let subscription = stage
        .handle
        .subscribe(move |_| *counts.lock().unwrap() += 1);
    stage.answer(Ok(&document(2, 2))).await;
    drop(subscription);
    stage.answer(Ok(&document(3, 3))).await;
    assert_eq!(*heard.lock().unwrap(), 1);
}

#[test]
fn it_can_be_spawned_and_shared() {
    fn assert_send<T: Send + 'static>(_: &T) {}
    fn assert_shared<T: Send + Sync + Clone + 'static>(_: &T) {}
    let reload = Reload::file("policies.yaml").policy(&named("a")).build();
    assert_shared(&reload.handle());
    assert_send(&reload);
    assert_send(&reload.run());
    fn assert_load<F: Future<Output = Result<Reload, LoadError>> + Send>(_: F) {}
    assert_load(Reload::file("policies.yaml").load());
}
