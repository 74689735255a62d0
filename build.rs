//! Builds again when a helper is added to `lib-lua/` or taken away: what is embedded is known to cargo file by file only.

fn main() {
    println!("cargo::rerun-if-changed=lib-lua");
}
