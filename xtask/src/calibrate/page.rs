//! `docs/calibration.md`: what was measured, in tables.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use probity_signatures::{Rules, Severity, rules};

use super::Package;
use super::collect::{Family, Numbers, Scanned, Tensor, distinct};
use super::statistics::{interval, quantiles};
use super::thresholds;

/// What the table of packages begins with.
const PACKAGES: &str = "| package | published as | model files |";

/// The page.
pub(super) fn page(packages: &[Package], published: &Scanned, made: &Scanned) -> String {
    let of = |scanned: &Scanned, made: bool| {
        let rows = distinct(scanned).into_iter();
        rows.map(move |tensor| Row { made, tensor }).collect::<Vec<_>>()
    };
    let mut rows = of(published, false);
    rows.extend(of(made, true));
    let mut out = String::from(HEAD);
    summary(&mut out, packages, published, made, &rows);
    out.push_str("\n## Thresholds\n\n");
    out.push_str(THRESHOLDS);
    out.push_str(&thresholds::table(rules()));
    out.push_str("\n## What was told\n\n");
    told(&mut out, &rows);
    out.push_str("\n## Statistics that a finding uses\n\n");
    out.push_str(STATISTICS);
    for statistic in used() {
        section(&mut out, &statistic, &rows);
    }
    out.push_str("\n## Statistics that no finding uses\n\n");
    out.push_str(UNUSED);
    for statistic in unused() {
        section(&mut out, &statistic, &rows);
    }
    out.push_str("\n## The models\n\n");
    models(&mut out, packages, published);
    out
}

/// The packages that a page lists, in its order.
pub(super) fn packages_of(page: &str) -> Vec<String> {
    let table = page.lines().skip_while(|line| !line.starts_with(PACKAGES)).skip(2);
    let rows = table.take_while(|line| line.starts_with('|'));
    rows.filter_map(|row| Some(row.split('|').nth(1)?.trim().to_owned()))
        .collect()
}

const HEAD: &str = "# Calibration\n\n\
    Written by `cargo xtask calibrate`; do not edit. [tensors.md](tensors.md) says what each finding is, and what cannot be seen.\n\n\
    Every tensor of the published models below was measured by the code that makes the findings. Whatever is told of one of them \
    is counted as a false positive: these are honest models. Weights of single precision were also made into BF16, F16, F8 (E4M3 and \
    E5M2, saturating), Q4_0, Q8_0, Q4_K and Q6_K, rounded to the nearest, and measured again as *made*; F16 and quantised blocks stand in published \
    models too.\n\n\
    Tensors with the same elements count once, in how many packages they ever are. Intervals are those of Clopper and Pearson at 95 %; where nothing was told \
    they are one-sided (from 0 to about 3/n). They take tensors for independent, which those of one model are not: the interval over model files \
    is the careful one. Made tensors repeat published ones in another type, so neither is added to the other.\n\n";

const THRESHOLDS: &str = "As they stand in `signatures/rules/`, which the engine reads. A finding without a number of its own (`tensor-nonfinite`, \
    `tensor-payload`, `tensor-integer-executable`) needs one element that is not finite, or one header that parses.\n\n";

const STATISTICS: &str = "One row for each family of types. `p1` and `p99` are nearest ranks; `over` is how many tensors are at or over the threshold, which \
    alone need not make a finding: where several conditions meet, the table above has what was told.\n\n";

const UNUSED: &str = "Measured, and left alone: honest weights have every value of them.\n\n";

/// A distinct tensor, and whether it was made from a published one.
struct Row {
    made: bool,
    tensor: Tensor,
}

type Key = (Family, bool);

fn label((family, made): Key) -> String {
    format!("{}{}", family.name(), if made { ", made" } else { "" })
}

/// All families in which there is something, with their rows.
fn families(rows: &[Row]) -> BTreeMap<(bool, Family), Vec<&Row>> {
    let mut out: BTreeMap<(bool, Family), Vec<&Row>> = BTreeMap::new();
    for row in rows {
        out.entry((row.made, row.tensor.family())).or_default().push(row);
    }
    out
}

