//! The one clock of a run, and the five ways in which the member service breaks on it.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// When the fault strikes, when it heals, and when the run ends.
pub const STRIKES: Duration = Duration::from_secs(2);
pub const HEALS: Duration = Duration::from_secs(10);
pub const ENDS: Duration = Duration::from_secs(14);

/// Between these two, copy C runs with its breaker switched off.
pub const SWITCHED_OFF: Duration = Duration::from_secs(5);
pub const SWITCHED_ON: Duration = Duration::from_secs(7);

/// Inside the client timeout: nothing fails, and yet 400 pages a second would hold 120 slots where
/// there are 64.
pub const SLOW_ANSWER: Duration = Duration::from_millis(300);

/// One turn of `flap`: as a service does whose heap is nearly full, it stops the world for most of
/// the time and answers in between.
pub const FLAP_HANGS: Duration = Duration::from_millis(1_500);
pub const FLAP_ANSWERS: Duration = Duration::from_millis(500);

/// What the member service does with a request at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    Hanging,
    Failing,
    Slow,
    Closed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Accepts every request and answers none.
    Hang,
    /// Answers 500 at once.
    Error,
    /// Answers every request, 300 ms late.
    Slow,
    /// Hangs for 1.5 s, answers for 0.5 s, and again.
    Flap,
    /// Closes its listener and cuts its connections.
    Refuse,
}

impl Fault {
    pub const ALL: [Self; 5] = [
        Self::Hang,
        Self::Error,
        Self::Slow,
        Self::Flap,
        Self::Refuse,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hang => "hang",
            Self::Error => "error",
            Self::Slow => "slow",
            Self::Flap => "flap",
            Self::Refuse => "refuse",
        }
    }

    /// What the member service does from `STRIKES` to `HEALS`, as the screen says it.
    pub fn says(self) -> String {
        match self {
            Self::Hang => "hangs: it accepts calls and answers none".into(),
            Self::Error => "answers 500 at once".into(),
            Self::Slow => format!(
                "answers {} ms late, never with an error",
                SLOW_ANSWER.as_millis()
            ),
            Self::Flap => format!(
                "hangs for {:.1} s, answers for {:.1} s, and again",
                FLAP_HANGS.as_secs_f64(),
                FLAP_ANSWERS.as_secs_f64()
            ),
            Self::Refuse => "is gone: listener closed, connections cut".into(),
        }
    }

    /// The share of product lists below which an unprotected copy counts as starved. None for the
    /// faults that come back at once: they hold no slot and starve nobody.
    pub fn control_below(self) -> Option<f64> {
        match self {
            Self::Hang => Some(0.60),
            Self::Slow | Self::Flap => Some(0.80),
            Self::Error | Self::Refuse => None,
        }
    }

    /// The moods of the member service and when each begins.
    pub fn script(self) -> Vec<(Duration, Mood)> {
        let mood = match self {
            Self::Hang => Mood::Hanging,
            Self::Error => Mood::Failing,
            Self::Slow => Mood::Slow,
            Self::Refuse => Mood::Closed,
            Self::Flap => {
                let turns = (0..).map(|turn| STRIKES + turn * (FLAP_HANGS + FLAP_ANSWERS));
                return turns
                    .take_while(|at| *at < HEALS)
                    .flat_map(|at| [(at, Mood::Hanging), (at + FLAP_HANGS, Mood::Well)])
                    .chain([(HEALS, Mood::Well)])
                    .collect();
            }
        };
        vec![(STRIKES, mood), (HEALS, Mood::Well)]
    }

    /// How long the member service is unwell in all.
    pub fn down(self) -> Duration {
        let script = self.script();
        let ill = script.windows(2).filter(|pair| pair[0].1 != Mood::Well);
        ill.map(|pair| pair[1].0 - pair[0].0).sum()
    }

    /// Breaks the member services of all three copies at the same instants.
    pub async fn play(self, epoch: Instant, mood: &watch::Sender<Mood>) {
        for (at, next) in self.script() {
            sleep_until(epoch + at).await;
            mood.send_replace(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_strikes_and_heals_on_the_clock() {
        for fault in Fault::ALL {
            let script = fault.script();
            assert_eq!(script[0].0, STRIKES, "{fault:?}");
            assert_eq!(script[script.len() - 1], (HEALS, Mood::Well), "{fault:?}");
            assert!(script.is_sorted_by_key(|(at, _)| *at), "{fault:?}");
        }
        assert_eq!(Fault::Hang.down(), Duration::from_secs(8));
        assert_eq!(Fault::Flap.down(), Duration::from_secs(6));
    }
}
