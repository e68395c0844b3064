//! A type that is no strategy for these requests: it is not told to be a closure.
use buttress::Timeout;
use std::time::Duration;
use tower::{BoxError, Layer, Service, service_fn};

struct ByRows;

fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let timeout = Timeout::builder(Duration::from_secs(1))
        .by_request(ByRows)
        .build()
        .unwrap();
    let shop = timeout.layer(service_fn(|id: u32| async move { Ok::<_, BoxError>(id) }));
    serve(shop);
}
