//! The snapshot says that a pipeline without an attempt timeout shows `Duration::MAX`. It showed 584 years.

use std::time::Duration;

use buttress::{Resilience, pipeline::Config};

#[test]
fn no_limit_is_shown_as_what_the_documentation_says() {
    let all = Resilience::builder().build().unwrap();
    assert_eq!(all.snapshot().timeout.limit, Duration::MAX);
    let mut config = Config::default();
    config.attempt_timeout = Some(Duration::from_secs(1));
    all.reconfigure(config).unwrap();
    assert_eq!(all.snapshot().timeout.limit, Duration::from_secs(1));
    all.reconfigure(Config::default()).unwrap();
    assert_eq!(all.snapshot().timeout.limit, Duration::MAX);
}
