//! The offsets that the programs need, from this kernel's BTF, and which of them it does not have.

use probity_abi::offsets::{NONE, Offsets};

use super::btf::Types;

/// Fields that some supported kernel lacks and the programs do without.
const OPTIONAL: &[&str] = &[
    "file_count",
    "file_ref",
    "mount_instance",
    "mount_next_for_sb",
    "task_status",
];

/// Resolves every offset. The second value names what is missing though no program can do without it.
#[must_use]
pub fn resolve(types: &Types) -> (Offsets, Vec<String>) {
    let mut missing = Vec::new();
    let offsets = Offsets::resolve(|structure, path| {
        let found = types.offset(structure, path);
        let field = Offsets::SOURCES
            .iter()
            .find(|(_, of, at)| *of == structure && *at == path)
            .map(|(field, _, _)| *field);
        if found.is_none() && field.is_none_or(|field| !OPTIONAL.contains(&field)) {
            missing.push(format!("{structure}.{path}"));
        }
        found
    });
    if offsets.mount_instance == NONE && offsets.mount_next_for_sb == NONE {
        missing.push("mount.mnt_instance".to_owned());
    }
    (offsets, missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_kernel_has_every_field() {
        let Ok(types) = Types::running() else {
            eprintln!("probity-skip: this kernel shows no BTF");
            return;
        };
        let (offsets, missing) = resolve(&types);
        assert_eq!(missing, Vec::<String>::new());
        assert_ne!(offsets.task_files, 0);
        assert_eq!(offsets.path_dentry, 8);
    }
}
