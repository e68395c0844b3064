//! Documents are written by people in a hurry: whatever is in them, reading does not panic, a fault names
//! a path or a line, and what is accepted reads as the same when it is written. `.ci/fuzz` runs this for long.
#![cfg(feature = "reload")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests may read clocks and take locks"
)]

#[path = "support/texts.rs"]
mod texts;

use std::{fs, sync::LazyLock};

use buttress::document::{Document, Faults, Format, schema};
use proptest::prelude::*;
use texts::{GOOD, mutated, policies};

static FRAGMENTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let entries = fs::read_dir("tests/resilience4j").unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect()
});

static VALIDATOR: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let schema = serde_json::from_str(&schema()).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
});

/// What a person can use.
fn useful(faults: &Faults) -> Result<(), TestCaseError> {
    prop_assert!(faults.iter().next().is_some());
    for fault in faults {
        prop_assert!(!fault.path.is_empty() || fault.line.is_some(), "{fault}");
        prop_assert!(!fault.message.is_empty());
        prop_assert!(fault.line != Some(0) && fault.column != Some(0), "{fault}");
        let shown = fault.to_string();
        prop_assert!(shown.chars().count() < 6_000, "{}", shown.len());
        prop_assert!(
            !shown.contains(|c: char| c.is_control() && fault.line.is_none()),
            "{shown:?}"
        );
    }
    Ok(())
}

fn survives(text: &str, format: Format) -> Result<(), TestCaseError> {
    match Document::parse(text, format) {
        Ok(document) => {
            let written = serde_json::to_string(&document).unwrap();
            let again = Document::parse(&written, Format::Json);
            prop_assert_eq!(
                again.map_err(|faults| TestCaseError::fail(faults.to_string()))?,
                document
            );
            Ok(())
        }
        Err(faults) => useful(&faults),
    }
}

fn texts_of(format: Format) -> impl Strategy<Value = String> {
    mutated(
        GOOD.iter()
            .filter(|(of, _)| *of == format)
            .map(|(_, text)| (*text).to_owned())
            .collect(),
    )
}

#[test]
fn what_is_mutated_is_good_to_begin_with() {
    for (format, text) in GOOD {
        let read = Document::parse(text, format);
        assert!(read.is_ok(), "{}\n{text}", read.unwrap_err());
    }
    for text in FRAGMENTS.iter() {
        assert!(
            Document::parse_resilience4j(text, Format::Yaml).is_ok(),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn any_yaml(text in texts_of(Format::Yaml)) {
        survives(&text, Format::Yaml)?;
    }

    #[test]
    fn any_toml(text in texts_of(Format::Toml)) {
        survives(&text, Format::Toml)?;
    }

    #[test]
    fn any_json(text in texts_of(Format::Json)) {
        survives(&text, Format::Json)?;
    }

    #[test]
    fn any_text(text in any::<String>()) {
        for format in [Format::Yaml, Format::Toml, Format::Json] {
            survives(&text, format)?;
        }
    }

    #[test]
    fn any_fragment_for_resilience4j(text in mutated(FRAGMENTS.clone())) {
        if let Err(faults) = Document::parse_resilience4j(&text, Format::Yaml) {
            useful(&faults)?;
        }
    }

    /// Trees of known names and likely values: all formats read the same, and the schema is no stricter.
    #[test]
    fn any_policies(document in policies()) {
        let read = Document::read(&document);
        if let Err(faults) = &read {
            useful(faults)?;
        }
        let text = serde_json::to_string(&document).unwrap();
        for format in [Format::Json, Format::Yaml] {
            let parsed = Document::parse(&text, format);
            match (&read, parsed) {
                (Ok(read), Ok(parsed)) => prop_assert_eq!(read, &parsed),
                (Err(read), Err(parsed)) => {
                    // The same, but for the places, the order that they have, and how a float was written.
                    let told = |faults: &Faults| {
                        let told = faults.iter().map(|fault| {
                            let unquoted = fault.message.split('`').skip(2).collect::<String>();
                            (fault.path.clone(), unquoted)
                        });
                        let mut told: Vec<_> = told.collect();
                        told.sort();
                        told
                    };
                    prop_assert_eq!(told(read), told(&parsed));
                }
                (read, parsed) => prop_assert!(false, "{format:?}: {read:?} {parsed:?}"),
            }
        }
        if read.is_ok() {
            let error = VALIDATOR.validate(&document).err();
            let error = error.map(|error| format!("{error} at {}", error.instance_path()));
            prop_assert_eq!(error, None, "{}", document);
        }
    }
}