fn severity(code: &str, case: Option<&str>) -> Severity {
    rules().severity(code, case).unwrap_or(Severity::Critical)
}

/// The worst that is told of a tensor.
fn worst(tensor: &Tensor) -> Option<Severity> {
    tensor
        .fired
        .iter()
        .map(|(code, case)| severity(code, case.as_deref()))
        .max()
}

fn is_serious(tensor: &Tensor) -> bool {
    worst(tensor) >= Some(Severity::Medium)
}

fn summary(out: &mut String, packages: &[Package], published: &Scanned, made: &Scanned, rows: &[Row]) {
    let files = published.artifacts.len();
    let all: usize = published.artifacts.iter().map(|artifact| artifact.tensors.len()).sum();
    let bytes: u64 = published
        .artifacts
        .iter()
        .flat_map(|a| &a.tensors)
        .map(|t| t.length)
        .sum();
    let known: Vec<&Row> = rows.iter().filter(|row| !row.made).collect();
    let large = known.iter().filter(|row| row.tensor.length >= 4096).count();
    let _ = writeln!(
        out,
        "{} packages, {files} model files, {} tensors ({} different, {large} of these of 4 KiB and more), {} MB; {} made tensors in {} files.\n",
        packages.len(),
        grouped(all as u64),
        grouped(known.len() as u64),
        bytes / 1_000_000,
        grouped((rows.len() - known.len()) as u64),
        made.artifacts.len(),
    );
    out.push_str("| told at medium or above | of | count | rate | 95 % |\n| --- | --- | ---: | ---: | --- |\n");
    let mut line = |what: &str, n: usize, k: usize| {
        let _ = writeln!(
            out,
            "| {what} | {} | {k} | {} |",
            grouped(n as u64),
            rate(k as u64, n as u64)
        );
    };
    let serious = |scanned: &Scanned| {
        let of = scanned
            .artifacts
            .iter()
            .filter(|artifact| artifact.tensors.iter().any(is_serious));
        of.count()
    };
    line("model files", files, serious(published));
    let count = |rows: &[&Row]| rows.iter().filter(|row| is_serious(&row.tensor)).count();
    line("published tensors", known.len(), count(&known));
    let big: Vec<&Row> = known.iter().copied().filter(|row| row.tensor.length >= 4096).collect();
    line("published tensors of 4 KiB and more", big.len(), count(&big));
    for ((made, family), rows) in families(rows) {
        line(&label((family, made)), rows.len(), count(&rows));
    }
    let others: Vec<String> = published
        .artifacts
        .iter()
        .flat_map(|artifact| artifact.findings.iter())
        .filter(|finding| !finding.code.starts_with("tensor-") && !matches!(finding.severity.as_str(), "low" | "info"))
        .map(|finding| finding.code.clone())
        .collect();
    let _ = writeln!(
        out,
        "\nFindings of all other codes at medium or above in these model files: {}.",
        if others.is_empty() {
            "none".to_owned()
        } else {
            others.join(", ")
        }
    );
}

