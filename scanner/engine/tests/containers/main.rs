//! Containers over their files: packages, model repositories, images; as directories and packed.

mod common;
mod hostile;
mod image;
mod layout;
mod model;
mod names;
mod npm;
mod wheel;
