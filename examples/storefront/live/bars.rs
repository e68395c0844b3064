//! The bars of a file that is edited.

use std::ops::Range;
use std::time::Duration;

use buttress::breaker::Window;

use super::seen::{Seen, What, taken};
use crate::settings::Fate;
use crate::verdict::{Bar, Rule, Unit};

/// What the script edits, as a rejection names it.
pub const PATH: &str = "policies.members.breaker.failure_ratio";

/// By when an edit is to be in force, or rejected.
const WITHIN: Duration = Duration::from_secs(2);

fn rejected(what: &What) -> Option<&[String]> {
    match what {
        What::File(Fate::Rejected(faults)) => Some(faults),
        _ => None,
    }
}

fn opened(what: &What) -> Option<u64> {
    match *what {
        What::Opened { calls, .. } => Some(calls),
        _ => None,
    }
}

/// From the beginning of a span to the first of these; never, if there is none.
fn until<T>(span: &Range<Duration>, mut told: impl Iterator<Item = (Duration, T)>) -> f64 {
    let first = told.next().map(|(at, _)| (at - span.start).as_secs_f64());
    first.unwrap_or(f64::INFINITY)
}

/// Of the script.
pub fn of_the_script(seen: &Seen) -> Vec<Bar> {
    use Rule::{AtLeast, AtMost};
    use Unit::{Count, Seconds};

    let [strict, wrong, back] = [0, 1, 2].map(|edit| seen.after(edit));
    let in_time = |name, measured| Bar::of(name, measured, AtMost(WITHIN.as_secs_f64()), Seconds);
    let none = |name, measured: usize| Bar::of(name, measured as f64, AtMost(0.0), Count);

    let too_early = seen.told(Duration::ZERO..strict.start, opened);
    let judged = seen.told(strict.clone(), opened).next();
    let judged = judged.map_or(0, |(_, calls)| calls);
    let breaker = seen.looks[0].config.breaker.as_ref();
    let window = breaker.map_or(0, |breaker| match breaker.window {
        Window::Count(calls) => calls,
        Window::Time(_) => breaker.min_calls,
    });
    let with_path = seen.told(wrong.clone(), |what| {
        rejected(what)?.iter().find(|fault| fault.starts_with(PATH))
    });
    let closed = seen.told(back.clone(), |what| {
        matches!(what, What::Closed { .. }).then_some(())
    });
    vec![
        none("openings before the first edit", too_early.count()).control(),
        in_time(
            "stricter ratio saved until it is in force",
            until(&strict, seen.told(strict.clone(), taken)),
        ),
        in_time(
            "stricter ratio saved until the breaker opened",
            until(&strict, seen.told(strict.clone(), opened)),
        ),
        Bar::of(
            "calls it opened on: it forgot none of them",
            judged as f64,
            AtLeast(f64::from(window)),
            Count,
        ),
        in_time(
            "wrong one saved until reported with its path",
            until(&wrong, with_path),
        ),
        none(
            "changes of the policy by the wrong one",
            seen.told(wrong, taken).count() + seen.strayed(),
        ),
        in_time(
            "old text saved until the breaker closed",
            until(&back, closed),
        ),
    ]
}

