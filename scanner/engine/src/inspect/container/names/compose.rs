//! Letters and their marks: the composed form of a name, and a hash under which names meet that some take for one.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The hash of a name without case and with its marks composed.
pub(super) fn folded_hash(name: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    composed(&name.to_lowercase()).hash(&mut hasher);
    hasher.finish()
}

/// `text` with letters and the marks behind them made one, as normal form C has it.
pub(super) fn composed(text: &str) -> String {
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match out.chars().next_back().and_then(|last| pair(last, c)) {
            Some(one) => {
                out.pop();
                out.push(one);
            }
            None => out.push(c),
        }
    }
    out
}

fn pair(letter: char, mark: char) -> Option<char> {
    if let Some(one) = hangul(letter, mark) {
        return Some(one);
    }
    let at = PAIRS.binary_search_by_key(&mark, |(mark, ..)| *mark).ok()?;
    let (_, letters, composed) = PAIRS.get(at)?;
    letters
        .chars()
        .zip(composed.chars())
        .find(|(l, _)| *l == letter)
        .map(|(_, one)| one)
}

/// Korean syllables are computed (The Unicode Standard, 3.12).
fn hangul(first: char, second: char) -> Option<char> {
    let (a, b) = (u32::from(first), u32::from(second));
    let code = match (a, b) {
        (0x1100..=0x1112, 0x1161..=0x1175) => {
            let lead = a.checked_sub(0x1100)?.checked_mul(21)?;
            lead.checked_add(b.checked_sub(0x1161)?)?
                .checked_mul(28)?
                .checked_add(0xac00)?
        }
        (0xac00..=0xd7a3, 0x11a8..=0x11c2) if a.checked_sub(0xac00)? % 28 == 0 => {
            a.checked_add(b.checked_sub(0x11a7)?)?
        }
        _ => return None,
    };
    char::from_u32(code)
}

