//! The log lines: their levels, words and fields.
#![cfg(feature = "tracing")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use buttress::{Bulkhead, CircuitBreaker, breaker::Builder};
use tokio::time::advance;
use tracing_subscriber::{
    fmt::{MakeWriter, fmt},
    util::SubscriberInitExt,
};

const SECOND: Duration = Duration::from_secs(1);

/// Where the lines go.
#[derive(Debug, Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    /// From here on lines of this thread are written to it.
    fn put_in() -> (Self, impl Drop) {
        let paper = Self::default();
        let subscriber = fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(paper.clone())
            .with_ansi(false)
            .without_time();
        (paper, subscriber.finish().set_default())
    }

    /// The lines since the last time.
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap();
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    /// The one line since the last time.
    fn line(&self) -> String {
        let lines = self.take();
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].clone()
    }
}

impl Write for Paper {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Paper {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Opens at the first failure, for a second; one probe.
fn touchy() -> Builder {
    CircuitBreaker::builder()
        .name("shop")
        .count_window(10)
        .min_calls(1)
        .open_for(SECOND)
        .open_jitter(0.0)
        .probes(1)
}

#[tokio::test(start_paused = true)]
async fn an_opening_is_a_warning_with_its_reason_the_way_back_is_for_information() {
    let (paper, _guard) = Paper::put_in();
    let breaker = touchy().build().unwrap();
    breaker.try_acquire().unwrap().success();
    assert!(paper.take().is_empty(), "calls are not logged");

    breaker.try_acquire().unwrap().failure();
    assert_eq!(
        paper.line(),
        "WARN buttress: circuit breaker opened policy=\"shop\" generation=1 \
         reason=\"failure_ratio\" calls=2 failed=1 slow=0 opening=1 open_for=1s reopened=false \
         enforced=true"
    );
    breaker.try_acquire().unwrap_err();
    assert!(paper.take().is_empty(), "refusals are not logged");

    advance(SECOND).await;
    let probe = breaker.try_acquire().unwrap();
    assert_eq!(
        paper.line(),
        "INFO buttress: circuit breaker half-open policy=\"shop\" generation=2 probes=1 \
         enforced=true"
    );
    probe.success();
    assert_eq!(
        paper.line(),
        "INFO buttress: circuit breaker closed policy=\"shop\" generation=3 probes=1 failed=0 \
         enforced=true"
    );
}

#[tokio::test(start_paused = true)]
async fn slow_calls_and_hung_probes_are_told_as_such() {
    let (paper, _guard) = Paper::put_in();
    let breaker = touchy()
        .slow_call_duration(SECOND)
        .probe_timeout(SECOND)
        .build()
        .unwrap();
    let slow = breaker.try_acquire().unwrap();
    advance(2 * SECOND).await;
    slow.success();
    let line = paper.line();
    assert!(line.starts_with("WARN buttress: circuit breaker opened"));
    assert!(line.contains("reason=\"slow_call_ratio\" calls=1 failed=0 slow=1"));

    advance(SECOND).await;
    let _hung = breaker.try_acquire().unwrap();
    paper.take();
    advance(SECOND).await;
    let _ = breaker.snapshot();
    let lines = paper.take();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("WARN buttress: circuit breaker probes timed out"));
    assert!(lines[0].ends_with("count=1"));
    assert!(lines[1].starts_with("WARN buttress: circuit breaker opened"));
    assert!(lines[1].contains("reopened=true"));
}

#[tokio::test(start_paused = true)]
async fn orders_are_logged() {
    let (paper, _guard) = Paper::put_in();
    let breaker = touchy().build().unwrap();
    breaker.force_open();
    breaker.force_open_for(SECOND);
    breaker.force_closed();
    breaker.disable();
    breaker.reset();
    breaker.reconfigure(breaker.config()).unwrap();
    let expected = [
        "WARN buttress: circuit breaker forced open policy=\"shop\" generation=1 open_for=None",
        "WARN buttress: circuit breaker forced open policy=\"shop\" generation=2 open_for=Some(1s)",
        "WARN buttress: circuit breaker forced closed policy=\"shop\" generation=3",
        "WARN buttress: circuit breaker disabled policy=\"shop\" generation=4",
        "INFO buttress: circuit breaker reset policy=\"shop\" generation=5",
        "INFO buttress: reconfigured policy=\"shop\" generation=5 \
         window_cleared=false",
    ];
    assert_eq!(paper.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_a_disabled_breaker_would_have_done_is_marked() {
    let (paper, _guard) = Paper::put_in();
    let breaker = touchy().build().unwrap();
    breaker.disable();
    paper.take();
    breaker.try_acquire().unwrap().failure();
    advance(SECOND).await;
    breaker.try_acquire().unwrap().success();
    let lines = paper.take();
    assert_eq!(lines.len(), 3);
    assert!(lines.iter().all(|line| line.ends_with("enforced=false")));
}

#[tokio::test(start_paused = true)]
async fn what_would_have_been_refused_is_told_on_debug() {
    let (paper, _guard) = Paper::put_in();
    let breaker = touchy().shadow(true).build().unwrap();
    breaker.try_acquire().unwrap().failure();
    assert!(paper.line().ends_with("enforced=false"));
    drop(breaker.try_acquire().unwrap());
    assert_eq!(
        paper.line(),
        "DEBUG buttress: would have rejected policy=\"shop\" generation=1 reason=\"open\" \
         retry_after=Some(1s)"
    );
    let bulkhead = Bulkhead::builder(1).name("shop").shadow(true);
    let bulkhead = bulkhead.build().unwrap();
    let _calls = [(); 2].map(|()| bulkhead.try_acquire().unwrap());
    assert_eq!(
        paper.line(),
        "DEBUG buttress: would have rejected policy=\"shop\" generation=0 reason=\"full\" \
         retry_after=None"
    );
}

#[tokio::test(start_paused = true)]
async fn the_words_are_those_of_the_table() {
    let (paper, _guard) = Paper::put_in();
    let breaker = touchy().build().unwrap();
    breaker.force_open();
    breaker.try_acquire().unwrap_err();
    breaker.reset();
    breaker.try_acquire().unwrap().failure();
    breaker.disable();
    breaker.try_acquire().unwrap().failure();
    drop(breaker.try_acquire().unwrap());
    let table = include_str!("../src/telemetry/telemetry.md");
    for line in paper.take() {
        let (level, rest) = line.split_once(" buttress: ").unwrap();
        let (words, fields) = rest.split_once(" policy=").unwrap();
        let row = table
            .lines()
            .find(|row| row.starts_with(&format!("| {level} | `{words}` |")))
            .unwrap_or_else(|| panic!("no row for {level} {words}"));
        // `generation` stands above the table, for all of them.
        for field in fields.split(' ').skip(2) {
            let (name, _) = field.split_once('=').unwrap();
            assert!(row.contains(&format!("`{name}`")), "{name} in {row}");
        }
    }
}

#[cfg(feature = "reload")]
#[path = "support/channel.rs"]
mod channel;

#[cfg(feature = "reload")]
#[tokio::test(start_paused = true)]
async fn documents_are_for_information_and_their_faults_are_warnings() {
    use buttress::{
        Resilience,
        reload::{Polling, Reload, Source, SourceError, Text},
    };

    struct Polled(channel::Channel);

    impl Source for Polled {
        async fn next(&mut self) -> Result<Text, SourceError> {
            self.0.next().await
        }

        fn polls(&self) -> Option<Polling> {
            Some(Polling::new("too many", SECOND))
        }
    }

    let (paper, _guard) = Paper::put_in();
    let members = Resilience::builder().name("members").build().unwrap();
    let (answers, source) = channel::channel();
    let reload = Reload::builder(Polled(source)).policy(&members).seed(1);
    let document = |limit: u32| {
        format!(
            "policies:
  members: {{ attempt_timeout: {limit}s }}
  audit: {{}}
  search: {{}}"
        )
    };
    answers.send(Ok(document(1))).unwrap();
    let reload = reload.load().await.unwrap();
    let lines = paper.take();
    assert_eq!(
        lines,
        [
            "WARN buttress: configuration polled instead of watched policy=\"reload\" generation=0 \
             error=too many polled_every=1s",
            // The timeout of its attempts says so for itself.
            "INFO buttress: reconfigured policy=\"members\" generation=0 window_cleared=false",
            "INFO buttress: configuration applied policy=\"reload\" generation=0 \
             changes=members.attempt_timeout: none -> 1s unregistered=audit; search",
        ]
    );
    let _run = tokio::spawn(reload.run());
    for (answer, line) in [
        (
            Ok(document(0)),
            "WARN buttress: configuration rejected policy=\"reload\" generation=0 \
             faults=policies.members.attempt_timeout: ",
        ),
        (
            Err("no route"),
            "WARN buttress: configuration source failed policy=\"reload\" generation=0 \
             error=no route retry_in=Some(",
        ),
    ] {
        answers.send(answer).unwrap();
        advance(SECOND).await;
        tokio::time::sleep(SECOND).await;
        let told = paper.line();
        assert!(told.starts_with(line), "{told}");
    }
}
