//! The compiling child as a program of its own; see
//! [`modelyard_runtime::worker_main`].

fn main() -> std::process::ExitCode {
    modelyard_runtime::worker_main(std::env::args().skip(1))
}