/// Each code and case that could be told, and of how many it was.
fn told(out: &mut String, rows: &[Row]) {
    out.push_str("`of` are the tensors that the finding is looked for in.\n\n");
    out.push_str(
        "| finding | severity | tensors | of | told | rate | 95 % |\n| --- | --- | --- | ---: | ---: | ---: | --- |\n",
    );
    for rule in rules().iter().filter(|rule| looked_for(&rule.code).is_some()) {
        let Some(looked_for) = looked_for(&rule.code) else {
            continue;
        };
        let mut cases: Vec<Option<&str>> = rule.cases.keys().map(|case| Some(case.as_str())).collect();
        if cases.is_empty() {
            cases.push(None);
        }
        for case in cases {
            for made in [false, true] {
                let of: Vec<&Row> = rows
                    .iter()
                    .filter(|row| row.made == made && looked_for(&row.tensor))
                    .collect();
                let told = |row: &&&Row| {
                    row.tensor
                        .fired
                        .iter()
                        .any(|(code, fired)| *code == rule.code && fired.as_deref() == case)
                };
                let told = of.iter().filter(told).count();
                let _ = writeln!(
                    out,
                    "| `{}`{} | {} | {} | {} | {told} | {} |",
                    rule.code,
                    case.map_or_else(String::new, |case| format!(" {case}")),
                    severity(&rule.code, case),
                    if made { "made" } else { "published" },
                    grouped(of.len() as u64),
                    rate(told as u64, of.len() as u64)
                );
            }
        }
    }
    out.push_str(
        "\n`tensor-shape` needs a `config.json` beside the weights, which none of the packages has; `tensor-changed` and the findings of \
         `probity diff` need a second file: they are not calibrated here.\n",
    );
}

type LookedFor = fn(&Tensor) -> bool;

/// In which tensors a finding is looked for; `None` for codes that one file cannot show.
fn looked_for(code: &str) -> Option<LookedFor> {
    let looked_for: LookedFor = match code {
        "tensor-nonfinite" | "tensor-magnitude" => |t| t.family().is_float(),
        "tensor-constant" => |t| {
            t.family().is_float() && t.weight && t.elements() as f64 >= number_of("tensor-constant", "least-elements")
        },
        "tensor-quant-scale" => |t| t.family() == Family::Blocks,
        "tensor-payload" => |_| true,
        "tensor-integer-executable" => |t| t.family() == Family::Integers,
        "tensor-text" => holds_no_text,
        "tensor-sibling" => |t| t.norm.is_some(),
        "tensor-low-bits" => |t| t.low.is_some(),
        "tensor-duplicate" => |t| t.length as f64 >= number_of("tensor-duplicate", "least-bytes"),
        _ => return None,
    };
    Some(looked_for)
}

/// Floats of 16 bits and more, and blocks.
fn holds_no_text(tensor: &Tensor) -> bool {
    matches!(
        tensor.family(),
        Family::F64 | Family::F32 | Family::F16 | Family::Bf16 | Family::Blocks
    )
}

fn number_of(code: &str, name: &str) -> f64 {
    thresholds::value(rules(), code, name)
}

/// A number of a tensor, and what it is held against.
struct Statistic {
    name: &'static str,
    what: &'static str,
    /// Code and name of the threshold; several where it stands for several cases.
    thresholds: &'static [(&'static str, &'static str)],
    of: fn(&Tensor) -> Option<f64>,
}

fn numbers(tensor: &Tensor) -> Option<&Numbers> {
    tensor.numbers.as_ref().filter(|_| tensor.family().is_float())
}

