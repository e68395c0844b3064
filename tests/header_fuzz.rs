//! Headers are written by strangers: whatever is in them, all that reads messages goes on without panic. What
//! is malformed is ignored and counted once for each reading, what is well formed is read as a naive reader
//! does it. `.ci/fuzz` runs this for long, `PROPTEST_CASES` says how many cases of each property.
#![cfg(all(feature = "http", feature = "keyed", feature = "metrics"))]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/strange.rs"]
mod strange;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6},
    time::Duration,
};

use buttress::{
    Advice, Classify, Deadline, Error, Outcome,
    deadline::CarryDeadline,
    http::{
        DeadlineHeader, OnCode, OnStatus, arrive,
        keys::{Authority, ForwardedFor, Header},
        retry_after,
    },
    keyed::{Finds, KeyOf},
};
use http::{HeaderValue, Request, Response};
use proptest::prelude::*;
use strange::{digits, malformed_in, strange};
use tokio::time::Instant;
use tower::{Layer, Service, service_fn};

type Fault = Error<Infallible>;

/// A header value of any bytes that one may be made of, mostly nearly right ones.
fn value(near: impl Strategy<Value = String>) -> impl Strategy<Value = HeaderValue> {
    let text = strange(near).prop_map(String::into_bytes);
    let any = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![7 => text, 1 => any].prop_filter_map("no header value", |bytes| {
        HeaderValue::from_bytes(&bytes).ok()
    })
}

