//! Makes the stubs of a client with tonic; `PROTOC` or the PATH names protoc.
use std::{env, io, path::PathBuf};

fn main() -> io::Result<()> {
    let protos = PathBuf::from(env::var("TOKFERRY_PROTOS").expect("the folder of the protos"));
    let services = ["tokferry/v1/forwarding_service.proto", "tokferry/v1/error_reason.proto"];
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .compile_protos(&services.map(|name| protos.join(name)), &[protos])
}
