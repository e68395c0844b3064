//! What all clones share: which results are backed, and how.

use super::{
    account::{Account, Place},
    backup::Backup,
    mark::Mark,
};
use crate::{
    classify::{Advice, Classify, Outcome},
    sys::Arc,
    telemetry::Backed,
};

pub(super) struct Shared<B, C, M> {
    pub(super) backup: B,
    pub(super) classify: C,
    pub(super) mark: M,
    /// Apart, since a running backup's place leads back to it alone.
    pub(super) account: Arc<Account>,
}

impl<B, C, M> Shared<B, C, M> {
    /// Is this a result to be backed?
    #[inline]
    pub(super) fn failed<T, E>(&self, result: Result<&T, &E>) -> bool
    where
        C: Classify<T, E>,
    {
        match self.classify.classify(result) {
            Outcome::Failure => true,
            // Says nothing about the dependency. One of our own policies refused, or the dependency asked
            // to come again, and so nobody served the call; or else it is the caller's mistake.
            Outcome::Ignored => self.classify.advise(result) != Advice::Stop,
            Outcome::Success | Outcome::Abandoned => false,
        }
    }

    /// Starts the backup, or returns the failed call's own result.
    #[cold]
    pub(super) fn back<R, T, E>(
        &self,
        kept: Option<B::Kept>,
        failed: Result<T, E>,
    ) -> Result<(B::Future, Option<Place>), Result<T, E>>
    where
        B: Backup<R, T, E>,
    {
        let Some(kept) = kept else {
            self.account.ended(Backed::Declined);
            return Err(failed);
        };
        let mut place = Place::take(&self.account, !B::AT_ONCE);
        if place.is_none() {
            self.account.ended(Backed::Full);
            return Err(failed);
        }
        match Place::watch(&mut place, || self.backup.answer(kept, failed)) {
            Ok(future) => Ok((future, place)),
            Err(failed) => {
                place
                    .into_iter()
                    .for_each(|place| place.end(Backed::Declined));
                Err(failed)
            }
        }
    }

    /// The backup has answered. When the user's code in here panics, the backup counts as abandoned.
    pub(super) fn answered<T, E>(&self, place: Option<Place>, result: &mut Result<T, E>)
    where
        C: Classify<T, E>,
        M: Mark<T>,
    {
        let failed = self.failed(result.as_ref());
        if let Ok(response) = result {
            self.mark.mark(response, self.account.voice.policy());
        }
        if let Some(place) = place {
            place.end(if failed {
                Backed::Failed
            } else {
                Backed::Answered
            });
        }
    }
}
