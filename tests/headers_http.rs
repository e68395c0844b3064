//! HTTP's own header values, as strange as they come. See `headers.rs`.
#![cfg(feature = "http")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strange.rs"]
mod strange;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use buttress::{
    Advice, Classify, Deadline, Error, Fallback, OnError, Outcome,
    deadline::CarryDeadline,
    http::{FellBack, InExtensions, RetryAfter, retry_after},
};
use http::{HeaderValue, Request, Response, StatusCode, header::RETRY_AFTER};
use proptest::prelude::*;
use strange::{counted, digits, mutated, strange};
use tower::{BoxError, Layer, ServiceExt, service_fn};

const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Of a second since 1970: year, month and day from 0, and the day of the week. Counted out, day by
/// day, unlike the reader's own arithmetic.
fn calendar(seconds: u64) -> (u64, usize, u64, usize) {
    let all = seconds / 86_400;
    let (mut year, mut left) = (1970, all);
    let leap = |year: u64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    loop {
        let days = if leap(year) { 366 } else { 365 };
        if left < days {
            break;
        }
        left -= days;
        year += 1;
    }
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= lengths[month] {
        left -= lengths[month];
        month += 1;
    }
    // 1970 began on a Thursday.
    (year, month, left, ((all + 3) % 7) as usize)
}

/// The three formats of RFC 9110, 5.6.7.
fn written(seconds: u64) -> [String; 3] {
    let (year, month, day, weekday) = calendar(seconds);
    let (month, weekday, day) = (MONTHS[month], DAYS[weekday], day + 1);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    let short = &weekday[..3];
    [
        format!("{short}, {day:02} {month} {year:04} {time} GMT"),
        format!("{short} {month} {day:>2} {time} {year:04}"),
        format!("{weekday}, {day:02}-{month}-{:02} {time} GMT", year % 100),
    ]
}

/// The first second of the year 10000, and of 2070: two digits of a year reach from 1970 up to it.
const YEAR_10000: u64 = 253_402_300_800;
const YEAR_2070: u64 = 3_155_760_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn seconds() -> impl Strategy<Value = u64> {
    prop_oneof![0..YEAR_2070, 0..YEAR_10000]
}

fn dates() -> impl Strategy<Value = String> {
    (seconds(), 0..3_usize).prop_map(|(seconds, format)| written(seconds)[format].clone())
}

/// What looks like a date and need not be one.
fn nearly_dates() -> impl Strategy<Value = String> {
    let part = "(Mon|Sunday|Sat,|Wednesday,|Feb|-Nov-|GMT|UTC|[0-9]{1,4}|:|-| |,|[0-9]{2}:[0-9]{2}:[0-9]{2})";
    prop::collection::vec(part, 0..9).prop_map(|parts| parts.join(" "))
}

fn values() -> impl Strategy<Value = String> {
    strange(prop_oneof![digits(25), dates(), dates(), nearly_dates()])
}

/// A header value of any bytes that one may be made of; not all of them are text.
fn bytes() -> impl Strategy<Value = HeaderValue> {
    let text = values().prop_map(String::into_bytes);
    let any = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![text, any].prop_filter_map("no header value", |bytes| {
        HeaderValue::from_bytes(&bytes).ok()
    })
}

fn statuses() -> impl Strategy<Value = StatusCode> {
    let any = (100..=999_u16).prop_map(|code| StatusCode::from_u16(code).unwrap());
    prop_oneof![
        Just(StatusCode::TOO_MANY_REQUESTS),
        Just(StatusCode::SERVICE_UNAVAILABLE),
        any
    ]
}

