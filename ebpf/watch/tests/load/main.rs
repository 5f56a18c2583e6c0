//! Every program of the object on the running kernel, and what the backends' hooks see.

mod acts;
mod every;
mod ring;

use probity_watch::kernel::probe::WANTED;
use probity_watch::kernel::programs::Backend;

/// The backend that the machine was booted for; `None` on an ordinary host.
fn asked() -> Option<Backend> {
    std::env::var("PROBITY_VM").ok()?;
    std::env::var(WANTED).ok().and_then(|word| Backend::of_word(&word))
}