fn used() -> Vec<Statistic> {
    vec![
        Statistic {
            name: "Elements that are not finite",
            what: "`tensor-nonfinite`: one is told.",
            thresholds: &[],
            of: |t| numbers(t).map(|n| n.nonfinite as f64),
        },
        Statistic {
            name: "Greatest magnitude",
            what: "`tensor-magnitude`: of all float tensors, buffers and vectors among them.",
            thresholds: &[("tensor-magnitude", "large")],
            of: |t| numbers(t).map(|n| n.greatest),
        },
        Statistic {
            name: "Greatest magnitude of weights",
            what: "`tensor-magnitude` (`outlier`, `large`): of tensors with rows and columns that are no buffer by their name, and large enough.",
            thresholds: &[("tensor-magnitude", "large")],
            of: |t| numbers(t).filter(|n| judged_as_weight(t, n)).map(|n| n.greatest),
        },
        Statistic {
            name: "Powers of two from the middle element to the greatest",
            what: "`tensor-magnitude` (`outlier`): of the same weights.",
            thresholds: &[("tensor-magnitude", "outlier-exponent")],
            of: |t| {
                numbers(t)
                    .filter(|n| judged_as_weight(t, n))
                    .and_then(|n| n.over_middle)
            },
        },
        Statistic {
            name: "Powers of two from the greatest of the bulk to the greatest",
            what: "`tensor-magnitude` (`outlier`): of the same weights; the bulk is what the share of `bulk` of the sampled elements is.",
            thresholds: &[("tensor-magnitude", "outlier-exponent-bulk")],
            of: |t| numbers(t).filter(|n| judged_as_weight(t, n)).and_then(|n| n.over_bulk),
        },
        Statistic {
            name: "The same of weights with an element of 1024 and more",
            what: "`tensor-magnitude` (`outlier`): only these are judged by it.",
            thresholds: &[("tensor-magnitude", "outlier-exponent-bulk")],
            of: |t| {
                numbers(t)
                    .filter(|n| n.large > 0 && judged_as_weight(t, n))
                    .and_then(|n| n.over_bulk)
            },
        },
        Statistic {
            name: "Elements for each that is large",
            what: "`tensor-magnitude` (`outlier`): of weights with a large element. Here few are suspicious: outliers are one in as many or more.",
            thresholds: &[("tensor-magnitude", "outlier-share")],
            of: |t| {
                let known = numbers(t).filter(|n| n.large > 0 && judged_as_weight(t, n))?;
                Some(known.values as f64 / known.large as f64)
            },
        },
        Statistic {
            name: "Places that begin like a payload",
            what: "`tensor-payload`, `tensor-integer-executable`: before the header is validated, in the bytes and all planes; what is left after that stands above.",
            thresholds: &[],
            of: |t| Some(t.candidates as f64),
        },
        Statistic {
            name: "Longest run of printable bytes",
            what: "`tensor-text`: of floats of 16 bits and more and of blocks; shorter runs count as 0. What does not read as text is not told.",
            thresholds: &[("tensor-text", "short"), ("tensor-text", "long")],
            of: |t| holds_no_text(t).then_some(t.printable as f64),
        },
        Statistic {
            name: "Longest run that reads as text",
            what: "`tensor-text`: the same, of letters and enough different characters.",
            thresholds: &[("tensor-text", "short"), ("tensor-text", "long")],
            of: |t| holds_no_text(t).then_some(t.text as f64),
        },
        Statistic {
            name: "Greatest scale or minimum of a block",
            what: "`tensor-quant-scale`.",
            thresholds: &[("tensor-quant-scale", "scale")],
            of: |t| t.numbers.as_ref().and_then(|n| n.scale),
        },
        Statistic {
            name: "Blocks whose scale is not finite",
            what: "`tensor-quant-scale`: one is told.",
            thresholds: &[],
            of: |t| t.numbers.as_ref().and_then(|n| n.bad_scales).map(|n| n as f64),
        },
        Statistic {
            name: "Robust deviations of the root mean square from its siblings",
            what: "`tensor-sibling`: of tensors with enough siblings; the factor must be passed as well.",
            thresholds: &[("tensor-sibling", "deviations")],
            of: |t| t.norm.map(|(deviations, _)| deviations),
        },
        Statistic {
            name: "Factor of the root mean square from its siblings",
            what: "`tensor-sibling`.",
            thresholds: &[("tensor-sibling", "factor")],
            of: |t| t.norm.map(|(_, factor)| factor),
        },
        Statistic {
            name: "Robust deviations of the lowest byte's distribution from its siblings",
            what: "`tensor-low-bits`: of Pearson's statistic; the factor must be passed as well.",
            thresholds: &[("tensor-low-bits", "deviations")],
            of: |t| t.low.map(|(deviations, _)| deviations),
        },
        Statistic {
            name: "Factor of the lowest byte's distribution from its siblings",
            what: "`tensor-low-bits`.",
            thresholds: &[("tensor-low-bits", "factor")],
            of: |t| t.low.map(|(_, factor)| factor),
        },
    ]
}

