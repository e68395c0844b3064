//! What a call goes by from its arrival to its end.

use std::time::Duration;

use super::config::Config;
use crate::sys::Together;

/// Who sends the attempts of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub(super) enum Sender {
    /// There is one attempt.
    Nobody,
    Retry,
    Hedge,
}

/// The settings that a call copies when it arrives, since they have to be of one time: how long it may
/// take, how long each of its attempts may, and how there can be more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) sender: Sender,
    /// In nanoseconds; [`NONE`] for no deadline.
    pub(super) deadline: u64,
    /// In nanoseconds; [`NONE`] for no limit, which is what a timeout takes it for.
    pub(super) attempt: u64,
}

/// 584 years.
pub(super) const NONE: u64 = u64::MAX;

impl From<&Config> for Settings {
    fn from(config: &Config) -> Self {
        let nanos = |limit: Option<Duration>| {
            limit.map_or(NONE, |it| u64::try_from(it.as_nanos()).unwrap_or(NONE))
        };
        Self {
            sender: match (&config.retry, &config.hedge) {
                (Some(_), _) => Sender::Retry,
                (None, Some(_)) => Sender::Hedge,
                (None, None) => Sender::Nobody,
            },
            deadline: nanos(config.deadline),
            attempt: nanos(config.attempt_timeout),
        }
    }
}

/// Those of the calls that arrive now.
#[derive(Debug)]
pub(super) struct Current(Together<3>);

impl Current {
    pub(super) fn new(terms: Settings) -> Self {
        Self(Together::new(terms.words()))
    }

    #[inline]
    pub(super) fn get(&self) -> Settings {
        let [sender, deadline, attempt] = self.0.get();
        Settings {
            sender: match sender {
                0 => Sender::Nobody,
                1 => Sender::Retry,
                _ => Sender::Hedge,
            },
            deadline,
            attempt,
        }
    }

    /// Never by two threads at once.
    pub(super) fn set(&self, terms: Settings) {
        self.0.set(terms.words());
    }
}

impl Settings {
    const fn words(self) -> [u64; 3] {
        [self.sender as u64, self.deadline, self.attempt]
    }
}
