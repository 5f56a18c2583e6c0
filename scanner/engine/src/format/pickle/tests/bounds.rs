//! Floods and lies: what they must not hide.

use super::*;

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = memchr::memmem::find(bytes, from).unwrap();
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[test]
fn a_flood_of_names_hides_nothing() {
    let flood = (0..66_000u32).fold(Asm::proto(2), |asm, n| asm.global("a", &format!("b{n}")).pop());
    let bytes = [flood.done(), build::os_system(0)].concat();
    let found = parse(&bytes);
    assert!(uses(&found).contains(&"os.system Called".to_owned()));
    assert!(found.errors().iter().any(|e| e.code == ErrorCode::LimitExceeded));
}

#[test]
fn a_flood_of_values_hides_nothing() {
    let flood = b"]0".repeat(600_000);
    let rest = "c:fixture:Thing ) ^ } s:__setstate__ c:os:system s b 0";
    let after = [
        (rest, "os.system Called"),
        (
            "c:builtins:getattr c:random:_os s:system 2 R ) R 0",
            "random._os.system Called",
        ),
        ("c:functools:partial c:os:system s:true 2 R ) R 0", "os.system Called"),
        (
            "c:copy_reg:_reconstructor c:subprocess:Popen c:builtins:object N 3 R 0",
            "subprocess.Popen Constructed",
        ),
    ];
    for (text, expected) in after {
        let bytes = [&[0x80, 4][..], &flood, &build::program(0, text), b"N."].concat();
        let found = parse(&bytes);
        let all = uses(&found);
        let unknown = all.iter().any(|line| line.starts_with("Calls"));
        assert!(all.iter().any(|line| line == expected) || unknown, "{text}: {all:?}");
        assert!(found.errors().is_empty(), "{text}");
    }
}

#[test]
fn a_flood_of_ordinary_objects_gives_no_alarm() {
    let object = build::program(
        0,
        "c:copy_reg:_reconstructor c:fixture:Thing c:builtins:object N 3 R } s:a n:1 s b 0",
    );
    let bytes = [&[0x80, 2][..], &object.repeat(300_000), b"N."].concat();
    let found = parse(&bytes);
    let expected = [
        "copy_reg._reconstructor Called",
        "fixture.Thing Constructed",
        "builtins.object Named",
    ];
    assert_eq!(uses(&found), expected);
    assert_eq!((rules(&found), found.errors().len()), (Vec::new(), 0));
}

#[test]
fn many_memo_entries_are_followed() {
    let many = b"N\x940".repeat(4_200_000);
    let named = build::program(0, "s:os m 0 s:system m 0");
    let index = |n: u32| [&[b'j'][..], &n.to_le_bytes()].concat();
    let call = [index(4_200_000), index(4_200_001), b"\x93)R.".to_vec()].concat();
    let bytes = [&[0x80, 4][..], &many, &named, &call].concat();
    let found = parse(&bytes);
    assert_eq!(uses(&found), ["os.system Called"]);
    assert_eq!((rules(&found), found.errors().len()), (Vec::new(), 0));
}

#[test]
fn a_wrapper_that_lies_about_its_elements_is_not_followed() {
    let sound = joblib(&[0xff], &[2; 24]);
    let size = [b'J', 255, 255, 255, 255];
    let void = replaced(&sound, b"f8", b"V8");
    assert!(parse(&void).errors().is_empty());
    let lie = replaced(&void, &size, &[b'J', 16, 0, 0, 0]);
    assert_eq!(
        parse(&lie).errors().first().map(|e| e.code),
        Some(ErrorCode::Unsupported)
    );
    let agrees = replaced(&void, &size, &[b'J', 8, 0, 0, 0]);
    assert!(parse(&agrees).errors().is_empty());
}

#[test]
fn a_program_far_into_an_array_is_said() {
    let elements = |fill: &[u8], bytes: Vec<u8>| {
        assert_eq!(bytes.len(), 6000);
        let short = joblib(fill, &bytes);
        replaced(
            &short,
            b"shapeK\x03",
            &[b"shapeM".as_slice(), &750u16.to_le_bytes()].concat(),
        )
    };
    // The number of fill bytes, 48, is POP to an unpickler that knows of no array.
    let opcodes = b"N0".repeat(24);
    let mut program = b"N0".repeat(2500);
    program.extend_from_slice(b"cos\nsystem\nNR.");
    program.resize(6000, 0);
    assert_eq!(
        uses(&parse(&elements(&opcodes, program))).last().unwrap(),
        "HiddenProgram opcodes inside an array"
    );
    let numbers: Vec<u8> = (0..750).flat_map(|n| (f64::from(n) * 0.5).to_le_bytes()).collect();
    for quiet in [numbers, vec![b'N'; 6000], vec![0; 6000]] {
        let found = parse(&elements(&[0xff], quiet));
        assert!(
            uses(&found).iter().all(|line| !line.starts_with("Hidden")),
            "{:?}",
            uses(&found)
        );
        assert_eq!(rules(&found), []);
    }
}
