//! Writes the code of the gRPC services from `host/server/proto` into the server's
//! sources, with the digest of the file that each comes from: a test of the server
//! compares that.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Each file, and the package in it.
const FILES: [(&str, &str); 2] = [("inference.proto", "inference"), ("health.proto", "grpc.health.v1")];

fn main() -> Result<()> {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../host/server");
    let (from, into) = (server.join("proto"), server.join("src/inference/grpc/generated"));
    let files = protox::compile(FILES.map(|(file, _)| file), [&from])?;
    tonic_prost_build::configure()
        .build_client(false)
        .build_transport(false)
        // Tensors are slices of the message that they came in.
        .bytes(".")
        .btree_map(".")
        .emit_rerun_if_changed(false)
        .out_dir(&into)
        .compile_fds(files)?;
    for (file, package) in FILES {
        let digest = hex::encode(Sha256::digest(fs::read(from.join(file))?));
        let code = into.join(format!("{package}.rs"));
        let text = fs::read_to_string(&code).with_context(|| code.display().to_string())?;
        fs::write(&code, format!("// From proto/{file}, sha256 {digest}.\n{text}"))?;
        println!("{}", code.display());
    }
    Ok(())
}