fn judged_as_weight(tensor: &Tensor, numbers: &Numbers) -> bool {
    tensor.weight && numbers.elements as f64 >= number_of("tensor-magnitude", "least-elements")
}

fn unused() -> Vec<Statistic> {
    vec![
        Statistic {
            name: "Root mean square",
            what: "Of weights.",
            thresholds: &[],
            of: |t| numbers(t).filter(|n| judged_as_weight(t, n)).map(|n| n.rms),
        },
        Statistic {
            name: "Greatest magnitude over the root mean square",
            what: "Of weights.",
            thresholds: &[],
            of: |t| {
                numbers(t)
                    .filter(|n| judged_as_weight(t, n) && n.rms > 0.0)
                    .map(|n| n.greatest / n.rms)
            },
        },
        Statistic {
            name: "Kurtosis about zero",
            what: "Of weights; 3 for a normal distribution.",
            thresholds: &[],
            of: |t| numbers(t).filter(|n| judged_as_weight(t, n)).map(|n| n.kurtosis),
        },
        Statistic {
            name: "Share of zeros",
            what: "Of weights.",
            thresholds: &[],
            of: |t| {
                numbers(t)
                    .filter(|n| judged_as_weight(t, n))
                    .map(|n| n.zeros as f64 / n.values.max(1) as f64)
            },
        },
        Statistic {
            name: "Pearson's statistic of the lowest byte",
            what: "Of float tensors with 1,024 samples and more; 255 where every value is as likely. A test of randomness at one in a thousand (over 330) tells \
                   of honest weights, so nothing is told without siblings.",
            thresholds: &[],
            of: |t| {
                let known = numbers(t)?;
                known.low_chi_square.filter(|_| known.low_samples >= Some(1024))
            },
        },
    ]
}

fn section(out: &mut String, statistic: &Statistic, rows: &[Row]) {
    let _ = writeln!(out, "### {}\n\n{}", statistic.name, statistic.what);
    let limits = statistic.thresholds;
    if !limits.is_empty() {
        let quoted: Vec<String> = limits
            .iter()
            .map(|(code, name)| thresholds::quoted(rules(), code, name))
            .collect();
        let _ = writeln!(out, "Threshold: {}.", quoted.join(", "));
    }
    let mut head = String::from("\n| type | tensors | least | p1 | median | p99 | greatest |");
    let mut rule = String::from("\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (code, name) in limits {
        let _ = write!(head, " over {} | rate | 95 % |", value(rules(), code, name));
        rule.push_str(" ---: | ---: | --- |");
    }
    let _ = writeln!(out, "{head}{rule}");
    for ((made, family), rows) in families(rows) {
        let mut values: Vec<f64> = rows.iter().filter_map(|row| (statistic.of)(&row.tensor)).collect();
        let Some(quantiles) = quantiles(&mut values) else {
            continue;
        };
        let shown = quantiles.map(number).join(" | ");
        let _ = write!(
            out,
            "| {} | {} | {shown} |",
            label((family, made)),
            grouped(values.len() as u64)
        );
        for (code, name) in limits {
            let limit = number_of(code, name);
            let over = values.iter().filter(|value| **value >= limit).count() as u64;
            let _ = write!(out, " {over} | {} |", rate(over, values.len() as u64));
        }
        out.push('\n');
    }
    out.push('\n');
}

fn value(rules: &Rules, code: &str, name: &str) -> String {
    number(thresholds::value(rules, code, name))
}

