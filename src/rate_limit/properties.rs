//! The word against a naive reference: decision by decision, nanosecond by nanosecond.

use std::time::Duration;

use super::{
    config::Config,
    gcra::{Answer, Gcra, Ticket},
    law::Verdict,
};
use crate::sys::Rng;

const DAY: u64 = 86_400_000_000_000;

fn config(calls: u32, period: u64, burst: u32, max_wait: u64) -> Config {
    let config = Config {
        calls,
        period: Duration::from_nanos(period),
        burst,
        max_wait: Duration::from_nanos(max_wait),
        shadow: false,
    };
    config.validate("test", true).unwrap();
    config
}

/// A bucket of debt, as the words of the documentation have it, in 128 bits. It keeps every grant that
/// can still be taken back, and knows of no words, bits or generations.
struct Reference {
    config: Config,
    /// When all is paid off.
    paid_off: u128,
    grants: Vec<Grant>,
}

/// A grant, numbered in the order of the calls, and what was there before it.
struct Grant {
    number: usize,
    before: u128,
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    Granted { wait: u128 },
    Refused { retry_after: u128 },
    TooDear,
}

impl Reference {
    fn new(config: Config) -> Self {
        Self {
            config,
            paid_off: 0,
            grants: Vec::new(),
        }
    }

    /// Nanoseconds per call.
    fn pace(&self) -> u128 {
        let (period, calls) = (self.config.period.as_nanos(), u128::from(self.config.calls));
        period / calls + u128::from(period % calls > 0)
    }

    /// The first nanosecond at which this many calls can be taken at once.
    fn free_at(&self, cost: u32) -> u128 {
        let debt_allowed = u128::from(self.config.burst - cost) * self.pace();
        self.paid_off.saturating_sub(debt_allowed)
    }

    fn take(&mut self, number: usize, cost: u32, now: u128, waits: bool) -> Said {
        if cost == 0 {
            return Said::Granted { wait: 0 };
        }
        if cost > self.config.burst {
            return Said::TooDear;
        }
        let patience = match waits {
            true => self.config.max_wait.as_nanos(),
            false => 0,
        };
        let wait = self.free_at(cost).saturating_sub(now);
        if wait > patience {
            let retry_after = wait - patience;
            return Said::Refused { retry_after };
        }
        let before = self.paid_off;
        self.grants.push(Grant { number, before });
        self.paid_off = before.max(now) + u128::from(cost) * self.pace();
        Said::Granted { wait }
    }

    /// Goes back if nothing came after it.
    fn cancel(&mut self, number: usize) -> bool {
        match self.grants.last() {
            Some(grant) if grant.number == number => {
                self.paid_off = grant.before;
                self.grants.pop();
                true
            }
            _ => false,
        }
    }

    fn reconfigure(&mut self, config: Config, now: u128) {
        let (old_pace, old_burst) = (self.pace(), self.config.burst);
        self.config = config;
        if (self.pace(), self.config.burst) == (old_pace, old_burst) {
            return;
        }
        self.grants.clear();
        if self.pace() != old_pace && self.paid_off > now {
            let debt = (self.paid_off - now) * self.pace();
            let debt = debt / old_pace + u128::from(debt % old_pace > 0);
            self.paid_off = now + debt.min(1 << 59);
        }
    }

    /// The most that could be taken at once.
    fn available(&self, now: u128) -> u128 {
        let (mut most, mut beyond) = (0, self.config.burst + 1);
        while most + 1 < beyond {
            let cost = most + (beyond - most) / 2;
            match self.free_at(cost) <= now {
                true => most = cost,
                false => beyond = cost,
            }
        }
        most.into()
    }
}

fn said(answer: Answer) -> (Said, Option<Ticket>) {
    match answer {
        Answer::Granted { ticket, wait } => {
            let wait = wait.into();
            (Said::Granted { wait }, Some(ticket))
        }
        Answer::Refused { retry_after, .. } => {
            let retry_after = retry_after.into();
            (Said::Refused { retry_after }, None)
        }
        Answer::TooDear { .. } => (Said::TooDear, None),
    }
}

fn below(rng: &mut Rng, limit: u64) -> u64 {
    rng.next() % limit
}

