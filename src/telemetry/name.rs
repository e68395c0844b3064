use std::collections::HashMap;

use crate::sys::{OnceLock, Registry};

/// All names so far, and the place of each.
#[derive(Debug, Default)]
struct Names {
    places: HashMap<&'static str, u32>,
    names: Vec<&'static str>,
}

fn names() -> &'static Registry<Names> {
    static NAMES: OnceLock<Registry<Names>> = OnceLock::new();

    NAMES.get_or_init(Registry::default)
}

/// The name as a string that lives for ever, the same one for equal names: policies may come and go,
/// memory grows only with the number of different names.
pub(crate) fn intern(name: &str) -> &'static str {
    let place = place_of(name);
    name_at(place)
}

/// The place of a name among all: half a word to carry along.
pub(crate) fn place_of(name: &str) -> u32 {
    let mut names = names().lock();
    if let Some(known) = names.places.get(name) {
        return *known;
    }
    let name: &'static str = Box::leak(name.into());
    let place = u32::try_from(names.names.len()).expect("there are not so many names");
    names.names.push(name);
    names.places.insert(name, place);
    place
}

/// The name at a place that was given out.
pub(crate) fn name_at(place: u32) -> &'static str {
    names().lock().names[place as usize]
}

#[cfg(test)]
mod tests {
    #[test]
    fn equal_names_are_one_string() {
        let once = super::intern("a name of this test");
        let again = super::intern(&String::from("a name of this test"));
        assert!(std::ptr::eq(once, again));
        assert_eq!(super::name_at(super::place_of(once)), once);
    }
}
