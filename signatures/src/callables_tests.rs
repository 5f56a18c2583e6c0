use super::*;

#[derive(Debug, PartialEq, Clone, Copy)]
enum Expect {
    Dangerous,
    Inert,
    Stdlib,
    Unknown,
}
use Expect::{Dangerous, Inert, Stdlib, Unknown};

const CASES: &[(&str, &str, Expect)] = &[
    // Inert, by exact name, in old and new spellings.
    ("builtins", "set", Inert),
    ("__builtin__", "set", Inert),
    ("__builtin__", "long", Inert),
    ("__builtin__", "xrange", Inert),
    ("builtins", "bytearray", Inert),
    ("builtins", "type", Inert),
    ("builtins", "ValueError", Inert),
    ("exceptions", "StandardError", Inert),
    ("collections", "OrderedDict", Inert),
    ("collections", "defaultdict", Inert),
    ("_codecs", "encode", Inert),
    ("copy_reg", "_reconstructor", Inert),
    ("copyreg", "_reconstructor", Inert),
    ("numpy.core.multiarray", "_reconstruct", Inert),
    ("numpy._core.multiarray", "_reconstruct", Inert),
    ("numpy._core.multiarray", "scalar", Inert),
    ("numpy._core.numeric", "_frombuffer", Inert),
    ("numpy", "dtype", Inert),
    ("numpy.dtypes", "Float32DType", Inert),
    ("numpy.random._pickle", "__randomstate_ctor", Inert),
    ("torch._utils", "_rebuild_tensor_v2", Inert),
    ("torch._utils", "_rebuild_parameter", Inert),
    ("torch", "BFloat16Storage", Inert),
    ("torch", "bfloat16", Inert),
    ("torch", "Size", Inert),
    ("torch.nn.parameter", "Parameter", Inert),
    ("datetime", "datetime", Inert),
    ("decimal", "Decimal", Inert),
    ("uuid", "UUID", Inert),
    ("pathlib", "PurePosixPath", Inert),
    ("pathlib._local", "PosixPath", Inert),
    ("re", "_compile", Inert),
    ("types", "SimpleNamespace", Inert),
    // Dangerous, by name or by module.
    ("builtins", "eval", Dangerous),
    ("__builtin__", "eval", Dangerous),
    ("__builtin__", "apply", Dangerous),
    ("builtins", "exec", Dangerous),
    ("builtins", "getattr", Dangerous),
    ("builtins", "__import__", Dangerous),
    ("builtins", "map", Dangerous),
    ("os", "system", Dangerous),
    ("posix", "system", Dangerous),
    ("nt", "spawnv", Dangerous),
    ("os.path", "join", Dangerous),
    ("os", "path.os.system", Dangerous),
    ("subprocess", "Popen", Dangerous),
    ("commands", "getoutput", Dangerous),
    ("importlib", "import_module", Dangerous),
    ("importlib.util", "find_spec", Dangerous),
    ("pkgutil", "resolve_name", Dangerous),
    ("operator", "attrgetter", Dangerous),
    ("_operator", "methodcaller", Dangerous),
    ("functools", "partial", Dangerous),
    ("types", "CodeType", Dangerous),
    ("types", "FrameType.f_globals.__get__", Dangerous),
    ("marshal", "loads", Dangerous),
    ("cPickle", "loads", Dangerous),
    ("_pickle", "Unpickler", Dangerous),
    ("pip._internal.cli.main", "main", Dangerous),
    ("idlelib.run", "Executive.runcode", Dangerous),
    ("lib2to3.pgen2.grammar", "Grammar.loads", Dangerous),
    ("asyncio.unix_events", "_UnixSubprocessTransport._start", Dangerous),
    ("cProfile", "runctx", Dangerous),
    ("ctypes", "CDLL", Dangerous),
    ("urllib2", "urlopen", Dangerous),
    ("urllib", "urlopen", Dangerous),
    ("uuid", "_get_command_stdout", Dangerous),
    ("_io", "FileIO", Dangerous),
    ("pathlib", "Path.write_text", Dangerous),
    ("logging.config", "dictConfig", Dangerous),
    ("copyreg", "add_extension", Dangerous),
    ("threading", "Thread", Dangerous),
    ("numpy.f2py.crackfortran", "getlincoef", Dangerous),
    ("numpy.testing._private.utils", "runstring", Dangerous),
    ("numpy", "load", Dangerous),
    ("torch", "load", Dangerous),
    ("torch.hub", "load", Dangerous),
    ("torch.utils.bottleneck.__main__", "run_cprofile", Dangerous),
    (
        "torch.fx.experimental.symbolic_shapes",
        "ShapeEnv.evaluate_guards_expression",
        Dangerous,
    ),
    ("torch._dynamo.guards", "GuardBuilder.get", Dangerous),
    ("joblib", "load", Dangerous),
    ("pandas", "read_pickle", Dangerous),
    ("dill._dill", "_create_code", Dangerous),
    ("six.moves.builtins", "eval", Dangerous),
    ("jinja2.environment", "Template", Dangerous),
    // Reached through another module.
    ("torch", "os.system", Dangerous),
    ("torch", "_os.system", Dangerous),
    ("torch", "os", Dangerous),
    ("numpy", "random._os.system", Dangerous),
    ("random", "_os.system", Dangerous),
    ("random", "_os", Dangerous),
    ("collections", "_sys.modules", Dangerous),
    ("numpy", "core._internal.sys.modules", Dangerous),
    ("torch", "serialization.pickle.loads", Dangerous),
    ("numpy", "__builtins__", Dangerous),
    ("numpy", "__builtin__.eval", Dangerous),
    ("collections", "OrderedDict.__init__.__globals__", Dangerous),
    ("somebody.models", "os.system", Dangerous),
    ("somebody.models", "Net.forward.__globals__", Dangerous),
    ("builtins", "eval.__call__", Dangerous),
    ("nltk.data", "load", Dangerous),
    ("gensim.utils", "unpickle", Dangerous),
    ("weakref", "finalize", Dangerous),
    ("theano.compile.function_module", "_constructor_Function", Dangerous),
    // Near-misses: inert names are exact, and no dangerous name is guessed.
    ("builtins", "Set", Stdlib),
    ("builtins", "set.union", Stdlib),
    ("builtins", "dict.get", Stdlib),
    ("builtins", "print", Stdlib),
    ("builtins", "", Stdlib),
    ("collections", "OrderedDict.fromkeys", Stdlib),
    ("collections.abc", "OrderedDict", Stdlib),
    ("collections", "namedtuple", Stdlib),
    ("operator", "itemgetter", Stdlib),
    ("posixpath", "join", Stdlib),
    ("pickle", "PickleError", Stdlib),
    ("urllib.parse", "ParseResult", Inert),
    ("urlparse", "ParseResult", Inert),
    ("copyreg", "__newobj__", Stdlib),
    ("pathlib", "PosixPath.exists", Stdlib),
    ("threading", "Lock", Stdlib),
    ("macpath", "join", Stdlib),
    ("annotationlibs", "x", Unknown),
    ("numpy", "_reconstruct", Unknown),
    ("numpy", "core.multiarray._reconstruct", Unknown),
    ("numpy", "trace", Unknown),
    ("torch", "select", Unknown),
    ("torch.storage", "_load_from_bytes", Unknown),
    ("torch.nn.modules.linear", "Linear", Unknown),
    ("torch.floatstorage", "FloatStorage", Unknown),
    ("Torch", "FloatStorage", Unknown),
    ("os_utils", "system", Unknown),
    ("osx", "system", Unknown),
    ("mypkg.os", "helpers", Unknown),
    ("mypkg.code", "Encoder", Unknown),
    ("mypkg", "code", Unknown),
    ("mypkg", "evaluate", Unknown),
    ("torch_utils", "load", Unknown),
    (
        "sentence_transformers.SentenceTransformer",
        "SentenceTransformer",
        Unknown,
    ),
    ("nltk.tokenize.punkt", "PunktSentenceTokenizer", Unknown),
    ("numpy", "wave", Unknown),
    ("inspect", "Signature", Inert),
    ("optparse", "Values", Inert),
    ("sklearn.tree._tree", "Tree", Inert),
    ("pandas.core.indexes.base", "_new_Index", Inert),
    ("sklearn.linear_model._base", "LinearRegression", Unknown),
    ("__main__", "Net", Unknown),
    ("", "", Unknown),
    ("", "system", Unknown),
    ("builtins\0", "set", Unknown),
];

