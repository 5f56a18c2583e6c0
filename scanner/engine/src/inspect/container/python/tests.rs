use super::*;

#[track_caller]
fn check(source: &str, expected: &[(&str, ActKind, u32)]) {
    let found = acts(source.as_bytes());
    let found = found.iter().filter(|a| !a.deferred);
    let found: Vec<(&str, ActKind, u32)> = found.map(|a| (&*a.call, a.kind, a.line)).collect();
    assert_eq!(found, expected, "{source}");
}

const SYSTEM: &[(&str, ActKind, u32)] = &[("os.system", ActKind::Process, 2)];

#[test]
fn what_runs_at_import_is_told_from_what_is_only_defined() {
    use ActKind::{Decoded, Dynamic, Network, Process};
    check("import os\nos.system('true')\n", SYSTEM);
    check("import os as o\no.system('true')\n", SYSTEM);
    check("from os import system as s\ns('true')\n", SYSTEM);
    check(
        "from os import (system,\n popen)\npopen('true')\n",
        &[("os.popen", Process, 3)],
    );
    check("from os import *\nsystem('true')\n", SYSTEM);
    check(
        "import os\nif 1:\n    os.system('true')\n",
        &[("os.system", Process, 3)],
    );
    check(
        "import os\nclass A:\n    os.system('true')\n",
        &[("os.system", Process, 3)],
    );
    check("import os\ndef f():\n    os.system('true')\n", &[]);
    check("import os\ndef f(): os.system('true')\n", &[]);
    check("import os\ndef f(a=os.system('true')): pass\n", SYSTEM);
    check(
        "import os\ndef f():\n  os.system('true')\nf()\n",
        &[("os.system", Process, 3)],
    );
    check(
        "import os\ndef g():\n  os.system('true')\ndef f():\n  g()\nf()\n",
        &[("os.system", Process, 3)],
    );
    check("f()\nimport os\n", &[]);
    check(
        "import os\nclass A:\n  def __init__(self):\n    os.system('true')\nA()\n",
        &[("os.system", Process, 4)],
    );
    check(
        "import os\nclass A:\n  def run(self):\n    os.system('true')\nA()\n",
        &[],
    );
    check("import os\nif __name__ == '__main__':\n  os.system('true')\n", &[]);
    check(
        "import os\nif __name__ == '__main__' or 1:\n  os.system('true')\n",
        &[("os.system", Process, 3)],
    );
    check(
        "import os\nif __name__ == '__main__': pass\nelse: os.system('true')\n",
        &[("os.system", Process, 3)],
    );
    check(
        "import os\nif os.name and __name__ == '__main__':\n  os.system('true')\n",
        &[],
    );
    check(
        "import os\nif 1 or 2 and __name__ == '__main__':\n  os.system(1)\n",
        &[("os.system", Process, 3)],
    );
    check(
        "import os\nif {0 and __name__ == '__main__': 1}:\n  os.system(1)\n",
        &[("os.system", Process, 3)],
    );
    check(
        "import os\n__name__ = '__main__'\nif __name__ == '__main__':\n  os.system(1)\n",
        &[("os.system", Process, 4)],
    );
    check("import os; os.system('true')\n", &[("os.system", Process, 1)]);
    check("import os\nx = os.system\nx('true')\n", &[("os.system", Process, 3)]);
    check("__import__('os').system('true')\n", &[("os.system", Process, 1)]);
    check("import os\ngetattr(os, 'system')('true')\n", SYSTEM);
    check("x = __import__(name)\n", &[("__import__", Dynamic, 1)]);
    check("import importlib\nm = importlib.import_module('json')\n", &[]);
    check("import os\nx = f'{os.system(1)}'\n", SYSTEM);
    check("import os\nx = '{os.system(1)}'\n", &[]);
    check("# os.system('true')\n'''\nos.system('true')\n'''\n", &[]);
    check("import os\nx = os.\\\nsystem('true')\n", &[("os.system", Process, 3)]);
    check(
        "import requests\nr = requests.get('x')\n",
        &[("requests.get", Network, 2)],
    );
    check(
        "import base64\nexec(base64.b64decode('cGFzcw=='))\n",
        &[("exec", Decoded, 2)],
    );
    check("exec('pass')\n", &[("exec", Dynamic, 1)]);
    check("import re\nre.compile('x')\nmodel.eval()\n", &[]);
    check("\u{ff45}xec('pass')\n", &[("exec", Dynamic, 1)]);
    check("# -*- coding: utf_7 -*-\n", &[("coding: utf-7", Decoded, 1)]);
    check("# -*- coding: utf-8 -*-\n", &[]);
    check("async def f():\n  import os\n  os.system('true')\n", &[]);
    check("def system():\n  pass\nsystem()\n", &[]);
}

