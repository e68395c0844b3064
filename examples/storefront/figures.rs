//! From what was seen to the figures on the screen. No figure has another source.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::fault::{ENDS, HEALS, STRIKES, SWITCHED_OFF, SWITCHED_ON};
use crate::load::{Ending, Page, Visit};
use crate::text::percent;

/// A product list that comes later than this is lost. When all is well it takes two or three ms.
pub const DEADLINE: Duration = Duration::from_millis(100);

/// The time that one cell of the strip stands for.
pub const CELL: Duration = Duration::from_millis(250);

/// The last calls before the fault are under way when it strikes, and belong to neither.
pub const BEFORE: Range<Duration> = Duration::ZERO..STRIKES.saturating_sub(UNDER_WAY);
const UNDER_WAY: Duration = Duration::from_millis(50);
pub const FAULT: Range<Duration> = STRIKES..HEALS;
pub const OFF: Range<Duration> = SWITCHED_OFF..SWITCHED_ON;
pub const HEALED: Range<Duration> = HEALS..ENDS;

/// What was seen of one copy.
pub struct Seen {
    pub visits: Vec<Visit>,
    /// When each call reached the member service, as that service counted it.
    pub arrivals: Vec<Duration>,
    /// The most slots that were taken at one time.
    pub fullest: usize,
}

/// So many of so many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    pub part: usize,
    pub of: usize,
}

impl Share {
    pub fn ratio(self) -> f64 {
        self.part as f64 / self.of.max(1) as f64
    }

    pub fn lost(self) -> usize {
        self.of - self.part
    }

    pub fn count<T>(seen: impl Iterator<Item = T>, good: impl Fn(&T) -> bool) -> Self {
        seen.fold(Self { part: 0, of: 0 }, |sum, it| Self {
            part: sum.part + usize::from(good(&it)),
            of: sum.of + 1,
        })
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&percent(self.ratio()))
    }
}

/// One column of the table.
pub struct Figures {
    pub list_p99_before: Option<Duration>,
    pub pages_before: Share,
    pub lists: Share,
    pub lists_while_off: Share,
    pub list_p50: Option<Duration>,
    pub list_p99: Option<Duration>,
    pub no_slot: Share,
    pub fullest: usize,
    pub pages: Share,
    pub time_to_no: Option<Duration>,
    pub reached: usize,
    pub lists_healed: Share,
    pub pages_healed: Share,
    pub strip: Vec<Share>,
    /// The most that a request was sent too late, and how many got no answer: the machine's part.
    pub latest: Duration,
    pub silent: usize,
}

impl Figures {
    pub fn of(seen: &Seen) -> Self {
        let answered_in = |page, span| Share::count(seen.of(page, span), answered);
        let waits = |span| {
            let lists = seen.of(Page::List, span).filter(answered);
            sorted(lists.map(|visit| visit.took))
        };
        let (waits_before, waits) = (waits(BEFORE), waits(FAULT));
        // Those without a slot never got as far as the member service: they say nothing about it.
        let noes = seen
            .of(Page::Member, FAULT)
            .filter(|visit| visit.ending == Ending::Refused);
        let noes = sorted(noes.map(|visit| visit.took));
        let everyone = seen
            .of(Page::List, FAULT)
            .chain(seen.of(Page::Member, FAULT));
        Self {
            list_p99_before: quantile(&waits_before, 0.99),
            pages_before: answered_in(Page::Member, BEFORE),
            lists: answered_in(Page::List, FAULT),
            lists_while_off: answered_in(Page::List, OFF),
            list_p50: quantile(&waits, 0.50),
            list_p99: quantile(&waits, 0.99),
            no_slot: Share::count(everyone, |visit| visit.ending == Ending::NoSlot),
            fullest: seen.fullest,
            pages: answered_in(Page::Member, FAULT),
            time_to_no: quantile(&noes, 0.50),
            reached: seen.arrivals.iter().filter(|at| FAULT.contains(at)).count(),
            lists_healed: answered_in(Page::List, HEALED),
            pages_healed: answered_in(Page::Member, HEALED),
            strip: cells(Duration::ZERO..ENDS)
                .map(|cell| answered_in(Page::List, cell))
                .collect(),
            silent: seen
                .visits
                .iter()
                .filter(|visit| visit.ending == Ending::Silent)
                .count(),
            latest: seen
                .visits
                .iter()
                .map(|visit| visit.late)
                .max()
                .unwrap_or_default(),
        }
    }
}

impl Seen {
    fn of(&self, page: Page, span: Range<Duration>) -> impl Iterator<Item = Visit> {
        let visits = self.visits.iter().copied();
        visits.filter(move |visit| visit.page == page && span.contains(&visit.due))
    }

    /// The product lists that came to nothing in this span.
    pub fn lists_lost(&self, span: Range<Duration>) -> usize {
        self.of(Page::List, span)
            .filter(|visit| !answered(visit))
            .count()
    }
}

/// A span cut into the cells of the strip.
pub fn cells(span: Range<Duration>) -> impl Iterator<Item = Range<Duration>> {
    let starts = (0..).map(move |cell| span.start + cell * CELL);
    starts
        .take_while(move |start| *start < span.end)
        .map(|start| start..start + CELL)
}

/// A list has a deadline; a member page may take as long as its gateway gives it.
fn answered(visit: &Visit) -> bool {
    visit.ending == Ending::Answered && (visit.page == Page::Member || visit.took <= DEADLINE)
}

pub fn sorted(waits: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut waits: Vec<_> = waits.collect();
    waits.sort_unstable();
    waits
}

/// The nearest-rank quantile.
pub fn quantile(sorted: &[Duration], q: f64) -> Option<Duration> {
    let rank = (q * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_list_is_lost_and_a_late_page_is_not() {
        let at = |page, took| Visit {
            page,
            due: STRIKES,
            late: Duration::ZERO,
            took,
            ending: Ending::Answered,
        };
        let late = DEADLINE + Duration::from_millis(1);
        let visits = vec![
            at(Page::List, DEADLINE),
            at(Page::List, late),
            at(Page::Member, late),
        ];
        let seen = Seen {
            visits,
            arrivals: vec![STRIKES, HEALS],
            fullest: 0,
        };
        let figures = Figures::of(&seen);
        assert_eq!(figures.lists, Share { part: 1, of: 2 });
        assert_eq!(figures.pages, Share { part: 1, of: 1 });
        assert_eq!(figures.reached, 1);
        assert_eq!(seen.lists_lost(FAULT), 1);
    }

    #[test]
    fn quantiles_are_nearest_rank() {
        let waits: Vec<_> = (1..=10).map(Duration::from_millis).collect();
        assert_eq!(quantile(&waits, 0.5), Some(Duration::from_millis(5)));
        assert_eq!(quantile(&waits, 0.99), Some(Duration::from_millis(10)));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
