//! The progress bar: bytes, rate, time left, files and current name, on a terminal's standard error only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use probity_engine::pipeline::Progress;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU64, Ordering};

/// Progress on standard error; silent when that is no terminal.
pub(crate) struct Bar {
    bar: ProgressBar,
    files: AtomicU64,
    done: AtomicU64,
}

impl Bar {
    /// A bar, or a silent one.
    pub(crate) fn new(wanted: bool) -> Self {
        let visible = wanted && std::io::stderr().is_terminal();
        let target = if visible {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template(
            "{bar:20} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left {prefix} {wide_msg}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self {
            bar,
            files: AtomicU64::new(0),
            done: AtomicU64::new(0),
        }
    }

    /// Takes the bar away.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar {
    fn planned(&self, files: u64, bytes: u64) {
        self.files.store(files, Ordering::Relaxed);
        self.bar.set_length(bytes);
    }

    fn started(&self, path: &str) {
        if !self.bar.is_hidden() {
            self.bar.set_message(path.to_owned());
        }
    }

    fn advanced(&self, n: u64) {
        self.bar.inc(n);
    }

    fn finished(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if !self.bar.is_hidden() {
            self.bar
                .set_prefix(format!("{done}/{} files", self.files.load(Ordering::Relaxed)));
        }
    }
}
