//! The likeliest mistakes do not compile, and what the compiler says tells what to do.
//!
//! The words around ours are the compiler's and change with it, so they are compared only with the
//! compiler that they were made with. To make them anew: `TRYBUILD=overwrite cargo test --test
//! compile_fail`.

use std::{env, fs, process::Command};

/// The compiler of the `.stderr` files.
const MADE_WITH: &str = "rustc 1.95.";

#[test]
fn the_likeliest_mistakes_are_refused() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    let version = String::from_utf8(output.stdout).unwrap();
    if !version.starts_with(MADE_WITH) && env::var_os("TRYBUILD").is_none() {
        println!("skipped: the messages are those of {MADE_WITH}x, this is {version}");
        return;
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}

/// The words that help, in the first message that is shown.
#[test]
fn each_message_tells_what_to_do() {
    let hints = [
        (
            "error_without_from_rejected",
            "add `impl From<buttress::Rejected> for ShopError` (and `buttress::Refusal`",
        ),
        (
            "error_without_refusal",
            "needs `impl buttress::Refusal for ShopError`",
        ),
        (
            "foreign_error_without_adapt",
            "put `.layer(buttress::Adapt)` innermost",
        ),
        (
            "classifier_for_other_types",
            "a classifier is a closure `|result: Result<&u32,",
        ),
        (
            "classifier_without_types",
            "its parameter's type written out",
        ),
        ("waiting_needs_clone", "derive `Clone` for the service"),
        (
            "three_policies_as_they_are",
            "`Guard::all((a, b, c))` makes one guard of up to six",
        ),
        (
            "retry_needs_replay",
            "a closure `|request: &Upload| -> Option<Upload>`",
        ),
        (
            "strategy_of_a_type",
            "a type that implements `buttress::timeout::Limit<u32>`",
        ),
        (
            "breaker_not_unwrapped",
            "to unwrap the `Guard<Breaker>` value",
        ),
    ];
    let files = fs::read_dir("tests/compile_fail").unwrap();
    let messages = files
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "stderr"));
    assert_eq!(messages.count(), hints.len(), "a hint for each of them");
    for (case, hint) in hints {
        let message = fs::read_to_string(format!("tests/compile_fail/{case}.stderr")).unwrap();
        let first = message.split("\nerror").next().unwrap();
        assert!(first.contains(hint), "{case} does not say: {hint}");
    }
}
