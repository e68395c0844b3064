//! A document bounds the fallback of a policy. The code that gives the policy its fallback, and says nothing of
//! bounds, set them back to the default.
#![cfg(feature = "serde")]

use buttress::{Fallback, document::Document};

fn document() -> Document {
    let text = r#"{ "policies": { "members": { "fallback": { "max_concurrent": 8 } } } }"#;
    Document::read(&mut serde_json::Deserializer::from_str(text)).unwrap()
}

#[test]
fn what_a_document_says_of_a_fallback_stays() {
    let members = document().policy("members").unwrap();
    let members = members.fallback(Fallback::value(7)).build().unwrap();
    assert_eq!(members.config().fallback.max_concurrent, 8);
    assert_eq!(members.config(), *document().get("members").unwrap());
}

#[test]
fn what_the_code_says_of_it_holds() {
    let members = document().policy("members").unwrap();
    let fallback = Fallback::value(7).max_concurrent(3);
    let members = members.fallback(fallback).build().unwrap();
    assert_eq!(members.config().fallback.max_concurrent, 3);
}
