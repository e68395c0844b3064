use super::counts::{Counts, Mark};

/// The last N calls, exactly: two bits a call in a ring.
#[derive(Debug)]
pub(crate) struct CountWindow {
    len: usize,
    /// Where the next call goes, which is also the oldest one once the ring is full.
    head: usize,
    filled: usize,
    failed: Bits,
    slow: Bits,
}

impl CountWindow {
    pub(crate) fn new(calls: u32) -> Self {
        let len = calls as usize;
        Self {
            len,
            head: 0,
            filled: 0,
            failed: Bits::new(len),
            slow: Bits::new(len),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.head = 0;
        self.filled = 0;
        self.failed.clear_all();
        self.slow.clear_all();
    }

    pub(crate) fn succeed(&mut self, n: u64) {
        if n >= self.len as u64 {
            self.failed.clear_all();
            self.slow.clear_all();
            self.filled = self.len;
            return;
        }
        let n = n as usize;
        let end = self.head + n;
        let wrapped = end.saturating_sub(self.len);
        for bits in [&mut self.failed, &mut self.slow] {
            bits.clear(self.head, end - wrapped);
            bits.clear(0, wrapped);
        }
        self.head = end % self.len;
        self.filled = (self.filled + n).min(self.len);
    }

    pub(crate) fn record(&mut self, mark: Mark) {
        let at = self.head;
        self.succeed(1);
        if mark.failed {
            self.failed.set(at);
        }
        if mark.slow {
            self.slow.set(at);
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            calls: self.filled as u64,
            failed: self.failed.ones,
            slow: self.slow.ones,
        }
    }

    /// Keeps the latest outcomes, as many as fit.
    pub(crate) fn resize(&mut self, calls: u32) {
        let len = calls as usize;
        if len == self.len {
            return;
        }
        let mut resized = Self::new(calls);
        for back in (1..=self.filled.min(len)).rev() {
            let at = (self.head + self.len - back) % self.len;
            resized.record(Mark {
                failed: self.failed.get(at),
                slow: self.slow.get(at),
            });
        }
        *self = resized;
    }
}

/// A row of bits that knows how many are set.
#[derive(Debug)]
struct Bits {
    words: Box<[u64]>,
    ones: u64,
}

impl Bits {
    fn new(len: usize) -> Self {
        Self {
            words: vec![0; len.div_ceil(64)].into_boxed_slice(),
            ones: 0,
        }
    }

    fn get(&self, at: usize) -> bool {
        self.words[at / 64] >> (at % 64) & 1 == 1
    }

    /// The bit must be clear.
    fn set(&mut self, at: usize) {
        self.words[at / 64] |= 1 << (at % 64);
        self.ones += 1;
    }

    fn clear_all(&mut self) {
        if self.ones > 0 {
            self.words.fill(0);
            self.ones = 0;
        }
    }

    /// Clears `[from, to)`, a word at a time, and nothing at all while no bit is set.
    fn clear(&mut self, mut from: usize, to: usize) {
        if self.ones == 0 {
            return;
        }
        while from < to {
            let end = ((from / 64 + 1) * 64).min(to);
            let mask = (u64::MAX >> (64 - (end - from))) << (from % 64);
            let word = &mut self.words[from / 64];
            self.ones -= u64::from((*word & mask).count_ones());
            *word &= !mask;
            from = end;
        }
    }
}