/// From 1 a day to 10 million a second, and one per nanosecond.
fn any_config(rng: &mut Rng) -> Config {
    let (calls, period) = match below(rng, 8) {
        0 => (1, DAY),
        1 => (10_000_000, 1_000_000_000),
        2 => (1_000_000_000, 1_000_000_000),
        3 => (3, 1_000_000_000),
        4 => (7, 100),
        5 => (1 + below(rng, 1_000) as u32, DAY),
        6 => (1, 1 + below(rng, 1_000)),
        _ => (1 + below(rng, 1_000) as u32, 1_000 + below(rng, 1 << 40)),
    };
    let burst = match below(rng, 4) {
        0 => 1,
        1 => calls.min(6_000),
        _ => 1 + below(rng, 10) as u32,
    };
    let max_wait = match below(rng, 4) {
        0 => 0,
        1 => below(rng, 10 * DAY),
        _ => below(rng, 20) * (period / u64::from(calls)),
    };
    config(calls, period, burst, max_wait)
}

/// Around the times that matter: those in which calls are paid off.
fn any_pause(rng: &mut Rng, reference: &Reference, now: u64) -> u64 {
    let pace = reference.pace() as u64;
    match below(rng, 8) {
        0..3 => 0,
        3 => 1,
        4 => pace.saturating_sub(below(rng, 2)),
        5 => below(rng, 3 * pace),
        // To the very nanosecond at which one more call fits, or the one before it.
        6 => {
            let free = reference.free_at(1).saturating_sub(now.into());
            (free as u64).min(DAY).saturating_sub(below(rng, 2))
        }
        _ => below(rng, pace * u64::from(reference.config.burst)),
    }
}

/// Costs, pauses, quotas, clocks that were read late, cancellations, waits, changes: 10,000 random
/// sequences of them, each of 60 steps.
#[test]
fn equal_to_the_reference_decision_by_decision_and_nanosecond_by_nanosecond() {
    let (mut granted, mut waited, mut refused, mut dear, mut back, mut spent) = (0, 0, 0, 0, 0, 0);
    for seed in 0..10_000 {
        let rng = &mut Rng::seeded(seed);
        let first = any_config(rng);
        let gcra = Gcra::new(first.clone());
        let mut reference = Reference::new(first);
        let mut tickets = Vec::new();
        let mut now = below(rng, DAY);
        for step in 0..60 {
            let at = |what: &str| format!("{what}, seed {seed}, step {step}");
            match below(rng, 16) {
                0..10 => {
                    now += any_pause(rng, &reference, now);
                    // A thread that was set aside after it had read the clock.
                    let read = now.saturating_sub(match below(rng, 8) {
                        0 => below(rng, 2 * reference.pace() as u64),
                        _ => 0,
                    });
                    let cost = match below(rng, 8) {
                        0 => 0,
                        1 => below(rng, 2 + u64::from(reference.config.burst)) as u32,
                        2 => reference.config.burst,
                        3 => u32::MAX,
                        _ => 1,
                    };
                    let waits = below(rng, 4) > 0;
                    let foreseen = gcra.foresee(cost.max(1), read, waits);
                    let (ours, ticket) = said(gcra.take(cost, read, waits));
                    let theirs = reference.take(step, cost, read.into(), waits);
                    assert_eq!(ours, theirs, "{}", at("take"));
                    match (cost, foreseen, &ours) {
                        (0, ..)
                        | (_, Verdict::Conforms { .. }, Said::Granted { .. })
                        | (_, Verdict::Exceeds { .. }, Said::Refused { .. })
                        | (_, Verdict::TooDear, Said::TooDear) => {}
                        other => panic!("{} {other:?}", at("foreseen")),
                    }
                    match ours {
                        Said::Granted { wait: 0 } => granted += 1,
                        Said::Granted { .. } => waited += 1,
                        Said::TooDear => dear += 1,
                        Said::Refused { retry_after } => {
                            refused += 1;
                            // Exact: then it is let in, and a nanosecond earlier it is not.
                            let then = read + retry_after as u64;
                            let in_then = gcra.foresee(cost, then, waits);
                            assert!(
                                matches!(in_then, Verdict::Conforms { .. }),
                                "{}",
                                at("then")
                            );
                            let before = gcra.foresee(cost, then - 1, waits);
                            let one = Verdict::Exceeds { retry_after: 1 };
                            assert_eq!(before, one, "{}", at("a nanosecond earlier"));
                        }
                    }
                    tickets.extend(ticket.map(|ticket| (step, ticket)));
                }
                10..14 => {
                    // Mostly one of the last; dropped while it waits, or after it was granted.
                    let most = below(rng, 1 + tickets.len() as u64);
                    let from_end = below(rng, 1 + most) as usize;
                    if from_end < tickets.len() {
                        let index = tickets.len() - 1 - from_end;
                        let (number, ticket) = tickets.remove(index);
                        let theirs = reference.cancel(number);
                        assert_eq!(gcra.cancel(ticket), theirs, "{}", at("cancel"));
                        back += u64::from(theirs);
                        spent += u64::from(!theirs);
                    }
                }
                14 => {
                    let mut config = any_config(rng);
                    if below(rng, 3) == 0 {
                        let max_wait = config.max_wait;
                        config = reference.config.clone();
                        config.max_wait = max_wait;
                    }
                    gcra.reconfigure(config.clone(), now);
                    reference.reconfigure(config.clone(), now.into());
                    assert_eq!(gcra.config(), config);
                }
                _ => now += below(rng, DAY),
            }
            let (ours, theirs) = (gcra.available(now), reference.available(now.into()));
            assert_eq!(u128::from(ours), theirs, "{}", at("available"));
            let paid_off = reference.paid_off <= now.into();
            assert_eq!(gcra.is_paid_off(now), paid_off, "{}", at("paid off"));
        }
    }
    // All kinds of answers, and not by a hair.
    let least = [granted, waited, refused, dear, back, spent]
        .into_iter()
        .min();
    assert!(
        least >= Some(10_000),
        "{granted} {waited} {refused} {dear} {back} {spent}"
    );
}

