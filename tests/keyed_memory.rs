//! What a key costs: nothing when it is known, so many bytes when it is new, and no more for a million.
#![cfg(feature = "keyed")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/allocator.rs"]
mod allocator;

#[path = "support/watched.rs"]
mod watched;

use std::{future::ready, num::NonZeroU32, time::Duration};

use allocator::{assert_none, live, now_or_never};
use buttress::{
    Bulkhead, CircuitBreaker, RateLimit, guard::Template, keyed::Overflow, rate_limit::Quota,
};
use tower::{BoxError, Layer, Service, service_fn};

const MANY: NonZeroU32 = NonZeroU32::new(1_000_000_000).unwrap();

fn limit() -> RateLimit {
    RateLimit::builder(Quota::per_second(MANY)).build().unwrap()
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::builder().build().unwrap()
}

fn bulkhead() -> Bulkhead {
    Bulkhead::builder(10).build().unwrap()
}

#[test]
fn a_known_key_allocates_nothing() {
    macro_rules! assert_none_of {
        ($($template:expr),+) => {$(
            let keys = $template.keyed(|key: &u64| *key).build().unwrap();
            let mut service = keys.layer(service_fn(|key: u64| ready(Ok::<_, BoxError>(key))));
            assert_none(|| {
                now_or_never(service.call(1)).unwrap();
            });
            let keys = $template.keyed_ref(|host: &String| host.as_str()).build().unwrap();
            let mut service = keys.layer(service_fn(|_: String| ready(Ok::<_, BoxError>(()))));
            let mut hosts: Vec<_> = (0..1001).map(|_| String::from("a host")).collect();
            assert_none(|| {
                now_or_never(service.call(hosts.pop().unwrap())).unwrap();
            });
            let keys = $template.per_key::<String>().build().unwrap();
            assert_none(|| {
                let call = keys.for_key("a host").call(|| ready(Ok::<_, ()>(1)));
                now_or_never(call).unwrap();
                drop(keys.for_key("a host").try_acquire().unwrap());
                assert!(keys.with("a host", |_| ()).is_some());
            });
        )+};
    }
    assert_none_of!(limit(), bulkhead(), breaker());
}

/// Bytes that a thousand new keys take, each.
fn bytes_per_key<P>(template: buttress::guard::Guard<P>) -> i64
where
    P: Template + buttress::guard::Admit<()> + Send + Sync + 'static,
{
    let keys = template.per_key::<u64>().build().unwrap();
    let fill = |from: u64| (from..from + 4_096).for_each(|key| drop(keys.for_key(&key)));
    fill(0);
    let before = live();
    fill(4_096);
    (live() - before) / 4_096
}

#[test]
fn a_key_takes_a_few_hundred_bytes() {
    let count_window = CircuitBreaker::builder().count_window(100).build().unwrap();
    let queue = Bulkhead::builder(10)
        .max_queue(10)
        .max_wait(Duration::from_secs(1));
    let small = buttress::guard::Guard::new(watched::Watched::new(1));
    let both = buttress::guard::Guard::all((limit(), breaker()));
    for (what, bytes, most) in [
        ("a policy of 24 bytes", bytes_per_key(small), 300),
        ("rate limit", bytes_per_key(limit()), 1_000),
        ("bulkhead", bytes_per_key(bulkhead()), 1_000),
        (
            "bulkhead with a queue",
            bytes_per_key(queue.build().unwrap()),
            1_000,
        ),
        ("breaker, 10 s", bytes_per_key(breaker()), 1_600),
        ("breaker, 100 calls", bytes_per_key(count_window), 1_600),
        ("rate limit and breaker", bytes_per_key(both), 2_600),
    ] {
        println!("{what}: {bytes} bytes per key");
        assert!(bytes <= most, "{what}: {bytes}");
    }
}

#[test]
fn memory_stays_flat_over_a_million_keys() {
    let poor = RateLimit::builder(Quota::per_day(NonZeroU32::MIN))
        .build()
        .unwrap();
    macro_rules! flat {
        ($what:literal, $upto:literal, $template:expr, $overflow:expr) => {{
            let empty = live();
            let keys = $template
                .per_key::<u64>()
                .max_keys(10_000)
                .overflow($overflow);
            let keys = keys.build().unwrap();
            let fill = |keys: std::ops::Range<u64>, per_key: &buttress::guard::Guard<_>| {
                let per_key: &buttress::guard::Guard<buttress::keyed::Keyed<_, u64, _>> = per_key;
                keys.for_each(|key| drop(per_key.for_key(&key).try_acquire()));
            };
            fill(0..50_000, &keys);
            let before = live();
            fill(50_000..$upto, &keys);
            let after = live();
            let (before, after) = (before - empty, after - empty);
            println!(
                "{}: {before} bytes after 50,000 keys, {after} after {}",
                $what, $upto
            );
            assert!(
                (after - before).abs() <= before / 20,
                "{before} and then {after}"
            );
            assert_eq!(keys.len(), 10_000);
        }};
    }
    flat!(
        "rate limit, idle ones make room",
        1_000_000,
        limit(),
        Overflow::Share
    );
    flat!(
        "breaker, the oldest makes room",
        200_000,
        breaker(),
        Overflow::EvictOldest
    );
    flat!("rate limit, all in debt", 200_000, poor, Overflow::Reject);
}
