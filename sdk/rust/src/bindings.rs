//! Generated from `wit/`: the host's interfaces and every shared type once,
//! then one world for each kind of plugin, sharing them.
//!
//! A world's export macro carries the custom section that says what a component
//! exports, so a plugin exports only the kinds that it names in
//! [`export!`](crate::export).
#![allow(missing_docs, unreachable_pub, unused_imports, dead_code, clippy::all)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod host {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package modelyard:sdk;
            world host {
                import modelyard:lifecycle/types@0.1.0;
                import modelyard:lifecycle/log@0.1.0;
                import modelyard:lifecycle/progress@0.1.0;
                import modelyard:lifecycle/objects@0.1.0;
                import modelyard:lifecycle/tables@0.1.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
    });
}

/// One module per world. `with` holds just the interfaces that the world uses:
/// the generator refuses a mapping that it does not need.
macro_rules! world {
    ($module:ident, $world:literal, [$($interface:literal => $path:ident),*]) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../../wit",
                world: $world,
                with: {
                    $($interface: crate::bindings::host::modelyard::lifecycle::$path,)*
                },
                generate_unused_types: true,
                pub_export_macro: true,
                additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
            });
        }
    };
}

world!(ingestion, "ingestion-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log,
    "modelyard:lifecycle/progress@0.1.0" => progress,
    "modelyard:lifecycle/objects@0.1.0" => objects
]);
world!(features, "features-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log,
    "modelyard:lifecycle/progress@0.1.0" => progress,
    "modelyard:lifecycle/tables@0.1.0" => tables
]);
world!(selection, "selection-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log,
    "modelyard:lifecycle/progress@0.1.0" => progress,
    "modelyard:lifecycle/tables@0.1.0" => tables
]);
world!(training, "training-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log,
    "modelyard:lifecycle/progress@0.1.0" => progress,
    "modelyard:lifecycle/tables@0.1.0" => tables
]);
world!(evaluation, "evaluation-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log,
    "modelyard:lifecycle/progress@0.1.0" => progress,
    "modelyard:lifecycle/tables@0.1.0" => tables
]);
world!(scoring, "scoring-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types
]);
world!(function, "function-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log
]);
world!(monitoring, "monitoring-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log,
    "modelyard:lifecycle/progress@0.1.0" => progress,
    "modelyard:lifecycle/tables@0.1.0" => tables
]);
world!(feedback, "feedback-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log
]);
world!(governance, "governance-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log
]);
world!(documentation, "documentation-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log
]);
world!(retirement, "retirement-plugin", [
    "modelyard:lifecycle/types@0.1.0" => types,
    "modelyard:lifecycle/log@0.1.0" => log
]);

pub use host::modelyard::lifecycle::tables::Reader;
