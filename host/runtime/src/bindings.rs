//! What `bindgen!` makes of the contract: one set of types for every kind.
//!
//! The world below exists only here. It imports and exports everything, so
//! that all kinds share one Rust type per WIT type; a component is never held
//! to it. Each kind's calls go through that kind's own `GuestIndices`.
#![allow(missing_docs, unreachable_pub, clippy::all, clippy::indexing_slicing, clippy::unwrap_used)]

wasmtime::component::bindgen!({
    inline: "
        package modelyard:host;
        world everything {
            import modelyard:lifecycle/log@0.1.0;
            import modelyard:lifecycle/progress@0.1.0;
            import modelyard:lifecycle/objects@0.1.0;
            import modelyard:lifecycle/tables@0.1.0;
            export modelyard:lifecycle/ingestion@0.1.0;
            export modelyard:lifecycle/features@0.1.0;
            export modelyard:lifecycle/selection@0.1.0;
            export modelyard:lifecycle/training@0.1.0;
            export modelyard:lifecycle/evaluation@0.1.0;
            export modelyard:lifecycle/scoring@0.1.0;
            export modelyard:lifecycle/function@0.1.0;
            export modelyard:lifecycle/monitoring@0.1.0;
            export modelyard:lifecycle/feedback@0.1.0;
            export modelyard:lifecycle/governance@0.1.0;
            export modelyard:lifecycle/documentation@0.1.0;
            export modelyard:lifecycle/retirement@0.1.0;
        }
    ",
    path: "../../wit",
    world: "modelyard:host/everything",
    imports: {
        "modelyard:lifecycle/objects.open": async | trappable,
        "modelyard:lifecycle/objects.[method]object.read": async | trappable,
        "modelyard:lifecycle/tables.[method]reader.next": async | trappable,
        "modelyard:lifecycle/tables.[method]reader.rewind": async | trappable,
        default: trappable,
    },
    exports: { default: async },
    with: {
        "modelyard:lifecycle/objects.object": crate::host::OpenObject,
        "modelyard:lifecycle/tables.reader": crate::host::OpenReader,
    },
    additional_derives: [PartialEq, serde::Serialize, serde::Deserialize],
});
