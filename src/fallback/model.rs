//! The places under the model checker.

use loom::{sync::Arc, thread};

use super::places::Places;

#[test]
fn model_never_more_than_there_are_and_none_is_lost() {
    loom::model(|| {
        let places = Arc::new(Places::new(1));
        let other = Arc::clone(&places);
        let thread = thread::spawn(move || {
            let taken = other.take();
            if taken {
                assert_eq!(other.running(), 1);
                other.give_back();
            }
        });
        if places.take() {
            assert_eq!(places.running(), 1);
            places.give_back();
        }
        thread.join().unwrap();
        assert_eq!(places.running(), 0);
        assert!(places.take());
    });
}

#[test]
fn model_a_lowered_limit_holds_for_the_next() {
    loom::model(|| {
        let places = Arc::new(Places::new(2));
        assert!(places.take());
        let other = Arc::clone(&places);
        let thread = thread::spawn(move || other.resize(1));
        let second = places.take();
        thread.join().unwrap();
        assert!(!places.take());
        assert_eq!(places.running(), 1 + u64::from(second));
    });
}
