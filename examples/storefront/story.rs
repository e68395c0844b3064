//! What a breaker says about itself during the run, held against what its service has counted.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress::telemetry::{Event, EventKind, Subscription};
use tokio::time::Instant;

use crate::fault::HEALS;
use crate::shop::Protection;
use crate::slots::Slots;

/// One change of the breaker's state, on the run's clock.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub at: Duration,
    pub change: Change,
    pub judged: Judged,
    /// The slots held at that instant: a bound for the calls that are on their way.
    pub busy: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Opened,
    HalfOpened,
    Reopened,
    Closed,
}

/// The calls that led to a change.
#[derive(Clone, Copy, Debug, Default)]
pub struct Judged {
    pub calls: u64,
    pub failed: u64,
    pub slow: u64,
}

/// Listens to a breaker until it is dropped.
pub struct Witness {
    heard: Arc<Mutex<Vec<(Event, u64)>>>,
    _subscription: Subscription,
}

impl Witness {
    pub fn of(protection: &Protection, slots: Arc<Slots>) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&heard);
        let subscription = protection.subscribe(move |event| {
            let busy = slots.taken() as u64;
            notes
                .lock()
                .expect("no panic holds this lock")
                .push((event.clone(), busy));
        });
        Self {
            heard,
            _subscription: subscription,
        }
    }

    /// The changes in their order: two threads may deliver theirs in another.
    pub fn moments(&self, epoch: Instant) -> Vec<Moment> {
        let heard = self.heard.lock().expect("no panic holds this lock");
        let moments = heard
            .iter()
            .filter_map(|(event, busy)| Some((event.seq, moment(event, *busy, epoch)?)));
        let mut moments: Vec<_> = moments.collect();
        // Each pattern counts its own events: those that are left are the breaker's.
        moments.sort_by_key(|(seq, _)| *seq);
        moments.into_iter().map(|(_, moment)| moment).collect()
    }
}

fn moment(event: &Event, busy: u64, epoch: Instant) -> Option<Moment> {
    let (change, judged) = match event.kind {
        EventKind::Opened {
            calls,
            failed,
            slow,
            reopened,
            ..
        } => {
            let change = if reopened {
                Change::Reopened
            } else {
                Change::Opened
            };
            (
                change,
                Judged {
                    calls,
                    failed,
                    slow,
                },
            )
        }
        EventKind::HalfOpened { .. } => (Change::HalfOpened, Judged::default()),
        EventKind::Closed { probes, failed, .. } => {
            let (calls, failed) = (probes.into(), failed.into());
            (
                Change::Closed,
                Judged {
                    calls,
                    failed,
                    slow: 0,
                },
            )
        }
        _ => return None,
    };
    Some(Moment {
        at: event.at.duration_since(epoch),
        change,
        judged,
        busy,
    })
}

/// A span in which the breaker was not closed, and the calls that reached its service in it: after
/// an opening those that were admitted before, in a half-open round its probes. A round that is
/// lost includes the open time after it, since a probe may arrive when all is decided.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: Duration,
    pub to: Duration,
    /// What it came to, and when: `HalfOpened` for a round that the end of the run cut off.
    pub came_to: Change,
    pub at: Duration,
    pub judged: Judged,
    pub reached: u64,
    pub allowed: u64,
}

impl Span {
    pub fn is_round(&self) -> bool {
        self.came_to != Change::Opened
    }
}

/// Cuts the story into spans and counts the arrivals of each.
pub fn spans(moments: &[Moment], arrivals: &[Duration], probes: u32) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for &Moment {
        at,
        change,
        judged,
        busy,
    } in moments
    {
        if matches!(change, Change::HalfOpened | Change::Closed) {
            spans.last_mut().into_iter().for_each(|span| span.to = at);
        }
        if matches!(change, Change::Opened | Change::HalfOpened) {
            let allowed = if change == Change::Opened {
                busy
            } else {
                probes.into()
            };
            let (from, to) = (at, Duration::MAX);
            spans.push(Span {
                from,
                to,
                came_to: change,
                at,
                judged,
                reached: 0,
                allowed,
            });
        } else if let Some(round) = spans.last_mut() {
            (round.came_to, round.at, round.judged) = (change, at, judged);
        }
    }
    for span in &mut spans {
        let within = arrivals
            .iter()
            .filter(|at| (span.from..span.to).contains(*at));
        span.reached = within.count() as u64;
    }
    spans
}

/// From the heal to the last closing. Zero when the breaker was closed by then, nothing when it did
/// not close again.
pub fn recovery(spans: &[Span]) -> Option<Duration> {
    match spans.last() {
        None => Some(Duration::ZERO),
        Some(last) if last.came_to == Change::Closed => Some(last.at.saturating_sub(HEALS)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: [(u64, Change); 5] = [
        (2_500, Change::Opened),
        (3_500, Change::HalfOpened),
        (3_900, Change::Reopened),
        (10_400, Change::HalfOpened),
        (10_500, Change::Closed),
    ];

    fn told(story: &[(u64, Change)], arrivals: &[u64]) -> Vec<Span> {
        let moments: Vec<_> = story
            .iter()
            .map(|&(at, change)| {
                let at = Duration::from_millis(at);
                Moment {
                    at,
                    change,
                    judged: Judged::default(),
                    busy: 12,
                }
            })
            .collect();
        let arrivals: Vec<_> = arrivals
            .iter()
            .copied()
            .map(Duration::from_millis)
            .collect();
        spans(&moments, &arrivals, 5)
    }

    #[test]
    fn every_arrival_belongs_to_one_span_or_to_none() {
        let spans = told(&STORY, &[2_400, 2_501, 3_500, 3_950, 10_450, 10_600]);
        let reached: Vec<_> = spans
            .iter()
            .map(|span| (span.reached, span.allowed))
            .collect();
        assert_eq!(reached, [(1, 12), (2, 5), (1, 5)]);
        let came_to: Vec<_> = spans.iter().map(|span| span.came_to).collect();
        assert_eq!(came_to, [Change::Opened, Change::Reopened, Change::Closed]);
    }

    #[test]
    fn recovery_counts_from_the_heal_to_the_last_closing() {
        assert_eq!(
            recovery(&told(&STORY, &[])),
            Some(Duration::from_millis(500))
        );
        assert_eq!(recovery(&told(&STORY[..4], &[])), None);
        assert_eq!(recovery(&[]), Some(Duration::ZERO));
    }
}
