//! The table of names in the docs is the table of names in the code.

use std::fmt::Write as _;

use super::{
    keys::spellings,
    kinds::{Alias, Means, Of, Usual},
    table::{LIMITS, SETTINGS},
};

fn listed(aliases: &[Alias], whose: impl Fn(Of) -> bool) -> String {
    let theirs = aliases.iter().filter(|alias| whose(alias.of));
    let shown = theirs.map(|alias| {
        let spelled = spellings(alias.name);
        let name = match alias.of {
            Of::Polly => spelled.last(),
            // A single word has no other spelling but with a capital.
            Of::Resilience4j | Of::OldResilience4j if alias.name.contains('_') => spelled.get(1),
            Of::Resilience4j | Of::OldResilience4j => spelled.first(),
        };
        let name = name.expect("a name has spellings");
        let means = match alias.means {
            Means::Percent => " (percent)".into(),
            Means::OneMore => " (+ 1)".into(),
            Means::Words(words) => {
                let differ = words.iter().filter(|(theirs, ours)| theirs != ours);
                let words: Vec<_> = differ
                    .map(|(theirs, ours)| format!("{theirs}: {ours}"))
                    .collect();
                if words.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", words.join(", "))
                }
            }
            Means::Same | Means::Millis | Means::Span | Means::Part => String::new(),
        };
        format!("`{name}`{means}")
    });
    shown.collect::<Vec<_>>().join(", ")
}

fn table() -> String {
    let mut table =
        String::from("| setting | default | resilience4j | Polly |\n|---|---|---|---|\n");
    for setting in SETTINGS {
        let usual = match setting.usual {
            Usual::Is(usual) => format!("`{usual}`"),
            Usual::Required => "must be given".into(),
            Usual::Not => String::new(),
        };
        let mut aliases = setting.aliases.to_vec();
        if setting.kind == super::kinds::Kind::Limit {
            // Its own group there, but no limit of a whole call.
            let whole = setting.path == "deadline";
            aliases.extend(
                LIMITS
                    .iter()
                    .filter(|alias| !whole || alias.of == Of::Polly),
            );
        }
        let r4j = listed(&aliases, |of| of == Of::Resilience4j);
        let polly = listed(&aliases, |of| of == Of::Polly);
        writeln!(table, "| `{}` | {usual} | {r4j} | {polly} |", setting.path).unwrap();
    }
    table
}

#[test]
fn the_table_of_names_is_current() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/document/names.md");
    if std::env::var_os("WRITE").is_some() {
        std::fs::write(path, table()).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    let command = "WRITE=1 cargo test --features serde --lib document::names";
    assert!(
        known == table(),
        "src/document/names.md is not current: {command}"
    );
}
