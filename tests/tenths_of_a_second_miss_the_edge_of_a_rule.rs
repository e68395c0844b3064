//! How many calls a hang lets fail within the window was reckoned in seconds, of which a tenth is no exact
//! number: one place, a window of 300 ms and attempts of 100 ms were too few for three calls.

use std::time::Duration;

use buttress::{
    Resilience,
    breaker::{self, Window},
};

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn what_is_exactly_enough_is_enough() {
    for rounds in 1..1_000 {
        let attempt = 100 * MILLISECOND;
        let mut breaker = breaker::Config::default();
        breaker.window = Window::Time(rounds * attempt);
        let build = |calls| {
            let mut breaker = breaker.clone();
            breaker.min_calls = calls;
            let builder = Resilience::builder().breaker(breaker).bulkhead(1);
            builder.attempt_timeout(attempt).build()
        };
        build(rounds).unwrap();
        let no = build(rounds + 1).unwrap_err();
        let value = &no.violations()[0].value;
        assert_eq!(*value, format!("{} (at most {rounds})", rounds + 1));
    }
    // Numbers that no product of theirs overflows.
    let mut breaker = breaker::Config::default();
    breaker.window = Window::Time(Duration::MAX);
    breaker.min_calls = u32::MAX;
    breaker.probe_timeout = Duration::MAX;
    let builder = Resilience::builder().breaker(breaker).bulkhead(1_000_000);
    builder.attempt_timeout(Duration::MAX).build().unwrap_err();
}