proptest! {
    #[test]
    fn any_value_of_retry_after_is_a_wait_or_ignored(value in values(), now in seconds()) {
        counted("retry-after", retry_after(&value, at(now)));
    }

    #[test]
    fn a_number_of_seconds_is_a_wait_however_long(value in "[0-9]{1,30}", now in seconds()) {
        // More than a word holds is as much as it holds.
        let expected = value.parse::<u128>().unwrap().min(u64::MAX.into()) as u64;
        prop_assert_eq!(retry_after(&value, at(now)), Ok(Duration::from_secs(expected)));
    }

    #[test]
    fn a_date_in_each_format_is_the_time_until_then(
        date in 0..YEAR_10000, early in 0..YEAR_2070, now in seconds(), nanos in 0..1_000_000_000_u32
    ) {
        let now = at(now) + Duration::from_nanos(nanos.into());
        let until = |date| at(date).duration_since(now).unwrap_or_default();
        let [fixed, asctime, _] = written(date);
        prop_assert_eq!(retry_after(&fixed, now), Ok(until(date)), "{}", fixed);
        prop_assert_eq!(retry_after(&asctime, now), Ok(until(date)), "{}", asctime);
        let [_, _, two_digits] = written(early);
        prop_assert_eq!(retry_after(&two_digits, now), Ok(until(early)), "{}", two_digits);
    }

    #[test]
    fn a_clock_that_is_before_1970_is_no_panic(value in values(), back in any::<u32>()) {
        let now = UNIX_EPOCH - Duration::from_secs(back.into());
        let _ = retry_after(&value, now);
    }

    #[test]
    fn a_date_that_is_a_little_off_is_no_panic(
        value in dates(), index in any::<prop::sample::Index>(), with in any::<char>()
    ) {
        counted("retry-after", retry_after(&mutated(&value, index, with), UNIX_EPOCH));
    }

    #[test]
    fn advice_from_any_response(value in bytes(), status in statuses()) {
        let mut response = Response::new(());
        *response.status_mut() = status;
        response.headers_mut().insert(RETRY_AFTER, value.clone());
        let judge = RetryAfter(|result: Result<&Response<()>, &BoxError>| match result {
            Ok(response) if response.status().is_success() => Outcome::Success,
            _ => Outcome::Failure,
        });
        let asks = matches!(status.as_u16(), 429 | 503);
        // A date is measured from the present: whether there is one does not depend on it.
        let read = value.to_str().ok().and_then(|text| retry_after(text, UNIX_EPOCH).ok());
        let advise = || judge.advise(Ok(&response));
        #[cfg(feature = "metrics")]
        let advise = || {
            let (advice, count) = strange::malformed_in("retry-after", advise);
            assert_eq!(count, u64::from(asks && read.is_none()), "{value:?}");
            advice
        };
        let advice = advise();
        match read {
            Some(_) if asks => prop_assert!(matches!(advice, Advice::RetryAfter(_))),
            _ if status.is_success() => prop_assert_eq!(advice, Advice::Stop),
            _ => prop_assert_eq!(advice, Advice::Retry),
        }
    }
}

type Flat = Error<()>;

fn response(status: u16, headers: &[&str]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for value in headers {
        response = response.header("Retry-After", *value);
    }
    response.body(()).unwrap()
}

#[test]
fn a_server_that_asks_for_a_wait_is_listened_to() {
    let advise = |response: &Response<()>| RetryAfter(OnError).advise(Ok::<_, &Flat>(response));
    let wait = |seconds| Advice::RetryAfter(Duration::from_secs(seconds));
    assert_eq!(advise(&response(429, &["3"])), wait(3));
    assert_eq!(advise(&response(503, &["0"])), wait(0));
    assert_eq!(
        advise(&response(503, &["7", "8"])),
        wait(7),
        "the first counts"
    );
    // Long past: a date asks for no wait from now on.
    assert_eq!(
        advise(&response(503, &["Sun, 06 Nov 1994 08:49:37 GMT"])),
        wait(0)
    );
    let ahead = advise(&response(429, &["Fri, 31 Dec 9999 23:59:59 GMT"]));
    let century = Duration::from_secs(100 * 365 * 86_400);
    assert!(matches!(ahead, Advice::RetryAfter(wait) if wait > century));
    for (status, values) in [
        (429, &[][..]),
        (429, &["soon"]),
        (429, &["-1"]),
        (429, &["1.5"]),
        (429, &[""]),
        (429, &["Mon, 06 Nov 1994 08:49:37 GMT"]), // it was a Sunday
        (200, &["3"]),
        (301, &["3"]),
        (500, &["3"]),
    ] {
        let advice = advise(&response(status, values));
        assert_eq!(advice, Advice::Stop, "{status} {values:?}: OnError's own");
    }
    let error = Error::Inner(());
    let failed = Err::<&Response<()>, _>(&error);
    assert_eq!(RetryAfter(OnError).advise(failed), Advice::Retry);
    assert_eq!(RetryAfter(OnError).classify(failed), Outcome::Failure);
    let busy = response(429, &["3"]);
    let judged = RetryAfter(OnError).classify(Ok::<_, &Flat>(&busy));
    assert_eq!(judged, Outcome::Success, "the wrapped one judges");
}

