//! The rate as arithmetic: pure, whole nanoseconds, every time handed in.
//!
//! The generic cell rate algorithm as virtual scheduling (ITU-T I.371, annex A; ATM Forum, Traffic
//! Management 4.0, section 4.4.2). There is one number, the *theoretical arrival time*: when the next
//! cell would arrive if all came at an even pace. A call of cost `c` at `now` makes it
//! `max(tat, now) + c x pace`, and conforms if that is at most `now + burst x pace`.

use super::config::REACH;

/// The last nanosecond that is told apart, 36 years on. Then time stands still for a limit, which lets
/// in ever less.
pub(super) const LATEST: u64 = (1 << 60) - 1;

/// How fast, and how much at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Law {
    /// Nanoseconds in which one call is paid off: 1 or more.
    pub(super) pace: u64,
    /// How far the theoretical arrival time may be ahead: `burst x pace`, at most [`REACH`].
    pub(super) room: u64,
}

/// What the law says of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may start in so many nanoseconds, and this is the theoretical arrival time from then on.
    Conforms { wait: u64, tat: u64 },
    /// It may not; the same call may, so many nanoseconds later.
    Exceeds { retry_after: u64 },
    /// It never may.
    TooDear,
}

impl Law {
    /// Of a call of 1 or more that is willing to wait for so many nanoseconds. `now` is at most
    /// [`LATEST`], so no sum here can overflow: `tat` is below 2^61, and all else at most 2^60.
    #[inline]
    pub(super) fn ask(self, tat: u64, cost: u32, now: u64, patience: u64) -> Verdict {
        let price = match self.pace.checked_mul(cost.into()) {
            Some(price) if price <= self.room => price,
            _ => return Verdict::TooDear,
        };
        let tat = tat.max(now) + price;
        let free = now + self.room;
        let latest = free + patience;
        if tat > latest {
            let retry_after = tat - latest;
            return Verdict::Exceeds { retry_after };
        }
        let wait = tat.saturating_sub(free);
        Verdict::Conforms { wait, tat }
    }

    /// How many calls of cost 1 it would let in at once.
    pub(super) const fn available(self, tat: u64, now: u64) -> u64 {
        self.room.saturating_sub(tat.saturating_sub(now)) / self.pace
    }

    /// The theoretical arrival time under this law, if it was this one under another: what is not paid
    /// off yet stays, in calls, rounded up. (More than 18 years of it are 18.)
    pub(super) fn take_over(self, other: Self, tat: u64, now: u64) -> u64 {
        let debt = tat.saturating_sub(now);
        if debt == 0 || self.pace == other.pace {
            return tat;
        }
        let debt = (u128::from(debt) * u128::from(self.pace)).div_ceil(other.pace.into());
        now + debt.min(u128::from(REACH)) as u64
    }
}
