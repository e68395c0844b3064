use std::collections::HashSet;

use crate::sys::{OnceLock, Registry};

/// The name as a string that lives for ever, the same one for equal names: policies may come and go,
/// memory grows only with the number of different names.
pub(crate) fn intern(name: &str) -> &'static str {
    static NAMES: OnceLock<Registry<HashSet<&'static str>>> = OnceLock::new();

    let mut names = NAMES.get_or_init(Registry::default).lock();
    if let Some(known) = names.get(name) {
        return known;
    }
    let name: &'static str = Box::leak(name.into());
    names.insert(name);
    name
}

#[cfg(test)]
mod tests {
    #[test]
    fn equal_names_are_one_string() {
        let once = super::intern("a name of this test");
        let again = super::intern(&String::from("a name of this test"));
        assert!(std::ptr::eq(once, again));
    }
}
