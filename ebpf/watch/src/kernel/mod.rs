//! The kernel's side as the loader sees it: its type information, the programs, their maps.

pub mod btf;
pub mod layout;
pub mod load;
pub mod object;
pub mod probe;
pub mod programs;
pub mod security;
