//! How the attempts of a call race each other, and how the next one is sent.

use std::{
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::time::{Instant, sleep_until};
use tower::Service;

use super::{
    future::{Extra, Progress, Spare, Stage},
    hedging::Hedging,
    state::{Race, Withholding},
};
use crate::{
    classify::{Advice, Classify, Outcome},
    deadline::instant::Deadline,
    replay::Attempt,
    sys::Now,
};

enum Verdict {
    /// It ends the call.
    Wins,
    /// It does not, while others run.
    Fails,
    /// The same, and it is one of our own policies that said no.
    Refused,
}

type Answer<S, R> = Result<<S as Service<R>>::Response, <S as Service<R>>::Error>;

impl<S, R, H> Progress<'_, S, R, H>
where
    S: Service<R>,
    H: Hedging<R>,
    H::Judge: Classify<S::Response, S::Error>,
{
    /// Polls those that run, in the order in which they were sent.
    pub(super) fn poll_attempts(&mut self, cx: &mut Context<'_>) -> Option<Answer<S, R>> {
        if let Some(first) = self.first.as_mut().as_pin_mut() {
            if let Poll::Ready(result) = first.poll(cx) {
                self.first.set(None);
                let answer = self.over(Attempt::FIRST, *self.started, result);
                if answer.is_some() {
                    return answer;
                }
            }
        }
        let mut at = 0;
        while let Some(extra) = self.extras.get_mut(at) {
            let Poll::Ready(result) = extra.future.as_mut().poll(cx) else {
                at += 1;
                continue;
            };
            let Extra { attempt, sent, .. } = self.extras.remove(at);
            let answer = self.over(attempt, Some(sent), result);
            if answer.is_some() {
                return answer;
            }
        }
        None
    }

    /// The first poll of the first attempt: should it answer, there is nothing to drop and nobody to tell.
    #[inline]
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Option<Answer<S, R>> {
        let Poll::Ready(result) = self.first.as_mut().as_pin_mut()?.poll(cx) else {
            return None;
        };
        self.first.set(None);
        *self.stage = Stage::Done;
        // Where nobody measures and a deposit would change nothing, nothing need be judged.
        if *self.measured || self.hedge.state().is_short() {
            if let Verdict::Wins = self.judge(*self.started, &Now::lazy(), &result) {
                self.hedge.state().answered();
            }
        }
        Some(result)
    }

    /// An attempt is over. The answer, if that ends the call.
    fn over(
        &mut self,
        attempt: Attempt,
        sent: Option<Instant>,
        result: Answer<S, R>,
    ) -> Option<Answer<S, R>> {
        // Others help against a slow attempt, not against one that failed.
        self.be_still();
        let now = Now::lazy();
        let verdict = self.judge(sent, &now, &result);
        if matches!(verdict, Verdict::Wins) {
            self.end(&now, Some(attempt));
            return Some(result);
        }
        if !matches!(verdict, Verdict::Refused) || self.result.is_none() {
            *self.result = Some(result);
        }
        if self.first.is_some() || !self.extras.is_empty() {
            return None;
        }
        let result = self.result.take();
        self.end(&now, None);
        result
    }

    /// Judges the result of an attempt that was sent then, and records its latency.
    fn judge(&self, sent: Option<Instant>, now: &Now, result: &Answer<S, R>) -> Verdict {
        let verdict = judge(self.hedge.judge(), result);
        if let Some(sent) = sent.filter(|_| *self.measured) {
            let age = now.get().saturating_duration_since(sent);
            let wins = matches!(verdict, Verdict::Wins);
            self.hedge.state().pace.record(age, wins);
        }
        verdict
    }

    /// The call is about to answer: drops all that is left of it, and tells who won.
    fn end(&mut self, now: &Now, winner: Option<Attempt>) {
        self.cut_short(now);
        self.first.set(None);
        self.extras.clear();
        *self.result = None;
        *self.stage = Stage::Done;
        let state = self.hedge.state();
        if winner.is_some() {
            state.answered();
        }
        if self.sent.is_first() {
            return;
        }
        match winner {
            None => state.ended(Race::None),
            Some(Attempt::FIRST) => state.ended(Race::Primary),
            Some(attempt) => state.hedge_won(attempt, since(*self.started, now)),
        }
    }

    /// No more hedges. Gives back what the next one holds.
    fn be_still(&mut self) {
        *self.stage = Stage::Still;
        self.timer.set(None);
        *self.spare = None;
    }

    fn withhold(&mut self, why: Withholding) {
        self.be_still();
        self.hedge.state().withheld(why);
    }

    /// Sends the next hedge, once it is due and its service is ready. Ready when it is sent.
    pub(super) fn poll_hedge(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.stage {
                Stage::Fresh => {
                    let started = *self.started.get_or_insert_with(|| Now::lazy().get());
                    self.wait_from(started);
                }
                Stage::Delayed => {
                    let timer = self.timer.as_mut().as_pin_mut();
                    let mut timer = timer.expect("it was made before");
                    if timer.as_mut().poll(cx).is_pending() && !timer.is_elapsed() {
                        // Attempts that use up, in each poll, all that a task may do in one go leave
                        // nothing for the timer, which then is not even started by being polled. By this
                        // it is; one that runs takes no notice.
                        let at = timer.deadline();
                        timer.reset(at);
                        return Poll::Pending;
                    }
                    self.be_due();
                }
                Stage::Due => {
                    let Some(spare) = self.spare else {
                        self.be_still();
                        continue;
                    };
                    match ready!(spare.service.poll_ready(cx)) {
                        Ok(()) if self.send() => return Poll::Ready(()),
                        // The service is no longer of use, or the hedge is withheld.
                        _ => self.be_still(),
                    }
                }
                Stage::Still => return Poll::Pending,
                Stage::Refused(_) | Stage::Done => panic!("polled after it answered"),
            }
        }
    }

    /// The next hedge is due a delay later than this.
    fn wait_from(&mut self, from: Instant) {
        let delay = self.hedge.state().pace.delay();
        if delay.is_zero() {
            // A timer would round it up.
            return self.be_due();
        }
        let at = Deadline::after_from(from, delay).instant();
        match self.timer.as_mut().as_pin_mut() {
            Some(timer) => timer.reset(at),
            None => self.timer.set(Some(sleep_until(at))),
        }
        *self.stage = Stage::Delayed;
    }

    fn be_due(&mut self) {
        if self.sent.number() > self.hedge.state().pace.max_hedges() {
            // Fewer than before: the settings have changed.
            self.be_still();
        } else if self.is_over(&Now::lazy()) {
            self.withhold(Withholding::Deadline);
        } else if self.spare.is_none() {
            self.withhold(Withholding::NotReplayable);
        } else {
            *self.stage = Stage::Due;
        }
    }

    fn is_over(&self, now: &Now) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline.is_over(now.get()))
    }

    /// Its service is ready. Whether it is sent.
    fn send(&mut self) -> bool {
        let now = Now::lazy();
        let Some(Spare { mut service, kept }) = self.spare.take() else {
            return false;
        };
        if self.is_over(&now) {
            // It may have waited long for the service.
            self.withhold(Withholding::Deadline);
            return false;
        }
        let attempt = self.sent.next();
        let max_hedges = self.hedge.state().pace.max_hedges();
        let (request, kept) = if attempt.number() > max_hedges {
            (self.hedge.last(kept, attempt), None)
        } else {
            (self.hedge.again(&kept, attempt), Some(kept))
        };
        let Some(request) = request else {
            self.withhold(Withholding::NotReplayable);
            return false;
        };
        // Counted when sent: nothing stands between the draw and the call.
        if !self.hedge.state().draw(&now) {
            self.withhold(Withholding::Budget);
            return false;
        }
        let future = Box::pin(service.call(request));
        let sent = now.get();
        self.extras.push(Extra {
            future,
            attempt,
            sent,
        });
        *self.sent = attempt;
        match kept {
            Some(kept) => {
                *self.spare = Some(Spare { service, kept });
                self.wait_from(sent);
            }
            None => self.be_still(),
        }
        let after = since(*self.started, &now);
        self.hedge.state().hedged(attempt, after);
        true
    }
}

impl<S: Service<R>, R, H: Hedging<R>> Progress<'_, S, R, H> {
    /// Records, of all that run, that they would have taken longer.
    pub(super) fn cut_short(&self, now: &Now) {
        if !*self.measured {
            return;
        }
        let first = self.started.filter(|_| self.first.is_some());
        for sent in first
            .into_iter()
            .chain(self.extras.iter().map(|it| it.sent))
        {
            let age = now.get().saturating_duration_since(sent);
            self.hedge.state().pace.record(age, false);
        }
    }
}

fn judge<T, E>(classify: &impl Classify<T, E>, result: &Result<T, E>) -> Verdict {
    let result = result.as_ref();
    match (classify.advise(result), classify.classify(result)) {
        (Advice::Refused(_), _) => Verdict::Refused,
        (_, Outcome::Failure) => Verdict::Fails,
        _ => Verdict::Wins,
    }
}

fn since(started: Option<Instant>, now: &Now) -> Duration {
    started.map_or(Duration::ZERO, |at| now.get().saturating_duration_since(at))
}