/// A mark, the letters it stands behind, and what both make (UnicodeData 15.0, canonical decompositions of two
/// characters whose second is a mark of U+0300 to U+036F, up to U+1FFF).
const PAIRS: &[(char, &str, &str)] = &[
    (
        '\u{300}',
        "AEINOUWYaeinouwy¨ÂÊÔÜâêôüĂăĒēŌōƠơƯưΑΕΗΙΟΥΩαεηιουωϊϋЕИеиἀἁἈἉἐἑἘἙἠἡἨἩἰἱἸἹὀὁὈὉὐὑὙὠὡὨὩ᾿῾",
        "ÀÈÌǸÒÙẀỲàèìǹòùẁỳ῭ẦỀỒǛầềồǜẰằḔḕṐṑỜờỪừᾺῈῊῚῸῪῺὰὲὴὶὸὺὼῒῢЀЍѐѝἂἃἊἋἒἓἚἛἢἣἪἫἲἳἺἻὂὃὊὋὒὓὛὢὣὪὫ῍῝",
    ),
    (
        '\u{301}',
        "ACEGIKLMNOPRSUWYZacegiklmnoprsuwyz¨ÂÅÆÇÊÏÔÕØÜâåæçêïôõøüĂăĒēŌōŨũƠơƯưΑΕΗΙΟΥΩαεηιουωϊϋϒГКгкἀἁἈἉἐἑἘἙἠἡἨἩἰἱἸἹὀὁὈὉὐὑὙὠὡὨὩ᾿῾",
        "ÁĆÉǴÍḰĹḾŃÓṔŔŚÚẂÝŹáćéǵíḱĺḿńóṕŕśúẃýź΅ẤǺǼḈẾḮỐṌǾǗấǻǽḉếḯốṍǿǘẮắḖḗṒṓṸṹỚớỨứΆΈΉΊΌΎΏάέήίόύώΐΰϓЃЌѓќἄἅἌἍἔἕἜἝἤἥἬἭἴἵἼἽὄὅὌὍὔὕὝὤὥὬὭ῎῞",
    ),
    (
        '\u{302}',
        "ACEGHIJOSUWYZaceghijosuwyzẠạẸẹỌọ",
        "ÂĈÊĜĤÎĴÔŜÛŴŶẐâĉêĝĥîĵôŝûŵŷẑẬậỆệỘộ",
    ),
    (
        '\u{303}',
        "AEINOUVYaeinouvyÂÊÔâêôĂăƠơƯư",
        "ÃẼĨÑÕŨṼỸãẽĩñõũṽỹẪỄỖẫễỗẴẵỠỡỮữ",
    ),
    (
        '\u{304}',
        "AEGIOUYaegiouyÄÆÕÖÜäæõöüǪǫȦȧȮȯΑΙΥαιυИУиуḶḷṚṛ",
        "ĀĒḠĪŌŪȲāēḡīōūȳǞǢȬȪǕǟǣȭȫǖǬǭǠǡȰȱᾹῙῩᾱῑῡӢӮӣӯḸḹṜṝ",
    ),
    (
        '\u{306}',
        "AEGIOUaegiouȨȩΑΙΥαιυАЕЖИУаежиуẠạ",
        "ĂĔĞĬŎŬăĕğĭŏŭḜḝᾸῘῨᾰῐῠӐӖӁЙЎӑӗӂйўẶặ",
    ),
    (
        '\u{307}',
        "ABCDEFGHIMNOPRSTWXYZabcdefghmnoprstwxyzŚśŠšſṢṣ",
        "ȦḂĊḊĖḞĠḢİṀṄȮṖṘṠṪẆẊẎŻȧḃċḋėḟġḣṁṅȯṗṙṡṫẇẋẏżṤṥṦṧẛṨṩ",
    ),
    (
        '\u{308}',
        "AEHIOUWXYaehiotuwxyÕõŪūΙΥιυϒІАЕЖЗИОУЧЫЭаежзиоучыэіӘәӨө",
        "ÄËḦÏÖÜẄẌŸäëḧïöẗüẅẍÿṎṏṺṻΪΫϊϋϔЇӒЁӜӞӤӦӰӴӸӬӓёӝӟӥӧӱӵӹӭїӚӛӪӫ",
    ),
    ('\u{309}', "AEIOUYaeiouyÂÊÔâêôĂăƠơƯư", "ẢẺỈỎỦỶảẻỉỏủỷẨỂỔẩểổẲẳỞởỬử"),
    ('\u{30a}', "AUauwy", "ÅŮåůẘẙ"),
    ('\u{30b}', "OUouУу", "ŐŰőűӲӳ"),
    (
        '\u{30c}',
        "ACDEGHIKLNORSTUZacdeghijklnorstuzÜüƷʒ",
        "ǍČĎĚǦȞǏǨĽŇǑŘŠŤǓŽǎčďěǧȟǐǰǩľňǒřšťǔžǙǚǮǯ",
    ),
    ('\u{30f}', "AEIORUaeioruѴѵ", "ȀȄȈȌȐȔȁȅȉȍȑȕѶѷ"),
    ('\u{311}', "AEIORUaeioru", "ȂȆȊȎȒȖȃȇȋȏȓȗ"),
    ('\u{313}', "ΑΕΗΙΟΩαεηιορυω", "ἈἘἨἸὈὨἀἐἠἰὀῤὐὠ"),
    ('\u{314}', "ΑΕΗΙΟΡΥΩαεηιορυω", "ἉἙἩἹὉῬὙὩἁἑἡἱὁῥὑὡ"),
    ('\u{31b}', "OUou", "ƠƯơư"),
    (
        '\u{323}',
        "ABDEHIKLMNORSTUVWYZabdehiklmnorstuvwyzƠơƯư",
        "ẠḄḌẸḤỊḲḶṂṆỌṚṢṬỤṾẈỴẒạḅḍẹḥịḳḷṃṇọṛṣṭụṿẉỵẓỢợỰự",
    ),
    ('\u{324}', "Uu", "Ṳṳ"),
    ('\u{325}', "Aa", "Ḁḁ"),
    ('\u{326}', "STst", "ȘȚșț"),
    ('\u{327}', "CDEGHKLNRSTcdeghklnrst", "ÇḐȨĢḨĶĻŅŖŞŢçḑȩģḩķļņŗşţ"),
    ('\u{328}', "AEIOUaeiou", "ĄĘĮǪŲąęįǫų"),
    ('\u{32d}', "DELNTUdelntu", "ḒḘḼṊṰṶḓḙḽṋṱṷ"),
    ('\u{32e}', "Hh", "Ḫḫ"),
    ('\u{330}', "EIUeiu", "ḚḬṴḛḭṵ"),
    ('\u{331}', "BDKLNRTZbdhklnrtz", "ḆḎḴḺṈṞṮẔḇḏẖḵḻṉṟṯẕ"),
    (
        '\u{342}',
        "¨αηιυωϊϋἀἁἈἉἠἡἨἩἰἱἸἹὐὑὙὠὡὨὩ᾿῾",
        "῁ᾶῆῖῦῶῗῧἆἇἎἏἦἧἮἯἶἷἾἿὖὗὟὦὧὮὯ῏῟",
    ),
    (
        '\u{345}',
        "ΑΗΩάήαηωώἀἁἂἃἄἅἆἇἈἉἊἋἌἍἎἏἠἡἢἣἤἥἦἧἨἩἪἫἬἭἮἯὠὡὢὣὤὥὦὧὨὩὪὫὬὭὮὯὰὴὼᾶῆῶ",
        "ᾼῌῼᾴῄᾳῃῳῴᾀᾁᾂᾃᾄᾅᾆᾇᾈᾉᾊᾋᾌᾍᾎᾏᾐᾑᾒᾓᾔᾕᾖᾗᾘᾙᾚᾛᾜᾝᾞᾟᾠᾡᾢᾣᾤᾥᾦᾧᾨᾩᾪᾫᾬᾭᾮᾯᾲῂῲᾷῇῷ",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_writings_of_a_name_are_one() {
        for (apart, one) in [
            ("cafe\u{301}", "caf\u{e9}"),
            ("e\u{302}\u{301}", "\u{1ebf}"),
            ("\u{1112}\u{1161}\u{11ab}", "\u{d55c}"),
            ("\u{438}\u{306}", "\u{439}"),
            ("a\u{345}x", "a\u{345}x"),
        ] {
            assert_eq!(composed(apart), one);
            assert_eq!(composed(one), one);
        }
        assert!(PAIRS.is_sorted_by_key(|(mark, ..)| *mark));
        assert!(PAIRS.iter().all(|(_, a, b)| a.chars().count() == b.chars().count()));
    }
}
