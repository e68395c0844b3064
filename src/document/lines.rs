//! Where in a text a byte stands.

use super::tree::Place;

/// Answers by looking up, since a text may be one line of a megabyte with a thousand faults in it.
pub(super) struct Lines {
    starts: Vec<usize>,
    /// The bytes that begin no character.
    within: Vec<usize>,
}

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = ends.map(|(at, _)| at + 1);
        let within = (0..text.len()).filter(|at| !text.is_char_boundary(*at));
        Self {
            starts: std::iter::once(0).chain(starts).collect(),
            within: within.collect(),
        }
    }

    pub(super) fn place(&self, at: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self.starts[line - 1];
        let before = |at: usize| self.within.partition_point(|within| *within < at);
        let characters = at - start - (before(at) - before(start));
        Place {
            line,
            column: characters + 1,
        }
    }
}
