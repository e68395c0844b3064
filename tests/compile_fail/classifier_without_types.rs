//! A classifier whose parameter's type is not written out.
use buttress::{CircuitBreaker, Outcome};
use tower::{BoxError, Layer, Service, service_fn};

fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let breaker = CircuitBreaker::builder()
        .classify(|result| match result {
            Ok(_) => Outcome::Success,
            Err(_) => Outcome::Failure,
        })
        .build()
        .unwrap();
    let shop = breaker.layer(service_fn(|id: u32| async move { Ok::<_, BoxError>(id) }));
    serve(shop);
}