/// None, one, or several lines of one header.
fn lines(near: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<HeaderValue>> {
    let line = value(near);
    prop::collection::vec(line, 0..4)
}

fn request(name: &'static str, lines: &[HeaderValue]) -> Request<()> {
    let mut request = Request::new(());
    for line in lines {
        request.headers_mut().append(name, line.clone());
    }
    request
}

fn grpc(name: &'static str, lines: &[HeaderValue]) -> Response<()> {
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    for line in lines {
        headers.append(name, line.clone());
    }
    response
}

/// So many digits, and nothing else.
fn number(bytes: &[u8], most: usize) -> Option<u128> {
    if bytes.is_empty() || bytes.len() > most {
        return None;
    }
    bytes.iter().try_fold(0_u128, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

/// Nanoseconds.
fn naive_grpc_timeout(bytes: &[u8]) -> Option<u128> {
    let (unit, amount) = bytes.split_last()?;
    let seconds = 1_000_000_000;
    let unit = match unit {
        b'n' => 1,
        b'u' => 1_000,
        b'm' => 1_000_000,
        b'S' => seconds,
        b'M' => 60 * seconds,
        b'H' => 3_600 * seconds,
        _ => return None,
    };
    Some(number(amount, 8)? * unit)
}

fn naive_millis(bytes: &[u8]) -> Option<u128> {
    let millis = number(bytes, 20)?;
    (millis <= u64::MAX.into()).then_some(millis * 1_000_000)
}

/// What `header` reads of these lines is what the naive reader makes of the first.
fn deadline_agrees(
    header: DeadlineHeader,
    lines: &[HeaderValue],
    naive: fn(&[u8]) -> Option<u128>,
) -> Result<(), TestCaseError> {
    let request = request(header.name(), lines);
    let before = Instant::now();
    let (read, count) = malformed_in(header.name(), || header.read(&request));
    let after = Instant::now();
    let expected = lines.first().map(|line| naive(line.as_bytes()));
    prop_assert_eq!(count, u64::from(expected == Some(None)));
    match (expected.flatten(), read) {
        (None, read) => prop_assert_eq!(read, None),
        (Some(_), None) => prop_assert!(false, "well formed, and not read"),
        (Some(nanos), Some(read)) => {
            let seconds = u64::try_from(nanos / 1_000_000_000).unwrap();
            let left = Duration::new(seconds, (nanos % 1_000_000_000) as u32);
            let never = Duration::from_secs(29 * 365 * 86_400);
            let earliest = before.checked_add(left).unwrap_or(before + never);
            prop_assert!(earliest <= read.instant());
            if let Some(latest) = after.checked_add(left) {
                prop_assert!(read.instant() <= latest);
            }
        }
    }

    // Noted at arrival, it is read the same way, once.
    let (noted, count) = malformed_in(header.name(), || {
        let mut seen = None;
        let service = service_fn(|request: Request<()>| {
            seen = request.extensions().get::<Deadline>().copied();
            std::future::ready(Ok::<_, Infallible>(()))
        });
        drop(arrive(header).layer(service).call(request));
        seen
    });
    prop_assert_eq!(noted.is_some(), read.is_some());
    prop_assert_eq!(count, u64::from(expected == Some(None)));
    Ok(())
}

/// The key, kept, and how often something malformed was counted.
fn key<F: Finds + KeyOf<Request<()>, F::Key>>(
    by: &F,
    header: &str,
    request: &Request<()>,
) -> (F::Key, u64) {
    let (kept, count) = malformed_in(header, || F::keep(by.find(request)));
    let (same, _) = malformed_in(header, || F::is(&by.find(request), &kept));
    assert!(same, "a key is found again");
    (kept, count)
}

const STRANGE: &str = "\u{fffd}";

fn naive_host(bytes: &[u8]) -> Option<String> {
    let allowed = "abcdefghijklmnopqrstuvwxyz0123456789-._~%!$&'()*+,;=:[]";
    let text = String::from_utf8(bytes.to_vec()).ok()?;
    let small = text.to_ascii_lowercase();
    let fits = text.len() <= 256 && small.chars().all(|char| allowed.contains(char));
    fits.then_some(small)
}

fn naive_address(entry: &str) -> Option<IpAddr> {
    let v6 = entry
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let bare = entry.parse().ok();
    let bracketed = v6
        .and_then(|v6| v6.parse::<Ipv6Addr>().ok())
        .map(IpAddr::V6);
    let with_port = entry.parse().ok().map(|address: SocketAddr| address.ip());
    let address = bare.or(bracketed).or(with_port)?;
    Some(match address {
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => IpAddr::V4(v4),
            None => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        },
        v4 => v4,
    })
}

fn forwarded(lines: &[HeaderValue], proxies: usize) -> Option<Vec<u8>> {
    let joined: Vec<_> = lines.iter().map(HeaderValue::as_bytes).collect();
    let joined = joined.join(&b',');
    let entries: Vec<Vec<u8>> = joined
        .split(|byte| *byte == b',')
        .map(|entry| entry.trim_ascii().to_vec())
        .filter(|entry| !entry.is_empty())
        .collect();
    let at = entries.len().checked_sub(proxies)?;
    Some(entries[at].clone())
}

fn addresses() -> impl Strategy<Value = String> {
    let v4 = any::<[u8; 4]>().prop_map(|v4| IpAddr::from(v4).to_string());
    let v6 = any::<u128>().prop_map(|v6| Ipv6Addr::from(v6).to_string());
    let mapped = any::<[u8; 4]>().prop_map(|v4| format!("::ffff:{}", IpAddr::from(v4)));
    let bracketed = any::<u128>().prop_map(|v6| format!("[{}]", Ipv6Addr::from(v6)));
    let ports = (any::<u128>(), any::<u16>())
        .prop_map(|(v6, port)| SocketAddrV6::new(Ipv6Addr::from(v6), port, 0, 0).to_string());
    let other = prop_oneof![
        Just("unknown".to_owned()),
        Just("_hidden".to_owned()),
        Just(String::new())
    ];
    let blank = prop_oneof![Just(""), Just(" "), Just("\t ")];
    let one = prop_oneof![4 => v4, 2 => v6, 1 => mapped, 1 => bracketed, 1 => ports, 1 => other];
    let one =
        (blank.clone(), one, blank).prop_map(|(left, one, right)| format!("{left}{one}{right}"));
    prop::collection::vec(one, 0..5).prop_map(|all| all.join(","))
}

fn hosts() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z0-9.-]{0,20}(:[0-9]{0,5})?",
        addresses(),
        "[a-z.]{250,260}",
        Just("\u{fffd}".to_owned()),
    ]
}

