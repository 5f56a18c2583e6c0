//! Which callables act on the world when they are called.

use super::ActKind;
use aho_corasick::AhoCorasick;
use std::sync::LazyLock;

const PROCESS: &[&str] = &[
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
    "commands.getoutput",
    "commands.getstatusoutput",
    "nt.system",
    "os.execl",
    "os.execle",
    "os.execlp",
    "os.execlpe",
    "os.execv",
    "os.execve",
    "os.execvp",
    "os.execvpe",
    "os.popen",
    "os.posix_spawn",
    "os.posix_spawnp",
    "os.spawnl",
    "os.spawnle",
    "os.spawnlp",
    "os.spawnlpe",
    "os.spawnv",
    "os.spawnve",
    "os.spawnvp",
    "os.spawnvpe",
    "os.startfile",
    "os.system",
    "pip._internal.main",
    "pip.main",
    "platform.popen",
    "popen2.popen2",
    "posix.popen",
    "posix.system",
    "pty.spawn",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "subprocess.run",
];

const NETWORK: &[&str] = &[
    "ftplib.FTP",
    "http.client.HTTPConnection",
    "http.client.HTTPSConnection",
    "httplib.HTTPConnection",
    "httplib.HTTPSConnection",
    "httpx.delete",
    "httpx.get",
    "httpx.head",
    "httpx.patch",
    "httpx.post",
    "httpx.put",
    "httpx.request",
    "httpx.stream",
    "paramiko.SSHClient",
    "requests.delete",
    "requests.get",
    "requests.head",
    "requests.patch",
    "requests.post",
    "requests.put",
    "requests.request",
    "smtplib.SMTP",
    "smtplib.SMTP_SSL",
    "socket.create_connection",
    "socket.create_server",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "socket.socket",
    "torch.hub.load",
    "urllib.request.urlopen",
    "urllib.request.urlretrieve",
    "urllib.urlopen",
    "urllib.urlretrieve",
    "urllib2.urlopen",
    "webbrowser.open",
    "wget.download",
    "xmlrpc.client.ServerProxy",
];

const DYNAMIC: &[&str] = &[
    "_pickle.loads",
    "cloudpickle.loads",
    "ctypes.CDLL",
    "ctypes.PyDLL",
    "ctypes.cdll.LoadLibrary",
    "dill.loads",
    "eval",
    "exec",
    "execfile",
    "marshal.loads",
    "pickle.loads",
    "runpy.run_module",
    "runpy.run_path",
    "types.CodeType",
    "types.FunctionType",
];

const DECODES: &[&str] = &[
    "base64.a85decode",
    "base64.b16decode",
    "base64.b32decode",
    "base64.b64decode",
    "base64.b85decode",
    "base64.decodebytes",
    "base64.urlsafe_b64decode",
    "binascii.a2b_base64",
    "binascii.a2b_hex",
    "binascii.unhexlify",
    "bytearray.fromhex",
    "bytes.fromhex",
    "bz2.decompress",
    "codecs.decode",
    "gzip.decompress",
    "lzma.decompress",
    "marshal.loads",
    "zlib.decompress",
];

/// What calling `name` does.
pub(super) fn kind(name: &str) -> Option<ActKind> {
    let held = |table: &[&str]| table.binary_search(&name).is_ok();
    if held(PROCESS) {
        Some(ActKind::Process)
    } else if held(NETWORK) {
        Some(ActKind::Network)
    } else if held(DYNAMIC) {
        Some(ActKind::Dynamic)
    } else {
        None
    }
}

/// Whether calling `name` turns hidden text into text.
pub(super) fn decodes(name: &str) -> bool {
    DECODES.binary_search(&name).is_ok()
}

/// The names of the tables that `from module import *` would bring.
pub(super) fn names_of(module: &str) -> impl Iterator<Item = &'static str> {
    let tables = [PROCESS, NETWORK, DYNAMIC, DECODES];
    let module = module.to_owned();
    tables.into_iter().flatten().filter_map(move |full| {
        let (home, name) = full.rsplit_once('.')?;
        (home == module).then_some(name)
    })
}

/// Whether a source may act at all: no other holds one of these. Letters that Python only normalises to these are not
/// ASCII, and neither is a source that hides behind another encoding plain.
pub(super) fn may_act(text: &[u8]) -> bool {
    static NEEDLES: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
        AhoCorasick::new([
            "system",
            "popen",
            "Popen",
            "exec",
            "spawn",
            "startfile",
            "subprocess",
            "pip",
            "urlopen",
            "urlretrieve",
            "requests",
            "httpx",
            "HTTP",
            "socket",
            "FTP",
            "SMTP",
            "SSHClient",
            "ServerProxy",
            "hub",
            "wget",
            "eval",
            "__import__",
            "import_module",
            "marshal",
            "loads",
            "runpy",
            "CodeType",
            "FunctionType",
            "getoutput",
            "getstatusoutput",
            "coding",
            "ctypes",
            "webbrowser",
        ])
        .ok()
    });
    !text.is_ascii() || NEEDLES.as_ref().is_none_or(|needles| needles.is_match(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted() {
        for table in [PROCESS, NETWORK, DYNAMIC, DECODES] {
            assert!(table.is_sorted(), "{table:?}");
        }
    }

    #[test]
    fn no_callable_escapes_the_first_look() {
        for name in [PROCESS, NETWORK, DYNAMIC].into_iter().flatten() {
            assert!(may_act(name.as_bytes()), "{name}");
        }
    }
}
