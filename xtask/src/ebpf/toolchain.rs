//! The compilers that can build for BPF: a distribution's with a ready `core`, else a nightly that builds its own.
//!
//! Debian's `rustc-web` with `libstd-rust-web-dev-bpf` is asked first, since it is pinned by the distribution and needs
//! nothing from the network. The linker takes its LLVM from the rustup toolchain that runs this task.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::FLAGS;
use crate::run::{Cmd, root};
use crate::tools;

/// The compilation target: BPF, little-endian.
pub(super) const TARGET: &str = "bpfel-unknown-none";

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_PACKAGES: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];

/// Keeps the repository's place on the disk out of the object's symbols.
const RUSTC_WRAPPER: &str = "xtask/src/ebpf/rustc-by-name";

/// A compiler for BPF.
pub(super) enum Toolchain {
    /// The distribution's, whose sysroot holds `core` for [`TARGET`].
    Debian { sysroot: PathBuf },
    /// A rustup nightly with the sources of `core`.
    Nightly { sysroot: PathBuf },
}

/// The toolchain to use, installed where it can be.
///
/// # Errors
///
/// When there is none and this user cannot install one; the message says what to install.
pub(super) fn get() -> Result<Toolchain> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let how = "or a nightly with its sources: rustup toolchain install nightly --component rust-src";
    tools::apt_install(&DEBIAN_PACKAGES).with_context(|| format!("no toolchain for {TARGET} ({how})"))?;
    find().with_context(|| {
        format!(
            "{} came without a core for {TARGET} ({how})",
            DEBIAN_PACKAGES.join(" and ")
        )
    })
}

fn find() -> Option<Toolchain> {
    debian().or_else(nightly)
}

fn debian() -> Option<Toolchain> {
    let sysroot = sysroot_of(Path::new(DEBIAN_RUSTC)).ok()?;
    let has_core = sysroot.join("lib/rustlib").join(TARGET).is_dir();
    has_core.then_some(Toolchain::Debian { sysroot })
}

fn nightly() -> Option<Toolchain> {
    let listed = Cmd::new("rustup").quiet().args(["toolchain", "list"]).read().ok()?;
    let names = listed.lines().filter_map(|line| line.split_whitespace().next());
    names
        .filter(|name| name.starts_with("nightly"))
        .filter_map(|name| {
            let rustc = Cmd::new("rustup")
                .quiet()
                .args(["which", "--toolchain", name, "rustc"])
                .read()
                .ok()?;
            sysroot_of(Path::new(rustc.trim())).ok()
        })
        .find(|sysroot| sysroot.join("lib/rustlib/src/rust/library/core").is_dir())
        .map(|sysroot| Toolchain::Nightly { sysroot })
}

/// The compiler beside the cargo that runs this task.
fn own_rustc() -> PathBuf {
    let beside = std::env::var_os("CARGO").map(|cargo| PathBuf::from(cargo).with_file_name("rustc"));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| "rustc".into())
}

fn sysroot_of(rustc: &Path) -> Result<PathBuf> {
    let text = Cmd::new(rustc).quiet().args(["--print", "sysroot"]).read()?;
    Ok(PathBuf::from(text.trim()))
}

impl Toolchain {
    /// cargo, set to compile with this toolchain and to link with `linker`.
    pub(super) fn cargo(&self, linker: &Path) -> Result<Cmd> {
        let mut flags: Vec<String> = FLAGS.map(str::to_owned).to_vec();
        for (from, to) in self.remapped()? {
            flags.push(format!("--remap-path-prefix={}={to}", from.display()));
        }
        let beside = linker.parent().context("the linker has no folder")?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(beside.to_path_buf()).chain(std::env::split_paths(&path)))?;
        let cargo = match self {
            Self::Debian { .. } => Cmd::cargo(),
            Self::Nightly { sysroot } => Cmd::new(sysroot.join("bin/cargo")).args(["-Zbuild-std=core"]),
        };
        Ok(cargo
            .env("RUSTC", self.rustc())
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTC_WRAPPER", root().join(RUSTC_WRAPPER))
            .env("PATH", path)
            .env("LD_LIBRARY_PATH", self.linker_lib()?)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}")))
    }

    /// `rustc -V`.
    pub(super) fn version(&self) -> Result<String> {
        tools::version(&self.rustc())
    }

    /// The version of the LLVM in [`Self::linker_lib`], as its toolchain tells it.
    pub(super) fn linker_llvm(&self) -> Result<String> {
        let lib = self.linker_lib()?;
        let rustc = lib.with_file_name("bin").join("rustc");
        let text = Cmd::new(rustc).quiet().arg("-vV").read()?;
        let line = text.lines().find_map(|line| line.strip_prefix("LLVM version: "));
        Ok(line.context("rustc -vV names no LLVM")?.to_owned())
    }

    fn rustc(&self) -> PathBuf {
        match self {
            Self::Debian { .. } => DEBIAN_RUSTC.into(),
            Self::Nightly { sysroot } => sysroot.join("bin/rustc"),
        }
    }

    /// The folder with the `libLLVM` the linker opens: the nightly's, else that of the toolchain that runs this task.
    fn linker_lib(&self) -> Result<PathBuf> {
        let lib = match self {
            Self::Debian { .. } => sysroot_of(&own_rustc())?.join("lib"),
            Self::Nightly { sysroot } => sysroot.join("lib"),
        };
        let mut names = fs::read_dir(&lib)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        if !names.any(|name| name.starts_with("libLLVM")) {
            bail!("no libLLVM in {}: bpf-linker needs a rustup toolchain", lib.display());
        }
        Ok(lib)
    }

    /// The folders that differ between machines, and the names that stand for them in the object.
    fn remapped(&self) -> Result<Vec<(PathBuf, String)>> {
        let (Self::Debian { sysroot } | Self::Nightly { sysroot }) = self;
        let mut out = vec![
            (root(), "probity".to_owned()),
            (sysroot.join("lib/rustlib/src/rust"), "rust".to_owned()),
        ];
        let home = match std::env::var_os("CARGO_HOME") {
            Some(home) => PathBuf::from(home),
            None => std::env::home_dir().context("no home directory")?.join(".cargo"),
        };
        // A folder here is named after the registry it mirrors.
        if let Ok(registries) = fs::read_dir(home.join("registry/src")) {
            for registry in registries {
                out.push((registry?.path(), "crates".to_owned()));
            }
        }
        out.sort();
        Ok(out)
    }
}
