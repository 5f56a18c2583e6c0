//! Comparisons: what two files differ by, and what that looks like.

mod common;
mod hostile;
mod models;
mod packages;