#[test]
fn definitions_run_what_decorates_makes_and_derives_them() {
    let act = "    os.system('true')\n";
    for (source, told) in [
        (format!("import os\ndef d(f):\n{act}@d\nclass A: pass\n"), true),
        (format!("import os\ndef d(f):\n{act}@d(1)\ndef g(): pass\n"), true),
        (format!("import os\ndef d(f):\n{act}@other.d\nclass A: pass\n"), false),
        (
            format!("import os\nclass T(type):\n  def __new__(c, *a):\n{act}class A(metaclass=T): pass\n"),
            true,
        ),
        (
            format!("import os\nclass B:\n  def __init_subclass__(c):\n{act}class A(B): pass\n"),
            true,
        ),
        (
            format!("import os\nclass B:\n  def __init_subclass__(c):\n{act}"),
            false,
        ),
        (
            format!("import os\nclass B:\n  def __init__(c):\n{act}class A(B): pass\n"),
            false,
        ),
    ] {
        let found = acts(source.as_bytes());
        assert_eq!(found.iter().any(|a| !a.deferred), told, "{source}");
        assert!(!found.is_empty(), "{source}");
    }
}

#[test]
fn callables_are_followed_through_tables_and_when_they_are_handed_on() {
    for source in [
        "getattr(__import__('o' + 's'), 'sys' 'tem')('true')\n",
        "import os\nvars(os)['system']('true')\n",
        "import os\nos.__dict__['system']('true')\n",
        "import sys\nsys.modules['os'].system('true')\n",
        "__builtins__['__import__']('os').system('true')\n",
        "import os, atexit\natexit.register(os.system, 'true')\n",
        "import os\nlist(map(os.system, ['true']))\n",
        "import os\n(y := os.system)('true')\n",
        "from os import system as s\nx = [s]\n",
    ] {
        let found = acts(source.as_bytes());
        assert!(
            found
                .iter()
                .any(|a| a.kind == ActKind::Process && &*a.call == "os.system"),
            "{source}: {found:?}"
        );
    }
    for source in [
        "import subprocess\ndef f(p: subprocess.Popen) -> subprocess.run: pass\n",
        "import subprocess\nx: subprocess.Popen = None\n",
        "from subprocess import run, call\nimport os.system\n",
        "import os\nx = os.environ['system']\nos.path.join(*x)\n",
    ] {
        assert_eq!(acts(source.as_bytes()), [], "{source}");
    }
}

#[test]
fn what_functions_do_that_nobody_calls_is_deferred() {
    for (source, expected) in [
        (
            "import os\nclass A:\n  def run(self):\n    os.system('true')\n",
            Some("os.system"),
        ),
        ("import os\ndef f():\n  os.popen('true')\n", Some("os.popen")),
        (
            "import requests\ndef f():\n  exec(requests.get('x').text)\n",
            Some("exec"),
        ),
        (
            "import requests\ndef f():\n  t = requests.get('x').text\n  exec(t)\n",
            Some("exec"),
        ),
        (
            "import requests\ndef f():\n  requests.post('x')\n",
            Some("requests.post"),
        ),
        ("import requests\ndef f():\n  requests.get('x')\n", None),
        ("def f():\n  exec('pass')\n", None),
        (
            "import pickle, base64\ndef f(x):\n  return pickle.loads(base64.b64decode(x))\n",
            None,
        ),
        ("import os\nif __name__ == '__main__':\n  os.system('true')\n", None),
    ] {
        let found = acts(source.as_bytes());
        assert!(found.iter().all(|a| a.deferred), "{source}");
        assert_eq!(found.first().map(|a| &*a.call), expected, "{source}");
    }
}

#[test]
fn hostile_sources_end_in_bounded_time() {
    for unit in [
        "(",
        "f'{",
        "lambda:",
        "a.",
        "def f(",
        "if x:\n ",
        "'''",
        "os.system(",
        "import a,",
        "x=",
        "\\\n",
        "f'{f\"{",
    ] {
        let source = unit.repeat(200_000 / unit.len());
        assert!(acts(source.as_bytes()).len() <= MOST, "{unit}");
        let source = format!("import os\n{source}");
        assert!(acts(source.as_bytes()).len() <= MOST, "{unit}");
    }
    let mut deep = String::new();
    for level in 0..1500 {
        deep.push_str(&" ".repeat(level));
        deep.push_str("if os.system(1):\n");
    }
    assert!(!acts(deep.as_bytes()).is_empty());
}
