use super::counts::{Counts, Mark};

/// How many pieces a span is cut into.
const PIECES: u64 = 10;

/// The running piece of a span and the nine before it.
///
/// Piece `k` is `[k s, (k + 1) s)` since the policy was made, where `s` is a tenth of the span. So an
/// outcome lives more than 0.9 and at most 1.0 spans, and everything costs O(1).
#[derive(Debug)]
pub(crate) struct TimeWindow {
    /// Nanoseconds in a piece.
    piece: u64,
    /// The number of the running piece.
    running: u64,
    pieces: Box<[Counts; PIECES as usize]>,
    sum: Counts,
}

impl TimeWindow {
    /// `span` in nanoseconds, rounded up to a multiple of 10.
    pub(crate) fn new(span: u64) -> Self {
        Self {
            piece: piece_of(span),
            running: 0,
            pieces: Box::default(),
            sum: Counts::default(),
        }
    }

    pub(crate) fn same_span(&self, span: u64) -> bool {
        self.piece == piece_of(span)
    }

    pub(crate) fn clear(&mut self) {
        self.pieces.fill(Counts::default());
        self.sum = Counts::default();
    }

    pub(crate) fn advance(&mut self, now: u64) {
        let target = now / self.piece;
        if target <= self.running {
            return;
        }
        if target - self.running >= PIECES {
            self.clear();
        } else {
            for k in self.running + 1..=target {
                let gone = std::mem::take(&mut self.pieces[(k % PIECES) as usize]);
                self.sum.calls -= gone.calls;
                self.sum.failed -= gone.failed;
                self.sum.slow -= gone.slow;
            }
        }
        self.running = target;
    }

    pub(crate) fn piece_end(&self) -> u64 {
        (self.running + 1).saturating_mul(self.piece)
    }

    pub(crate) fn succeed(&mut self, n: u64) {
        self.add(n, 0, 0);
    }

    pub(crate) fn record(&mut self, mark: Mark) {
        self.add(1, u64::from(mark.failed), u64::from(mark.slow));
    }

    fn add(&mut self, calls: u64, failed: u64, slow: u64) {
        let running = &mut self.pieces[(self.running % PIECES) as usize];
        for counts in [running, &mut self.sum] {
            counts.calls += calls;
            counts.failed += failed;
            counts.slow += slow;
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.sum
    }
}

fn piece_of(span: u64) -> u64 {
    span.div_ceil(PIECES)
}
