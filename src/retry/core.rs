//! What all calls of a retry share, and what it decides after a failed attempt.

use std::time::Duration;

use super::{config::Config, snapshot::Snapshot};
use crate::{
    budget::handle::{Budget, Reserved},
    classify::Advice,
    deadline::instant::Deadline,
    error::{Reason, Rejected},
    replay::Attempt,
    sys::{AtomicU64, Live, Now, Ordering, Rng, SharedRng},
    telemetry::{Counters, EventKind, Stopped, Voice, names},
};

/// The state behind a [`Retry`](crate::Retry).
#[derive(Debug)]
pub struct Core {
    settings: Live<Config>,
    budget: Option<Budget>,
    rng: SharedRng,
    voice: Voice,
    ended: Counters<4>,
    gave_up: Counters<5>,
    tally: Tally,
}

/// Counts of what is rare. A success at the first attempt touches none of them.
#[derive(Debug, Default)]
struct Tally {
    retries: AtomicU64,
    recovered: AtomicU64,
    stopped: [AtomicU64; 5],
}

/// How an attempt ended, in the order of the metric's labels.
#[derive(Clone, Copy)]
pub(super) enum Ended {
    Answered,
    Failed,
    Refused,
    Abandoned,
}

/// A wait before another attempt, which has its place in the budget.
#[derive(Debug)]
pub(super) struct Wait {
    /// Nothing when there is no budget.
    pub(super) reserved: Option<Reserved>,
    pub(super) delay: Duration,
    /// The dependency asked for it.
    pub(super) hinted: bool,
}

/// Where a call stands when an attempt has failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    /// The one that failed.
    pub(super) attempt: Attempt,
    pub(super) replayable: bool,
    pub(super) deadline: Option<Deadline>,
    /// The wait before this attempt.
    pub(super) last_delay: Duration,
}

impl Core {
    pub(crate) fn new(config: Config, budget: Option<Budget>, rng: Rng, voice: Voice) -> Self {
        let policy = voice.policy();
        Self {
            settings: Live::new(config),
            budget,
            rng: SharedRng::new(rng),
            ended: Counters::new(policy, &names::RETRY_ATTEMPTS),
            gave_up: Counters::new(policy, &names::RETRY_STOPPED),
            tally: Tally::default(),
            voice,
        }
    }

    /// The same settings, and nothing of what happened.
    pub(super) fn fork(&self, name: &str, budget: Option<Budget>) -> Self {
        Self::new(
            self.config(),
            budget,
            self.rng.split(),
            self.voice.fork(name),
        )
    }

    pub(crate) fn config(&self) -> Config {
        Config::clone(&self.settings.get())
    }

    /// Takes other settings, already checked.
    pub(crate) fn reconfigure(&self, config: Config) {
        self.settings.set(config);
        self.voice.tell(EventKind::Reconfigured {
            window_cleared: false,
        });
    }

    pub(super) const fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    pub(super) const fn voice(&self) -> &Voice {
        &self.voice
    }

    /// A call whose deadline has passed is not started.
    #[cold]
    pub(super) fn expired(&self) -> Rejected {
        self.gave_up(0, Stopped::Deadline);
        Rejected::new(self.voice.policy(), Reason::Expired)
    }

    #[inline]
    pub(super) fn ended(&self, how: Ended) {
        self.ended.add(how as usize);
    }

    /// The answer of this attempt stands. What failed for good deposits nothing: where all fails,
    /// retries are not to add to it.
    #[inline]
    pub(super) fn answered(&self, attempt: Attempt) {
        self.ended(Ended::Answered);
        if let Some(budget) = &self.budget {
            budget.deposit();
        }
        if !attempt.is_first() {
            self.tally.recovered.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An attempt did not bring the answer. Is there to be another, and when?
    #[cold]
    pub(super) fn consider(&self, advice: Advice, call: Standing) -> Option<Wait> {
        let settings = self.settings.get();
        let hint = match advice {
            Advice::Refused(hint) => {
                self.ended(Ended::Refused);
                // Nobody gave up here: it was not ours to repeat.
                if !settings.retry_refused {
                    return None;
                }
                hint
            }
            Advice::RetryAfter(hint) => {
                self.ended(Ended::Failed);
                Some(hint)
            }
            Advice::Retry | Advice::Stop => {
                self.ended(Ended::Failed);
                None
            }
        };
        match self.judge(&settings, call, hint) {
            Ok(wait) => Some(wait),
            Err(reason) => {
                self.stopped(call.attempt, reason);
                None
            }
        }
    }

    fn judge(
        &self,
        settings: &Config,
        call: Standing,
        hint: Option<Duration>,
    ) -> Result<Wait, Stopped> {
        let attempt = call.attempt.number();
        if attempt >= settings.max_attempts {
            return Err(Stopped::Attempts);
        }
        if !call.replayable {
            // Later ones were replayed: the last that was allowed when it was sent took the request along.
            return Err(match call.attempt.is_first() {
                true => Stopped::NotReplayable,
                false => Stopped::Attempts,
            });
        }
        if hint.is_some_and(|hint| hint > settings.max_hint) {
            return Err(Stopped::Hint);
        }
        let delay = hint.unwrap_or_else(|| {
            let draw = || self.rng.unit();
            settings.backoff.delay(attempt, call.last_delay, draw)
        });
        let now = Now::lazy();
        if let Some(deadline) = call.deadline {
            if delay >= deadline.remaining_from(now.get()) {
                return Err(Stopped::Deadline);
            }
        }
        let reserved = match &self.budget {
            Some(budget) => Some(budget.reserve(&now).ok_or(Stopped::Budget)?),
            None => None,
        };
        Ok(Wait {
            reserved,
            delay,
            hinted: hint.is_some(),
        })
    }

    /// Whether the next attempt is the last that these settings allow.
    pub(super) fn is_last(&self, attempt: Attempt) -> bool {
        attempt.number() >= self.settings.get().max_attempts
    }

    /// It is sent.
    pub(super) fn retried(&self, attempt: Attempt, wait: &Wait) {
        self.tally.retries.fetch_add(1, Ordering::Relaxed);
        self.voice.tell(EventKind::Retried {
            attempt: attempt.number(),
            delay: wait.delay,
            hinted: wait.hinted,
        });
    }

    /// There is no attempt after this one.
    pub(super) fn stopped(&self, attempt: Attempt, reason: Stopped) {
        self.gave_up(attempt.number(), reason);
    }

    fn gave_up(&self, attempts: u32, reason: Stopped) {
        self.gave_up.add(reason as usize);
        self.tally.stopped[reason as usize].fetch_add(1, Ordering::Relaxed);
        self.voice
            .tell(EventKind::RetriesStopped { attempts, reason });
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let stopped = |reason: Stopped| self.tally.stopped[reason as usize].load(Ordering::Relaxed);
        Snapshot {
            policy: self.voice.policy(),
            retries: self.tally.retries.load(Ordering::Relaxed),
            recovered: self.tally.recovered.load(Ordering::Relaxed),
            out_of_attempts: stopped(Stopped::Attempts),
            out_of_budget: stopped(Stopped::Budget),
            out_of_time: stopped(Stopped::Deadline),
            hint_too_long: stopped(Stopped::Hint),
            not_replayable: stopped(Stopped::NotReplayable),
            budget: self.budget.as_ref().map(Budget::snapshot),
        }
    }
}
