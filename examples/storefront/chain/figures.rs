//! From what was seen of a chain to its figures and bars.

use std::time::Duration;

use buttress::budget;

use super::run::{CHECKOUTS_PER_SECOND, ENDS, FAULT, ROW};
use crate::figures::Share;
use crate::retrying::Terms;
use crate::verdict::{Bar, Rule, Unit};

/// Below this, the copy without a budget has not multiplied anything worth a word: of 3 x 3 x 3.
const MULTIPLIES: f64 = 20.0;

/// After the end of the fault, until it counts as over.
const SETTLES: Duration = Duration::from_millis(50);

/// One checkout and what became of it.
#[derive(Clone, Copy, Debug)]
pub struct Checkout {
    pub number: usize,
    pub due: Duration,
    pub began: Duration,
    pub ended: Duration,
    pub answered: bool,
}

impl Checkout {
    pub fn late(&self) -> Duration {
        self.began - self.due
    }

    /// Whether it was under way at some time of the fault.
    fn met_the_fault(&self) -> bool {
        self.began < FAULT.end && self.ended >= FAULT.start
    }
}

/// What was seen of one copy.
pub struct Seen {
    pub checkouts: Vec<Checkout>,
    /// By each service of the row: how many requests came for each checkout.
    pub came: [Vec<u32>; ROW.len()],
}

/// One column of the table.
pub struct Figures {
    /// The checkouts that met the fault, and how many of them were answered all the same.
    pub during: Share,
    /// What came for each of them at each service of the row.
    pub came: [f64; ROW.len()],
    /// The most that the budgets of the row allow at the last of them.
    pub allowed: f64,
    /// What came for each checkout at the last service, by the second in which it was due.
    pub seconds: Vec<f64>,
    /// The checkouts after the fault, but those of the moment in which it ends: the clock of this
    /// machine ends it a little late, and a budget that is empty saves none of them.
    pub after: Share,
}

impl Figures {
    pub fn of(seen: &Seen, budget: &budget::Config) -> Self {
        let met = || seen.checkouts.iter().filter(|it| it.met_the_fault());
        let after = seen
            .checkouts
            .iter()
            .filter(|it| it.began >= FAULT.end + SETTLES);
        let last = &seen.came[ROW.len() - 1];
        let seconds = (0..ENDS.as_secs()).map(|second| {
            let due = seen.checkouts.iter();
            mean(due.filter(|it| it.due.as_secs() == second), last)
        });
        Self {
            during: Share::count(met(), |it| it.answered),
            came: seen.came.each_ref().map(|came| mean(met(), came)),
            allowed: allowed(seen, budget),
            seconds: seconds.collect(),
            after: Share::count(after, |it| it.answered),
        }
    }
}

/// Requests for each of these checkouts.
fn mean<'a>(checkouts: impl Iterator<Item = &'a Checkout>, came: &[u32]) -> f64 {
    let (count, sum) = checkouts.fold((0_u32, 0), |(count, sum), it| {
        (count + 1, sum + came[it.number])
    });
    f64::from(sum) / f64::from(count.max(1))
}

/// The law of a budget at every hop, for the time from the fault's begin until the last checkout that
/// met it had ended. A hop deposits for what it sees answered, and that is no more than the checkouts
/// that are.
fn allowed(seen: &Seen, budget: &budget::Config) -> f64 {
    let met = || seen.checkouts.iter().filter(|it| it.met_the_fault());
    let until = met().map(|it| it.ended).max().unwrap_or_default();
    let under_way = |it: &&Checkout| it.began <= until && it.ended >= FAULT.start;
    let under_way = || seen.checkouts.iter().filter(under_way);
    let answered = under_way().filter(|it| it.answered).count();
    let time = until.saturating_sub(FAULT.start);
    let extra = ROW.len() as f64 * budget.allows(answered as f64, time);
    let met = met().count() as f64;
    (met + extra) / met.max(1.0)
}

/// The same for one checkout of a load that goes on as it is and is never answered, with the reserves
/// long spent.
pub fn allowed_for_ever(budget: &budget::Config) -> f64 {
    let rate = f64::from(CHECKOUTS_PER_SECOND);
    (rate + ROW.len() as f64 * budget.min_per_sec) / rate
}

pub fn bars([a, b]: &[Figures; 2], terms: &Terms) -> Vec<Bar> {
    use Rule::{AtLeast, AtMost};

    let last = ROW.len() - 1;
    let law = f64::from(terms.attempts).powi(ROW.len() as i32);
    let after = a.after.ratio().min(b.after.ratio());
    vec![
        Bar::of(
            "attempts of A at member, which must multiply",
            a.came[last],
            AtLeast(MULTIPLIES),
            Unit::Times,
        )
        .control(),
        Bar::of(
            "attempts of B at member, by the law of budgets",
            b.came[last],
            AtMost(b.allowed.min(law)),
            Unit::Times,
        ),
        Bar::of(
            "checkouts answered after the heal, A and B",
            after,
            AtLeast(0.98),
            Unit::Share,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn checkout(number: usize, began: Duration, answered: bool) -> Checkout {
        Checkout {
            number,
            due: began,
            began,
            ended: began + Duration::from_millis(1),
            answered,
        }
    }

    #[test]
    fn attempts_belong_to_their_checkout() {
        let seen = Seen {
            checkouts: vec![
                checkout(0, Duration::ZERO, true),
                checkout(2, SECOND * 2, false),
                checkout(1, SECOND, false),
                checkout(4, SECOND * 4, false),
                checkout(3, SECOND * 4 + SETTLES, true),
            ],
            came: [
                vec![1, 3, 1, 1, 1],
                vec![1, 9, 2, 1, 1],
                vec![1, 27, 3, 1, 1],
            ],
        };
        let figures = Figures::of(&seen, &budget::Config::default());
        assert_eq!(figures.during, Share { part: 0, of: 2 });
        assert_eq!(figures.after, Share { part: 1, of: 1 });
        assert_eq!(figures.came, [2.0, 5.5, 15.0]);
        assert_eq!(figures.seconds, [1.0, 27.0, 3.0, 0.0, 1.0]);
    }

    #[test]
    fn the_law_of_every_hop_is_added() {
        // Of 300, 100 are answered: 20 extra and 30 of the reserve, and one for each second, at each hop.
        let checkouts: Vec<_> = (0..300)
            .map(|number| {
                let began = SECOND + SECOND / 100 * number as u32;
                checkout(number, began, number % 3 == 0)
            })
            .collect();
        let came = [(); 3].map(|()| vec![1; 300]);
        let budget = budget::Config::default();
        let allowed = allowed(&Seen { checkouts, came }, &budget);
        let expected = (300.0 + 3.0 * (20.0 + 30.0 + 2.991)) / 300.0;
        assert!((allowed - expected).abs() < 1e-9, "{allowed} {expected}");
        assert!((allowed_for_ever(&budget) - 1.03).abs() < 1e-9);
    }
}