fn timeouts() -> impl Strategy<Value = String> {
    (digits(9), "[HMSmunx]?").prop_map(|(amount, unit)| amount + &unit)
}

fn waits() -> impl Strategy<Value = String> {
    prop_oneof![
        digits(25),
        Just("Sun, 06 Nov 1994 08:49:40 GMT".to_owned()),
        Just("Sunday, 06-Nov-94 08:49:37 GMT".to_owned()),
        Just("Sun Nov  6 08:49:37 2994".to_owned()),
    ]
}

proptest! {
    #[test]
    fn any_grpc_timeout(lines in lines(timeouts())) {
        deadline_agrees(DeadlineHeader::GRPC, &lines, naive_grpc_timeout)?;
    }

    #[test]
    fn any_deadline_in_milliseconds(lines in lines(digits(22))) {
        deadline_agrees(DeadlineHeader::ENVOY, &lines, naive_millis)?;
        deadline_agrees(DeadlineHeader::millis("x-left-ms"), &lines, naive_millis)?;
    }

    #[test]
    fn a_deadline_that_was_written_is_read_again_and_no_later(nanos in any::<u64>(), shift in 0..64_u32) {
        for header in [DeadlineHeader::GRPC, DeadlineHeader::ENVOY] {
            let (mut request, deadline) = (Request::new(()), Deadline::after(Duration::from_nanos(nanos >> shift)));
            let left = deadline.remaining();
            header.write(&mut request, deadline);
            let value = request.headers()[header.name()].clone();
            let naive = if header == DeadlineHeader::GRPC { naive_grpc_timeout } else { naive_millis };
            let told = naive(value.as_bytes());
            prop_assert!(told.is_some_and(|told| told <= left.as_nanos()), "{:?} {:?}", value, left);
        }
    }

    #[test]
    fn any_retry_after(lines in lines(waits()), status in prop_oneof![Just(503_u16), Just(429), 100..=999_u16]) {
        let mut response = Response::builder().status(status).body(()).unwrap();
        for line in &lines {
            response.headers_mut().append("retry-after", line.clone());
        }
        let judge = OnStatus::new();
        let (advice, count) = malformed_in("retry-after", || judge.advise(Ok::<_, &Fault>(&response)));
        let retried = matches!(status, 408 | 429 | 500 | 502..=599);
        let expected = lines.first().filter(|_| retried).map(|line| {
            let seconds = number(line.as_bytes(), 25).map(|seconds| {
                Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX))
            });
            // Whether it is a date is asked of a reader that `headers_http.rs` has by a calendar.
            let date = || retry_after(line.to_str().ok()?, std::time::SystemTime::now()).ok();
            seconds.or_else(date)
        });
        prop_assert_eq!(count, u64::from(expected == Some(None)));
        match (retried, expected.flatten(), advice) {
            (false, _, advice) => prop_assert_eq!(advice, Advice::Stop),
            (true, None, advice) => prop_assert_eq!(advice, Advice::Retry),
            (true, Some(wait), Advice::RetryAfter(read)) => {
                prop_assert!(wait.abs_diff(read) < Duration::from_secs(10), "{wait:?} {read:?}");
            }
            (true, Some(wait), advice) => prop_assert!(false, "{wait:?} {advice:?}"),
        }
        let failed = matches!(status, 408 | 500 | 502..=599);
        let (outcome, count) = malformed_in("retry-after", || judge.classify(Ok::<_, &Fault>(&response)));
        prop_assert_eq!((outcome == Outcome::Failure, count), (failed, 0));
    }

    #[test]
    fn any_pushback(lines in lines((prop_oneof![Just(""), Just("-")], digits(20)).prop_map(|(sign, wait)| sign.to_owned() + &wait))) {
        let mut response = grpc("grpc-retry-pushback-ms", &lines);
        response.headers_mut().insert("grpc-status", 14.into());
        let read = || OnCode::new().advise(Ok::<_, &Fault>(&response));
        let (advice, count) = malformed_in("grpc-retry-pushback-ms", read);
        let (expected, malformed) = match lines.first().map(HeaderValue::as_bytes) {
            None => (Advice::Retry, 0),
            Some([b'-', rest @ ..]) => (Advice::Stop, u64::from(number(rest, 19).is_none())),
            Some(digits) => match number(digits, 19) {
                Some(millis) => (Advice::RetryAfter(Duration::from_millis(millis as u64)), 0),
                None => (Advice::Stop, 1),
            },
        };
        prop_assert_eq!((advice, count), (expected, malformed));
        prop_assert_eq!(OnStatus::new().advise(Ok::<_, &Fault>(&response)), advice);
    }

    #[test]
    fn any_grpc_status(lines in lines(prop_oneof![(0..20_u32).prop_map(|code| code.to_string()), digits(12)])) {
        let response = grpc("grpc-status", &lines);
        let judge = OnCode::new();
        let (outcome, count) = malformed_in("grpc-status", || judge.classify(Ok::<_, &Fault>(&response)));
        // What is no number is `UNKNOWN`, and so is what is none of the codes.
        let code = lines.first().map(|line| number(line.as_bytes(), 10).unwrap_or(2));
        let expected = match code {
            Some(1) => Outcome::Ignored,
            Some(2 | 4 | 13..) if code != Some(16) => Outcome::Failure,
            _ => Outcome::Success,
        };
        prop_assert_eq!((outcome, count), (expected, 0));
        let advice = judge.advise(Ok::<_, &Fault>(&response));
        prop_assert_eq!(advice, if code == Some(14) { Advice::Retry } else { Advice::Stop });
    }

    #[test]
    fn any_host(lines in lines(hosts())) {
        let (key, count) = key(&Authority, "host", &request("host", &lines));
        let expected = lines.first().map(|line| naive_host(line.as_bytes()));
        prop_assert_eq!(count, u64::from(expected == Some(None)));
        let expected = expected.unwrap_or(Some(String::new()));
        prop_assert_eq!(&*key, expected.as_deref().unwrap_or(STRANGE));
    }

    #[test]
    fn any_name_of_a_client(lines in lines(hosts())) {
        let (key, count) = key(&Header::named("x-client"), "x-client", &request("x-client", &lines));
        let expected = lines.first().map(|line| {
            let text = line.as_bytes().iter().all(|byte| (0x20..0x7f).contains(byte) || *byte == b'\t');
            (text && line.len() <= 256).then(|| String::from_utf8(line.as_bytes().to_vec()).unwrap())
        });
        prop_assert_eq!(count, u64::from(expected == Some(None)));
        let expected = expected.unwrap_or(Some(String::new()));
        prop_assert_eq!(&*key, expected.as_deref().unwrap_or(STRANGE));
    }

    #[test]
    fn any_forwarded_for(lines in lines(addresses()), proxies in 1..5_usize) {
        let request = request("x-forwarded-for", &lines);
        let (key, count) = key(&ForwardedFor::trusting(proxies), "x-forwarded-for", &request);
        let expected = forwarded(&lines, proxies).map(|entry| {
            String::from_utf8(entry).ok().and_then(|entry| naive_address(&entry))
        });
        prop_assert_eq!(count, u64::from(expected == Some(None)));
        let nobody = IpAddr::from([0, 0, 0, 0]);
        prop_assert_eq!(key, expected.flatten().unwrap_or(nobody));
    }
}