fn models(out: &mut String, packages: &[Package], published: &Scanned) {
    let _ = writeln!(
        out,
        "{PACKAGES} formats | tensors | MB | types |\n| --- | --- | ---: | --- | ---: | ---: | --- |"
    );
    for package in packages {
        let mine: Vec<_> = published
            .artifacts
            .iter()
            .filter(|a| a.package() == package.name)
            .collect();
        let tensors: Vec<&Tensor> = mine.iter().flat_map(|artifact| &artifact.tensors).collect();
        let bytes: u64 = tensors.iter().map(|tensor| tensor.length).sum();
        let mut formats: Vec<&str> = mine.iter().map(|artifact| artifact.format.as_str()).collect();
        formats.sort_unstable();
        formats.dedup();
        let mut types: BTreeMap<&str, u64> = BTreeMap::new();
        for tensor in &tensors {
            let name = if tensor.dtype.is_empty() {
                "bytes"
            } else {
                tensor.dtype.as_str()
            };
            *types.entry(name).or_default() += 1;
        }
        let types: Vec<String> = types.iter().map(|(name, count)| format!("{name} {count}")).collect();
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {:.1} | {} |",
            package.name,
            package.file,
            mine.len(),
            formats.join(", "),
            grouped(tensors.len() as u64),
            bytes as f64 / 1e6,
            types.join(", ")
        );
    }
    let mut counts: BTreeMap<(Family, String), u64> = BTreeMap::new();
    for tensor in published.artifacts.iter().flat_map(|artifact| &artifact.tensors) {
        *counts.entry((tensor.family(), tensor.dtype.clone())).or_default() += 1;
    }
    out.push_str("\nTensors by type:");
    for family in Family::ALL {
        for ((_, dtype), count) in counts.iter().filter(|((known, _), _)| *known == family) {
            let dtype = if dtype.is_empty() { "bytes" } else { dtype.as_str() };
            let _ = write!(out, " {dtype} {},", grouped(*count));
        }
    }
    if out.ends_with(',') {
        out.pop();
    }
    out.push_str(".\n");
}

/// A rate and its interval: two cells.
fn rate(k: u64, n: u64) -> String {
    if n == 0 {
        return "- | -".to_owned();
    }
    let (low, high) = interval(k, n);
    let percent = |part: f64| format!("{} %", number(part * 100.0));
    format!(
        "{} | {} to {}",
        percent(k as f64 / n as f64),
        percent(low),
        percent(high)
    )
}

/// Three digits that count.
fn number(value: f64) -> String {
    let magnitude = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if value.fract() == 0.0 && magnitude < 1e6 {
        format!("{value}")
    } else if !(0.001..1e6).contains(&magnitude) {
        format!("{value:.2e}")
    } else {
        let digits = (2.0 - magnitude.log10().floor()).clamp(0.0, 6.0) as usize;
        let text = format!("{value:.digits$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        }
    }
}

fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_that_count() {
        for (value, expected) in [
            (0.0, "0"),
            (5.0, "5"),
            (1024.0, "1024"),
            (0.012_34, "0.0123"),
            (12.345, "12.3"),
            (1234.6, "1235"),
            (0.25, "0.25"),
            (3.4e-9, "3.40e-9"),
            (2.5e30, "2.50e30"),
        ] {
            assert_eq!(number(value), expected);
        }
        assert_eq!(
            (grouped(7), grouped(1234), grouped(1_234_567)),
            ("7".into(), "1,234".into(), "1,234,567".into())
        );
    }

    #[test]
    fn the_packages_of_a_page_are_read_back() {
        let packages = ["a", "b-c"].map(|name| Package {
            name: name.to_owned(),
            file: format!("{name}-1.whl"),
        });
        let page = page(&packages, &Scanned::default(), &Scanned::default());
        assert_eq!(packages_of(&page), ["a", "b-c"]);
        assert!(thresholds::check(&page, rules()).is_ok());
    }

    #[test]
    fn every_code_that_one_file_can_show_is_counted() {
        let uncounted: Vec<&str> = rules()
            .iter()
            .map(|rule| rule.code.as_str())
            .filter(|code| code.starts_with("tensor-") && looked_for(code).is_none())
            .collect();
        assert_eq!(
            uncounted,
            [
                "tensor-changed",
                "tensor-low-bits-change",
                "tensor-low-rank-edit",
                "tensor-shape"
            ]
        );
    }
}
