//! The `rekomi` binary.

use std::process::ExitCode;

use clap::Parser;
use rekomi::cli::{Cli, run};

fn main() -> ExitCode {
    rekomi::install_crypto();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("rekomi: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rekomi: {error}");
            ExitCode::FAILURE
        }
    }
}
