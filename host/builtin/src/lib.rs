//! The built-in plugins, embedded in the binary: an installed program needs no
//! source tree.
//!
//! The build script compiles every crate of `plugins/` that has an `export!` line
//! to a component and lists it here.

/// A built-in plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Builtin {
    /// Its crate's name: `<kind>-<what>`.
    pub name: &'static str,
    /// Its crate's version.
    pub version: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

impl Builtin {
    /// The kind of plugin that the name says: `scoring` for `scoring-gbdt`. A
    /// plugin may export more kinds than that one.
    pub fn kind(&self) -> &'static str {
        self.name.split('-').next().unwrap_or(self.name)
    }
}

include!(concat!(env!("OUT_DIR"), "/table.rs"));

/// Every built-in plugin, sorted by name.
pub fn all() -> &'static [Builtin] {
    ALL
}

/// The built-in plugin of a name.
pub fn get(name: &str) -> Option<&'static Builtin> {
    ALL.iter().find(|builtin| builtin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use modelyard_build::component::summary;

    #[test]
    fn every_plugin_is_a_component_of_its_kind() {
        assert!(!all().is_empty());
        assert!(all().is_sorted_by_key(|builtin| builtin.name));
        for builtin in all() {
            let found = summary(builtin.bytes).unwrap();
            assert_eq!(found.metadata.name.as_deref(), Some(builtin.name));
            assert_eq!(found.metadata.version.as_deref(), Some(builtin.version));
            // Feature selection is a kind of its own under the stage's name.
            let of_stage = |name: &str| {
                name.contains(&format!("/{}@", builtin.kind()))
                    || (builtin.kind() == "features" && name.contains("/selection@"))
            };
            assert!(
                found.exports.iter().any(|item| of_stage(&item.name)),
                "{}: {:?}",
                builtin.name,
                found.exports
            );
            assert_eq!(get(builtin.name), Some(builtin));
        }
    }

    #[test]
    fn models_are_pure() {
        for builtin in all().iter().filter(|builtin| builtin.kind() == "scoring") {
            let found = summary(builtin.bytes).unwrap();
            assert_eq!(found.capabilities().count(), 0, "{}", builtin.name);
        }
    }

    #[test]
    fn an_unknown_name_is_none() {
        assert_eq!(get("scoring-nothing"), None);
    }
}
