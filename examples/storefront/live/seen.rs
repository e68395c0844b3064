//! What was seen of a file that is edited, and the rows that it makes.

use std::ops::Range;
use std::time::Duration;

use buttress::breaker::State;
use buttress::pipeline;
use buttress::telemetry::{Event, EventKind};
use tokio::time::Instant;

use crate::settings::Fate;

/// Somebody has written into the file.
pub struct Edit {
    pub at: Duration,
    pub says: String,
}

/// What was told by who follows the file, or by the breaker.
pub struct Told {
    pub at: Duration,
    pub what: What,
}

pub enum What {
    File(Fate),
    Opened { calls: u64, failed: u64 },
    Closed { probes: u32, failed: u32 },
}

impl What {
    /// A breaker that goes on being open, after probes that failed, says nothing new.
    pub fn of(told: &EventKind) -> Option<Self> {
        Some(match *told {
            EventKind::Opened {
                calls,
                failed,
                reopened: false,
                ..
            } => Self::Opened { calls, failed },
            EventKind::Closed { probes, failed, .. } => Self::Closed { probes, failed },
            ref told => Self::File(Fate::of(told)?),
        })
    }
}

/// In their order.
pub fn told(events: &[Event], epoch: Instant) -> Vec<Told> {
    let told = events.iter().filter_map(|event| {
        let at = event.at.saturating_duration_since(epoch);
        let what = What::of(&event.kind)?;
        Some(Told { at, what })
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|told| told.at);
    told
}

/// What the policy was at one moment.
pub struct Look {
    pub at: Duration,
    pub config: pipeline::Config,
    pub state: Option<State>,
}

/// One call and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub due: Duration,
    pub late: Duration,
    pub ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    Answered,
    /// By member.
    Failed,
    /// By the policy.
    Refused,
}

pub struct Seen {
    pub calls: Vec<Call>,
    pub edits: Vec<Edit>,
    pub told: Vec<Told>,
    /// The first is from before the first call.
    pub looks: Vec<Look>,
}

/// One line of the table: the calls since the last look, and what was found then.
pub struct Row {
    pub until: Duration,
    pub ratio: Option<f64>,
    pub state: Option<State>,
    pub calls: [usize; 3],
}

pub fn rows(seen: &Seen) -> Vec<Row> {
    let row = |pair: &[Look]| {
        let [before, now] = pair else {
            unreachable!("they are windows of two");
        };
        let calls = |ending| {
            let calls = seen.calls.iter().filter(|call| call.ending == ending);
            let due = |call: &&Call| (before.at..now.at).contains(&call.due);
            calls.filter(due).count()
        };
        Row {
            until: now.at,
            ratio: now.config.breaker.as_ref().map(|it| it.failure_ratio),
            state: now.state,
            calls: [Ending::Answered, Ending::Failed, Ending::Refused].map(calls),
        }
    };
    seen.looks.windows(2).map(row).collect()
}

impl Seen {
    /// What was told of one kind, and when.
    pub fn told<'a, T>(
        &'a self,
        span: Range<Duration>,
        of: impl Fn(&'a What) -> Option<T>,
    ) -> impl Iterator<Item = (Duration, T)> {
        let told = self.told.iter().filter(move |told| span.contains(&told.at));
        told.filter_map(move |told| Some((told.at, of(&told.what)?)))
    }

    /// From an edit until the next one.
    pub fn after(&self, edit: usize) -> Range<Duration> {
        let at = |edit: usize| self.edits.get(edit).map_or(Duration::MAX, |edit| edit.at);
        at(edit)..at(edit + 1)
    }

    /// How often the policy had become another without a document that was taken.
    pub fn strayed(&self) -> usize {
        // It is told of a moment after it is in force.
        const MOMENT: Duration = Duration::from_millis(50);
        let pairs = self.looks.windows(2);
        let strayed = pairs.filter(|pair| {
            let between = pair[0].at..pair[1].at + MOMENT;
            pair[0].config != pair[1].config && self.told(between, taken).next().is_none()
        });
        strayed.count()
    }
}

/// A document was put in force.
pub fn taken(what: &What) -> Option<()> {
    matches!(what, What::File(Fate::Taken(_))).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_belong_to_the_look_after_them() {
        let ms = Duration::from_millis;
        let look = |at| Look {
            at: ms(at),
            config: pipeline::Config::default(),
            state: None,
        };
        let call = |at, ending| Call {
            due: ms(at),
            late: Duration::ZERO,
            ending,
        };
        let seen = Seen {
            calls: vec![
                call(10, Ending::Answered),
                call(999, Ending::Failed),
                call(1_000, Ending::Refused),
            ],
            edits: Vec::new(),
            told: Vec::new(),
            looks: [0, 1_000, 2_000].map(look).into(),
        };
        let calls: Vec<_> = rows(&seen).iter().map(|row| row.calls).collect();
        assert_eq!(calls, [[1, 1, 0], [0, 0, 1]]);
    }
}
