//! Function libraries; the functions inside come with the `scripting` crate.
