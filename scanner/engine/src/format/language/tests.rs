use crate::format::fuzz;
use crate::format::laws::{identified, map, parse};

#[test]
fn the_first_lines_tell_the_language_or_leave_it_open() {
    for (text, expected) in [
        ("#!/usr/bin/env python3\nprint(1)\n", "python"),
        ("#!/usr/bin/python3.11 -u\n", "python"),
        ("#!/usr/bin/env -S node --no-warnings\n", "javascript"),
        ("#!/bin/sh\ntrue\n", "shell"),
        ("#!/usr/bin/env bash\n", "shell"),
        ("#!/usr/bin/perl\n", "script"),
        ("#!/usr/bin/env ruby\n", "script"),
        ("# -*- coding: utf-8 -*-\n", "python"),
        ("from os import path\n", "python"),
        (
            "# Copyright\n\nimport os\nimport sys\n\ndef main():\n    pass\n",
            "python",
        ),
        ("\"\"\"Text.\"\"\"\n\nimport os\n", "python"),
        ("class Model(Base):\n    x = 1\n", "python"),
        ("import os\n", "text"),
        ("import java.util.List;\n\nclass A {\n", "text"),
        ("import Foundation\n", "text"),
        ("from here on, all imports are free\n", "text"),
        ("class A {\n  int x;\n};\n", "text"),
        ("\"use strict\";\nconst a = 1;\n", "javascript"),
        ("import fs from \"node:fs\";\n", "javascript"),
        ("import{a as b}from\"./x.js\";\n", "javascript"),
        ("/*! banner */\n(function(){})();\n", "javascript"),
        ("/*! banner */ !function(e){}();\n", "javascript"),
        ("/* a\n * long\n */\nexport default {};\n", "javascript"),
        ("const fs = require('fs');\n", "javascript"),
        ("export interface A { b: string }\n", "javascript"),
        ("const int x = 1;\n", "text"),
        ("let it be\n", "text"),
        ("[package]\nname = \"a\"\nversion = \"1.0\"\n", "toml"),
        ("# c\n[tool.x]\nlist = [\n  1,\n]\n", "toml"),
        ("[[bin]]\nname = 'a'\n", "toml"),
        ("a = 1\nb = \"x\"\nc = true\n", "toml"),
        ("a = 1\n", "text"),
        ("[console_scripts]\nrun = package.module:main\n", "ini"),
        ("; c\n[section]\nkey = some words\n", "ini"),
        ("[Desktop Entry]\nName=A\nExec=a %f\n", "ini"),
        ("[a link](https://host.example)\n", "text"),
        ("[1, 2]\n[3, 4]\n", "text"),
        ("---\nkey: value\n", "yaml"),
        ("name: x\non:\n  push:\n    branches: [main]\n", "yaml"),
        ("%YAML 1.2\n---\n- a\n", "yaml"),
        ("- name: x\n  run: y\n", "yaml"),
        ("Metadata-Version: 2.1\nName: x\n", "text"),
        ("Note: this is prose.\nIt goes on here.\n", "text"),
        ("- a list\n- of prose\n", "text"),
        ("# Heading\n\nProse: with a colon.\n", "text"),
        ("{\"a\": 1}\n", "json"),
        ("x\n", "text"),
    ] {
        assert_eq!(identified(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn a_text_that_turns_binary_is_left_to_others() {
    let mut binary = b"from os import path\n".to_vec();
    binary.extend([0u8; 64]);
    assert_eq!(identified(&binary), "data");
    let mut later = b"from os import path\n".repeat(200);
    later.extend([0u8; 64]);
    assert_eq!(identified(&later), "data");
}

#[test]
fn a_language_is_claimed_whole_and_any_bytes_are_survived() {
    for id in ["python", "javascript", "shell", "toml", "ini"] {
        assert_eq!(map(&parse(id, b"from os import path\n")).len(), 1, "{id}");
        for bytes in [
            &b""[..],
            b"#!",
            b"\xff\xfe",
            b"\xff\xfe[\0",
            b"---",
            b"[",
            b"=",
            b"a:\n-",
        ] {
            fuzz(id, bytes);
            identified(bytes);
        }
    }
}
