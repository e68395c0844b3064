//! A change of settings told the gauge of a limit that nobody calls: of a template among the limits of
//! its keys, and to no recorder for ever when there was none yet.
#![cfg(all(feature = "metrics", feature = "keyed"))]

#[path = "support/ledger.rs"]
mod ledger;

use std::num::NonZeroU32;

use buttress::{RateLimit, guard::Template, rate_limit::Quota};
use ledger::{Ledger, recorded};
use metrics::{NoopRecorder, with_local_recorder};

const TEN: NonZeroU32 = NonZeroU32::new(10).unwrap();

fn limit() -> RateLimit {
    let builder = RateLimit::builder(Quota::per_second(TEN));
    builder.name("clients").build().unwrap()
}

fn available(ledger: &mut Ledger<'_>) -> f64 {
    ledger.value("buttress_rate_limit_available", "policy=clients")
}

#[test]
fn a_template_is_not_among_the_limits() {
    recorded(async |ledger| {
        let per_client = limit().per_key::<u32>().build().unwrap();
        drop(per_client.for_key(&1).try_acquire().unwrap());
        assert_eq!(available(ledger), 10.0);
        let mut config = Template::config(per_client.template());
        config.burst = 5;
        per_client.reconfigure_all(config).unwrap();
        assert_eq!(available(ledger), 4.0);
    });
}

#[test]
fn a_change_before_the_first_call_needs_no_recorder() {
    recorded(async |ledger| {
        let limit = limit();
        with_local_recorder(&NoopRecorder, || {
            limit.reconfigure(limit.config()).unwrap();
        });
        drop(limit.try_acquire().unwrap());
        assert_eq!(available(ledger), 10.0);
    });
}