#[test]
fn a_date_that_has_passed_is_no_wait_and_to_the_nanosecond_until_then_it_is_one() {
    let now = at(784_111_777);
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(retry_after(date, now), Ok(Duration::ZERO));
    let tick = Duration::from_nanos(1);
    assert_eq!(retry_after(date, now - tick), Ok(tick));
    assert_eq!(retry_after(date, now + tick), Ok(Duration::ZERO));
    let error = retry_after("soon", now).unwrap_err();
    assert_eq!(error.header(), "retry-after");
}

#[test]
fn the_calendar_of_this_test_is_right() {
    let known = [
        "Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
        "Sunday, 06-Nov-94 08:49:37 GMT",
    ];
    assert_eq!(written(784_111_777), known);
    assert_eq!(written(0)[0], "Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(written(951_782_400)[0], "Tue, 29 Feb 2000 00:00:00 GMT");
    assert_eq!(written(YEAR_10000 - 1)[0], "Fri, 31 Dec 9999 23:59:59 GMT");
    assert_eq!(written(YEAR_2070 - 1)[2], "Tuesday, 31-Dec-69 23:59:59 GMT");
}

#[tokio::test(start_paused = true)]
async fn extensions_keep_a_deadline() {
    let mut request = Request::new(());
    assert_eq!(InExtensions.read(&request), None);
    let deadline = Deadline::after(Duration::from_secs(1));
    InExtensions.write(&mut request, deadline);
    assert_eq!(InExtensions.read(&request), Some(deadline));
    let sooner = Deadline::after(Duration::from_millis(1));
    InExtensions.write(&mut request, sooner);
    assert_eq!(InExtensions.read(&request.clone()), Some(sooner));
    const { assert!(<InExtensions as CarryDeadline<Request<()>>>::WRITES) };
}

#[tokio::test]
async fn a_fallbacks_response_says_so_and_the_outermost_has_the_last_word() {
    let spare = |name: &str, status: u16| {
        Fallback::function(move |_: Result<Response<()>, BoxError>| Ok(response(status, &[])))
            .name(name)
            .classify(|result: Result<&Response<()>, &BoxError>| match result {
                Ok(response) if response.status().is_success() => Outcome::Success,
                _ => Outcome::Failure,
            })
            .mark(InExtensions)
            .build()
            .unwrap()
    };
    let inner = service_fn(|status: u16| async move {
        match status {
            0 => Err(BoxError::from("down")),
            status => Ok(response(status, &[])),
        }
    });
    let said = |response: Response<()>| response.extensions().get().copied();
    let one = spare("one", 203).layer(inner);
    assert_eq!(said(one.clone().oneshot(200).await.unwrap()), None);
    let by = |policy| Some(FellBack { policy });
    assert_eq!(said(one.clone().oneshot(500).await.unwrap()), by("one"));
    assert_eq!(said(one.oneshot(0).await.unwrap()), by("one"));
    let both = spare("outer", 203).layer(spare("inner", 500).layer(inner));
    assert_eq!(said(both.oneshot(0).await.unwrap()), by("outer"));
}
