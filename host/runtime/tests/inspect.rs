//! What may be uploaded, and what the refusal of everything else says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod common;

use common::{core_module, guest, home, home_with};
use modelyard_runtime::{Capability, Direction, Error, Kind, Misfit, Protocol, digest};

fn misfits(wat: &str) -> Vec<Misfit> {
    let component = wat::parse_str(wat).unwrap();
    match home().runtime.inspect(&component) {
        Err(Error::Misfit(misfits)) => misfits,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_that_imports_nothing_is_pure() {
    let bytes = guest("scoring");
    let found = home().runtime.inspect(&bytes).unwrap();
    assert_eq!(found.kind, Kind::Scoring);
    assert_eq!(found.contract_version, "0.1.0");
    assert_eq!(found.name.as_deref(), Some("guest-scoring"));
    assert_eq!(found.version.as_deref(), Some("0.1.0"));
    assert_eq!(found.licence.as_deref(), Some("Apache-2.0"));
    assert_eq!(found.description.as_deref(), Some("A scoring plugin that misbehaves on demand"));
    assert_eq!(found.exports, ["modelyard:lifecycle/scoring@0.1.0"]);
    assert!(found.pure && found.capabilities.is_empty());
    assert_eq!(found.component, bytes);
    assert_eq!(found.digest, digest(&bytes));
}

#[test]
fn capabilities_are_the_imports_that_have_functions() {
    let found = home().runtime.inspect(&guest("ingestion")).unwrap();
    assert_eq!(found.kind, Kind::Ingestion);
    assert_eq!(found.capabilities, [Capability::Log, Capability::Progress, Capability::Objects]);
    assert!(!found.pure);
}

#[test]
fn a_core_module_with_metadata_is_encoded_on_the_way_in() {
    let module = core_module("scoring");
    let found = home().runtime.inspect(&module).unwrap();
    assert_eq!(found.kind, Kind::Scoring);
    assert_eq!(&found.component[4..8], [0x0d, 0, 1, 0]);
    assert_eq!(found.digest, digest(&found.component));
}

#[test]
fn a_text_file_is_called_one() {
    let runtime = home().runtime;
    let error = runtime.inspect("name: flights\nschedule: daily\n".as_bytes()).unwrap_err();
    assert!(matches!(error, Error::NotWasm { .. }), "{error:?}");
    assert!(error.to_string().contains("a text file (`name: flights`)"), "{error}");
    assert!(runtime.inspect(b"").unwrap_err().to_string().contains("an empty file"));
    assert!(runtime.inspect(b"PK\x03\x04rest").unwrap_err().to_string().contains("ZIP"));
    assert!(runtime.inspect("é".repeat(600).as_bytes()).unwrap_err().to_string().contains("text file"));
    // The engine takes the text form of WebAssembly; an upload must not be it.
    let error = runtime.inspect(b"(component)").unwrap_err();
    assert!(matches!(error, Error::NotWasm { .. }), "{error:?}");
}

#[test]
fn a_truncated_component_is_refused_wherever_it_is_cut() {
    let runtime = home().runtime;
    let bytes = guest("scoring");
    for cut in [5, 8, 9, 100, bytes.len() / 2, bytes.len() - 1] {
        let error = runtime.inspect(&bytes[..cut]).unwrap_err();
        assert!(matches!(error, Error::Invalid(_) | Error::Misfit(_)), "cut at {cut}: {error:?}");
    }
    let error = runtime.inspect(&bytes[..bytes.len() / 2]).unwrap_err();
    assert!(error.to_string().contains("cut off"), "{error}");
}

#[test]
fn flipped_bytes_never_panic() {
    let runtime = home().runtime;
    let bytes = guest("features");
    for at in (8..bytes.len()).step_by(bytes.len() / 200) {
        let mut flipped = bytes.to_vec();
        flipped[at] ^= 0x55;
        // Code and names may be changed and still be valid; nothing more is asked.
        let _ = runtime.inspect(&flipped);
    }
}

#[test]
fn a_core_module_without_metadata_is_told_how_to_become_a_component() {
    let module = wat::parse_str("(module (memory 1) (func (export \"run\")))").unwrap();
    let error = home().runtime.inspect(&module).unwrap_err();
    assert!(matches!(error, Error::NoMetadata), "{error:?}");
    assert!(error.to_string().contains("plugin build"), "{error}");
}

#[test]
fn another_interface_is_named_with_the_nearest() {
    let found =
        misfits(r#"(component (instance $i) (export "modelyard:lifecycle/scorin@0.1.0" (instance $i)))"#);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].direction, Direction::Export);
    assert_eq!(found[0].name, "modelyard:lifecycle/scorin@0.1.0");
    assert_eq!(found[0].nearest.as_deref(), Some("modelyard:lifecycle/scoring@0.1.0"));
    let found = misfits(r#"(component (instance $i) (export "acme:shop/cart@1.0.0" (instance $i)))"#);
    assert!(found[0].to_string().contains("acme:shop/cart@1.0.0"));
    assert!(found[0].reason.contains("ingestion, features"), "{}", found[0]);
    let found = misfits("(component)");
    assert!(found[0].reason.contains("no kind of plugin"), "{}", found[0]);
}

#[test]
fn another_version_is_named_with_the_one_supported() {
    for version in ["0.2.0", "1.0.0", "0.1.0-rc.1"] {
        let name = format!("modelyard:lifecycle/scoring@{version}");
        let found = misfits(&format!(r#"(component (instance $i) (export "{name}" (instance $i)))"#));
        assert_eq!(found[0].name, name);
        assert!(found[0].reason.contains(version), "{}", found[0]);
        assert_eq!(found[0].nearest.as_deref(), Some("modelyard:lifecycle/scoring@0.1.0"));
    }
}

#[test]
fn an_export_of_another_shape_is_named_with_both() {
    let found =
        misfits(r#"(component (instance $i) (export "modelyard:lifecycle/function@0.1.0" (instance $i)))"#);
    assert!(found[0].reason.contains("lacks the function `describe`"), "{}", found[0]);
    let found = misfits(
        r#"(component
            (core module $m (func (export "call") (param i32) (result i32) local.get 0))
            (core instance $m (instantiate $m))
            (func $call (param "body" u32) (result u32) (canon lift (core func $m "call")))
            (instance $i (export "call" (func $call)))
            (export "modelyard:lifecycle/function@0.1.0" (instance $i)))"#,
    );
    let text = found[0].to_string();
    assert!(text.contains("`call`") && text.contains("body: u32") && text.contains("body: string"), "{text}");
}

#[test]
fn every_import_that_does_not_fit_is_named() {
    let found = misfits(
        r#"(component
            (import "acme:db/query@1.0.0" (instance (export "run" (func))))
            (import "modelyard:lifecycle/log@0.3.0" (instance (export "log" (func))))
            (import "modelyard:lifecycle/progress@0.1.0"
                (instance (export "cancelled" (func (result bool)))))
            (import "wasi:http/outgoing-handler@0.2.0" (instance (export "handle" (func))))
            (import "modelyard:lifecycle/tables@0.1.0" (instance (export "drop-all" (func))))
            (instance $i)
            (export "modelyard:lifecycle/scoring@0.1.0" (instance $i)))"#,
    );
    let reason = |name: &str| {
        let found = found.iter().find(|misfit| misfit.name.starts_with(name));
        found.unwrap_or_else(|| panic!("{name} is missing in {found:?}")).to_string()
    };
    assert!(reason("acme:db/query").contains("not an interface that the host has"));
    assert!(
        reason("modelyard:lifecycle/log").contains("nearest supported is `modelyard:lifecycle/log@0.1.0`")
    );
    assert!(reason("modelyard:lifecycle/progress").contains("not granted to scoring plugins"));
    assert!(
        reason("wasi:http/outgoing-handler").contains("not granted to scoring plugins, only to functions")
    );
    assert!(reason("modelyard:lifecycle/tables").contains("`drop-all`"));
    assert!(reason("modelyard:lifecycle/scoring").contains("lacks the function"));
    assert_eq!(found.len(), 6);
}

#[test]
fn a_handler_of_wasi_http_is_a_function() {
    let handler = |version: &str, imports: &str| {
        let wat = format!(
            r#"(component {imports} (instance $i) (export "wasi:http/incoming-handler@{version}" (instance $i)))"#
        );
        home().runtime.inspect(&wat::parse_str(wat).unwrap())
    };
    let found = handler("0.2.3", "").unwrap();
    assert_eq!((found.kind, found.protocol), (Kind::Function, Some(Protocol::Http)));
    assert_eq!(found.contract_version, "wasi:http@0.2.3");
    let outgoing = r#"(import "wasi:http/outgoing-handler@0.2.3" (instance (export "handle" (func))))"#;
    let found = handler("0.2.0", outgoing).unwrap();
    assert_eq!(found.capabilities, [Capability::Wasi("wasi:http/outgoing-handler@0.2.3".into())]);

    let refused = |found: Result<modelyard_runtime::Inspection, Error>| match found {
        Err(Error::Misfit(misfits)) => misfits[0].to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused(handler("0.3.0", "")).contains("not of WASI 0.2"));
    let store = r#"(import "wasi:keyvalue/store@0.2.0" (instance (export "open" (func))))"#;
    assert!(refused(handler("0.2.0", store)).contains("not an interface that the host has"));
    let objects = r#"(import "modelyard:lifecycle/progress@0.1.0" (instance (export "cancelled" (func (result bool)))))"#;
    assert!(refused(handler("0.2.0", objects)).contains("not granted to function plugins"));
}

#[test]
fn the_size_cap_comes_before_everything() {
    let bytes = guest("scoring");
    let home = home_with(|options| options.max_component_bytes = bytes.len() - 1);
    match home.runtime.inspect(&bytes) {
        Err(Error::TooLarge { bytes: found, cap }) => {
            assert_eq!((found, cap), (bytes.len(), bytes.len() - 1))
        }
        other => panic!("{other:?}"),
    }
    // Also before what isn't a component is looked at.
    let text = "a".repeat(bytes.len());
    assert!(matches!(home.runtime.inspect(text.as_bytes()), Err(Error::TooLarge { .. })));
    let home = home_with(|options| options.max_component_bytes = bytes.len());
    assert!(home.runtime.inspect(&bytes).is_ok());
}
