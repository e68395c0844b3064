//! One key's policy, and who holds it.
//!
//! # Implementation details
//!
//! All that matters stands in one word: how often the entry was used (32 bits, they wrap), how many
//! hold it now (31 bits), and whether it is gone (1 bit).
//!
//! * Who wants it adds a use and a holder in one step (acquire). Was it gone, the holder is taken away
//!   again, and whoever wants the key makes another entry. So nobody holds an entry that was gone
//!   before, and everybody leaves a trace, even one who came and went.
//! * Who lets it go takes a holder away (release), after all it did to the policy.
//! * Who evicts loads the word (acquire, so that it sees all that the holders before did), finds no
//!   holder, asks the policy whether it is idle, and then sets the word to gone *if it is still the
//!   same*. If somebody came in the meantime, even if they have left again, the uses have moved on and
//!   the word is another. So an entry that goes was held by nobody from before the question until it
//!   was gone, and the answer was still true. (For the uses to be the same again, 2^32 calls would have
//!   to come between the two.)
//! * An entry may be told to go whatever the answer ([`Overflow::EvictOldest`](super::config::Overflow)):
//!   then its holders keep what they hold, to its end, and the key's next call makes another.
//!
//! `model.rs` puts this before a model checker.

use std::fmt;

use crate::sys::{Arc, AtomicU64, Ordering};

/// A key, its policy, and who holds it.
pub(crate) struct Entry<P, K> {
    word: AtomicU64,
    hash: u64,
    /// None for the policy that keys share for which there was no place.
    key: Option<K>,
    policy: P,
}

const GONE: u64 = 1;
const HOLDER: u64 = 2;
const USE: u64 = 1 << 32;

/// The word of an entry at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Word(u64);

impl Word {
    pub(crate) const fn is_gone(self) -> bool {
        self.0 & GONE != 0
    }

    pub(crate) const fn holders(self) -> u64 {
        (self.0 % USE) / HOLDER
    }

    pub(crate) const fn uses(self) -> u32 {
        (self.0 / USE) as u32
    }
}

impl<P, K> Entry<P, K> {
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) const fn key(&self) -> Option<&K> {
        self.key.as_ref()
    }

    #[inline]
    pub(crate) const fn policy(&self) -> &P {
        &self.policy
    }

    pub(crate) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// Evicts it, if nobody held it at `word`, it is idle, and nobody has used it since: true for the
    /// one who did.
    pub(crate) fn evict_idle(&self, word: Word, idle: impl FnOnce(&P) -> bool) -> bool {
        if word.is_gone() || word.holders() > 0 || !idle(&self.policy) {
            return false;
        }
        let (seen, gone) = (word.0, word.0 | GONE);
        // The acquire of `word` saw all that past holders did. Release, for the one who then finds it gone:
        // what its policy told is told before what the next one tells.
        self.word
            .compare_exchange(seen, gone, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// Evicts it, whoever holds it: true for the one who did.
    pub(crate) fn evict(&self) -> bool {
        !Word(self.word.fetch_or(GONE, Ordering::Release)).is_gone()
    }
}

impl<P, K> fmt::Debug for Entry<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").finish_non_exhaustive()
    }
}

/// An entry that is not evicted for being idle while this lives.
pub(crate) struct Hold<P, K>(Arc<Entry<P, K>>);

impl<P, K> Hold<P, K> {
    /// A new entry, and its first holder.
    pub(crate) fn new(hash: u64, key: Option<K>, policy: P) -> Self {
        let word = AtomicU64::new(USE + HOLDER);
        Self(Arc::new(Entry {
            word,
            hash,
            key,
            policy,
        }))
    }

    /// Unless it is gone.
    #[inline]
    pub(crate) fn of(entry: Arc<Entry<P, K>>) -> Option<Self> {
        let before = Word(entry.word.fetch_add(USE + HOLDER, Ordering::Acquire));
        let hold = Self(entry);
        // One that is gone is let go again.
        (!before.is_gone()).then_some(hold)
    }

    #[inline]
    pub(crate) const fn entry(&self) -> &Arc<Entry<P, K>> {
        &self.0
    }

    #[inline]
    pub(crate) fn policy(&self) -> &P {
        &self.0.policy
    }
}

/// Another holder; of an entry that was told to go in spite of the first, too. Not another use: while
/// the first is there, nobody finds the entry without holders.
impl<P, K> Clone for Hold<P, K> {
    #[inline]
    fn clone(&self) -> Self {
        // Held already: there is nothing to see.
        self.0.word.fetch_add(HOLDER, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<P, K> Drop for Hold<P, K> {
    #[inline]
    fn drop(&mut self) {
        self.0.word.fetch_sub(HOLDER, Ordering::Release);
    }
}

impl<P, K> fmt::Debug for Hold<P, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").finish_non_exhaustive()
    }
}