/// Of somebody who edits as they like.
pub fn of_yours(seen: &Seen) -> Vec<Bar> {
    use Rule::{AtLeast, AtMost};
    use Unit::{Count, Seconds};

    let heard = || {
        seen.told(Duration::ZERO..Duration::MAX, |what| {
            taken(what).or_else(|| rejected(what).map(drop))
        })
    };
    let since = |(told, ())| {
        let edits = seen.edits.iter().map(|edit| edit.at);
        edits.filter(|at| *at <= told).max().map(|at| told - at)
    };
    let slowest = heard().filter_map(since).max().unwrap_or_default();
    vec![
        Bar::of(
            "edits that changed something, or were wrong",
            heard().count() as f64,
            AtLeast(1.0),
            Count,
        )
        .control(),
        Bar::of(
            "slowest edit until it was in force, or reported",
            slowest.as_secs_f64(),
            AtMost(WITHIN.as_secs_f64()),
            Seconds,
        ),
        Bar::of(
            "changes of the policy by what was not taken",
            seen.strayed() as f64,
            AtMost(0.0),
            Count,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use buttress::{breaker, pipeline};

    use super::*;
    use crate::live::seen::{Edit, Look, Told};
    use crate::verdict::{Verdict, verdict};

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn told(at: u64, what: What) -> Told {
        let at = ms(at);
        Told { at, what }
    }

    fn taken_at(at: u64) -> Told {
        told(at, What::File(Fate::Taken(vec!["ratio".into()])))
    }

    fn opened_at(at: u64, calls: u64) -> Told {
        let failed = calls * 3 / 10;
        told(at, What::Opened { calls, failed })
    }

    fn rejected_at(at: u64, path: &str) -> Told {
        told(at, What::File(Fate::Rejected(vec![format!("{path}: no")])))
    }

    fn look(at: u64, ratio: f64) -> Look {
        let mut breaker = breaker::Config::default();
        (breaker.window, breaker.failure_ratio) = (Window::Count(100), ratio);
        let mut config = pipeline::Config::default();
        config.breaker = Some(breaker);
        Look {
            at: ms(at),
            config,
            state: None,
        }
    }

    /// A run in which all is as it should be.
    fn run() -> Seen {
        let edits = [1_000, 3_000, 5_000].map(|at| Edit {
            at: ms(at),
            says: String::new(),
        });
        Seen {
            calls: Vec::new(),
            edits: edits.into(),
            told: vec![
                taken_at(1_110),
                opened_at(1_120, 100),
                rejected_at(3_110, PATH),
                taken_at(5_110),
                told(
                    5_600,
                    What::Closed {
                        probes: 5,
                        failed: 1,
                    },
                ),
            ],
            looks: vec![
                look(0, 0.5),
                look(1_000, 0.5),
                look(2_000, 0.2),
                look(4_000, 0.2),
                look(6_000, 0.5),
            ],
        }
    }

    fn verdict_of(change: impl FnOnce(&mut Seen)) -> Verdict {
        let mut seen = run();
        change(&mut seen);
        verdict(&of_the_script(&seen), Duration::ZERO)
    }

    #[test]
    fn an_edit_has_to_be_in_force_in_time() {
        assert_eq!(verdict_of(|_| ()), Verdict::Kept);
        let late = ms(3_001);
        assert_eq!(verdict_of(|seen| seen.told[0].at = late), Verdict::Broken);
        assert_eq!(verdict_of(|seen| seen.told[1].at = late), Verdict::Broken);
        assert_eq!(
            verdict_of(|seen| drop(seen.told.remove(1))),
            Verdict::Broken
        );
        assert_eq!(verdict_of(|seen| drop(seen.told.pop())), Verdict::Broken);
    }

    #[test]
    fn a_window_that_began_anew_is_a_bar_missed() {
        let anew = |seen: &mut Seen| seen.told[1] = opened_at(1_250, 20);
        assert_eq!(verdict_of(anew), Verdict::Broken);
    }

    #[test]
    fn a_wrong_edit_is_told_with_its_path_and_changes_nothing() {
        let nowhere = |seen: &mut Seen| seen.told[2] = rejected_at(3_110, "policies");
        assert_eq!(verdict_of(nowhere), Verdict::Broken);
        let swallowed = |seen: &mut Seen| drop(seen.told.remove(2));
        assert_eq!(verdict_of(swallowed), Verdict::Broken);
        let taken = |seen: &mut Seen| seen.told.push(taken_at(3_120));
        assert_eq!(verdict_of(taken), Verdict::Broken);
        let strayed = |seen: &mut Seen| seen.looks[3] = look(4_000, 0.4);
        assert_eq!(verdict_of(strayed), Verdict::Broken);
    }

    #[test]
    fn a_breaker_that_opened_by_itself_proves_nothing() {
        let early = |seen: &mut Seen| seen.told.insert(0, opened_at(900, 100));
        assert_eq!(verdict_of(early), Verdict::Unproven);
    }

    #[test]
    fn your_own_edits_are_measured_too() {
        let verdict_of = |change: fn(&mut Seen)| {
            let mut seen = run();
            change(&mut seen);
            verdict(&of_yours(&seen), Duration::ZERO)
        };
        assert_eq!(verdict_of(|_| ()), Verdict::Kept);
        let none = |seen: &mut Seen| (seen.edits, seen.told, seen.looks) = Default::default();
        assert_eq!(verdict_of(none), Verdict::Unproven);
        let late = |seen: &mut Seen| seen.told[0].at = ms(3_001);
        assert_eq!(verdict_of(late), Verdict::Broken);
        let strayed = |seen: &mut Seen| seen.looks[1] = look(1_000, 0.4);
        assert_eq!(verdict_of(strayed), Verdict::Broken);
    }
}
