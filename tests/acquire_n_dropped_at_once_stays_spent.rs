//! `acquire_n` was granted at once, its future dropped without a poll: what it took stayed spent.

use std::{num::NonZeroU32, time::Duration};

use buttress::{RateLimit, rate_limit::Quota};

#[tokio::test(start_paused = true)]
async fn what_was_reserved_goes_back_if_nobody_waits_for_it() {
    let ten = NonZeroU32::new(10).unwrap();
    let builder = RateLimit::builder(Quota::per_second(ten));
    let limit = builder.max_wait(Duration::from_secs(1)).build().unwrap();
    drop(limit.acquire_n(4));
    assert_eq!(limit.snapshot().available, 10);

    limit.acquire_n(4).await.unwrap();
    assert_eq!(limit.snapshot().available, 6);
}
