//! Random schedules by the thousand, against a reference that is as naive as can be.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/mod.rs"]
mod support;

use std::{cell::RefCell, time::Duration};

use buttress::{Budget, Error, Hedge, Reason, Rejected, hedge::Percentile};
use support::{Dice, paused};
use tokio::time::{Instant, sleep};

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Answers,
    Fails,
    IsRefused,
}
use End::{Answers, Fails, IsRefused};

/// One call: milliseconds throughout.
#[derive(Debug)]
struct Schedule {
    delay: u64,
    max_hedges: u32,
    allowed: u32,
    /// How long each attempt takes, and how it ends.
    attempts: Vec<(u64, End)>,
}

impl Schedule {
    fn roll(dice: &mut Dice) -> Self {
        let max_hedges = dice.between(1, 4) as u32;
        let ends = [Answers, Answers, Fails, IsRefused];
        let attempts = (0..=max_hedges).map(|_| (dice.between(0, 40), dice.pick(&ends)));
        Self {
            attempts: attempts.collect(),
            delay: dice.between(0, 12),
            max_hedges,
            allowed: dice.between(1, 4) as u32,
        }
    }
}

/// Which attempt's result it is, when it came, and when each attempt was sent.
type Played = ((usize, End), u64, Vec<u64>);

/// Millisecond by millisecond, as the module's page tells it.
fn naive(schedule: &Schedule) -> Played {
    let mut sent = vec![0];
    let mut over = vec![false];
    let (mut last, mut still) = (None::<(usize, End)>, false);
    let mut due = schedule.delay;
    let mut now = 0;
    loop {
        let ended = (0..sent.len()).find(|&n| !over[n] && sent[n] + schedule.attempts[n].0 <= now);
        if let Some(n) = ended {
            over[n] = true;
            let end = schedule.attempts[n].1;
            if end == Answers {
                return ((n, end), now, sent);
            }
            if end == Fails || last.is_none_or(|(_, end)| end == IsRefused) {
                last = Some((n, end));
            }
            still = true;
            if over.iter().all(|over| *over) {
                return (last.unwrap(), now, sent);
            }
        } else if !still && due <= now {
            if sent.len() > schedule.allowed as usize {
                still = true;
                continue;
            }
            sent.push(now);
            over.push(false);
            due = now + schedule.delay;
            still = sent.len() > schedule.max_hedges as usize;
        } else {
            now += 1;
        }
    }
}

async fn play(schedule: &Schedule, percentile: bool) -> Played {
    let budget = Budget::builder().ratio(0.0).min_per_sec(0.0);
    let budget = budget.reserve(schedule.allowed).build().unwrap();
    let delay = Duration::from_millis(schedule.delay);
    let builder = match percentile {
        true => Hedge::builder(Percentile::new(0.5, delay)),
        false => Hedge::builder(delay),
    };
    let builder = builder.max_hedges(schedule.max_hedges);
    let hedge = builder.budget(budget.clone()).build().unwrap();
    let begun = Instant::now();
    let elapsed = || u64::try_from(begun.elapsed().as_millis()).unwrap();
    let sent = RefCell::new(Vec::new());
    let ended = RefCell::new(Vec::new());
    let call = hedge.call_flat(|_| {
        let n = sent.borrow().len();
        sent.borrow_mut().push(elapsed());
        let (takes, end) = schedule.attempts[n];
        let ended = &ended;
        async move {
            if takes > 0 {
                sleep(Duration::from_millis(takes)).await;
            }
            ended.borrow_mut().push(n);
            match end {
                Answers => Ok((n, end)),
                Fails => Err(Error::Inner((n, end))),
                IsRefused => Err(Rejected::new("inner", Reason::Full).into()),
            }
        }
    });
    let result = match call.await {
        Ok(result) | Err(Error::Inner(result)) => result,
        // It cannot say which; all were, so it is the last.
        Err(Error::Rejected(_)) => (*ended.borrow().last().unwrap(), IsRefused),
    };
    let (at, sent) = (elapsed(), sent.into_inner());
    let seen = hedge.snapshot();
    assert_eq!(seen.hedged, sent.len() as u64 - 1);
    assert_eq!(seen.hedged, budget.snapshot().drawn);
    assert_eq!(seen.won, u64::from(result.1 == Answers && result.0 > 0));
    if percentile {
        // Every attempt is known for what it was, once.
        let known = seen.samples + seen.cut_short;
        assert_eq!(known, sent.len() as u64);
        assert_eq!(seen.samples, u64::from(result.1 == Answers));
    }
    (result, at, sent)
}

#[test]
fn a_call_goes_as_the_page_tells_it() {
    paused(async {
        let mut dice = Dice(1);
        let mut kinds = [0; 3];
        for n in 0..4_000 {
            let schedule = Schedule::roll(&mut dice);
            let expected = naive(&schedule);
            let played = play(&schedule, n % 2 == 0).await;
            assert_eq!(played, expected, "{schedule:?}");
            kinds[played.0.1 as usize] += 1;
        }
        assert!(kinds.iter().all(|kind| *kind > 50), "{kinds:?}");
    });
}
