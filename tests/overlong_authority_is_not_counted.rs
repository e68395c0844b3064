//! An authority of more than 256 bytes in a request's address got the key that all strange ones share, and was not
//! counted as malformed, as a `Host` is.
#![cfg(all(feature = "http", feature = "keyed", feature = "metrics"))]

use buttress::{
    http::keys::Authority,
    keyed::{Finds, KeyOf},
};
use http::{Request, Uri};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

/// The key of such a request, and how often a malformed `host` was counted.
fn found(request: &Request<()>) -> (<Authority as Finds>::Key, u64) {
    let recorder = DebuggingRecorder::new();
    let key = metrics::with_local_recorder(&recorder, || {
        <Authority as KeyOf<Request<()>, _>>::keep(Authority.find(request))
    });
    let mut malformed = 0;
    for (key, _, _, value) in recorder.snapshotter().snapshot().into_vec() {
        assert_eq!(key.key().name(), "buttress_malformed_headers_total");
        assert!(key.key().labels().all(|label| label.value() == "host"));
        match value {
            DebugValue::Counter(count) => malformed += count,
            other => panic!("no counter: {other:?}"),
        }
    }
    (key, malformed)
}

#[test]
fn it_is_counted_wherever_it_stands() {
    for (length, strange) in [(256, false), (257, true)] {
        let name = "a".repeat(length);
        let uri: Uri = format!("http://{name}/").parse().expect("an address");
        let absolute = Request::get(uri).body(()).expect("a request");
        let relative = Request::get("/").header("host", &name).body(());
        for request in [absolute, relative.expect("a request")] {
            let (key, malformed) = found(&request);
            assert_eq!((*key == *name, malformed), (!strange, u64::from(strange)));
        }
    }
}