#[test]
fn callables_are_classified() {
    let lists = callables();
    for (module, name, expected) in CASES {
        let found = match lists.classify(module, name) {
            Classification::Dangerous { reason, .. } => {
                assert!(!reason.is_empty());
                Dangerous
            }
            Classification::Inert => Inert,
            Classification::UnknownStdlib => Stdlib,
            Classification::Unknown => Unknown,
        };
        assert_eq!(found, *expected, "{module:?} {name:?}");
    }
}

#[test]
fn every_dangerous_group_is_reached_and_explains_itself() {
    let lists = callables();
    for path in lists.dangerous.keys() {
        let (module, name) = path.rsplit_once('.').unwrap_or((path, "anything"));
        assert!(
            matches!(lists.classify(module, name), Classification::Dangerous { .. }),
            "{path}"
        );
    }
    for attribute in lists.attributes.keys() {
        let found = lists.classify("collections", &format!("OrderedDict.{attribute}"));
        assert!(matches!(found, Classification::Dangerous { .. }), "{attribute}");
    }
    let Classification::Dangerous { reason, references } = lists.classify("os", "system") else {
        panic!("not dangerous")
    };
    assert!(reason.contains("programs") && references.contains(&"CWE-78".to_owned()));
}

#[test]
fn inert_entries_say_which_arguments_they_call() {
    let lists = callables();
    let calls = |module, name| lists.inert(module, name).map(|entry| entry.calls.clone());
    assert_eq!(calls("numpy.random._pickle", "__randomstate_ctor"), Some(vec![1]));
    assert_eq!(calls("copy_reg", "_reconstructor"), Some(vec![1]));
    let entry = |module, name| lists.inert(module, name).unwrap();
    assert_eq!(entry("copy_reg", "_reconstructor").constructs, [0]);
    assert_eq!(entry("collections", "defaultdict").keeps, [0]);
    assert_eq!(entry("numpy.core.memmap", "memmap").max_arguments, Some(0));
    let word = entry("_codecs", "encode").word.as_ref().unwrap();
    assert!(word.at == 1 && word.of.contains(&"latin1".to_owned()));
    assert_eq!(calls("collections", "OrderedDict"), Some(vec![]));
    assert_eq!(calls("os", "system"), None);
    assert_eq!(
        lists.inert("builtins", "type").and_then(|entry| entry.max_arguments),
        Some(1)
    );
}

