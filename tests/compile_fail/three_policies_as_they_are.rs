//! Three policies in a guard that takes one.
use buttress::{Bulkhead, CircuitBreaker, guard::Guard};
use tower::{BoxError, Layer, Service, service_fn};

fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let route = CircuitBreaker::builder().build().unwrap();
    let host = CircuitBreaker::builder().build().unwrap();
    let places = Bulkhead::builder(8).build().unwrap();
    let guard = Guard::new((route, host, places));
    serve(guard.layer(service_fn(|id: u32| async move { Ok::<_, BoxError>(id) })));
}
