use probity_engine::pipeline::{Options, Scanner, Silent};
use std::collections::BTreeMap;
fn main() {
    let verbose = std::env::var("V").is_ok();
    let scanner = Scanner::new(Options {
        keep_ledgers: true,
        ..Options::default()
    })
    .unwrap();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut formats: BTreeMap<&str, u64> = BTreeMap::new();
    for argument in std::env::args().skip(1) {
        let root = scanner.resolve(argument.as_ref()).unwrap();
        let report = scanner.scan(&[root], None, &Silent);
        for a in &report.artifacts {
            let inside = a.nested.as_deref().unwrap_or("");
            *formats.entry(a.format).or_default() += 1;
            let mine = std::env::var("ALL").is_ok()
                || ["hdf5", "keras-config", "marshal", "pyc", "keras-yaml", "json"].contains(&a.format)
                || inside.contains(".h5");
            if !mine {
                continue;
            }
            if a.bytes.unclaimed > 0 {
                *counts.entry(format!("{} UNCLAIMED files", a.format)).or_default() += 1;
            }
            for e in &a.errors {
                println!("{argument} {inside} ERROR {} {}", e.code.as_str(), e.message);
            }
            for f in &a.findings {
                *counts
                    .entry(format!(
                        "{} {} {:?} {}",
                        a.format, f.finding.code, f.finding.case, f.severity
                    ))
                    .or_default() += 1;
                if verbose || f.severity >= probity_engine::Severity::Medium {
                    println!(
                        "{argument} {inside} [{}] {} {:?} {} {:?} {} :: {} {:x?}",
                        a.size,
                        f.finding.code,
                        f.finding.case,
                        f.severity,
                        f.finding.span,
                        f.finding.message,
                        f.finding.region,
                        &f.finding.excerpt[..f.finding.excerpt.len().min(48)]
                    );
                }
            }
            if std::env::var("MAP").is_ok()
                && let Some(l) = &a.ledger
            {
                for r in l.leaves() {
                    println!("{:?} {} {}", r.span, r.role.as_str(), r.name);
                }
            }
        }
    }
    println!("{formats:?}");
    for (k, n) in counts {
        println!("{n:6} {k}");
    }
}
