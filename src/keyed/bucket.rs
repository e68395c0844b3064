//! Entries whose keys have one hash: one, but for accidents.

use crate::sys::Arc;

/// One entry, or several in the accident that their keys have one hash.
pub(super) enum Bucket<E> {
    One(Arc<E>),
    /// Two or more. Replaced whole.
    Several(Arc<[Arc<E>]>),
}

impl<E> Bucket<E> {
    #[inline]
    pub(super) fn find(self, is: impl Fn(&E) -> bool) -> Option<Arc<E>> {
        match self {
            Self::One(entry) => is(&entry).then_some(entry),
            Self::Several(entries) => entries.iter().find(|entry| is(entry)).cloned(),
        }
    }

    /// Whether it is the very same.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::One(one), Self::One(other)) => Arc::ptr_eq(one, other),
            (Self::Several(several), Self::Several(others)) => Arc::ptr_eq(several, others),
            _ => false,
        }
    }

    pub(super) fn entries(&self) -> &[Arc<E>] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Several(entries) => entries,
        }
    }

    /// None for an empty one.
    pub(super) fn of(entries: impl IntoIterator<Item = Arc<E>>) -> Option<Self> {
        let mut entries: Vec<_> = entries.into_iter().collect();
        match entries.len() {
            0 | 1 => entries.pop().map(Self::One),
            _ => Some(Self::Several(entries.into())),
        }
    }

    pub(super) fn without(&self, entry: Option<&Arc<E>>) -> impl Iterator<Item = Arc<E>> {
        let others = self.entries().iter();
        let is_other = move |other: &&Arc<E>| entry.is_none_or(|entry| !Arc::ptr_eq(other, entry));
        others.filter(is_other).cloned()
    }
}

impl<E> Clone for Bucket<E> {
    #[inline]
    fn clone(&self) -> Self {
        match self {
            Self::One(entry) => Self::One(Arc::clone(entry)),
            Self::Several(entries) => Self::Several(Arc::clone(entries)),
        }
    }
}
