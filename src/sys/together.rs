//! A few words that are read as they were written: all of one time.

use std::hint;

use super::sync::{AtomicU64, Ordering};

/// Words that one thread at a time replaces, and that any number of threads read without a lock and
/// without a write: a sequence lock.
///
/// Who reads looks at the version before and after. While a writer is at work the version is odd.
///
/// *Orderings.* The words are stored with `Release` after the odd version, and loaded with `Acquire`
/// before the second look: who has seen one new word sees at least the odd version, and reads again. The
/// even version is stored with `Release` after the words and loaded with `Acquire` before them: who has
/// seen it sees none of the old words.
#[derive(Debug)]
pub(crate) struct Together<const N: usize> {
    version: AtomicU64,
    words: [AtomicU64; N],
}

impl<const N: usize> Together<N> {
    pub(crate) fn new(words: [u64; N]) -> Self {
        Self {
            version: AtomicU64::new(0),
            words: words.map(AtomicU64::new),
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> [u64; N] {
        loop {
            let before = self.version.load(Ordering::Acquire);
            let words = std::array::from_fn(|n| self.words[n].load(Ordering::Acquire));
            let after = self.version.load(Ordering::Relaxed);
            if before == after && before % 2 == 0 {
                return words;
            }
            wait();
        }
    }

    /// Never by two threads at once: the caller sees to that.
    pub(crate) fn set(&self, words: [u64; N]) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version + 1, Ordering::Relaxed);
        for (word, new) in self.words.iter().zip(words) {
            word.store(new, Ordering::Release);
        }
        self.version.store(version + 2, Ordering::Release);
    }
}

#[cold]
fn wait() {
    #[cfg(buttress_loom)]
    loom::thread::yield_now();
    hint::spin_loop();
}

#[cfg(all(test, buttress_loom))]
mod model {
    use super::{super::sync::Arc, Together};

    #[test]
    fn what_is_read_was_written_together() {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(|| {
            let words = Arc::new(Together::new([0, 0]));
            let reader = {
                let words = Arc::clone(&words);
                loom::thread::spawn(move || {
                    let [a, b] = words.get();
                    assert_eq!(a, b);
                    let [c, d] = words.get();
                    assert_eq!(c, d);
                    assert!(c >= a, "time runs backwards");
                })
            };
            words.set([1, 1]);
            words.set([2, 2]);
            reader.join().unwrap();
            assert_eq!(words.get(), [2, 2]);
        });
    }
}