/// In any interval, no more than burst + rate x time, waiting calls at the instants that they have
/// reserved and cancelled ones left out: checked for all intervals that begin and end with a call.
fn assert_lawful(config: &Config, mut grants: Vec<(u64, u32)>) {
    grants.sort_unstable();
    let law = config.law();
    // sum(i..=j) x pace <= room + at(j) - at(i), for all i <= j: so what the sum up to j is above
    // at(j) is never more than room above the least that it was before any i.
    let (mut sum, mut least) = (0_i128, i128::MAX);
    for (at, cost) in grants {
        least = least.min(sum - i128::from(at));
        sum += i128::from(cost) * i128::from(law.pace);
        assert!(sum - i128::from(at) - least <= law.room.into());
    }
}

#[test]
fn never_more_than_the_law_allows_whatever_is_cancelled() {
    for seed in 0..3_000 {
        let rng = &mut Rng::seeded(seed);
        let config = any_config(rng);
        let gcra = Gcra::new(config.clone());
        let reference = Reference::new(config.clone());
        let mut now = below(rng, DAY);
        let mut grants: Vec<(Ticket, u64, u32)> = Vec::new();
        for _ in 0..200 {
            now += any_pause(rng, &reference, now);
            let pace = reference.pace() as u64;
            let read = now.saturating_sub(below(rng, 2 * pace));
            let cost = 1 + below(rng, config.burst.min(4).into()) as u32;
            if let Answer::Granted { ticket, wait, .. } = gcra.take(cost, read, true) {
                grants.push((ticket, read + wait, cost));
            }
            while below(rng, 3) == 0 && !grants.is_empty() {
                let from_end = below(rng, grants.len().min(4) as u64) as usize;
                let index = grants.len() - 1 - from_end;
                // Gone, whether or not it was given back.
                gcra.cancel(grants.remove(index).0);
            }
        }
        let grants = grants.into_iter().map(|(_, at, cost)| (at, cost));
        assert_lawful(&config, grants.collect());
    }
}

/// The check above finds one call too many.
#[test]
#[should_panic(expected = "law.room")]
fn one_call_too_many_would_be_found() {
    let grants = vec![(0, 1), (0, 2), (10, 1), (25, 1), (29, 1)];
    assert_lawful(&config(1, 10, 3, 0), grants);
}

#[test]
fn no_call_too_many_is_none() {
    let grants = vec![(0, 1), (0, 2), (10, 1), (25, 1), (30, 1)];
    assert_lawful(&config(1, 10, 3, 0), grants);
}
