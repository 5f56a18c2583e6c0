//! The types that Probity's eBPF programs and their loader share.
#![no_std]
