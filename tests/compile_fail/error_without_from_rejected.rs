//! The service's own error type has no place for a refusal.
use buttress::CircuitBreaker;
use tower::{Layer, Service, service_fn};

#[derive(Debug)]
struct ShopError;

fn serve<S: Service<u32>>(_: S) {}

fn main() {
    let breaker = CircuitBreaker::builder().build().unwrap();
    let shop = breaker.layer(service_fn(|id: u32| async move { Ok::<_, ShopError>(id) }));
    serve(shop);
}