#[test]
fn every_alias_leads_to_a_standard_library_module_and_is_not_listed_itself() {
    let lists = callables();
    assert!(lists.version() >= 1);
    for (old, new) in &lists.aliases {
        assert!(lists.is_stdlib(new), "{new}");
        assert!(!lists.aliases.contains_key(new), "{new} is an alias again");
        assert!(
            !lists.inert.contains_key(old) && !lists.dangerous.contains_key(old),
            "{old}"
        );
    }
    for name in &lists.ambiguous {
        assert!(
            lists.dangerous.contains_key(name),
            "{name} is not dangerous, so not ambiguous"
        );
    }
}

#[test]
fn long_and_odd_names_are_answered_quickly() {
    let dots = ".".repeat(1_000_000);
    assert_eq!(callables().classify("numpy", &dots), Classification::Unknown);
    let deep = format!("{}os.system", "a.".repeat(500_000));
    assert!(matches!(
        callables().classify("numpy", &deep),
        Classification::Dangerous { .. }
    ));
}

#[test]
fn contradictory_or_broken_lists_are_refused() {
    let stdlib = "version = 1\npython3 = []\npython2 = []\n";
    let head = "version = 1\nambiguous = []\n[aliases]\n";
    let inert = "[[inert]]\nmodules = ['m']\nnames = ['f']\n";
    let dangerous = "[[dangerous]]\nreason = 'r'\nmodules = ['m']\nnames = ['f']\n";
    let other = dangerous.replace('f', "g");
    let check = |parts: &[&str], expected: &str| {
        let error = Callables::parse(&parts.concat(), stdlib).unwrap_err().to_string();
        assert_eq!(error, format!("pickle-callables.toml:{expected}"));
    };
    check(&[head, inert, dangerous], " m.f is listed as inert and as dangerous");
    check(&[head, inert, inert, &other], " m.f is listed as inert twice");
    check(&[head, inert, &other, &other], " m.g is listed as dangerous twice");
    check(
        &[head, &inert.replace("'f'", "'*'"), &other],
        " m.*: only single names can be inert",
    );
    check(
        &[head, inert, "[[dangerous]]\nreason = 'r'\nmodules = ['m']\n"],
        " group \"r\" has modules without names or names without modules",
    );
    check(
        &[head, inert, &other.replace("'r'", "''")],
        " a dangerous group has no reason",
    );
    check(
        &[head, "[[inert]]\nmodules = ['m']\nname = ['f']\n"],
        "6: unknown field `name`, expected one of `modules`, `names`, `calls`, `constructs`, `keeps`, `word`, `max_arguments`, `note`",
    );
    assert!(Callables::parse(&[head, inert, &other].concat(), stdlib).is_ok());
}
