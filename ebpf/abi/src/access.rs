//! What an act needs: one bit each, as the table "What an act needs" of the declared set says.

/// Opening for reading, reading or mapping through a descriptor that was inherited or received.
pub const READ: u8 = 1 << 0;
/// Opening for writing, writing, truncating, a shared writable map.
pub const WRITE: u8 = 1 << 1;
/// A name that comes to be: creat, mkdir, mknod, symlink, the new name of a link or a rename.
pub const CREATE: u8 = 1 << 2;
/// A name that ceases to be: unlink, rmdir, the old name of a rename.
pub const DELETE: u8 = 1 << 3;
/// chmod, chown, setxattr, utime.
pub const METADATA: u8 = 1 << 4;
/// A map with PROT_EXEC.
pub const MAP: u8 = 1 << 5;
/// execve, in any form: an `[[exec]]` rule.
pub const EXEC: u8 = 1 << 6;
/// Connecting or sending to a unix socket that has a path: a `[[unix]]` rule.
pub const UNIX: u8 = 1 << 7;

/// How many bits there are.
pub const BITS: usize = 8;
/// The word of each bit, lowest first, as declared sets and events write it.
pub const WORDS: [&str; BITS] = ["read", "write", "create", "delete", "metadata", "map", "exec", "unix"];
