//! A map that many threads read and few write.

use std::hash::{BuildHasher, Hash, RandomState};

/// Values under a number, which is the hash of something.
///
/// Its keys are numbers and its values are compared by `same`, so that nobody's code (a `Hash`, an
/// `Eq`, a `Drop`) runs under its locks, whatever the numbers stand for.
#[derive(Debug)]
pub(crate) struct Shards<V> {
    map: imp::Map<V>,
    hashes: RandomState,
}

impl<V: Clone> Shards<V> {
    pub(crate) fn new() -> Self {
        #[allow(clippy::disallowed_methods, reason = "this is the door")]
        let hashes = RandomState::new();
        Self {
            map: imp::Map::default(),
            hashes,
        }
    }

    /// Hard to guess: who may choose what is hashed cannot make all of it meet in one place.
    #[inline]
    pub(crate) fn hash(&self, of: &(impl Hash + ?Sized)) -> u64 {
        self.hashes.hash_one(of)
    }

    /// Takes no exclusive lock.
    #[inline]
    pub(crate) fn get(&self, hash: u64) -> Option<V> {
        imp::get(&self.map, hash)
    }

    /// Puts `next` in the place of `known`, or takes it away. Says no, and gives `next` back, if
    /// something else is there than `known`.
    pub(crate) fn exchange(
        &self,
        hash: u64,
        known: Option<&V>,
        next: Option<V>,
        same: impl Fn(&V, &V) -> bool,
    ) -> Result<(), Option<V>> {
        let as_known = |present: Option<&V>| match (present, known) {
            (Some(present), Some(known)) => same(present, known),
            (present, known) => present.is_none() && known.is_none(),
        };
        // What was there goes when the lock is gone.
        imp::exchange(&self.map, hash, next, as_known).map(drop)
    }
}

#[cfg(not(buttress_loom))]
mod imp {
    use std::hash::{BuildHasherDefault, Hasher};

    use dashmap::{DashMap, Entry};

    pub(super) type Map<V> = DashMap<u64, V, BuildHasherDefault<AsItIs>>;

    /// The number is a hash already.
    #[derive(Debug, Clone, Default)]
    pub(super) struct AsItIs(u64);

    impl Hasher for AsItIs {
        #[inline]
        fn finish(&self) -> u64 {
            self.0
        }

        fn write(&mut self, _: &[u8]) {
            unreachable!("the keys are numbers");
        }

        #[inline]
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }

    #[inline]
    pub(super) fn get<V: Clone>(map: &Map<V>, hash: u64) -> Option<V> {
        map.get(&hash).map(|value| value.clone())
    }

    pub(super) fn exchange<V>(
        map: &Map<V>,
        hash: u64,
        next: Option<V>,
        as_known: impl Fn(Option<&V>) -> bool,
    ) -> Result<Option<V>, Option<V>> {
        match map.entry(hash) {
            Entry::Occupied(mut place) if as_known(Some(place.get())) => Ok(Some(match next {
                Some(next) => place.insert(next),
                None => place.remove(),
            })),
            Entry::Vacant(place) if as_known(None) => {
                if let Some(next) = next {
                    place.insert(next);
                }
                Ok(None)
            }
            _ => Err(next),
        }
    }
}

/// One shard, which the model checker can see into.
#[cfg(buttress_loom)]
mod imp {
    use std::collections::BTreeMap;

    use super::super::sync::Mutex;

    #[derive(Debug)]
    pub(super) struct Map<V>(Mutex<BTreeMap<u64, V>>);

    impl<V> Default for Map<V> {
        fn default() -> Self {
            Self(Mutex::new(BTreeMap::new()))
        }
    }

    pub(super) fn get<V: Clone>(map: &Map<V>, hash: u64) -> Option<V> {
        map.0.lock().get(&hash).cloned()
    }

    pub(super) fn exchange<V>(
        map: &Map<V>,
        hash: u64,
        next: Option<V>,
        as_known: impl Fn(Option<&V>) -> bool,
    ) -> Result<Option<V>, Option<V>> {
        let mut map = map.0.lock();
        if !as_known(map.get(&hash)) {
            return Err(next);
        }
        Ok(match next {
            Some(next) => map.insert(hash, next),
            None => map.remove(&hash),
        })
    }
}
